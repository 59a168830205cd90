//! The socket to a target.

use std::future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpStream, UdpSocket, UnixDatagram};
use tokio::time::timeout;

use crate::config::{Address, UnixName};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a host may acknowledge nothing until the connection counts as broken. The kernel's default is 15 minutes.
const UNANSWERED_MS: u32 = 30_000;

/// A socket that is connected to a target.
#[derive(Debug)]
pub(super) enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Unixgram(UnixDatagram),
}

impl Link {
    /// Connects to `target`.
    pub(super) async fn open(target: &Address) -> io::Result<Self> {
        match target {
            Address::Udp(socket) => {
                let any: SocketAddr = match socket {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let udp = UdpSocket::bind(any).await?;
                udp.connect(*socket).await?;
                Ok(Self::Udp(udp))
            }
            Address::Tcp(socket) => {
                let tcp = timeout(CONNECT, TcpStream::connect(*socket)).await??;
                // TCP can connect to itself if nobody listens on a local port.
                if tcp.local_addr()? == tcp.peer_addr()? {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                // Packets are filled already, so waiting for more bytes gains nothing.
                tcp.set_nodelay(true)?;
                sockopt::set_tcp_user_timeout(&tcp, UNANSWERED_MS)?;
                Ok(Self::Tcp(tcp))
            }
            Address::Unixgram(name) => {
                let name = match name {
                    UnixName::File(path) => unix::net::SocketAddr::from_pathname(path)?,
                    UnixName::Abstract(name) => unix::net::SocketAddr::from_abstract_name(name)?,
                };
                let socket = unix::net::UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                socket.connect_addr(&name)?;
                UnixDatagram::from_std(socket).map(Self::Unixgram)
            }
            Address::Unix(_) | Address::UnixDogstatsd(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Sends the whole packet, and waits until the system accepts it.
    pub(super) async fn send(&self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(udp) => udp.send(packet).await.map(|_| ()),
            Self::Unixgram(unixgram) => unixgram.send(packet).await.map(|_| ()),
            Self::Tcp(tcp) => {
                let mut rest = packet;
                while !rest.is_empty() {
                    tcp.writable().await?;
                    match tcp.try_write(rest) {
                        Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        }
    }

    /// Waits until the target closes the stream, or until it breaks. Bytes from the target are read and ignored.
    pub(super) async fn closed(&self) -> io::Error {
        let Self::Tcp(tcp) = self else { return future::pending().await };
        loop {
            if let Err(error) = tcp.readable().await {
                return error;
            }
            match tcp.try_read(&mut [0; 256]) {
                Ok(0) => return io::Error::new(io::ErrorKind::ConnectionAborted, "the target closed the connection"),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return error,
            }
        }
    }

    /// Whether the link is still of use after this error of [`send`](Self::send). UDP reports a closed port only on the
    /// *next* send, and by then the port may be open again.
    pub(super) fn survives(&self, error: &io::Error) -> bool {
        matches!(self, Self::Udp(_)) && error.kind() == io::ErrorKind::ConnectionRefused
    }
}
