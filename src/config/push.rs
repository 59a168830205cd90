//! `[[otlp]]` and `[[remote_write]]` as structs: where the metrics are pushed to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;

/// Names and values: of headers, attributes or labels.
pub type PushPairs = Vec<(Spanned<String>, Spanned<String>)>;

/// `[[otlp]]` and `[[remote_write]]`: what both kinds of receivers have.
#[derive(Clone, Debug, PartialEq)]
pub struct PushConfig {
    /// `url`: the whole URL that requests are posted to.
    pub url: PushUrl,
    /// `interval`: how often all series are pushed.
    pub interval: Duration,
    /// `timeout`: how long the receiver may take to answer.
    pub timeout: Duration,
    /// `queue`: the bytes of requests that may wait; beyond that the oldest are dropped.
    pub queue: usize,
    /// `headers`: further headers of each request.
    pub headers: PushPairs,
    /// `basic_auth`: a user with a password.
    pub basic_auth: Option<BasicAuth>,
    /// `bearer_token_file`: a file with a token, which is read for each request.
    pub bearer_token_file: Option<String>,
    /// `tls`: what TLS trusts and shows.
    pub tls: PushTls,
}

impl PushConfig {
    /// The defaults for a receiver at `url`.
    pub fn new(url: PushUrl) -> Self {
        Self {
            url,
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            queue: 16 << 20,
            headers: PushPairs::new(),
            basic_auth: None,
            bearer_token_file: None,
            tls: PushTls::default(),
        }
    }
}

/// A user with a password. The environment can give the password (`${NAME}`), and so can a file.
#[derive(Clone, PartialEq)]
pub struct BasicAuth {
    /// The name.
    pub username: String,
    /// The password.
    pub password: PushPassword,
}

/// Where a password is.
#[derive(Clone, PartialEq)]
pub enum PushPassword {
    /// Here.
    Text(String),
    /// In a file, which is read for each request.
    File(String),
}

impl fmt::Debug for BasicAuth {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The files for TLS, in PEM form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushTls {
    /// The certificates to trust instead of those of the system.
    pub ca: Option<String>,
    /// The certificate chain of this client and its key.
    pub client: Option<(String, String)>,
}

/// One `[[otlp]]`: a receiver of OTLP over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpConfig {
    /// How it is reached.
    pub to: PushConfig,
    /// `compression`: how requests are compressed.
    pub compression: PushCompression,
    /// `resource`: attributes of the resource.
    pub resource: PushPairs,
}

impl OtlpConfig {
    /// The defaults for a receiver at `url`.
    pub fn new(url: PushUrl) -> Self {
        Self { to: PushConfig::new(url), compression: PushCompression::default(), resource: PushPairs::new() }
    }
}

/// `[[otlp]] compression`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum PushCompression {
    /// `"gzip"`.
    #[default]
    Gzip,
    /// `"none"`.
    None,
}

/// One `[[remote_write]]`: a receiver of Prometheus remote write.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteWriteConfig {
    /// How it is reached.
    pub to: PushConfig,
    /// `labels`: labels of every series that has no such label itself. `job` and `instance` are added; an empty one is left
    /// out.
    pub labels: PushPairs,
}

/// The URL of a receiver: `http://HOST[:PORT]/PATH` or `https://...`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushUrl {
    /// Whether the scheme is `https`.
    pub is_tls: bool,
    /// The host without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path and the query; it begins with `/`.
    pub path: String,
    /// As it was written.
    written: String,
}

impl FromStr for PushUrl {
    type Err = String;

    /// The error says what would be right.
    fn from_str(written: &str) -> Result<Self, String> {
        const RIGHT: &str = "write http://HOST:PORT/PATH or https://HOST/PATH";
        let (is_tls, rest) = match written.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(format!("it has no http:// or https:// before the host; {RIGHT}")),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("a user does not belong into a URL; use basic_auth".to_owned());
        }
        if !written.bytes().all(|b| b.is_ascii_graphic()) || written.contains('#') {
            return Err(format!("it has a character that no URL has; {RIGHT}"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(format!("the host is missing; {RIGHT}"));
        }
        let port = match port {
            None => Some(if is_tls { 443 } else { 80 }),
            Some(port) => port.parse().ok().filter(|port| *port > 0),
        };
        let port = port.ok_or_else(|| format!("the port is not a number from 1 to 65535; {RIGHT}"))?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { is_tls, host: host.to_owned(), port, path, written: written.to_owned() })
    }
}

impl PushUrl {
    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        let rest = self.written.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or_default()
    }
}

impl fmt::Display for PushUrl {
    /// Without the query, which may have a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.written.split('?').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_a_port_and_a_path() {
        for (written, is_tls, host, port, path, authority) in [
            ("http://a:9090/api/v1/write", false, "a", 9090, "/api/v1/write", "a:9090"),
            ("https://a.b/w?x=y", true, "a.b", 443, "/w?x=y", "a.b"),
            ("http://[::1]:1", false, "::1", 1, "/", "[::1]:1"),
            ("http://[::1]?q", false, "::1", 80, "/?q", "[::1]"),
        ] {
            let url: PushUrl = written.parse().expect(written);
            let parts = (url.is_tls, url.host.as_str(), url.port, url.path.as_str(), url.authority());
            assert_eq!(parts, (is_tls, host, port, path, authority));
        }
        for wrong in
            ["a:9090", "ftp://a", "http://", "http://:1/", "http://a:0/", "http://a:x", "http://u:p@a/", "http://a/ b"]
        {
            assert!(wrong.parse::<PushUrl>().is_err(), "{wrong}");
        }
        assert_eq!("https://a/w?token=x".parse::<PushUrl>().expect("a URL").to_string(), "https://a/w");
    }
}
