//! The socket to a target.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, SocketAddrUnix, sockopt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixDatagram};
use tokio::time::{Instant, sleep_until, timeout};

use super::lookup::{FindLoop, lookup_target};
use super::udp_link::{UdpHost, UdpLink};
use crate::config::{Address, UnixName};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a host may acknowledge nothing until the connection counts as broken. The kernel's default is 15 minutes.
const UNANSWERED_MS: u32 = 30_000;

/// How often the relay reads from a target in one [`PAUSE`], and how many bytes at most each time. A target that answers
/// lines is never blocked by that; one that sends without end costs one percent of a processor.
const READS: u32 = 32;
const READ: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(100);

/// How long a target that talks has at the end to close its side.
const CLOSE: Duration = Duration::from_secs(1);

/// A socket that is connected to a target.
#[derive(Debug)]
pub(super) enum Link {
    Udp(UdpLink),
    Tcp(TcpStream, Heard),
    Unixgram(UnixDatagram),
}

/// What a target has sent, which is thrown away.
#[derive(Debug)]
pub(super) struct Heard {
    /// How often bytes were read since `since`.
    reads: u32,
    since: Instant,
    has_talked: bool,
}

/// What a failed packet says of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The error concerned this packet, or an earlier one; the link is of use.
    Packet,
    /// The system has no memory for packets; the link is of use after a short wait.
    Memory,
    /// A new link may be of use at once: the route or the own address has changed.
    Route,
    /// The link is broken.
    Link,
}

impl Link {
    /// Connects to `target`. A TCP target is resolved each time, and its addresses are tried in turn; the addresses of a
    /// UDP target are those of `host`.
    pub(super) async fn open(target: &Address, host: Option<&UdpHost>, find_loop: &FindLoop) -> io::Result<Self> {
        match target {
            Address::Udp(_) => {
                let host = host.ok_or(io::ErrorKind::Unsupported)?;
                host.open().await.map(Self::Udp)
            }
            Address::Tcp(endpoint) => {
                let mut failed = io::ErrorKind::AddrNotAvailable.into();
                for address in lookup_target(target, endpoint, find_loop).await? {
                    match connect_tcp(address).await {
                        Ok(tcp) => {
                            let heard = Heard { reads: 0, since: Instant::now(), has_talked: false };
                            return Ok(Self::Tcp(tcp, heard));
                        }
                        Err(error) => failed = error,
                    }
                }
                Err(failed)
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
            Self::Udp(udp) => udp.send(packet).await,
            Self::Unixgram(unixgram) => unixgram.send(packet).await.map(|_| ()),
            Self::Tcp(tcp, _) => tcp.write_all(packet).await,
        }
    }

    /// Waits until the target closes the stream, or until it breaks. Bytes from the target are read, so that it is not
    /// blocked, and thrown away. Reads are bounded, because a target that sends without end must delay nothing.
    pub(super) async fn closed(&mut self) -> io::Error {
        let Self::Tcp(tcp, heard) = self else { return future::pending().await };
        loop {
            if heard.reads >= READS {
                sleep_until(heard.since + PAUSE).await;
            }
            if heard.since.elapsed() >= PAUSE {
                (heard.reads, heard.since) = (0, Instant::now());
            }
            if let Err(error) = tcp.readable().await {
                return error;
            }
            match tcp.try_read(&mut [0; READ]) {
                Ok(0) => return io::Error::new(io::ErrorKind::ConnectionAborted, "the target closed the connection"),
                Ok(_) => {
                    heard.reads += 1;
                    heard.has_talked = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return error,
            }
        }
    }

    /// Ends the link after the last packet. Linux drops what it has not sent yet if a socket is closed while bytes of the
    /// target are unread. So what a target sends is read until it closes its side, or for [`CLOSE`] at most.
    pub(super) async fn finish(&mut self) {
        let Self::Tcp(tcp, Heard { has_talked: true, .. }) = self else { return };
        if tcp.shutdown().await.is_err() {
            return;
        }
        let _ = timeout(CLOSE, async {
            while tcp.readable().await.is_ok() {
                match tcp.try_read(&mut [0; READ]) {
                    Ok(0) => return,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                    Ok(_) | Err(_) => {}
                }
            }
        })
        .await; // the system sends the rest if it can
    }

    /// What this error of [`send`](Self::send) says of the link.
    pub(super) fn failure(&self, error: &io::Error) -> Failure {
        if !matches!(self, Self::Udp(_)) {
            return Failure::Link;
        }
        match Errno::from_io_error(error) {
            Some(Errno::NOBUFS | Errno::NOMEM) => Failure::Memory,
            // UDP reports a closed port only on the *next* send, and by then the port may be open again. A packet may be
            // too large for the route, or a firewall may reject it.
            Some(Errno::CONNREFUSED | Errno::MSGSIZE | Errno::PERM | Errno::ACCESS | Errno::INTR) => Failure::Packet,
            _ => Failure::Route,
        }
    }
}

async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = timeout(CONNECT, TcpStream::connect(address)).await??;
    // TCP can connect to itself if nobody listens on a local port.
    if tcp.local_addr()? == tcp.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    // Packets are filled already, so waiting for more bytes gains nothing.
    tcp.set_nodelay(true)?;
    sockopt::set_tcp_user_timeout(&tcp, UNANSWERED_MS)?;
    Ok(tcp)
}

/// The address of a Unix socket, as the system takes it.
pub(crate) fn unix_address(name: &UnixName) -> io::Result<SocketAddrUnix> {
    Ok(match name {
        UnixName::File(path) => SocketAddrUnix::new(path)?,
        UnixName::Abstract(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
    })
}
