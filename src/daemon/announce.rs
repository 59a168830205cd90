//! The start message on the standard output: the addresses, and a command to try.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::{Address, Endpoint, HttpAddress, UnixName};

/// Prints every address, and a command to try.
pub(super) fn announce(listeners: &[Address], http: &HttpAddress, is_tls: bool) -> io::Result<()> {
    let scheme = if is_tls { "https" } else { "http" };
    let mut out = io::stdout().lock();
    for listener in listeners {
        writeln!(out, "listening for StatsD on {listener}")?;
    }
    match http {
        HttpAddress::Tcp(endpoint) => writeln!(out, "serving metrics on {scheme}://{endpoint}/metrics")?,
        HttpAddress::Unix(_) => writeln!(out, "serving metrics on {http}, path /metrics")?,
    }
    if let Some(listener) = listeners.first() {
        writeln!(out, "try: {}", client(listener))?;
        writeln!(out, "     {} | grep jobs", scraper(http, scheme))?;
    }
    out.flush()
}

/// A shell command that scrapes `http`.
fn scraper(http: &HttpAddress, scheme: &str) -> String {
    match http {
        HttpAddress::Unix(UnixName::File(path)) => {
            format!("curl -s --unix-socket {} {scheme}://localhost/metrics", quoted(path))
        }
        HttpAddress::Unix(UnixName::Abstract(name)) => {
            format!("curl -s --abstract-unix-socket {} {scheme}://localhost/metrics", quoted(name))
        }
        HttpAddress::Tcp(endpoint) => match endpoint.ip() {
            Some(ip) => format!("curl -s {scheme}://{}/metrics", SocketAddr::new(reachable(ip), ip.port())),
            None => format!("curl -s {scheme}://{endpoint}/metrics"),
        },
    }
}

/// A shell command that sends a line to `listener`.
fn client(listener: &Address) -> String {
    const LINE: &str = "printf 'jobs.done:3|c\\n'";
    // The length of the message, 14 bytes (octal 16), comes first.
    const MESSAGE: &str = "printf '\\016\\000\\000\\000jobs.done:3|c\\n'";
    let ip = |endpoint: &Endpoint, options: &str| {
        // A listener is bound, so its name is resolved.
        let Some(socket) = endpoint.ip() else { return LINE.to_owned() };
        let v6 = if socket.is_ipv6() { "-6 " } else { "" };
        format!("{LINE} | nc {v6}{options} {} {}", reachable(socket), socket.port())
    };
    let unix = |line: &str, name: &UnixName, options: &str, socat: &str| match name {
        UnixName::File(path) => format!("{line} | nc {options} {}", quoted(path)),
        UnixName::Abstract(name) => format!("{line} | socat - {}", quoted(&format!("{socat}:{name}"))),
    };
    match listener {
        Address::Udp(socket) => ip(socket, "-u -w1"),
        Address::Tcp(socket) => ip(socket, "-N"),
        Address::Unixgram(name) => unix(LINE, name, "-uU -w1", "ABSTRACT-SENDTO"),
        Address::Unix(name) => unix(LINE, name, "-NU", "ABSTRACT-CONNECT"),
        Address::UnixDogstatsd(name) => unix(MESSAGE, name, "-NU", "ABSTRACT-CONNECT"),
    }
}

/// A word, quoted for the shell if necessary.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The address by which this machine reaches `socket`, which may be bound to every address.
pub(super) fn reachable(socket: SocketAddr) -> IpAddr {
    match socket {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_http_address;

    #[test]
    fn every_kind_of_listener_has_a_command() {
        for (listener, command) in [
            ("udp://0.0.0.0:1", "printf 'jobs.done:3|c\\n' | nc -u -w1 127.0.0.1 1"),
            ("udp://[::]:1", "printf 'jobs.done:3|c\\n' | nc -6 -u -w1 ::1 1"),
            ("tcp://127.0.0.1:1", "printf 'jobs.done:3|c\\n' | nc -N 127.0.0.1 1"),
            ("unixgram:///run/it's.sock", "printf 'jobs.done:3|c\\n' | nc -uU -w1 '/run/it'\\''s.sock'"),
            ("unix:///run/a.sock", "printf 'jobs.done:3|c\\n' | nc -NU /run/a.sock"),
            ("unix://@a", "printf 'jobs.done:3|c\\n' | socat - ABSTRACT-CONNECT:a"),
            ("unixgram://@a", "printf 'jobs.done:3|c\\n' | socat - ABSTRACT-SENDTO:a"),
            ("unix+dogstatsd:///a", "printf '\\016\\000\\000\\000jobs.done:3|c\\n' | nc -NU /a"),
        ] {
            assert_eq!(client(&listener.parse().unwrap()), command);
        }
        for (http, command) in [
            ("0.0.0.0:1", "curl -s http://127.0.0.1:1/metrics"),
            ("unix:///run/a b", "curl -s --unix-socket '/run/a b' http://localhost/metrics"),
            ("unix://@a", "curl -s --abstract-unix-socket a http://localhost/metrics"),
        ] {
            assert_eq!(scraper(&parse_http_address(http).unwrap(), "http"), command);
        }
        assert_eq!("jobs.done:3|c\n".len(), 0o16, "the length before the message");
    }
}
