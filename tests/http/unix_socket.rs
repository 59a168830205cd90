//! HTTP on a Unix socket.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::{PATIENCE, Process, Scratch, lines_of};

/// The program with HTTP on this Unix socket, once it says so.
fn started(socket: &str) -> (Process, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(["--listen", "udp://127.0.0.1:0", "--mode", "0600", "--http", &format!("unix://{socket}")]);
    let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let lines = lines_of(process.0.stdout.take().expect("stdout is piped"));
    let said = (0..4).map(|_| lines.recv_timeout(PATIENCE).expect("it says where it listens")).collect();
    (process, said)
}

fn get(socket: &str, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("it accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer ends");
    answer
}

#[test]
fn everything_is_served_on_a_unix_socket_too() {
    let scratch = Scratch::short("http");
    let socket = scratch.file("http.sock");
    let (process, said) = started(&socket);
    assert_eq!(said[1], format!("serving metrics on unix://{socket}, path /metrics"));
    assert_eq!(said[3], format!("     curl -s --unix-socket {socket} http://localhost/metrics | grep jobs"));
    let mode = std::fs::metadata(&socket).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    for (path, expected) in [
        ("/-/healthy", "statsidecar is healthy.\n"),
        ("/-/ready", "statsidecar is ready.\n"),
        ("/metrics", "\nstatsidecar_build_info{"),
        ("/", "Listeners"),
    ] {
        let answer = get(&socket, path);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(expected), "{answer}");
    }
    // More clients than connections, which say nothing.
    let silent: Vec<_> = (0..200).map(|_| UnixStream::connect(&socket).expect("it accepts")).collect();
    assert!(get(&socket, "/metrics").contains("\nstatsidecar_http_closed_connections_total{reason=\"limit\"}"));
    drop(silent);

    // A process that was killed leaves its file, which the next one replaces and removes at its end.
    drop(process);
    assert!(std::fs::metadata(&socket).is_ok());
    let (process, _) = started(&socket);
    assert!(get(&socket, "/metrics").contains("\nstatsidecar_build_info{"));
    let signal = Command::new("sh").args(["-c", &format!("kill -TERM {}", process.0.id())]).status();
    assert!(signal.is_ok_and(|status| status.success()));
    let begun = Instant::now();
    while std::fs::metadata(&socket).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the file stays");
        std::thread::yield_now();
    }
}

#[test]
fn one_socket_is_not_for_lines_and_metrics_both() {
    let scratch = Scratch::new("http-overlap");
    let text = "[intake]\nlisten = [\"unix:///run/a.sock\"]\n[http]\nlisten = \"unix:///run/a.sock\"\n";
    scratch.write("config.toml", text);
    let ended = crate::support::run_in(scratch.path(), &["check", "config.toml"]);
    assert_eq!(ended.code, Some(2));
    let says = "config.toml:2:11: unix:///run/a.sock overlaps the address of /metrics, unix:///run/a.sock; choose another \
                socket here or in [http] listen";
    assert!(format!("{}{}", ended.stdout, ended.stderr).contains(says), "{ended:?}");
}
