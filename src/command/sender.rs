//! A client of every transport.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketType};

use crate::config::{Address, Framing};
use crate::forward::unix_address;

/// A connected socket.
pub(super) enum Sender {
    Udp(UdpSocket),
    Unixgram(UnixDatagram),
    Stream { stream: Box<dyn Write>, framing: Framing, buffer: Vec<u8> },
}

impl Sender {
    /// Connects to `target`.
    pub(super) fn connect(target: &Address) -> io::Result<Self> {
        let stream: Box<dyn Write> = match target {
            Address::Udp(endpoint) => {
                let host = endpoint.to_string();
                let socket = host.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
                let udp = UdpSocket::bind(if socket.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
                udp.connect(socket)?;
                return Ok(Self::Udp(udp));
            }
            Address::Unixgram(name) => {
                let unixgram = UnixDatagram::unbound()?;
                net::connect(&unixgram, &unix_address(name)?)?;
                return Ok(Self::Unixgram(unixgram));
            }
            Address::Tcp(endpoint) => {
                let tcp = TcpStream::connect(endpoint.to_string())?;
                tcp.set_nodelay(true)?;
                Box::new(tcp)
            }
            Address::Unix(name) | Address::UnixDogstatsd(name) => {
                let unix = net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
                net::connect(&unix, &unix_address(name)?)?;
                Box::new(UnixStream::from(unix))
            }
        };
        let framing = target.framing().unwrap_or(Framing::Lines);
        Ok(Self::Stream { stream, framing, buffer: Vec::new() })
    }

    /// Sends the lines of one packet; gives whether the system accepted them. An error means that no packet can be sent.
    pub(super) fn send(&mut self, packet: &[u8]) -> io::Result<bool> {
        let (stream, framing, buffer) = match self {
            Self::Udp(udp) => return is_accepted(&udp.send(packet)),
            Self::Unixgram(unixgram) => return is_accepted(&unixgram.send(packet)),
            Self::Stream { stream, framing, buffer } => (stream, framing, buffer),
        };
        buffer.clear();
        match framing {
            Framing::Lines => {
                buffer.extend_from_slice(packet);
                buffer.push(b'\n');
            }
            Framing::Messages => {
                let len = u32::try_from(packet.len()).map_err(io::Error::other)?;
                buffer.extend_from_slice(&len.to_le_bytes());
                buffer.extend_from_slice(packet);
            }
        }
        stream.write_all(buffer).map(|()| true)
    }

    /// The same, but a datagram that the system does not accept is an error.
    pub(super) fn send_surely(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(udp) => udp.send(packet).map(|_| ()),
            Self::Unixgram(unixgram) => unixgram.send(packet).map(|_| ()),
            Self::Stream { .. } => self.send(packet).map(|_| ()),
        }
    }

    /// An error if the system knows already that nobody has received what was sent: the port of a datagram is closed. UDP
    /// says so at once on the same host, and never surely from another one.
    pub(super) fn delivered(&self) -> io::Result<()> {
        match self {
            Self::Udp(udp) => udp.take_error()?.map_or(Ok(()), Err),
            Self::Unixgram(_) | Self::Stream { .. } => Ok(()),
        }
    }

    /// Whether the receiver counts packets, which a stream of lines does not have.
    pub(super) fn has_packets(&self) -> bool {
        !matches!(self, Self::Stream { framing: Framing::Lines, .. })
    }
}

/// A refused datagram is no error, because the next one may be accepted; but one that is too large never is.
fn is_accepted(sent: &io::Result<usize>) -> io::Result<bool> {
    match sent {
        Err(error) if Errno::from_io_error(error) == Some(Errno::MSGSIZE) => {
            Err(io::Error::other("no datagram takes so many bytes; give --packet a smaller number"))
        }
        sent => Ok(sent.is_ok()),
    }
}
