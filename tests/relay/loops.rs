//! Targets that lead back to the sidecar.

use std::cell::RefCell;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;

use crate::support::{Client, Daemon, Scratch, listener, run_in, sum};
use crate::to;

/// Sidecars of which each relays to the next one, and the last to the first.
fn circle(name: &str, listeners: &[String]) {
    let scratch = Scratch::short(name);
    let start = |n: usize| {
        let next = &listeners[(n + 1) % listeners.len()];
        let config = scratch.write(&format!("{n}.toml"), &to(next));
        Daemon::start(&["--config", &config, "--listen", &listeners[n], "--http", "127.0.0.1:0"])
    };
    let daemons: Vec<Daemon> = (0..listeners.len()).map(start).collect();
    let sums = |read: fn(&str) -> u64| daemons.iter().map(|daemon| read(&daemon.scrape())).collect::<Vec<_>>();
    let mut client = Client::connect(&listeners[0]);
    // The relay cannot add a rate to the second and the third. They go round with the first, and stop with it.
    client.send(b"jobs:1|c|#dag:a\ndepth:+1|g\ntook:1|ms:2|ms");
    daemons[0].scrape_until("the loop is found", |_| sums(looped).iter().sum::<u64>() > 0);
    let received = |exposition: &str| sum(exposition, "statsidecar_lines_total");
    let before = RefCell::new(sums(received));
    daemons[0].scrape_until("the lines stop", |_| {
        // A line needs a tenth of a second at most from one sidecar to the next, and each of them would show it again.
        thread::sleep(Duration::from_secs(1));
        let now = sums(received);
        before.replace(now.clone()) == now
    });
    let before = before.into_inner();
    assert!(before.iter().all(|lines| *lines < 10_000), "{before:?}");
    // Sidecars whose way on is not cut still relay, and none is stuck.
    client.send(b"new:1|c");
    daemons[0].scrape_with(&["new_total 1"]);
    let said = |daemon: Daemon| {
        daemon.signal("TERM");
        daemon.wait().stderr.matches("lines that are relayed there come back").count()
    };
    let said: Vec<usize> = daemons.into_iter().map(said).collect();
    assert!(said.iter().all(|times| *times <= 1) && said.contains(&1), "{said:?}");
}

#[test]
fn two_sidecars_that_relay_to_each_other_stop() {
    circle("relay-two", &[listener("unixgram"), listener("unixgram")]);
}

#[test]
fn three_sidecars_in_a_circle_stop() {
    let udp = || UdpSocket::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    circle("relay-three", &[listener("unixgram"), format!("udp://{}", udp()), format!("tcp://{}", udp())]);
}

fn looped(exposition: &str) -> u64 {
    let series = exposition.lines().filter(|line| line.starts_with("statsidecar_relay_lines_total{outcome=\"looped\""));
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// The start resolves the name of a target, because only then a loop shows.
#[test]
fn a_listener_cannot_be_a_target_by_its_host_name() {
    let scratch = Scratch::short("relay-loop-name");
    for (listener, transport) in [("127.0.0.1", "udp"), ("0.0.0.0", "tcp")] {
        // Another test may take the port before the program does.
        let is_refused = || {
            let port = match transport {
                "udp" => UdpSocket::bind("0.0.0.0:0").and_then(|free| free.local_addr()),
                _ => TcpListener::bind("0.0.0.0:0").and_then(|free| free.local_addr()),
            };
            let port = port.expect("a port").port();
            let (target, listener) =
                (format!("{transport}://localhost:{port}"), format!("{transport}://{listener}:{port}"));
            let config = scratch.write("config.toml", &to(&target));
            let ended = run_in(scratch.path(), &["--config", &config, "--listen", &listener, "--http", "127.0.0.1:0"]);
            let said = format!("cannot relay to {target}: it is this program's own listener {listener}");
            let is_taken = ended.stderr.contains("another program has this port");
            assert!(ended.code == Some(1) && (is_taken || ended.stderr.contains(&said)), "{}", ended.stderr);
            !is_taken
        };
        assert!((0..5).any(|_| is_refused()), "five ports are taken");
    }
}

/// A listener is recognized under any name of it, because its lines would circulate for ever.
#[test]
fn a_listener_cannot_be_a_target() {
    let scratch = Scratch::short("relay-loop");
    let path = scratch.file("in");
    let folder = scratch.path().display();
    symlink(scratch.path(), scratch.file("link")).expect("a link");
    let listener = format!("unixgram://{path}");
    for target in
        [format!("unixgram://{path}"), format!("unixgram://{folder}/./in"), format!("unixgram://{folder}/link/in")]
    {
        let config = scratch.write("config.toml", &to(&target));
        let ended = run_in(scratch.path(), &["--config", &config, "--listen", &listener, "--http", "127.0.0.1:0"]);
        assert_eq!(ended.code, Some(1));
        let said = format!("cannot relay to {target}: it is this program's own listener {listener}");
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    }
    // The port is very probably free on every address of this machine.
    let own = getifaddrs().expect("there are some").filter_map(|interface| {
        let address = interface.address?;
        Some(IpAddr::from(address.as_sockaddr_in()?.ip()))
    });
    for host in own {
        let port = UdpSocket::bind("0.0.0.0:0").and_then(|free| free.local_addr()).expect("a port").port();
        let (target, listener) = (format!("udp://{host}:{port}"), format!("udp://0.0.0.0:{port}"));
        let config = scratch.write("config.toml", &to(&target));
        let ended = run_in(scratch.path(), &["--config", &config, "--listen", &listener, "--http", "127.0.0.1:0"]);
        let said = format!("cannot relay to {target}: it is this program's own listener {listener}");
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    }
}
