//! Calls without a safe wrapper: `recvmmsg` into reusable buffers, the memory figures of a socket, what waits for a
//! listener, the end of what a socket takes, a descriptor that was passed, and a socket of any kind in the runtime.
//!
//! With `memory.rs` and `prefetch.rs`, this is the only file with `unsafe`; each block says why it is sound.

use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use nix::libc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::framing::MAX_MESSAGE;

/// The largest datagram that is received whole. UDP has none larger; a Unix socket may have.
const BUFFER: usize = MAX_MESSAGE;

/// The distance between two buffers. With a power of two, the beginnings of all buffers would compete for the same cache
/// lines.
const STRIDE: usize = BUFFER + 2048 + 64;

/// Buffers for the datagrams of one `recvmmsg` call.
///
/// The kernel provides memory only for the parts that datagrams have filled.
pub struct ReceiveBuffers {
    buffers: Vec<u8>,
    // These point into `buffers` and `_vectors`, which are never resized. The raw pointers make the type `!Send`.
    headers: Box<[libc::mmsghdr]>,
    /// Room for the sender of each datagram; empty if nobody asks.
    senders: Box<[SenderRoom]>,
    _vectors: Box<[libc::iovec]>,
}

impl fmt::Debug for ReceiveBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveBuffers").field("len", &self.headers.len()).finish_non_exhaustive()
    }
}

/// Room for a control message with the credentials of a sender.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct SenderRoom([u8; SENDER_ROOM]);

// SAFETY: the macro only computes a size.
const SENDER_ROOM: usize = unsafe { libc::CMSG_SPACE(mem::size_of::<libc::ucred>() as libc::c_uint) } as usize;

/// A received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Its content, as far as it fits into a buffer.
    pub bytes: &'a [u8],
    /// Whether it was larger than the buffer, so that its end is lost.
    pub is_cut: bool,
    /// The user who sent it, if the buffers have room for senders and the socket passes credentials.
    pub sender: Option<u32>,
}

/// Whether to wait for a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Waits for the first one. All that are queued by then are received.
    ForOne,
    /// Does not wait: without a datagram the error is [`io::ErrorKind::WouldBlock`].
    No,
}

impl ReceiveBuffers {
    /// Buffers for `len` datagrams.
    pub fn new(len: usize) -> Self {
        let mut buffers = vec![0; len * STRIDE];
        let mut vectors: Box<[libc::iovec]> = buffers
            .chunks_exact_mut(STRIDE)
            .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: BUFFER })
            .collect();
        let headers = vectors
            .iter_mut()
            .map(|vector| {
                // SAFETY: `mmsghdr` is integers and pointers, for which zero is a value: no name, no control data.
                let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
                header.msg_hdr.msg_iov = ptr::from_mut(vector);
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        Self { buffers, headers, senders: Box::default(), _vectors: vectors }
    }

    /// The same with room for the senders.
    pub(super) fn with_senders(mut self) -> Self {
        self.senders = vec![SenderRoom([0; SENDER_ROOM]); self.headers.len()].into();
        self
    }

    /// Tells the kernel where to write the senders. To be done before each call, because the kernel changes the length.
    fn make_room_for_senders(&mut self) {
        for (header, room) in self.headers.iter_mut().zip(&mut self.senders) {
            header.msg_hdr.msg_control = room.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = SENDER_ROOM as _;
        }
    }

    /// Receives datagrams, in order. Gives only as many, and only as many bytes, as the kernel has filled.
    pub fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        wait: Wait,
    ) -> io::Result<impl ExactSizeIterator<Item = Datagram<'_>>> {
        self.make_room_for_senders();
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::No => libc::MSG_DONTWAIT,
        };
        // SAFETY: `headers` holds as many headers as are announced; each points to one vector, which points to
        // `BUFFER` bytes of `buffers` that belong to it alone. All of it outlives the call, `&mut self` keeps others
        // away, and a null timeout is allowed.
        let received = unsafe {
            let len = self.headers.len() as libc::c_uint;
            libc::recvmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), len, flags as _, ptr::null_mut())
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        let filled = self.headers.iter().take(received);
        Ok(self.buffers.chunks_exact(STRIDE).zip(filled).map(|(buffer, header)| Datagram {
            bytes: buffer.get(..header.msg_len as usize).unwrap_or_default(),
            is_cut: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            sender: sender(&header.msg_hdr),
        }))
    }
}

/// The user who sent a datagram, if the kernel has written that.
fn sender(header: &libc::msghdr) -> Option<u32> {
    if header.msg_controllen == 0 {
        return None;
    }
    // SAFETY: `msg_control` points to the room of this datagram, of which the kernel has filled `msg_controllen` bytes.
    // The message is looked at only if the kernel says that it is the credentials and has their length.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header).as_ref()?;
        let len = libc::CMSG_LEN(mem::size_of::<libc::ucred>() as libc::c_uint) as usize;
        let is_credentials = message.cmsg_level == libc::SOL_SOCKET && message.cmsg_type == libc::SCM_CREDENTIALS;
        if !is_credentials || (message.cmsg_len as usize) < len {
            return None;
        }
        Some(ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::ucred>()).uid)
    }
}

/// The kernel's memory figures of a socket (`SO_MEMINFO`). Unlike `/proc/net`, they do not depend on the network namespace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SocketMemory {
    /// Bytes of the receive queue, including the kernel's bookkeeping.
    pub(super) queued: u32,
    /// Datagrams dropped because the queue was full; wraps at 2^32.
    pub(super) dropped: u32,
}

/// Reads the memory figures of a socket.
pub(super) fn memory(socket: BorrowedFd<'_>) -> io::Result<SocketMemory> {
    // The indexes of `SK_MEMINFO_RMEM_ALLOC` and `SK_MEMINFO_DROPS` in linux/sock_diag.h.
    const QUEUED: usize = 0;
    const DROPPED: usize = 8;
    let mut figures = [0_u32; 16];
    let mut len = mem::size_of_val(&figures) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `figures`, which has as many and takes any bits.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if result == 0 {
        Ok(SocketMemory { queued: figures[QUEUED], dropped: figures[DROPPED] })
    } else {
        Err(io::Error::last_os_error())
    }
}

/// How many connections wait to be accepted by a TCP listener.
pub(super) fn waiting(listener: BorrowedFd<'_>) -> io::Result<usize> {
    // SAFETY: `tcp_info` is integers, for which zero is a value.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `info`, which has as many and takes any bits.
    let result = unsafe {
        libc::getsockopt(listener.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut len)
    };
    // Of a listener, this field is the length of its queue, as `ss` shows it.
    if result == 0 { Ok(info.tcpi_unacked as usize) } else { Err(io::Error::last_os_error()) }
}

/// Makes a socket drop all that arrives from now on. What it has queued can still be received.
pub(super) fn refuse(socket: BorrowedFd<'_>) -> io::Result<()> {
    // A classic BPF program of one instruction, which keeps no byte of any packet.
    let mut none = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 };
    let program = libc::sock_fprog { len: 1, filter: &raw mut none };
    // SAFETY: `program` points to as many instructions as it says, and the kernel copies them during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            mem::size_of_val(&program) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// From now on the kernel reports a TCP connection as readable if it holds so many `bytes`, its end, or nearly all that it
/// has room for (`SO_RCVLOWAT`). What it holds already counts.
pub(super) fn report_from(connection: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).map_err(io::Error::other)?;
    // SAFETY: `bytes` is an integer of the length that is announced, and the kernel copies it during the call.
    let result = unsafe {
        libc::setsockopt(
            connection.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const bytes).cast(),
            mem::size_of_val(&bytes) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes the descriptor `old` one of the socket `new`. A call that waits with `old` goes on with the socket from before.
pub(super) fn replace(old: BorrowedFd<'_>, new: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both descriptors are open, and `old` stays so: it is replaced in one step.
    let result = unsafe { libc::dup3(new.as_raw_fd(), old.as_raw_fd(), libc::O_CLOEXEC) };
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A descriptor of this process's own for the open file behind the descriptor `number`, which the process that started this
/// one has passed and which is not negative. That descriptor stays open until this process ends.
pub(super) fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the borrow ends with this call. No value of this process owns the descriptor, so nothing closes it meanwhile.
    // If the number is that of another descriptor, or of none, the result is an owner of its own, or an error.
    unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()
}

/// Registers a non-blocking socket, or another descriptor, with the runtime, which then tells when it is readable.
pub(crate) fn watch(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` owns a valid descriptor, and nothing replaces or closes it while the `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn only_received_datagrams_are_given() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut batch = ReceiveBuffers::new(4);
        let mut send_and_receive = |packets: &[&[u8]], wait| {
            for packet in packets {
                sender.send_to(packet, receiver.local_addr().unwrap()).unwrap();
            }
            batch
                .receive(receiver.as_fd(), wait)
                .map(|packets| packets.map(|packet| packet.bytes.to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(send_and_receive(&[b"one", b"two", b"three", b"four"], Wait::ForOne).unwrap().len(), 4);
        assert_eq!(send_and_receive(&[b"x"], Wait::ForOne).unwrap(), [b"x"], "one packet, and no old one");
        assert_eq!(send_and_receive(&[b""], Wait::No).unwrap(), [b""]);
        assert_eq!(send_and_receive(&[], Wait::No).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let large = vec![b'a'; 65_507];
        assert_eq!(send_and_receive(&[&large], Wait::ForOne).unwrap(), [&large[..]]);
    }

    #[test]
    fn a_datagram_that_is_too_large_is_marked_as_cut() {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        let mut batch = ReceiveBuffers::new(4);
        for (len, is_cut) in [(BUFFER, false), (BUFFER + 1, true), (2, false)] {
            sender.send(&vec![b'a'; len]).unwrap();
            let received: Vec<_> = batch.receive(receiver.as_fd(), Wait::ForOne).unwrap().collect();
            assert_eq!(received, [Datagram { bytes: &vec![b'a'; len.min(BUFFER)], is_cut, sender: None }], "{len}");
        }
    }

    #[test]
    fn the_socket_counts_dropped_datagrams() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&receiver, 4096).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            sender.send_to(&[0; 1000], receiver.local_addr().unwrap()).unwrap();
        }
        let memory = memory(receiver.as_fd()).unwrap();
        let mut batch = ReceiveBuffers::new(100);
        let received = batch.receive(receiver.as_fd(), Wait::No).unwrap().count();
        assert!(received > 0 && memory.queued as usize > received * 1000, "{received}, {memory:?}");
        assert_eq!(received + memory.dropped as usize, 100);
    }

    #[test]
    fn a_socket_that_refuses_gives_what_it_had_and_no_more() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = |packet: &[u8]| sender.send_to(packet, receiver.local_addr().unwrap()).unwrap();
        send(b"before");
        refuse(receiver.as_fd()).unwrap();
        send(b"after");
        let mut batch = ReceiveBuffers::new(4);
        let received: Vec<_> =
            batch.receive(receiver.as_fd(), Wait::No).unwrap().map(|one| one.bytes.to_vec()).collect();
        assert_eq!(received, [b"before"]);
        assert!(batch.receive(receiver.as_fd(), Wait::No).is_err());
    }

    #[test]
    fn few_bytes_are_not_reported_but_an_end_and_a_full_buffer_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let is_reported = |connection: &TcpStream, wait: i64| {
            let wait = Timespec { tv_sec: wait, tv_nsec: 0 };
            poll(&mut [PollFd::new(connection, PollFlags::IN)], Some(&wait)).unwrap() > 0
        };
        let connect = || {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            client.set_nodelay(true).unwrap();
            let connection = listener.accept().unwrap().0;
            report_from(connection.as_fd(), 16_384).unwrap();
            (client, connection)
        };
        let (mut client, connection) = connect();
        client.write_all(&[0; 16_383]).unwrap();
        assert!(!is_reported(&connection, 0));
        client.write_all(&[0]).unwrap();
        assert!(is_reported(&connection, 10));

        let (mut client, connection) = connect();
        client.write_all(&[0]).unwrap();
        assert!(!is_reported(&connection, 0));
        report_from(connection.as_fd(), 1).unwrap();
        assert!(is_reported(&connection, 10));
        report_from(connection.as_fd(), 16_384).unwrap();
        assert!(!is_reported(&connection, 0));
        drop(client);
        assert!(is_reported(&connection, 10));

        let (mut client, connection) = connect();
        rustix::net::sockopt::set_socket_recv_buffer_size(&connection, 4096).unwrap();
        client.set_nonblocking(true).unwrap();
        while client.write(&[0]).is_ok() {}
        assert!(is_reported(&connection, 10), "the client must not wait");
    }

    #[test]
    fn connections_that_wait_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(waiting(listener.as_fd()).unwrap(), 0);
        let _clients: Vec<_> = (0..3).map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap()).collect();
        assert_eq!(waiting(listener.as_fd()).unwrap(), 3);
        listener.accept().unwrap();
        assert_eq!(waiting(listener.as_fd()).unwrap(), 2);
    }
}
