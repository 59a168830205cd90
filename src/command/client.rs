//! The HTTP client of the commands that ask a running sidecar: it has the addresses and the logins of `[http]`.

mod server_address;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::UnixName;
use crate::forward::unix_address;
use server_address::ServerAddress;

/// How long a server may take to accept a connection, to begin an answer, and for each part of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest text of an error that is shown, in bytes.
const LONGEST_ERROR: usize = 1000;

/// Metrics with their names as they are, and all else as it comes.
const ACCEPTED: &str = "text/plain;version=1.0.0;escaping=allow-utf-8,*/*;q=0.5";

/// How a command identifies itself, and what it trusts.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Login {
    /// A user of [http] users
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// A file with the password of --user
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// A file with the token of [http] bearer_token_file
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    token_file: Option<PathBuf>,
    /// A file with the certificates (PEM) to trust; https:// needs it
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Asks the sidecar at one address. Its methods block; their errors are messages that name the address.
pub(super) struct Client {
    runtime: Runtime,
    address: ServerAddress,
    authorization: Option<HeaderValue>,
    tls: Option<TlsConnector>,
}

/// An answer whose body is still to be read.
pub(super) struct Reply<'c> {
    client: &'c Client,
    url: String,
    body: Incoming,
}

impl Client {
    /// For `http://HOST:PORT`, `https://HOST:PORT`, `HOST:PORT` or `unix:///PATH`. Connects at each request.
    pub(super) fn new(url: &str, login: &Login) -> Result<Self, String> {
        let address = ServerAddress::parse(url)?;
        let tls = match (&address, &login.ca) {
            (ServerAddress::Tcp { is_tls: true, .. }, Some(file)) => Some(connector(file)?),
            (ServerAddress::Tcp { is_tls: true, .. }, None) => {
                return Err(format!("{url}: give --ca FILE, with the certificate that the server's is signed by"));
            }
            _ => None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start the client: {error}"))?;
        Ok(Self { runtime, address, authorization: login.authorization()?, tls })
    }

    /// Asks for `path`, which begins with `/` and may have a query. An answer other than 200 is an error.
    pub(super) fn get(&self, path: &str) -> Result<Reply<'_>, String> {
        let url = format!("{}{path}", self.address);
        let response =
            self.runtime.block_on(async { self.request(path).await.map_err(|why| format!("{url}: {why}")) })?;
        let status = response.status();
        let mut answer = Reply { client: self, url, body: response.into_body() };
        if status.as_u16() == 200 {
            return Ok(answer);
        }
        let mut text = String::new();
        while let Ok(Some(piece)) = answer.piece()
            && text.len() < LONGEST_ERROR
        {
            text.push_str(&String::from_utf8_lossy(&piece));
        }
        Err(format!("{}: {status}: {}", answer.url, text.lines().next().unwrap_or_default()))
    }

    async fn request(&self, path: &str) -> Result<Response<Incoming>, String> {
        match &self.address {
            ServerAddress::Unix(name) => {
                let connected = in_time("connect", connect_unix(name)).await?;
                self.ask(path, connected).await
            }
            ServerAddress::Tcp { host, port, .. } => {
                let connected = in_time("connect", TcpStream::connect((host.as_str(), *port))).await?;
                match &self.tls {
                    None => self.ask(path, connected).await,
                    Some(tls) => {
                        let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
                        self.ask(path, in_time("agree on TLS", tls.connect(name, connected)).await?).await
                    }
                }
            }
        }
    }

    async fn ask(
        &self,
        path: &str,
        connected: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Response<Incoming>, String> {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(connected)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let mut request = Request::get(path)
            .header(HOST, self.address.host())
            .header(ACCEPT, ACCEPTED)
            .header(ACCEPT_ENCODING, "identity");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        in_time("get an answer", sender.send_request(request)).await
    }
}

impl Reply<'_> {
    /// The next part of the body; `None` is its end.
    pub(super) fn piece(&mut self) -> Result<Option<Bytes>, String> {
        // Without an end, it is never pending.
        match self.piece_by(None)? {
            Poll::Ready(piece) => Ok(piece),
            Poll::Pending => Ok(None),
        }
    }

    /// The next part of the body, or pending if the server has sent nothing by `end`. Without an `end`, a server that stops
    /// answering is an error.
    pub(super) fn piece_by(&mut self, end: Option<Instant>) -> Result<Poll<Option<Bytes>>, String> {
        let patience = Instant::now() + PATIENCE;
        let deadline = end.map_or(patience, |end| end.min(patience));
        let body = &mut self.body;
        let read = self.client.runtime.block_on(async {
            loop {
                let frame = match timeout_at(deadline.into(), body.frame()).await {
                    Ok(frame) => frame,
                    Err(_) if end.is_some_and(|end| end <= deadline) => return Ok(Poll::Pending),
                    Err(_) => return Err("it stopped answering".to_owned()),
                };
                match frame.transpose().map_err(|error| format!("the answer ended early: {error}"))? {
                    None => return Ok(Poll::Ready(None)),
                    Some(frame) => match frame.into_data() {
                        Ok(piece) => return Ok(Poll::Ready(Some(piece))),
                        Err(_trailers) => {}
                    },
                }
            }
        });
        read.map_err(|why: String| format!("{}: {why}", self.url))
    }

    /// The whole body.
    pub(super) fn text(mut self) -> Result<String, String> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece()? {
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8(bytes).map_err(|_| format!("{}: the answer is not UTF-8", self.url))
    }
}

impl Login {
    /// The value of the header `Authorization`; an error says which file is wrong.
    fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let secret = match (&self.user, &self.password_file, &self.token_file) {
            (Some(user), Some(file), _) => {
                format!("Basic {}", Base64::encode_string(format!("{user}:{}", secret(file)?).as_bytes()))
            }
            (_, _, Some(file)) => format!("Bearer {}", secret(file)?),
            _ => return Ok(None),
        };
        let mut value = HeaderValue::from_str(&secret)
            .map_err(|_| "the password or token has characters that HTTP does not carry".to_owned())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// The text of `file` without the blanks around it.
fn secret(file: &Path) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: cannot read it: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// Trusts the certificates in `file` alone.
fn connector(file: &Path) -> Result<TlsConnector, String> {
    let wrong = |why: String| format!("--ca {}: {why}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in PEM form in it".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn connect_unix(name: &UnixName) -> io::Result<UnixStream> {
    let unix = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::connect(&unix, &unix_address(name)?)?;
    let unix = std::os::unix::net::UnixStream::from(unix);
    unix.set_nonblocking(true)?;
    UnixStream::from_std(unix)
}

/// What `done` gives within [`PATIENCE`]; an error says what could not be done.
async fn in_time<T, E: fmt::Display>(what: &str, done: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(PATIENCE, done).await {
        Ok(result) => result.map_err(|error| format!("cannot {what}: {error}")),
        Err(_) => Err(format!("cannot {what}: nothing came within {} seconds", PATIENCE.as_secs())),
    }
}
