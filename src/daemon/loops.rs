//! Finds relay targets that would send lines back to this sidecar.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use tokio::time::timeout;

use super::error::Error;
use crate::config::{Address, UnixName};
use crate::forward::{FindLoop, lookup};
use crate::mapping::RelayFilter;
use crate::sync::Mutex;

/// How long the start waits for the addresses of one target. The relay looks for loops again when it resolves a name.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is needed to find loops: the bound listeners, and the addresses of this machine without loopback.
#[derive(Default)]
pub(super) struct Loops {
    listeners: Vec<Address>,
    own: Vec<IpAddr>,
}

/// The loops that the relay is asked about, which a reload replaces.
#[derive(Clone, Default)]
pub(super) struct SharedLoops(Arc<Mutex<Arc<Loops>>>);

impl SharedLoops {
    pub(super) fn set(&self, loops: Loops) {
        *self.0.lock() = loops.into();
    }

    /// What finds the listener that a target leads to.
    pub(super) fn finder(&self) -> FindLoop {
        let shared = Self::clone(self);
        Arc::new(move |target| {
            let loops = Arc::clone(&shared.0.lock());
            loops.find(target).cloned()
        })
    }
}

/// The loops of these listeners. An error if a target of the relay is one.
pub(super) async fn check(listeners: &[Address], filters: &[RelayFilter]) -> Result<Loops, Error> {
    // `check` compares the targets with the config's listeners only. The command line may add listeners, the kernel
    // chooses ports, and a host has several addresses.
    if filters.is_empty() {
        return Ok(Loops::default());
    }
    let loops = Loops::new(listeners).map_err(|error| Error::System("list its addresses", error))?;
    for filter in filters {
        if let Some(listener) = loops.find_by_name(&filter.target).await {
            return Err(Error::Loop(filter.target.clone(), listener.clone()));
        }
    }
    Ok(loops)
}

impl Loops {
    fn new(listeners: &[Address]) -> io::Result<Self> {
        Ok(Self { listeners: listeners.to_vec(), own: getifaddrs()?.filter_map(ip).collect() })
    }

    /// The listener that `target`, whose name is resolved, leads to.
    fn find(&self, target: &Address) -> Option<&Address> {
        let mut listeners = self.listeners.iter();
        listeners.find(|listener| target.reaches(listener, &self.own) || is_same_file(target, listener))
    }

    /// The same for a target that may have a name. A name that cannot be resolved now leads nowhere.
    async fn find_by_name(&self, target: &Address) -> Option<&Address> {
        let Some(endpoint) = target.endpoint() else { return self.find(target) };
        let addresses = timeout(PATIENCE, lookup(endpoint)).await.ok()?.ok()?;
        addresses.into_iter().find_map(|to| self.find(&target.at(to)))
    }
}

fn ip(interface: InterfaceAddress) -> Option<IpAddr> {
    let address = interface.address?;
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(v4.ip().into()),
        (_, Some(v6)) => Some(v6.ip().into()),
        _ => None,
    }
}

/// Whether two Unix sockets are the same file, even by different paths.
fn is_same_file(one: &Address, other: &Address) -> bool {
    let file = |address: &Address| match address.unix() {
        Some(UnixName::File(path)) => fs::metadata(path).ok().map(|file| (file.dev(), file.ino())),
        _ => None,
    };
    file(one).is_some_and(|one| file(other) == Some(one))
}
