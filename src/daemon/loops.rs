//! Finds relay targets that would send lines back to this sidecar.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::{fs, io};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};

use crate::config::{Address, UnixName};

/// The first of `targets` that leads to one of the bound `listeners`, with that listener.
pub(super) fn find<'a>(
    targets: impl IntoIterator<Item = &'a Address>,
    listeners: &'a [Address],
) -> io::Result<Option<(&'a Address, &'a Address)>> {
    let mut targets = targets.into_iter().peekable();
    if targets.peek().is_none() {
        return Ok(None);
    }
    let own: Vec<IpAddr> = getifaddrs()?.filter_map(ip).collect();
    let pairs = targets.flat_map(|target| listeners.iter().map(move |listener| (target, listener)));
    let mut loops = pairs.filter(|(target, listener)| target.reaches(listener, &own) || is_same_file(target, listener));
    Ok(loops.next())
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
