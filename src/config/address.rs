//! Addresses of listeners and targets: `udp://127.0.0.1:8125`, `unixgram:///run/statsd.sock`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use super::diagnostic::quoted;
use super::endpoint::Endpoint;

/// A transport and an address of it, to receive lines on or to send lines to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `udp://`: datagrams of one or more lines.
    Udp(Endpoint),
    /// `tcp://`: a stream of lines.
    Tcp(Endpoint),
    /// `unixgram://`: datagrams on a Unix socket.
    Unixgram(UnixName),
    /// `unix://`: a stream of lines on a Unix socket.
    Unix(UnixName),
    /// `unix+dogstatsd://`: a stream of messages on a Unix socket, each with its length before it.
    UnixDogstatsd(UnixName),
}

/// The name of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// The absolute path of a file.
    File(String),
    /// A name in the abstract namespace of Linux, which needs no file. It is written with `@` before it.
    Abstract(String),
}

/// How a stream is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Lines, each ended by `\n`.
    Lines,
    /// Messages, each with its length before it: four bytes, little-endian.
    ///
    /// Source: <https://docs.datadoghq.com/extend/dogstatsd/unix_socket/> (`unixstream`).
    Messages,
}

/// The longest name of a Unix socket in bytes: `sun_path` without its first or last byte, which is zero.
const MAX_UNIX_NAME: usize = 107;

const KNOWN: &str = "use udp://, tcp://, unixgram://, unix:// or unix+dogstatsd://, as in udp://127.0.0.1:8125";

impl Address {
    /// The IP address and port; `None` for a Unix socket, and for a host name.
    pub(crate) fn ip(&self) -> Option<SocketAddr> {
        self.endpoint().and_then(Endpoint::ip)
    }

    /// The same address with the resolved host `to`; itself for a Unix socket.
    pub(crate) fn at(&self, to: SocketAddr) -> Self {
        match self {
            Self::Udp(_) => Self::Udp(to.into()),
            Self::Tcp(_) => Self::Tcp(to.into()),
            Self::Unixgram(_) | Self::Unix(_) | Self::UnixDogstatsd(_) => self.clone(),
        }
    }

    /// The host and port; `None` for a Unix socket.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Udp(endpoint) | Self::Tcp(endpoint) => Some(endpoint),
            Self::Unixgram(_) | Self::Unix(_) | Self::UnixDogstatsd(_) => None,
        }
    }

    /// The name of a Unix socket.
    pub(crate) fn unix(&self) -> Option<&UnixName> {
        match self {
            Self::Unixgram(name) | Self::Unix(name) | Self::UnixDogstatsd(name) => Some(name),
            Self::Udp(_) | Self::Tcp(_) => None,
        }
    }

    /// How its stream is split; `None` for datagrams.
    pub(crate) fn framing(&self) -> Option<Framing> {
        match self {
            Self::Udp(_) | Self::Unixgram(_) => None,
            Self::Tcp(_) | Self::Unix(_) => Some(Framing::Lines),
            Self::UnixDogstatsd(_) => Some(Framing::Messages),
        }
    }

    /// Whether at most one of the two can be a listener for StatsD. `[::]` can share its port with IPv4 listeners, because
    /// it then leaves IPv4 to them.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Udp(one), Self::Udp(other)) | (Self::Tcp(one), Self::Tcp(other)) => one.overlaps(other, false),
            _ => match (self.unix(), other.unix()) {
                (Some(UnixName::File(file)), Some(UnixName::File(other))) => Path::new(file) == Path::new(other),
                _ => self == other,
            },
        }
    }

    /// Whether lines that are sent to this address arrive at `listener`, as far as the addresses show it. `own` are the
    /// known addresses of this machine, without loopback.
    pub(crate) fn reaches(&self, listener: &Self, own: &[IpAddr]) -> bool {
        match (self, listener) {
            (Self::Udp(to), Self::Udp(at)) | (Self::Tcp(to), Self::Tcp(at)) => {
                let (Some(to), Some(at)) = (to.ip(), at.ip()) else { return to == at };
                let (host, bound) = (to.ip().to_canonical(), at.ip().to_canonical());
                // An IPv6 wildcard receives IPv4 packets too.
                let is_wild = bound.is_unspecified() && (bound.is_ipv6() || host.is_ipv4());
                let is_here = host.is_loopback() || own.contains(&host);
                to.port() == at.port() && to.port() != 0 && (host == bound || is_wild && is_here)
            }
            (Self::Unixgram(UnixName::File(to)), Self::Unixgram(UnixName::File(at))) => Path::new(to) == Path::new(at),
            _ => self == listener,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(endpoint) => write!(f, "udp://{endpoint}"),
            Self::Tcp(endpoint) => write!(f, "tcp://{endpoint}"),
            Self::Unixgram(name) => write!(f, "unixgram://{name}"),
            Self::Unix(name) => write!(f, "unix://{name}"),
            Self::UnixDogstatsd(name) => write!(f, "unix+dogstatsd://{name}"),
        }
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads `SCHEME://ADDRESS`. The error says what would be right.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(match text {
                // The suggestion repeats the text only if that makes a complete address.
                _ if Endpoint::parse(text, "").is_ok() => format!("the transport is missing; write udp://{text}"),
                _ if unix_name("unixgram", text).is_ok() => {
                    format!("the transport is missing; write unixgram://{text} or unix://{text}")
                }
                _ => format!("{} is not an address; {KNOWN}", quoted(text)),
            });
        };
        let examples = || format!("{scheme}://127.0.0.1:8125, {scheme}://[::1]:8125 or {scheme}://localhost:8125");
        let endpoint = || Endpoint::parse(rest, &examples());
        match scheme {
            "udp" => endpoint().map(Self::Udp),
            "tcp" => endpoint().map(Self::Tcp),
            "unixgram" => unix_name(scheme, rest).map(Self::Unixgram),
            "unix" => unix_name(scheme, rest).map(Self::Unix),
            "unix+dogstatsd" => unix_name(scheme, rest).map(Self::UnixDogstatsd),
            _ => Err(format!("the transport {} is not known; {KNOWN}", quoted(scheme))),
        }
    }
}

/// Reads `/path` or `@name`. The error says what would be right with this scheme.
fn unix_name(scheme: &str, text: &str) -> Result<UnixName, String> {
    let is_control = |c: char| c.is_control();
    let (name, len) = match text.strip_prefix('@') {
        Some(name) => (UnixName::Abstract(name.to_owned()), name.len()),
        None => (UnixName::File(text.to_owned()), text.len()),
    };
    match &name {
        UnixName::File(path) if !path.starts_with('/') || path.ends_with('/') => Err(format!(
            "{} is not the absolute path of a file; write {scheme}:///run/statsidecar/statsd.sock, or \
             {scheme}://@statsd for a name without a file",
            quoted(text)
        )),
        UnixName::Abstract(name) if name.is_empty() => Err(format!("a name is missing; write {scheme}://@statsd")),
        _ if text.contains(is_control) => {
            Err(format!("{} has a control character; use letters, digits and punctuation", quoted(text)))
        }
        _ if len > MAX_UNIX_NAME => {
            Err(format!("the name of the socket has {len} bytes; at most {MAX_UNIX_NAME} are possible"))
        }
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_read_as_it_is_written() {
        for (text, framing) in [
            ("udp://127.0.0.1:8125", None),
            ("udp://[::1]:0", None),
            ("tcp://[::]:8125", Some(Framing::Lines)),
            ("udp://statsd.default.svc:8125", None),
            ("unixgram:///run/statsd.sock", None),
            ("unixgram://@statsd", None),
            ("unix:///run/statsd.sock", Some(Framing::Lines)),
            ("unix://@a/b@c", Some(Framing::Lines)),
            ("unix+dogstatsd:///run/datadog/dsd.socket", Some(Framing::Messages)),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.framing()), (text, framing));
            assert_eq!(address.endpoint().is_some(), address.unix().is_none(), "{text}");
        }
        assert!(format!("unix:///{}", "a".repeat(106)).parse::<Address>().is_ok());
        assert!(format!("unix://@{}", "a".repeat(107)).parse::<Address>().is_ok());
    }

    #[test]
    fn a_wrong_address_gets_an_example_of_a_right_one() {
        for (text, says) in [
            ("", "\"\" is not an address; use udp://, tcp://"),
            ("127.0.0.1:1", "the transport is missing; write udp://127.0.0.1:1"),
            ("/run/x.sock", "the transport is missing; write unixgram:///run/x.sock or unix:///run/x.sock"),
            ("@x", "write unixgram://@x or unix://@x"),
            ("statsd:8125", "the transport is missing; write udp://statsd:8125"),
            ("statsd", "is not an address"),
            ("http://127.0.0.1:1", "the transport \"http\" is not known; use udp://"),
            ("UDP://127.0.0.1:1", "the transport \"UDP\" is not known"),
            ("tcp://localhost", "write tcp://127.0.0.1:8125, tcp://[::1]:8125 or tcp://localhost:8125"),
            ("tcp://127.0.0.1:65536", "the port 65536 is out of range"),
            ("unix://", "\"\" is not the absolute path of a file; write unix:///run/"),
            ("unixgram://run/x", "\"run/x\" is not the absolute path of a file; write unixgram:///run/"),
            ("unix:///run/", "is not the absolute path of a file"),
            ("unix://@", "a name is missing; write unix://@statsd"),
            ("unix:///run/a\0b", "has a control character"),
            ("unix+dogstatsd://@a\nb", "has a control character"),
            (&format!("unix:///{}", "a".repeat(107)), "has 108 bytes; at most 107 are possible"),
            (&format!("unix://@{}", "a".repeat(108)), "has 108 bytes; at most 107 are possible"),
        ] {
            let message = text.parse::<Address>().unwrap_err();
            assert!(message.contains(says), "{text:?}: {message}");
        }
    }

    #[test]
    fn a_target_that_is_a_listener_is_detected() {
        for (target, listener, reaches) in [
            ("udp://127.0.0.1:1", "udp://127.0.0.1:1", true),
            ("udp://127.0.0.1:1", "udp://127.0.0.1:2", false),
            ("udp://127.0.0.1:1", "tcp://127.0.0.1:1", false),
            ("udp://127.0.0.2:1", "udp://127.0.0.1:1", false),
            ("udp://127.0.0.2:1", "udp://0.0.0.0:1", true),
            ("tcp://127.0.0.1:1", "tcp://[::]:1", true),
            ("tcp://[::1]:1", "tcp://[::]:1", true),
            ("tcp://[::1]:1", "tcp://0.0.0.0:1", false),
            ("udp://[::ffff:127.0.0.1]:1", "udp://127.0.0.1:1", true),
            ("udp://a:1", "udp://a:1", true),
            ("udp://a:1", "tcp://a:1", false),
            ("udp://192.0.2.1:1", "udp://0.0.0.0:1", false),
            ("udp://192.0.2.2:1", "udp://0.0.0.0:1", true),
            ("udp://192.0.2.2:1", "udp://[::]:1", true),
            ("udp://192.0.2.2:1", "udp://127.0.0.1:1", false),
            ("unixgram:///a", "unixgram:///a", true),
            ("unixgram:///run/./a", "unixgram:///run//a", true),
            ("unixgram://@a", "unixgram:///a", false),
        ] {
            let [one, other] = [target, listener].map(|text| text.parse::<Address>().unwrap());
            let own = ["192.0.2.2".parse().unwrap()];
            assert_eq!(one.reaches(&other, &own), reaches, "{target} {listener}");
        }
    }

    #[test]
    fn two_listeners_overlap_if_they_share_a_port_or_a_file() {
        for (one, other, overlaps) in [
            ("udp://127.0.0.1:1", "udp://127.0.0.1:1", true),
            ("udp://127.0.0.1:0", "udp://127.0.0.1:0", false),
            ("udp://127.0.0.1:1", "tcp://127.0.0.1:1", false),
            ("udp://127.0.0.1:1", "udp://127.0.0.2:1", false),
            ("udp://0.0.0.0:1", "udp://127.0.0.2:1", true),
            ("tcp://0.0.0.0:1", "tcp://127.0.0.2:1", true),
            ("tcp://[::]:1", "tcp://[::1]:1", true),
            ("udp://[::]:1", "udp://127.0.0.1:1", false),
            ("udp://[::]:1", "udp://0.0.0.0:1", false),
            ("udp://0.0.0.0:0", "udp://127.0.0.1:0", false),
            ("unix:///a", "unixgram:///a", true),
            ("unix:///a/./b", "unix:///a//b", true),
            ("unix:///a", "unixgram:///b", false),
            ("unix://@a", "unix://@a", true),
            // Abstract names of stream and datagram sockets are separate.
            ("unix://@a", "unixgram://@a", false),
            ("unix:///@a", "unix://@a", false),
        ] {
            let [one, other] = [one, other].map(|text| text.parse::<Address>().unwrap());
            assert_eq!(one.overlaps(&other), overlaps, "{one} {other}");
            assert_eq!(other.overlaps(&one), overlaps, "{other} {one}");
        }
    }
}
