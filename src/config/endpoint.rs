//! `HOST:PORT`, where the host is an IP address or a name.

use std::fmt;
use std::net::SocketAddr;

use super::diagnostic::quoted;

/// A host and a port of it. Where it is used, a name is resolved: nothing here asks the system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An IP address.
    Ip(SocketAddr),
    /// A name, in lower case, that the system resolves.
    Name(String, u16),
}

/// The longest host name, without a dot at its end. Source: RFC 1035, section 2.3.4.
const MAX_NAME: usize = 253;

impl Endpoint {
    /// The IP address and port, unless it is a name.
    pub(crate) fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(socket) => Some(*socket),
            Self::Name(..) => None,
        }
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Ip(socket) => socket.port(),
            Self::Name(_, port) => *port,
        }
    }

    /// Whether at most one of the two can be bound by one protocol. Port 0 overlaps nothing, because each bind gets
    /// another free port. A name overlaps only itself as long as it is not resolved.
    ///
    /// With `is_dual`, the wildcard `[::]` takes IPv4 too.
    pub(crate) fn overlaps(&self, other: &Self, is_dual: bool) -> bool {
        let is_same = match (self, other) {
            (Self::Ip(one), Self::Ip(other)) => {
                let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
                let takes = |wild: std::net::IpAddr, ip: std::net::IpAddr| {
                    wild.is_unspecified() && (wild.is_ipv4() == ip.is_ipv4() || is_dual && wild.is_ipv6())
                };
                ip == other_ip || takes(ip, other_ip) || takes(other_ip, ip)
            }
            _ => self == other,
        };
        is_same && self.port() == other.port() && self.port() != 0
    }

    /// Reads `HOST:PORT`. The error says that `examples` would be right.
    pub(super) fn parse(text: &str, examples: &str) -> Result<Self, String> {
        if let Ok(socket) = text.parse() {
            return Ok(Self::Ip(socket));
        }
        let wrong = || format!("{} is not a host with a port; write {examples}", quoted(text));
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = match port.parse::<u64>() {
            Ok(number) if port.starts_with(|c: char| c.is_ascii_digit()) => {
                u16::try_from(number).map_err(|_| format!("the port {port} is out of range; use 1 to 65535"))?
            }
            _ => return Err(wrong()),
        };
        if is_name(host) { Ok(Self::Name(host.to_ascii_lowercase(), port)) } else { Err(wrong()) }
    }
}

/// Whether the text is a host name. Its last part has a letter, so that a mistyped IPv4 address is none.
fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_part = |part: &str| {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&part.len()) && part.chars().all(is_inside) && !part.starts_with('-') && !part.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= MAX_NAME && name.split('.').all(is_part) && last.contains(|c: char| c.is_ascii_alphabetic())
}

impl From<SocketAddr> for Endpoint {
    fn from(socket: SocketAddr) -> Self {
        Self::Ip(socket)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(socket) => write!(f, "{socket}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name() {
        for text in
            ["127.0.0.1:1", "[::1]:0", "localhost:8125", "statsd.default.svc.:8125", "my_host-2:1", "3com.com:1"]
        {
            assert_eq!(Endpoint::parse(text, "x").map(|endpoint| endpoint.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Endpoint::parse("StatsD:1", "x"), Ok(Endpoint::Name("statsd".to_owned(), 1)));
        let long = format!("{}a:1", "a.".repeat(127));
        for text in
            ["", ":1", "a", "a:", "a:x", "a:+1", "a b:1", "a..b:1", "-a:1", "127.0.0.256:1", "1.2.3:1", "::1:1", &long]
        {
            let wrong = Endpoint::parse(text, "a:1").expect_err(text);
            assert!(wrong.ends_with(" is not a host with a port; write a:1"), "{wrong}");
        }
        assert!(Endpoint::parse("localhost:65536", "").expect_err("a port").contains("65536 is out of range"));
    }

    #[test]
    fn a_dual_stack_wildcard_takes_every_address_of_its_port() {
        for (one, other, separate, dual) in [
            ("[::]:1", "0.0.0.0:1", false, true),
            ("[::]:1", "127.0.0.1:1", false, true),
            ("[::]:1", "[::1]:1", true, true),
            ("0.0.0.0:1", "[::1]:1", false, false),
            ("0.0.0.0:1", "127.0.0.1:1", true, true),
            ("127.0.0.1:1", "[::ffff:127.0.0.1]:1", true, true),
            ("[::]:0", "0.0.0.0:0", false, false),
            ("localhost:1", "localhost:1", true, true),
            ("localhost:1", "localhost:2", false, false),
            ("localhost:1", "127.0.0.1:1", false, false),
        ] {
            let [one, other] = [one, other].map(|text| Endpoint::parse(text, "").expect("it is right"));
            for (is_dual, overlaps) in [(false, separate), (true, dual)] {
                assert_eq!(one.overlaps(&other, is_dual), overlaps, "{one} {other}");
                assert_eq!(other.overlaps(&one, is_dual), overlaps, "{other} {one}");
            }
        }
    }
}
