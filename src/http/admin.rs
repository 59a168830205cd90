//! Who gets the text of clients that `/metrics` does not show: quoted lines, and names that did not become a metric.
//!
//! A line may quote a user, and `/metrics` never shows one. So the text is served only to this machine, to clients that
//! have a password or a token, or to everybody if the config says so.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderMap};
use hyper::http::uri::Authority;

/// Who gets the text of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Whoever reaches the server: `[http] admin = true`.
    Everybody,
    /// Nobody: `[http] admin = false`.
    Nobody,
    /// Whoever gets an answer at all, because that takes a password or a token.
    Authorized,
    /// Whoever reaches the Unix socket.
    UnixSocket,
    /// Programs of this machine, because the server listens on loopback. A browser is one of them, and it runs the scripts
    /// of any site. So the request must name this machine, which a site under a name of its own cannot make it do.
    Loopback,
    /// Nobody, because others reach the server and the config does not say what they may have.
    Unsaid,
}

/// Whether one request gets the text of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminVerdict {
    /// Whether it does.
    pub served: bool,
    /// Why, or why not and what to change.
    pub why: &'static str,
}

impl Admin {
    /// What holds for a server at these addresses (none: a Unix socket), given `[http] admin` and whether an answer takes a
    /// password or a token.
    pub fn new(asked: Option<bool>, is_protected: bool, addresses: &[SocketAddr]) -> Self {
        match asked {
            Some(true) => Self::Everybody,
            Some(false) => Self::Nobody,
            None if is_protected => Self::Authorized,
            None if addresses.is_empty() => Self::UnixSocket,
            None if addresses.iter().all(|address| address.ip().to_canonical().is_loopback()) => Self::Loopback,
            None => Self::Unsaid,
        }
    }

    /// Whether a request with these headers, which may read at all, gets the text of clients.
    pub(crate) fn verdict(self, headers: &HeaderMap) -> AdminVerdict {
        let (served, why) = match self {
            Self::Everybody => (true, "[http] admin = true"),
            Self::Nobody => (false, "[http] admin = false"),
            Self::Authorized => (true, "the client has a password or a token"),
            Self::UnixSocket => (true, "the server listens on a Unix socket"),
            Self::Loopback if names_this_machine(headers) => (true, "the server listens on loopback"),
            Self::Loopback => (false, "the request names another host than localhost or a loopback address"),
            Self::Unsaid => (
                false,
                "others reach the address: set [http] users or bearer_token_file, listen on loopback, or set [http] admin = true",
            ),
        };
        AdminVerdict { served, why }
    }
}

/// Whether the host that a request names, if it names one, is this machine.
///
/// A site whose name resolves to 127.0.0.1 (DNS rebinding) has the browser send that name.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let host = authority.host();
    let ip = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match ip.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        // Browsers resolve these names to loopback themselves.
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn others_get_the_text_of_clients_only_if_the_config_says_so() {
        let at = |address: &str| [address.parse().expect("an address")];
        let (loopback, public) = (at("127.0.0.1:9102"), at("10.0.0.1:9102"));
        for (asked, is_protected, addresses, expected) in [
            (None, false, &loopback[..], Admin::Loopback),
            (None, false, &at("[::1]:9102"), Admin::Loopback),
            (None, false, &at("[::ffff:127.0.0.1]:9102"), Admin::Loopback),
            (None, false, &[], Admin::UnixSocket),
            (None, false, &public, Admin::Unsaid),
            (None, false, &at("0.0.0.0:9102"), Admin::Unsaid),
            (None, false, &at("[::]:9102"), Admin::Unsaid),
            (None, false, &[loopback[0], public[0]], Admin::Unsaid),
            (None, true, &public, Admin::Authorized),
            (Some(true), false, &public, Admin::Everybody),
            (Some(false), true, &loopback, Admin::Nobody),
        ] {
            assert_eq!(Admin::new(asked, is_protected, addresses), expected, "{asked:?} {is_protected} {addresses:?}");
        }
        let served = [Admin::Everybody, Admin::Authorized, Admin::UnixSocket, Admin::Loopback];
        for admin in served.into_iter().chain([Admin::Nobody, Admin::Unsaid]) {
            assert_eq!(admin.verdict(&HeaderMap::new()).served, served.contains(&admin), "{admin:?}");
        }
    }

    #[test]
    fn on_loopback_a_request_must_name_this_machine() {
        for (host, expected) in [
            ("127.0.0.1:9102", true),
            ("127.8.9.1", true),
            ("localhost:9102", true),
            ("LOCALHOST", true),
            ("a.localhost:9102", true),
            ("[::1]:9102", true),
            ("[::ffff:127.0.0.1]:9102", true),
            ("evil.example:9102", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil.example@127.0.0.1", true),
            ("10.0.0.1:9102", false),
            ("[::2]:9102", false),
            ("", false),
            ("a b", false),
        ] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert_eq!(Admin::Loopback.verdict(&headers).served, expected, "{host:?}");
            assert!(Admin::Everybody.verdict(&headers).served, "who asks for it gets it by any name");
        }
    }
}
