//! TLS: the certificate and its key, which are read anew when their files change.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};

use super::file_stamp::FileStamp;
use crate::sync::Mutex;

/// The files of the certificate and of its key.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    read: Mutex<ReadTls>,
}

/// What was in the files when they were read last.
struct ReadTls {
    stamps: [Option<FileStamp>; 2],
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads the files, both in PEM form. The error says which of them is wrong.
    pub fn open(certificate: PathBuf, key: PathBuf) -> io::Result<Self> {
        let stamps = stamps(&certificate, &key);
        let acceptor = acceptor(&certificate, &key)?;
        Ok(Self { certificate, key, read: Mutex::new(ReadTls { stamps, acceptor }) })
    }

    /// What makes a connection one of TLS. If files that have changed are wrong, the last right ones hold.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut read = self.read.lock();
        let stamps = stamps(&self.certificate, &self.key);
        if read.stamps != stamps {
            read.stamps = stamps;
            match acceptor(&self.certificate, &self.key) {
                Ok(acceptor) => {
                    tracing::info!("the certificate of /metrics has changed");
                    read.acceptor = acceptor;
                }
                Err(error) => {
                    tracing::warn!(%error, "the certificate of /metrics has changed; the old one stays in use")
                }
            }
        }
        read.acceptor.clone()
    }
}

impl fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn stamps(certificate: &Path, key: &Path) -> [Option<FileStamp>; 2] {
    [certificate, key].map(|path| FileStamp::of(path).ok())
}

fn acceptor(certificate: &Path, key: &Path) -> io::Result<TlsAcceptor> {
    let wrong = |name: &str, path: &Path, error: &dyn fmt::Display| {
        io::Error::other(format!("[http] {name} {}: {error}", path.display()))
    };
    let no_certificate = |error: &dyn fmt::Display| wrong("tls_cert", certificate, error);
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, pem::Error>>);
    let chain = chain.map_err(|error| no_certificate(&error))?;
    if chain.is_empty() {
        return Err(no_certificate(&"there is no certificate in PEM form in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("tls_key", key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| wrong("tls_key", key, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
