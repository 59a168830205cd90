//! Clients of every transport.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixDatagram, UnixStream};

use super::PATIENCE;

/// The sending end of any listener.
pub enum Client {
    /// Datagrams over UDP.
    Udp(UdpSocket),
    /// Datagrams over a Unix socket.
    Unixgram(UnixDatagram),
    /// A stream of lines over TCP.
    Tcp(TcpStream),
    /// A stream of lines over a Unix socket.
    Unix(UnixStream),
}

impl Client {
    /// Connects to a listener by its address, in the form of [`Daemon::listeners`].
    pub fn connect(listener: &str) -> Self {
        let (scheme, address) = listener.split_once("://").expect("a listener has a transport");
        let unix = || match address.strip_prefix('@') {
            Some(name) => std::os::unix::net::SocketAddr::from_abstract_name(name),
            None => std::os::unix::net::SocketAddr::from_pathname(address),
        };
        match scheme {
            "udp" => {
                let from = if address.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" };
                let udp = UdpSocket::bind(from).expect("a port");
                udp.connect(address).expect("an address");
                Self::Udp(udp)
            }
            "tcp" => Self::Tcp(TcpStream::connect(address).expect("it accepts")),
            "unixgram" => {
                let unixgram = UnixDatagram::unbound().expect("a socket");
                unixgram.connect_addr(&unix().expect("a name")).expect("it is bound");
                Self::Unixgram(unixgram)
            }
            _ => Self::Unix(UnixStream::connect_addr(&unix().expect("a name")).expect("it accepts")),
        }
    }

    /// Sends a datagram. On a stream, sends the same lines with an end behind the last. Returns the number of bytes
    /// sent.
    pub fn send(&mut self, datagram: &[u8]) -> usize {
        let end: &[u8] = if datagram.ends_with(b"\n") { b"" } else { b"\n" };
        let sent = match self {
            Self::Udp(udp) => udp.send(datagram),
            Self::Unixgram(unixgram) => unixgram.send(datagram),
            Self::Tcp(_) | Self::Unix(_) => {
                self.write(&[datagram, end].concat());
                return datagram.len() + end.len();
            }
        };
        assert_eq!(sent.expect("it is taken"), datagram.len());
        datagram.len()
    }

    /// Waits until the other side has closed the connection.
    pub fn wait_for_end(&mut self) {
        let mut byte = [0];
        let read = match self {
            Self::Tcp(tcp) => tcp.set_read_timeout(Some(PATIENCE)).and_then(|()| tcp.read(&mut byte)),
            Self::Unix(unix) => unix.set_read_timeout(Some(PATIENCE)).and_then(|()| unix.read(&mut byte)),
            Self::Udp(_) | Self::Unixgram(_) => panic!("this is no stream"),
        };
        match read {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            // The system does not restart a read that has a time limit.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.wait_for_end(),
            other => panic!("the connection has not ended: {other:?}"),
        }
    }

    /// Writes bytes to a stream unchanged.
    pub fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).expect("it is taken");
    }

    /// The same, for a stream that the other side may close.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.write_all(bytes),
            Self::Unix(unix) => unix.write_all(bytes),
            Self::Udp(_) | Self::Unixgram(_) => panic!("this is no stream"),
        }
    }
}
