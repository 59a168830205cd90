//! The addresses of a host name.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};

use crate::config::{Address, Endpoint};

/// How often the name of a UDP target is resolved, and how often a failure is logged.
const REFRESH: Duration = Duration::from_secs(60);

/// The wait after a failed lookup as long as no address is known.
const RETRY: Duration = Duration::from_secs(1);

/// The addresses of `endpoint`, at least one, none twice, in the order of the system. The system's resolver blocks, so it
/// runs on a thread that nobody has to wait for.
pub(crate) async fn lookup(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = match endpoint {
        Endpoint::Ip(socket) => return Ok(vec![*socket]),
        Endpoint::Name(host, port) => (host.clone(), *port),
    };
    let (sender, found) = oneshot::channel();
    let ask = host.clone();
    thread::Builder::new().name("lookup".to_owned()).spawn(move || {
        let found = (ask.as_str(), port).to_socket_addrs();
        let _ = sender.send(found.map(|found| found.collect::<Vec<_>>())); // nobody waits any more
    })?;
    let failed = |why: &str| io::Error::other(format!("cannot resolve host {host}: {why}"));
    let mut addresses = match found.await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => {
            let error = error.to_string();
            return Err(failed(error.trim_start_matches("failed to lookup address information: ")));
        }
        Err(_) => return Err(failed("the resolver has panicked")),
    };
    let mut seen = Vec::new();
    addresses.retain(|address| {
        !seen.contains(address) && {
            seen.push(*address);
            true
        }
    });
    if addresses.is_empty() { Err(failed("it has no address")) } else { Ok(addresses) }
}

/// Finds the listener of this program that a resolved target leads to.
pub(crate) type FindLoop = Arc<dyn Fn(&Address) -> Option<Address> + Send + Sync>;

/// The addresses of a target, none of which leads back to this program.
pub(super) async fn lookup_target(
    target: &Address,
    endpoint: &Endpoint,
    find_loop: &FindLoop,
) -> io::Result<Vec<SocketAddr>> {
    let addresses = lookup(endpoint).await?;
    match addresses.iter().find_map(|to| find_loop(&target.at(*to))) {
        None => Ok(addresses),
        Some(listener) => Err(io::Error::other(format!(
            "host {endpoint} is this program's own listener {listener}, and lines would go round for ever; choose another \
             target"
        ))),
    }
}

/// Resolves the name of a target for ever, every minute, and puts what it finds into `addresses`. After a failure the old
/// addresses stay.
pub(super) async fn refresh(
    target: Address,
    endpoint: Endpoint,
    find_loop: FindLoop,
    addresses: watch::Sender<Vec<SocketAddr>>,
) {
    let mut logged: Option<Instant> = None;
    loop {
        let wait = match lookup_target(&target, &endpoint, &find_loop).await {
            Ok(found) => {
                addresses.send_if_modified(|known| std::mem::replace(known, found.clone()) != found);
                REFRESH
            }
            Err(error) => {
                if logged.is_none_or(|logged| logged.elapsed() >= REFRESH) {
                    logged = Some(Instant::now());
                    tracing::warn!(%target, %error, "cannot resolve the target; trying again");
                }
                if addresses.borrow().is_empty() { RETRY } else { REFRESH }
            }
        };
        sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn looked_up(text: &str) -> io::Result<Vec<SocketAddr>> {
        let address: Address = format!("udp://{text}").parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(lookup(address.endpoint().unwrap()))
    }

    #[test]
    fn names_have_addresses() {
        assert_eq!(looked_up("192.0.2.1:5").unwrap(), ["192.0.2.1:5".parse().unwrap()]);
        let local = looked_up("localhost:5").unwrap();
        assert!(local.contains(&SocketAddr::from((Ipv4Addr::LOCALHOST, 5))), "{local:?}");
        let wrong = looked_up("no-such-host.invalid:5").unwrap_err().to_string();
        assert!(wrong.starts_with("cannot resolve host no-such-host.invalid: "), "{wrong}");
    }
}
