//! The connection to a receiver: HTTP/1.1, with TLS where the URL asks for it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::{BasicAuth, PushConfig, PushPassword, PushTls, PushUrl};

/// The most bytes of an answer that are read.
const LONGEST_ANSWER: usize = 64 << 10;

/// The answer of a receiver.
#[derive(Debug)]
pub(super) struct ReceiverAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Its beginning, if it is longer than [`LONGEST_ANSWER`] nothing of it.
    pub(super) body: Bytes,
}

/// Sends requests to a receiver, one after the other.
pub(super) struct PushConnection {
    url: PushUrl,
    timeout: Duration,
    login: PushLogin,
    /// The headers of every request.
    headers: HeaderMap,
    tls: Option<TlsConnector>,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// Where the `Authorization` header comes from.
enum PushLogin {
    Nobody,
    Basic(BasicAuth),
    /// A file with a token.
    Bearer(String),
}

impl PushConnection {
    /// Reads the certificates of the config; does not connect yet.
    pub(super) fn new(to: &PushConfig) -> io::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(to.url.authority()).map_err(io::Error::other)?);
        let agent = concat!("statsidecar/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        for (name, value) in &to.headers {
            let name = HeaderName::from_bytes(name.get_ref().as_bytes()).map_err(io::Error::other)?;
            let mut value = HeaderValue::from_str(value.get_ref()).map_err(io::Error::other)?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let login = match (&to.basic_auth, &to.bearer_token_file) {
            (Some(basic), _) => PushLogin::Basic(basic.clone()),
            (None, Some(file)) => PushLogin::Bearer(file.clone()),
            (None, None) => PushLogin::Nobody,
        };
        let tls = if to.url.is_tls { Some(connector(&to.tls)?) } else { None };
        Ok(Self { url: to.url.clone(), timeout: to.timeout, login, headers, tls, open: None })
    }

    /// Posts `body`; the error says why there is no answer. A connection that the receiver has closed in the meantime is
    /// opened again.
    pub(super) async fn post(&mut self, headers: &HeaderMap, body: &Bytes) -> Result<ReceiverAnswer, String> {
        let limit = self.timeout;
        let answer = match timeout(limit, self.try_post(headers, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {limit:?}")),
        };
        if answer.is_err() {
            self.open = None;
        }
        answer
    }

    async fn try_post(&mut self, headers: &HeaderMap, body: &Bytes) -> Result<ReceiverAnswer, String> {
        if let Some(mut open) = self.open.take()
            && open.ready().await.is_ok()
            && let Ok(answer) = self.exchange(open, headers, body).await
        {
            return Ok(answer);
        }
        let open = self.connect().await?;
        self.exchange(open, headers, body).await
    }

    async fn exchange(
        &mut self,
        mut open: SendRequest<Full<Bytes>>,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<ReceiverAnswer, String> {
        let mut request = Request::post(&self.url.path);
        let own = self.headers.iter().chain(headers);
        own.for_each(|(name, value)| {
            request.headers_mut().into_iter().for_each(|headers| _ = headers.append(name, value.clone()));
        });
        if let Some(authorization) = self.login.authorization()? {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body.clone())).map_err(|error| error.to_string())?;
        let answer = open.send_request(request).await.map_err(told)?;
        let (head, body) = answer.into_parts();
        match Limited::new(body, LONGEST_ANSWER).collect().await {
            Ok(body) => {
                self.open = Some(open);
                Ok(ReceiverAnswer { status: head.status, headers: head.headers, body: body.to_bytes() })
            }
            // The status says what became of the request. The rest of the answer is not read, so the connection ends.
            Err(_) => Ok(ReceiverAnswer { status: head.status, headers: head.headers, body: Bytes::new() }),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let tcp = TcpStream::connect((self.url.host.as_str(), self.url.port)).await.map_err(told)?;
        // A request is written at once, so waiting for more bytes gains nothing.
        tcp.set_nodelay(true).map_err(told)?;
        match &self.tls {
            None => handshake(tcp).await,
            Some(tls) => {
                let name = ServerName::try_from(self.url.host.clone()).map_err(told)?;
                handshake(tls.connect(name, tcp).await.map_err(told)?).await
            }
        }
    }
}

impl PushLogin {
    /// The value of the header. Files are read each time, because tokens and passwords are renewed.
    fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let read = |file: &str| {
            let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
            Ok::<_, String>(text.trim_end().to_owned())
        };
        let text = match self {
            Self::Nobody => return Ok(None),
            Self::Basic(BasicAuth { username, password }) => {
                let password = match password {
                    PushPassword::Text(password) => password.clone(),
                    PushPassword::File(file) => read(file)?,
                };
                format!("Basic {}", Base64::encode_string(format!("{username}:{password}").as_bytes()))
            }
            Self::Bearer(file) => format!("Bearer {}", read(file)?),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| "the token has characters that no header has")?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Begins HTTP on a connection, which a task of its own serves.
async fn handshake(
    connected: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<SendRequest<Full<Bytes>>, String> {
    let (open, connection) = http1::handshake(TokioIo::new(connected)).await.map_err(told)?;
    // How it ends, the request that is under way says.
    tokio::spawn(async { _ = connection.await });
    Ok(open)
}

/// An error with its causes.
fn told(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

/// What makes a connection one of TLS. It trusts the certificates of the config, or else those of the system.
fn connector(files: &PushTls) -> io::Result<TlsConnector> {
    let wrong =
        |key: &str, file: &str, error: &dyn fmt::Display| io::Error::other(format!("tls {key} {file}: {error}"));
    let chain = |key: &str, file: &str| {
        let chain =
            CertificateDer::pem_file_iter(Path::new(file)).and_then(Iterator::collect::<Result<Vec<_>, pem::Error>>);
        let chain = chain.map_err(|error| wrong(key, file, &error))?;
        if chain.is_empty() {
            return Err(wrong(key, file, &"there is no certificate in PEM form in it"));
        }
        Ok(chain)
    };
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(file) => {
            for certificate in chain("ca", file)? {
                roots.add(certificate).map_err(|error| wrong("ca", file, &error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(io::Error::other(
                    "the system has no certificates to trust; install ca-certificates, or name a file in tls = { ca = ... }",
                ));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    let config = match &files.client {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("key", key, &error))?;
            let chain = chain("cert", certificate)?;
            config.with_client_auth_cert(chain, private).map_err(|error| wrong("key", key, &error))?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}
