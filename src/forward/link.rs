//! The socket to a target.

use std::future;
use std::io;
use std::time::Duration;

use rustix::net::{self, SocketAddrUnix, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
                let udp = UdpSocket::bind(if socket.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
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
                let unixgram = UnixDatagram::unbound()?;
                net::connect(&unixgram, &unix_address(name)?)?;
                Ok(Self::Unixgram(unixgram))
            }
            Address::Unix(_) | Address::UnixDogstatsd(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Sends the whole packet, and waits until the system accepts it.
    pub(super) async fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(udp) => udp.send(packet).await.map(|_| ()),
            Self::Unixgram(unixgram) => unixgram.send(packet).await.map(|_| ()),
            Self::Tcp(tcp) => tcp.write_all(packet).await,
        }
    }

    /// Waits until the target closes the stream, or until it breaks. Bytes from the target are read and ignored.
    pub(super) async fn closed(&mut self) -> io::Error {
        let Self::Tcp(tcp) = self else { return future::pending().await };
        loop {
            match tcp.read(&mut [0; 256]).await {
                Ok(0) => return io::Error::new(io::ErrorKind::ConnectionAborted, "the target closed the connection"),
                Ok(_) => {}
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

/// The address of a Unix socket, as the system takes it.
pub(crate) fn unix_address(name: &UnixName) -> io::Result<SocketAddrUnix> {
    Ok(match name {
        UnixName::File(path) => SocketAddrUnix::new(path)?,
        UnixName::Abstract(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
    })
}
