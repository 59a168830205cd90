//! Sockets that a service manager passes, what it is told, and restarts in between. The test plays the manager.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    Client, Daemon, Ended, Manager, PATIENCE, Process, Scratch, Stopped, request, send_steadily, sum,
};
use crate::{clients, idle};

const HEALTHY: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn terminate(process: &Process) {
    let kill = format!("kill -TERM {}", process.0.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().is_ok_and(|kill| kill.success()));
}

fn ended(daemon: Daemon) -> Ended {
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// How many samples a process has applied in its life, by the last line of its log.
fn samples(ended: &Ended) -> u64 {
    let last = ended.stderr.lines().last().unwrap_or_default();
    let figure = |name| last.split(' ').find_map(|word| word.strip_prefix(name)).and_then(|text| text.parse().ok());
    let figures: (Option<u64>, Option<u64>) = (figure("lines="), figure("samples="));
    let (Some(lines), Some(samples)) = figures else { panic!("no figures: {}", ended.stderr) };
    assert_eq!(lines, samples, "{last}");
    samples
}

/// The counters begin at 0 in each life, so the sum over all lives is what was received.
#[test]
fn ten_restarts_lose_no_line_of_a_sender_that_never_pauses() {
    let scratch = Scratch::short("restarts");
    let config = scratch.write("config.toml", "intake.workers = 3\n");
    for (transport, workers) in [("udp", 1), ("udp", 3), ("unixgram", 1)] {
        let mut manager = Manager::new(&scratch, &[transport]);
        if workers > 1 {
            manager.args.push(format!("--config={config}"));
        }
        let (listener, stop) = (&manager.listeners()[0], AtomicBool::new(false));
        let (sent, received) = thread::scope(|scope| {
            let sender = scope.spawn(|| {
                // What the kernel charges the receive buffer for a packet of this size is little more than its content.
                send_steadily(listener, 500, &stop)
            });
            let (stopped, mut received) = (Stopped(&stop), 0);
            for _ in 0..10 {
                let daemon = manager.start();
                daemon.scrape_when("statsidecar_samples_total", 10_000);
                received += samples(&ended(daemon));
            }
            drop(stopped);
            let sent = sender.join().expect("it sends");
            let daemon = manager.start();
            // A scrape waits for all that has arrived.
            let exposition = daemon.scrape();
            assert_eq!(sum(&exposition, "statsidecar_kernel_dropped_packets_total"), 0, "{transport}");
            (sent, received + samples(&ended(daemon)))
        });
        assert_eq!(received, sent, "{transport}");
    }
}

/// Clients of streams and of HTTP connect while no process runs, and the next one answers.
#[test]
fn connections_wait_for_the_next_process() {
    let scratch = Scratch::short("waiting");
    let transports = ["tcp", "unix", "unix+dogstatsd"];
    let manager = Manager::new(&scratch, &transports);
    let http = manager.args.last().and_then(|arg| arg.strip_prefix("--http=")).expect("the last");
    for life in 0..3 {
        for listener in manager.listeners() {
            let mut client = Client::connect(&listener);
            client.write(if listener.starts_with("unix+") { b"\x05\0\0\0a:1|c" } else { b"a:1|c" });
        }
        let mut scraper = TcpStream::connect(http).expect("it is queued");
        scraper.set_read_timeout(Some(PATIENCE)).expect("a limit");
        scraper.write_all(HEALTHY).expect("it is queued");
        let daemon = manager.start();
        assert_eq!(daemon.listeners, manager.listeners());
        let mut answer = String::new();
        scraper.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let exposition = daemon.scrape_when("statsidecar_samples_total", 3);
        assert_eq!(clients(&exposition), ["a_total 3"], "life {life}");
        ended(daemon);
    }
    for transport in ["unix", "unix+dogstatsd"] {
        UnixStream::connect(scratch.file(transport)).expect("the file is the manager's, and stays");
    }
}

#[test]
fn metrics_are_served_on_a_passed_unix_socket() {
    let scratch = Scratch::short("http");
    let mut manager = Manager { args: vec!["--listen=udp://127.0.0.1:0".to_owned()], ..Manager::default() };
    let path = scratch.file("http");
    manager.hold(format!("--http=unix://{path}"), UnixListener::bind(&path).expect("a file"));
    for _ in 0..2 {
        let mut scraper = UnixStream::connect(&path).expect("it is queued");
        scraper.set_read_timeout(Some(PATIENCE)).expect("a limit");
        scraper.write_all(HEALTHY).expect("it is queued");
        let mut process = Process::spawn(manager.command().stdout(Stdio::null()).stderr(Stdio::null()));
        let mut answer = String::new();
        scraper.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        terminate(&process);
        assert_eq!(process.0.wait().expect("it ends").code(), Some(0));
    }
}

/// What the manager makes is used, and the rest is bound as without a manager.
#[test]
fn a_listener_without_a_passed_socket_is_bound() {
    let scratch = Scratch::short("mixed");
    let mut manager = Manager::new(&scratch, &["unixgram"]);
    let (file, own) = (scratch.file("unixgram"), scratch.file("own"));
    manager.args.push(format!("--listen=unixgram://{own}"));
    let daemon = manager.start();
    for path in [&file, &own] {
        Client::connect(&format!("unixgram://{path}")).send(b"a:1|c");
    }
    daemon.scrape_with(&["a_total 2"]);
    ended(daemon);
    assert!(std::fs::exists(&file).expect("a folder"), "the manager's file stays");
    assert!(!std::fs::exists(&own).expect("a folder"), "its own is removed");
}

#[test]
fn a_passed_socket_that_cannot_be_used_is_reported() {
    let scratch = Scratch::short("unwanted");
    let mut manager = Manager::new(&scratch, &["udp"]);
    manager.hold("--log-level=warn".to_owned(), UnixDatagram::bind(scratch.file("other")).expect("a file"));
    let (udp, http) = (manager.listeners()[0].clone(), manager.args[1].replace("--http=", ""));
    assert_eq!(
        manager.refused(),
        format!(
            "a socket was passed that the config does not listen on: unixgram://{} (descriptor 3, named \
             \"statsidecar.socket\"); the config has {udp}, and metrics on {http}; correct the socket unit or the config",
            scratch.file("other")
        )
    );
    let (connection, _other) = UnixStream::pair().expect("a pair");
    manager.sockets[0] = connection.into();
    let begin =
        "cannot take over the sockets that were passed by LISTEN_FDS: descriptor 3, named \"statsidecar.socket\": ";
    let connected = "it is a connection, and no socket that listens; set Accept=no in the socket unit";
    assert_eq!(manager.refused(), format!("{begin}{connected}"));
    manager.sockets[0] = std::fs::File::open("/dev/null").expect("a file").into();
    assert_eq!(manager.refused(), format!("{begin}Socket operation on non-socket (os error 88)"));
}

/// The environment of another process has no meaning, as for a child of a service.
#[test]
fn the_sockets_of_another_process_are_not_taken() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
    command.envs([("LISTEN_FDS", "1"), ("LISTEN_PID", "1"), ("WATCHDOG_USEC", "1"), ("WATCHDOG_PID", "1")]);
    let daemon = Daemon::spawn(command);
    Client::connect(&daemon.listeners[0]).send(b"a:1|c");
    daemon.scrape_with(&["a_total 1"]);
    ended(daemon);
}

/// The next message that is not about the watchdog, or the next one at all.
fn next(manager: &UnixDatagram, skips_watchdog: bool) -> String {
    let mut buffer = [0; 4096];
    loop {
        let len = manager.recv(&mut buffer).expect("a message");
        let message = String::from_utf8_lossy(&buffer[..len]).into_owned();
        if !(skips_watchdog && message == "WATCHDOG=1\n") {
            return message;
        }
    }
}

#[test]
fn the_manager_is_told_when_the_program_serves_and_when_it_ends() {
    let scratch = Scratch::short("notified");
    let path = scratch.file("notify");
    let name = format!("statsidecar-notify-{}", std::process::id());
    let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
    for (address, socket) in [
        (path.clone(), UnixDatagram::bind(&path).expect("a file")),
        (format!("@{name}"), UnixDatagram::bind_addr(&abstract_name).expect("a name")),
    ] {
        socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut manager = Manager::new(&Scratch::short("passed"), &["udp"]);
        manager.environment = vec![("NOTIFY_SOCKET", address), ("WATCHDOG_USEC", "200000".to_owned())];
        // It announces itself to the manager before this test reads its standard output.
        let mut process = Process::spawn(manager.command().stdout(Stdio::null()).stderr(Stdio::null()));
        assert_eq!(next(&socket, false), "READY=1\n");
        let http = manager.args[1].replace("--http=", "").parse().expect("an address");
        let (head, _) = request(http, "GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        for _ in 0..5 {
            assert_eq!(next(&socket, false), "WATCHDOG=1\n");
        }
        terminate(&process);
        assert_eq!(next(&socket, true), "STOPPING=1\n");
        assert_eq!(process.0.wait().expect("it ends").code(), Some(0));
    }
}

/// A manager that does not read its messages holds nothing up: neither streams, which the same thread reads, nor the end.
#[test]
fn a_manager_that_does_not_read_delays_nothing() {
    let scratch = Scratch::short("deaf");
    let _socket = UnixDatagram::bind(scratch.file("notify")).expect("a file");
    let mut manager = Manager::new(&scratch, &["tcp"]);
    manager.environment = vec![("NOTIFY_SOCKET", scratch.file("notify")), ("WATCHDOG_USEC", "4000".to_owned())];
    let daemon = manager.start();
    // The queue of the socket is full by then.
    let deadline = Instant::now() + Duration::from_millis(700);
    let mut sent = 0;
    while Instant::now() < deadline {
        Client::connect(&daemon.listeners[0]).send(b"a:1|c");
        sent += 1;
        daemon.scrape_with(&[&format!("a_total {sent}")]);
    }
    let ended = ended(daemon);
    assert!(ended.stderr.contains("cannot feed the watchdog; trying again"), "{}", ended.stderr);
}

/// Passed sockets are waited for in another way, which must cost no more.
#[test]
fn passed_sockets_that_receive_nothing_wake_no_thread() {
    let scratch = Scratch::short("idle");
    idle::wakes_once_a_second(&Manager::new(&scratch, &["udp", "tcp", "unixgram", "unix"]).start());
}
