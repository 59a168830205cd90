//! Stream sockets and connections of the runtime, for TCP and Unix alike.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix;

use rustix::io::retry_on_intr;
use rustix::net::{self, SocketFlags};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A socket that accepts connections.
#[derive(Debug)]
pub(super) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    /// Registers a socket that listens and is non-blocking.
    pub(super) fn new(fd: OwnedFd, is_tcp: bool) -> io::Result<Self> {
        if is_tcp {
            TcpListener::from_std(fd.into()).map(Self::Tcp)
        } else {
            UnixListener::from_std(fd.into()).map(Self::Unix)
        }
    }

    /// Waits for a connection.
    pub(super) async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Tcp(tcp) => tcp.accept().await.map(|(stream, _)| Client::Tcp(stream)),
            Self::Unix(unix) => unix.accept().await.map(|(stream, _)| Client::Unix(stream)),
        }
    }

    /// Accepts a connection that waits already, even if the runtime does not know of it yet.
    pub(super) fn accept_now(&self) -> io::Result<Client> {
        let accept =
            |fd: BorrowedFd<'_>| retry_on_intr(|| net::accept_with(fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK));
        match self {
            Self::Tcp(tcp) => TcpStream::from_std(accept(tcp.as_fd())?.into()).map(Client::Tcp),
            Self::Unix(unix) => {
                UnixStream::from_std(unix::net::UnixStream::from(accept(unix.as_fd())?)).map(Client::Unix)
            }
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Client {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Client {
    /// Waits until there may be bytes to read, or the end of the stream.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.readable().await,
            Self::Unix(unix) => unix.readable().await,
        }
    }

    /// Calls `read` unless the runtime knows that it would block.
    pub(super) fn try_read<T>(&self, read: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(tcp) => tcp.try_io(Interest::READABLE, || read(tcp.as_fd())),
            Self::Unix(unix) => unix.try_io(Interest::READABLE, || read(unix.as_fd())),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
        }
    }
}
