//! Datagrams: a socket, and the one loop that reads it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::net::{self, AddressFamily, Shutdown, SocketFlags, SocketType, sockopt};

use super::sys::{self, Batch, Wait};
use crate::config::Address;
use crate::pipeline::Worker;
use crate::telemetry::{Listener, SocketFacts};

/// How many datagrams one call receives at most.
pub const BATCH: usize = 64;

/// A bound socket that lines come in by.
#[derive(Debug)]
pub struct Socket {
    address: Address,
    fd: OwnedFd,
    receive_buffer: usize,
    stopping: AtomicBool,
    drops: Mutex<Drops>,
}

/// The kernel's count of drops, which wraps at 2^32, carried on to a u64.
#[derive(Debug, Default)]
struct Drops {
    last: u32,
    total: u64,
}

impl Socket {
    /// Binds `address`. With `only_v6`, an IPv6 wildcard leaves IPv4 to another socket.
    ///
    /// `receive_buffer` bytes are asked of the kernel: by force where the process may (`CAP_NET_ADMIN`), else as far
    /// as `net.core.rmem_max` goes. What is there already is never made smaller.
    pub fn bind(address: &Address, only_v6: bool, receive_buffer: Option<usize>) -> io::Result<Self> {
        let family = if address.socket.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let fd = net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        if address.socket.is_ipv6() {
            // Said either way, since the default is the machine's (net.ipv6.bindv6only).
            sockopt::set_ipv6_v6only(&fd, only_v6)?;
        }
        if let Some(bytes) = receive_buffer
            && sockopt::socket_recv_buffer_size(&fd)? < bytes
            && sockopt::set_socket_recv_buffer_size_force(&fd, bytes).is_err()
        {
            sockopt::set_socket_recv_buffer_size(&fd, bytes)?;
        }
        net::bind(&fd, &address.socket)?;
        let bound = match net::getsockname(&fd)?.try_into() {
            Ok(socket) => Address { socket, ..address.clone() },
            Err(_) => address.clone(),
        };
        let receive_buffer = sockopt::socket_recv_buffer_size(&fd)?;
        Ok(Self { address: bound, fd, receive_buffer, stopping: AtomicBool::new(false), drops: Mutex::default() })
    }

    /// The address that it is bound to, with the port that the kernel chose where none was asked for.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What the kernel knows of it now.
    pub fn facts(&self) -> SocketFacts {
        let mut drops = self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(memory) = sys::memory(self.fd.as_fd()) {
            drops.total += u64::from(memory.dropped.wrapping_sub(drops.last));
            drops.last = memory.dropped;
        }
        SocketFacts { address: self.address.to_string(), dropped: drops.total, receive_buffer: self.receive_buffer }
    }

    /// Tells [`receive`] to take what the kernel has queued, and return.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Linux wakes who waits for a datagram socket that is shut down, connected or not, and then says that it is
        // not connected. What is queued can still be read.
        let _ = net::shutdown(&self.fd, Shutdown::Read);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Hands every datagram of `socket` to `worker`, until [`Socket::stop`] and then until all that was queued at that
/// moment is applied.
pub fn receive(socket: &Socket, mut worker: Worker, listener: &Listener) {
    let mut batch = Batch::new(BATCH);
    while !socket.is_stopping() {
        if let Err(error) = take(socket, &mut batch, Wait::ForOne, &mut worker, listener) {
            tracing::warn!(listener = %socket.address, %error, "receiving failed; going on");
        }
    }
    drain(socket, &mut batch, &mut worker, listener);
}

/// Reads what is queued. Senders may go on sending, so it ends at the latest when as much was read as was there: the
/// kernel charges a datagram its bytes and [`OVERHEAD`] at the least.
fn drain(socket: &Socket, batch: &mut Batch, worker: &mut Worker, listener: &Listener) {
    const OVERHEAD: usize = 256;
    let mut queued = sys::memory(socket.fd.as_fd()).map_or(usize::MAX, |memory| memory.queued as usize);
    while queued > 0 {
        match take(socket, batch, Wait::No, worker, listener) {
            Ok((packets, bytes)) => queued = queued.saturating_sub(bytes + packets * OVERHEAD),
            Err(_) => return,
        }
    }
}

/// Receives a batch and applies it; gives its packets and bytes. A signal that comes in between is no error.
fn take(
    socket: &Socket,
    batch: &mut Batch,
    wait: Wait,
    worker: &mut Worker,
    listener: &Listener,
) -> io::Result<(usize, usize)> {
    let packets = match batch.receive(socket.fd.as_fd(), wait) {
        Ok(packets) => packets,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok((0, 0)),
        Err(error) => return Err(error),
    };
    let (mut count, mut bytes) = (0, 0);
    for packet in packets {
        // A socket that is shut down gives an empty datagram that nobody sent.
        if packet.is_empty() && socket.is_stopping() {
            continue;
        }
        count += 1;
        bytes += packet.len();
        worker.packet(packet);
    }
    worker.flush(listener);
    Ok((count, bytes))
}
