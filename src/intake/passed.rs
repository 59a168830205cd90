//! Sockets that the service manager has made and passes to this process, and the end of a wait for their datagrams.
//!
//! The manager keeps these sockets open. What clients send while no process reads is queued in the kernel for the next one.
//! So nothing that outlasts this process may be done to them: neither a shutdown nor a filter.
//!
//! Source: `sd_listen_fds(3)`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::net::{SocketAddrUnix, SocketType, getsockname, sockopt};

use super::sys;
use crate::config::{Address, UnixName};

/// The sockets that were passed and that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct PassedSockets(Vec<PassedSocket>);

/// A socket that was passed.
#[derive(Debug)]
struct PassedSocket {
    fd: OwnedFd,
    /// The number of the manager's descriptor.
    number: RawFd,
    /// What the manager calls it (`FileDescriptorName=`).
    name: String,
    /// Where it is bound. A stream of a Unix socket is always [`Address::Unix`], whatever its framing.
    address: Address,
}

impl PassedSockets {
    /// Those that the environment announces to this process; and the descriptor called `kept`, which is no socket.
    pub(crate) fn from_environment(kept: &str) -> io::Result<(Self, Option<OwnedFd>)> {
        let (mut sockets, mut file) = (Vec::new(), None);
        for (number, name) in sd_notify::listen_fds_with_names()? {
            if name == kept {
                file = Some(sys::duplicate(number)?);
            } else {
                sockets.push(PassedSocket::new(number, name)?);
            }
        }
        Ok((Self(sockets), file))
    }

    /// Takes the socket that is bound to `address`.
    pub(crate) fn take(&mut self, address: &Address) -> Option<OwnedFd> {
        let at = self.0.iter().position(|socket| socket.is_for(address))?;
        Some(self.0.swap_remove(at).fd)
    }

    /// What the operator needs to know of the sockets that nobody has taken, one text each.
    pub(crate) fn left(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|PassedSocket { number, name, address, .. }| {
            format!("{address} (descriptor {number}, named {name:?})")
        })
    }
}

impl PassedSocket {
    fn new(number: RawFd, name: String) -> io::Result<Self> {
        let opened = sys::duplicate(number).and_then(|fd| Ok((address(fd.as_fd())?, fd)));
        let (address, fd) =
            opened.map_err(|error| io::Error::other(format!("descriptor {number}, named {name:?}: {error}")))?;
        Ok(Self { fd, number, name, address })
    }

    fn is_for(&self, listener: &Address) -> bool {
        let is_stream = |address: &Address| address.framing().is_some();
        // An IPv6 address may have a scope, which is no part of its text.
        let place = |address: &Address| address.ip().map(|ip| (ip.ip(), ip.port()));
        let is_same_name = match (self.address.unix(), listener.unix()) {
            (Some(UnixName::File(bound)), Some(UnixName::File(path))) => Path::new(bound) == Path::new(path),
            (bound, name) => bound == name,
        };
        is_stream(&self.address) == is_stream(listener) && place(&self.address) == place(listener) && is_same_name
    }
}

/// Where a socket is bound that this process can receive from, or accept from.
fn address(fd: BorrowedFd<'_>) -> io::Result<Address> {
    let kind = sockopt::socket_type(fd)?;
    if kind == SocketType::STREAM && !sockopt::socket_acceptconn(fd)? {
        return Err(io::Error::other(
            "it is a connection, and no socket that listens; set Accept=no in the socket unit",
        ));
    }
    let bound = getsockname(fd)?;
    let unsupported =
        || io::Error::other("only sockets of UDP, of TCP, and Unix sockets of datagrams or streams are read");
    if let Ok(socket) = SocketAddr::try_from(bound.clone()) {
        return match kind {
            SocketType::DGRAM => Ok(Address::Udp(socket.into())),
            SocketType::STREAM => Ok(Address::Tcp(socket.into())),
            _ => Err(unsupported()),
        };
    }
    let unix = SocketAddrUnix::try_from(bound).map_err(|_| unsupported())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = match (unix.path_bytes(), unix.abstract_name()) {
        (Some(path), _) => UnixName::File(text(path)),
        (None, Some(name)) => UnixName::Abstract(text(name)),
        (None, None) => return Err(io::Error::other("the socket has no name, so nobody can send to it")),
    };
    match kind {
        SocketType::DGRAM => Ok(Address::Unixgram(name)),
        SocketType::STREAM => Ok(Address::Unix(name)),
        _ => Err(unsupported()),
    }
}

/// Wakes the threads that wait for datagrams of a passed socket. To shut it down would wake them too, and would last.
#[derive(Debug)]
pub(super) struct Wakeup(OwnedFd);

impl Wakeup {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Ends every wait, now and later.
    pub(super) fn wake(&self) {
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes()); // it fails only where an earlier one has succeeded
    }

    /// Waits until `socket` has a datagram, or until [`wake`](Self::wake). It may end earlier.
    pub(super) fn wait_for(&self, socket: BorrowedFd<'_>) {
        let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN), PollFd::new(&self.0, PollFlags::IN)];
        // A signal is an error, and the caller looks and waits again.
        let _ = poll(&mut fds, None);
    }
}
