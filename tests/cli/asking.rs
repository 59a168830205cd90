//! The commands that ask a running sidecar: over every transport, and with a password or a token.

use std::process::{Command, Stdio};

use crate::run;
use crate::support::{PATIENCE, Process, Scratch, lines_of};

/// Of the password `secret`, quick to check.
const SECRET: &str = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$pbviq+1UUgwZCmLIr4Hgk7mEMsxnRLuOb2HfvIaBwGY";

/// A running sidecar with this config, and the addresses that it prints: where lines go, and where it is asked.
fn serving(config: &str, http: &str) -> (Process, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(["--config", config, "--listen", "udp://127.0.0.1:0", "--http", http]);
    let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let lines = lines_of(process.0.stdout.take().expect("stdout is piped"));
    let after = |start: &str| loop {
        let line = lines.recv_timeout(PATIENCE).expect("it prints its addresses");
        if let Some(rest) = line.strip_prefix(start) {
            return rest.to_owned();
        }
    };
    let listener = after("listening for StatsD on ");
    let url = after("serving metrics on ");
    let url = url.trim_end_matches("/metrics").trim_end_matches(", path ").to_owned();
    (process, listener, url)
}

/// Runs `load` against it; gives its exit code and its errors.
fn load(target: &str, url: &str, login: &[&str]) -> (Option<i32>, String) {
    let load = ["load", "--target", target, "--rate", "100", "--seconds", "1", "--scrape", url];
    let ended = run(&[&load, login].concat());
    (ended.code, ended.stderr)
}

#[test]
fn a_command_asks_with_a_password_a_token_or_over_a_unix_socket() {
    let scratch = Scratch::new("asking");
    let password = scratch.write("password", "secret\n");
    let token = scratch.write("token", "abc123\n");
    let text = format!("[http]\nbearer_token_file = \"{token}\"\nusers = {{ prometheus = \"{SECRET}\" }}\n");
    let config = scratch.write("config.toml", &text);
    let unix = format!("unix://{}", scratch.file("http.sock"));
    for http in ["127.0.0.1:0", &unix] {
        let (_process, target, url) = serving(&config, http);
        let right = (Some(0), String::new());
        assert_eq!(load(&target, &url, &["--user", "prometheus", "--password-file", &password]), right);
        assert_eq!(load(&target, &url, &["--token-file", &token]), right);
        let (code, stderr) = load(&target, &url, &[]);
        let says = format!("{url}/metrics: 401 Unauthorized: A password or a token is needed here.");
        assert_eq!(code, Some(1));
        assert!(stderr.contains(&says), "{stderr}");
    }
}

#[test]
fn a_command_asks_by_tls_if_it_trusts_the_certificate() {
    let scratch = Scratch::new("asking-tls");
    let file = |name| format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = format!("[http]\ntls_cert = {:?}\ntls_key = {:?}\n", file("first.pem"), file("first.key"));
    let config = scratch.write("config.toml", &text);
    let (_process, target, url) = serving(&config, "127.0.0.1:0");
    assert!(url.starts_with("https://"), "{url}");
    assert_eq!(load(&target, &url, &["--ca", &file("ca.pem")]), (Some(0), String::new()));
    let (code, stderr) = load(&target, &url, &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("give --ca FILE"), "{stderr}");
    let (code, stderr) = load(&target, &url, &["--ca", &file("first.key")]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("there is no certificate in PEM form in it"), "{stderr}");
    // The server's own certificate is no authority.
    let (code, stderr) = load(&target, &url, &["--ca", &file("second.pem")]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("cannot agree on TLS"), "{stderr}");
}

#[test]
fn a_sidecar_that_is_not_there_is_named() {
    let (code, stderr) = load("udp://127.0.0.1:9", "http://127.0.0.1:9", &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("http://127.0.0.1:9/metrics: cannot connect: "), "{stderr}");
    let (code, stderr) = load("udp://127.0.0.1:9", "ftp://127.0.0.1", &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("write http://HOST:PORT, https://HOST:PORT or unix:///PATH"), "{stderr}");
}
