//! How the program ends, and starts again.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Instant;

use crate::support::{Client, Daemon, PATIENCE, Scratch, started};

#[test]
fn everything_that_the_kernel_holds_at_the_signal_is_applied() {
    // There are more packets than in a batch, and the first batch is not done when the program sees the signal.
    const PACKETS: usize = 150;
    const LINES: usize = 60;
    for signal in ["TERM", "INT"] {
        let daemon = started(&[]);
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        daemon.signal("STOP");
        daemon.wait_until_stopped();
        let packet = "lines:1|c\n".repeat(LINES);
        for _ in 0..PACKETS {
            client.send_to(packet.as_bytes(), daemon.udp[0]).expect("a packet");
        }
        daemon.signal(signal);
        daemon.signal("CONT");
        let ended = daemon.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let log: Vec<_> = ended.stderr.lines().collect();
        let seen = format!(" INFO SIG{signal}: applying what is queued");
        assert!(log.iter().any(|line| line.ends_with(&seen)), "{}", ended.stderr);
        let all = format!(" INFO stopped lines={0} samples={0}", PACKETS * LINES);
        assert!(log.last().is_some_and(|line| line.ends_with(&all)), "{all} is not at the end of\n{}", ended.stderr);
    }
}

/// If the log cannot be written, only the log is lost.
#[test]
fn a_full_disk_under_the_log_does_not_end_the_program() {
    let scratch = Scratch::short("full-log");
    let path = scratch.file("statsd.sock");
    let listener = format!("unixgram://{path}");
    // Every start logs a line, and the relay logs more when it has a line for a target that refuses connections.
    let config = scratch.write("c.toml", "[[relay]]\ntarget = \"tcp://127.0.0.1:9\"\n");
    let daemon = Daemon::start_by(
        "exec \"$@\" 2>/dev/full",
        &["--config", &config, "--listen", &listener, "--http", "127.0.0.1:0"],
    );
    Client::connect(&listener).send(b"b:1|c");
    daemon.scrape_with(&["b_total 1"]);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code, Some(0));
    assert!(fs::symlink_metadata(path).is_err(), "the end removes the file of the socket");
}

/// A full pipe blocks a write. The program must go on and end all the same, and write its log when the pipe is read.
#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    const FULL: usize = 64 << 10;
    for is_read in [false, true] {
        let (mut reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(&[b'.'; FULL]).expect("it fits just so");
        let shell = format!("exec \"$@\" 2>/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd());
        let daemon = Daemon::start_by(&shell, &["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let mut client = Client::connect(&daemon.listeners[0]);
        client.send(b"a:1|c\nbad");
        daemon.scrape_with(&["a_total 1", "statsidecar_lost_log_lines_total 0"]);
        if is_read {
            let mut full = vec![0; FULL];
            reader.read_exact(&mut full).expect("what was there before");
        }
        daemon.signal("TERM");
        assert_eq!(daemon.wait().code, Some(0));
        drop(writer);
        let mut log = String::new();
        reader.read_to_string(&mut log).expect("text");
        let has_all = [" INFO listening ", " WARN samples were rejected ", " INFO stopped lines=2 samples=1\n"];
        for line in has_all {
            assert_eq!(log.contains(line), is_read, "{line}: {log}");
        }
    }
}

/// The addresses on the standard output are good to know, and not needed to work.
#[test]
fn a_full_disk_under_the_addresses_does_not_end_the_program() {
    let scratch = Scratch::short("full-out");
    let listener = format!("unixgram://{}", scratch.file("statsd.sock"));
    let http = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    // The shell says what the test waits for, in the place of the program.
    let shell = format!("echo serving metrics on http://{http}/metrics; exec \"$@\" >/dev/full");
    let daemon = Daemon::start_by(&shell, &["--listen", &listener, "--http", &http.to_string()]);
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(http).is_err() {
        assert!(Instant::now() < deadline, "the program does not listen");
        thread::yield_now();
    }
    Client::connect(&listener).send(b"b:1|c");
    daemon.scrape_with(&["b_total 1"]);
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot write the addresses to the standard output"), "{}", ended.stderr);
}

/// `nohup` starts a program with SIGHUP ignored, so that the end of the terminal does not end the program.
#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let daemon =
        Daemon::start_by("trap '' HUP; exec \"$@\"", &["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
    daemon.signal("HUP");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
    client.send_to(b"a:1|c", daemon.udp[0]).expect("a packet");
    daemon.scrape_with(&["a_total 1"]);
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("reload"), "{}", ended.stderr);
}

/// The program stops every listener, and does not wait for one that never had a packet.
#[test]
fn idle_listeners_do_not_delay_the_end() {
    let daemon = Daemon::start(&[
        "--listen",
        "udp://127.0.0.1:0",
        "--listen",
        "udp://[::1]:0",
        "--listen",
        "udp://0.0.0.0:0",
        "--http",
        "127.0.0.1:0",
    ]);
    UdpSocket::bind("[::1]:0").and_then(|client| client.send_to(b"a:1|c\nb", daemon.udp[1])).expect("a packet");
    daemon.scrape_after(1);
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.ends_with(" INFO stopped lines=2 samples=1"), "{}", ended.stderr);
}

/// Its ports are free at once after any kind of end, even with open connections.
#[test]
fn a_new_start_gets_the_same_ports_at_once() {
    let mut daemon = started(&[]);
    let (udp, http) = (format!("udp://{}", daemon.udp[0]), daemon.http.to_string());
    for signal in ["KILL", "TERM", "KILL"] {
        daemon.scrape();
        let _open = std::net::TcpStream::connect(daemon.http).expect("it accepts");
        daemon.signal(signal);
        let ended = daemon.wait();
        assert_eq!(ended.code, (signal == "TERM").then_some(0), "{}", ended.stderr);
        daemon = Daemon::start(&["--listen", &udp, "--http", &http]);
        assert_eq!((format!("udp://{}", daemon.udp[0]), daemon.http.to_string()), (udp.clone(), http.clone()));
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        client.send_to(b"a:1|c", daemon.udp[0]).expect("a packet");
        assert!(daemon.scrape_after(1).contains("\na_total 1\n"), "the new process counts from 0");
    }
}
