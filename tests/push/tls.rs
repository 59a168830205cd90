//! TLS, passwords and tokens.
//!
//! The certificates were made for tests alone, by a CA whose key is gone.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::sidecar;
use crate::stub::{Request, Stub, WRITTEN, accept, serve};
use crate::support::{PATIENCE, Scratch, run_in};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
    path.to_str().expect("the path is text").to_owned()
}

/// A receiver behind TLS, for one connection; its URL, and what it gets.
fn receiver() -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://localhost:{}/api/v1/write", listener.local_addr().expect("an address").port());
    let (sender, requests) = mpsc::channel();
    let chain = vec![CertificateDer::from_pem_file(fixture("first.pem")).expect("PEM")];
    let key = PrivateKeyDer::from_pem_file(fixture("first.key")).expect("PEM");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate with its key");
    let config = Arc::new(config);
    thread::spawn(move || {
        loop {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a server");
            serve(StreamOwned::new(connection, accept(&listener)), &sender, |_| (204, WRITTEN, Vec::new()));
        }
    });
    (url, requests)
}

#[test]
fn requests_go_by_tls_with_a_password() {
    let (url, requests) = receiver();
    let scratch = Scratch::new("push-tls");
    let tables = format!(
        "[[remote_write]]\nurl = \"{url}\"\ninterval = \"1s\"\ntls = {{ ca = \"{}\" }}\n\
         basic_auth = {{ username = \"shop\", password = \"open sesame\" }}\n",
        fixture("ca.pem")
    );
    let _daemon = sidecar(&scratch, &tables);
    let request = requests.recv_timeout(PATIENCE).expect("a request arrives");
    // By hand: printf 'shop:open sesame' | base64
    assert_eq!(request.header("authorization"), "Basic c2hvcDpvcGVuIHNlc2FtZQ==");
}

/// The certificate is not one that this machine trusts, so nothing is sent.
#[test]
fn a_receiver_without_a_trusted_certificate_gets_nothing() {
    let (url, requests) = receiver();
    let scratch = Scratch::new("push-untrusted");
    // A certificate that has signed nothing.
    let trusted = fixture("second.pem");
    let tables = format!("[[remote_write]]\nurl = \"{url}\"\ninterval = \"1s\"\ntls = {{ ca = \"{trusted}\" }}\n");
    let daemon = sidecar(&scratch, &tables);
    daemon.scrape_until("a request has failed", |page| {
        page.lines().any(|line| line.contains("push_requests_total{outcome=\"failed\"") && !line.ends_with(" 0"))
    });
    assert!(requests.try_recv().is_err());
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert!(ended.stderr.contains("invalid peer certificate"), "{}", ended.stderr);
}

/// Tokens are renewed while the program runs.
#[test]
fn a_token_is_read_for_each_request() {
    let stub = Stub::start(|_| (200, "", Vec::new()));
    let scratch = Scratch::new("push-token");
    let token = scratch.write("token", "first\n");
    let tables = format!(
        "[[otlp]]\nurl = \"http://{}/v1/metrics\"\ninterval = \"1s\"\nbearer_token_file = \"{token}\"\n",
        stub.address
    );
    let _daemon = sidecar(&scratch, &tables);
    assert_eq!(stub.next().header("authorization"), "Bearer first");
    scratch.write("token", "second\n");
    stub.find(|request| (request.header("authorization") == "Bearer second").then_some(()));
}

#[test]
fn check_reads_the_files() {
    let scratch = Scratch::new("push-files");
    let config = scratch.write("c.toml", "[[otlp]]\nurl = \"https://a/\"\ntls = { ca = \"/nonexistent/ca.pem\" }\n");
    let ended = run_in(scratch.path(), &["check", &config]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("tls ca /nonexistent/ca.pem: "), "{}", ended.stderr);
}
