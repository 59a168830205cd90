//! Where `/metrics` is served: `127.0.0.1:9102`, `unix:///run/statsidecar/http.sock`.

use std::fmt;
use std::net::SocketAddr;

use super::address::{Address, UnixName};
use super::endpoint::Endpoint;

/// `[http] listen`: where metrics are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpAddress {
    /// A host and a port, by TCP.
    Tcp(Endpoint),
    /// A Unix socket.
    Unix(UnixName),
}

impl HttpAddress {
    /// The IP address and port; `None` for a host name, and for a Unix socket.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(endpoint) => endpoint.ip(),
            Self::Unix(_) => None,
        }
    }

    /// The address of a listener for StatsD that would have the same Unix socket.
    pub(crate) fn unix(&self) -> Option<Address> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(name) => Some(Address::Unix(name.clone())),
        }
    }

    /// Whether metrics cannot be served here beside this listener. `[::]` takes IPv4 here, because the two do not know of
    /// each other when they are bound.
    pub(super) fn overlaps(&self, listener: &Address) -> bool {
        match (self, listener) {
            (Self::Tcp(http), Address::Tcp(endpoint)) => endpoint.overlaps(http, true),
            (Self::Tcp(_), _) => false,
            (Self::Unix(name), _) => Address::Unix(name.clone()).overlaps(listener),
        }
    }

    /// What it shares with a listener that it overlaps.
    pub(super) fn shared(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "port",
            Self::Unix(_) => "socket",
        }
    }
}

impl From<SocketAddr> for HttpAddress {
    fn from(socket: SocketAddr) -> Self {
        Self::Tcp(socket.into())
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(endpoint) => endpoint.fmt(f),
            Self::Unix(name) => write!(f, "unix://{name}"),
        }
    }
}

/// Reads the address of /metrics. The error says what would be right.
pub(crate) fn parse_http_address(text: &str) -> Result<HttpAddress, String> {
    if text.starts_with("unix://") {
        return match text.parse()? {
            Address::Unix(name) => Ok(HttpAddress::Unix(name)),
            other => Err(format!("{other} cannot serve /metrics; write unix:///run/statsidecar/http.sock")),
        };
    }
    let examples = "127.0.0.1:9102, [::1]:9102, localhost:9102 or unix:///run/statsidecar/http.sock";
    Endpoint::parse(text, examples).map(HttpAddress::Tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["127.0.0.1:9102", "[::1]:0", "localhost:9102", "unix:///run/http.sock", "unix://@http"] {
            assert_eq!(parse_http_address(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
        for (text, says) in [
            ("unix://", "is not the absolute path of a file"),
            ("unixgram:///a", "is not a host with a port; write 127.0.0.1:9102"),
            ("/run/a.sock", "or unix:///run/statsidecar/http.sock"),
        ] {
            let wrong = parse_http_address(text).expect_err(text);
            assert!(wrong.contains(says), "{wrong}");
        }
    }

    #[test]
    fn one_socket_is_not_for_lines_and_metrics_both() {
        for (http, listener, overlaps) in [
            ("127.0.0.1:1", "tcp://127.0.0.1:1", true),
            ("127.0.0.1:1", "udp://127.0.0.1:1", false),
            ("unix:///a", "unix:///a", true),
            ("unix:///a/./b", "unixgram:///a//b", true),
            ("unix:///a", "unix:///b", false),
            ("unix://@a", "unix://@a", true),
            ("unix://@a", "tcp://127.0.0.1:1", false),
        ] {
            let http = parse_http_address(http).expect("it is right");
            assert_eq!(http.overlaps(&listener.parse().expect("it is right")), overlaps, "{http} {listener}");
        }
    }
}
