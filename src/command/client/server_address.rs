//! Where a running sidecar serves HTTP.

use hyper::Uri;
use std::fmt;

use crate::config::{HttpAddress, UnixName, parse_http_address};

/// Where a running sidecar serves HTTP.
#[derive(Debug, PartialEq)]
pub(super) enum ServerAddress {
    Tcp { host: String, port: u16, is_tls: bool },
    Unix(UnixName),
}

impl ServerAddress {
    /// Reads an address. The error says what would be right.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        const RIGHT: &str = "write http://HOST:PORT, https://HOST:PORT or unix:///PATH";
        if url.starts_with("unix://") {
            return match parse_http_address(url) {
                Ok(HttpAddress::Unix(name)) => Ok(Self::Unix(name)),
                Ok(HttpAddress::Tcp(_)) => Err(format!("{url:?}: {RIGHT}")),
                Err(why) => Err(why),
            };
        }
        let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = whole.parse().map_err(|error| format!("{url:?}: {error}; {RIGHT}"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(format!("{url:?}: {RIGHT}")),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let Some(host) = authority.map(|authority| authority.host()).filter(|host| !host.is_empty()) else {
            return Err(format!("{url:?}: {RIGHT}"));
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(format!("{url:?}: leave out {:?}; the command adds the path", uri.path()));
        }
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        // A literal of IPv6 has brackets in a URL, and none where it is resolved.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self::Tcp { host, port, is_tls })
    }

    /// The value of the header `Host`.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(name) => write!(f, "unix://{name}"),
            Self::Tcp { is_tls, .. } => write!(f, "{}://{}", if *is_tls { "https" } else { "http" }, self.host()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written_in_a_browser_or_a_config() {
        let tcp = |host: &str, port, is_tls| Ok(ServerAddress::Tcp { host: host.to_owned(), port, is_tls });
        assert_eq!(ServerAddress::parse("http://127.0.0.1:9102"), tcp("127.0.0.1", 9102, false));
        assert_eq!(ServerAddress::parse("http://localhost/"), tcp("localhost", 80, false));
        assert_eq!(ServerAddress::parse("127.0.0.1:9102"), tcp("127.0.0.1", 9102, false));
        assert_eq!(ServerAddress::parse("https://metrics.example"), tcp("metrics.example", 443, true));
        assert_eq!(ServerAddress::parse("https://[::1]:9102"), tcp("::1", 9102, true));
        assert_eq!(
            ServerAddress::parse("unix:///run/a.sock"),
            Ok(ServerAddress::Unix(UnixName::File("/run/a.sock".into())))
        );
        assert_eq!(
            ServerAddress::parse("[::1]:9102").map(|target| target.to_string()),
            Ok("http://[::1]:9102".to_owned())
        );
    }

    #[test]
    fn a_wrong_address_gets_an_example_of_a_right_one() {
        for url in ["", "ftp://a", "http://", "http://user:password@host", "udp://127.0.0.1:1"] {
            assert!(ServerAddress::parse(url).is_err_and(|why| why.contains("write http://HOST:PORT")), "{url}");
        }
        assert!(ServerAddress::parse("http://a/metrics").is_err_and(|why| why.contains("leave out \"/metrics\"")));
    }
}
