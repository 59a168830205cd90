//! HTTP by TLS.
//!
//! The certificates were made for these tests alone, by a CA whose key is gone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{connect, is_closed};
use crate::support::{PATIENCE, Process, Scratch, lines_of, run_in};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
    std::fs::read_to_string(path).expect("it is committed")
}

/// A folder with this certificate, its key and a config that names them.
fn prepared(certificate: &str) -> Scratch {
    let scratch = Scratch::new("tls");
    put(&scratch, certificate);
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| scratch.file(name));
    scratch.write("config.toml", &format!("[http]\ntls_cert = \"{certificate}\"\ntls_key = \"{key}\"\n"));
    scratch
}

/// Puts another certificate in the place of the one that is there.
fn put(scratch: &Scratch, certificate: &str) {
    for (name, text) in
        [("cert.pem", fixture(&format!("{certificate}.pem"))), ("key.pem", fixture(&format!("{certificate}.key")))]
    {
        let new = scratch.write("new", &text);
        std::fs::rename(new, scratch.file(name)).expect("it can be renamed");
    }
}

fn started(scratch: &Scratch) -> (Process, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(["--config", &scratch.file("config.toml")]);
    command.args(["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let lines = lines_of(process.0.stdout.take().expect("stdout is piped"));
    let address = loop {
        let line = lines.recv_timeout(PATIENCE).expect("it says where it listens");
        if let Some(address) = line.strip_prefix("serving metrics on https://") {
            break address.strip_suffix("/metrics").and_then(|address| address.parse().ok()).expect("an address");
        }
    };
    (process, address)
}

/// The certificate of the server, and its answer.
fn get(server: SocketAddr, path: &str) -> (CertificateDer<'static>, String) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(fixture("ca.pem").as_bytes()).expect("PEM")).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = StreamOwned::new(connection, connect(server));
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer ends");
    let certificate = stream.conn.peer_certificates().and_then(|chain| chain.first()).expect("a certificate");
    (certificate.clone().into_owned(), answer)
}

#[test]
fn everything_is_served_by_tls_with_the_certificate_that_is_in_the_file() {
    let scratch = prepared("first");
    let (_process, server) = started(&scratch);
    let certificate = |name: &str| CertificateDer::from_pem_slice(fixture(name).as_bytes()).expect("PEM");
    for (path, expected) in
        [("/-/healthy", "statsidecar is healthy.\n"), ("/metrics", "\nstatsidecar_build_info{"), ("/", "Listeners")]
    {
        let (given, answer) = get(server, path);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(expected), "{answer}");
        assert_eq!(given, certificate("first.pem"));
    }
    // Clients without TLS get no answer, and many silent ones hold no place.
    let mut plain = connect(server);
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is sent");
    assert!(is_closed(&mut plain));
    let silent: Vec<TcpStream> = (0..200).map(|_| connect(server)).collect();
    assert!(get(server, "/metrics").1.contains("\nstatsidecar_build_info{"));
    drop(silent);

    put(&scratch, "second");
    assert_eq!(get(server, "/-/healthy").0, certificate("second.pem"));
    // A wrong file leaves the old one in use.
    scratch.write("cert.pem", "no certificate");
    assert_eq!(get(server, "/-/healthy").0, certificate("second.pem"));
}

#[test]
fn wrong_files_are_refused() {
    let scratch = prepared("first");
    let check = || run_in(scratch.path(), &["check", "config.toml"]);
    assert_eq!(check().code, Some(0));
    let start = ["--config", "config.toml", "--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"];
    for (name, content, says) in [
        ("cert.pem", String::new(), "there is no certificate in PEM form in it"),
        ("cert.pem", fixture("second.pem"), "[http] tls_key"),
        ("key.pem", "x".to_owned(), "[http] tls_key"),
    ] {
        put(&scratch, "first");
        scratch.write(name, &content);
        for (ended, code) in [(check(), 2), (run_in(scratch.path(), &start), 1)] {
            assert_eq!(ended.code, Some(code), "{ended:?}");
            assert!(ended.stderr.contains(says), "{ended:?}");
        }
    }
    scratch.write("config.toml", "[http]\ntls_key = \"key.pem\"\n");
    let ended = check();
    assert!(ended.stderr.contains("config.toml:1:1: \"tls_cert\" is missing in [http]; name the file"), "{ended:?}");
}
