//! Streams: lines and messages that arrive in pieces, and the limits of connections.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::net::sockopt;

use crate::support::{Client, Daemon, Scratch, get, sum};
use crate::{clients, listening};

const STREAMS: [&str; 2] = ["tcp", "unix"];

/// Waits until the counters of connections are these: open ones, accepted ones, and closed ones by reason.
#[track_caller]
fn connections(daemon: &Daemon, open: u64, accepted: u64, closed: &[(&str, u64)]) -> String {
    let listener = &daemon.listeners[0];
    let closed: BTreeMap<_, _> = closed.iter().copied().collect();
    let mut expected = vec![
        format!("statsidecar_connections{{listener=\"{listener}\"}} {open}"),
        format!("statsidecar_connections_total{{listener=\"{listener}\"}} {accepted}"),
    ];
    for reason in ["end", "error", "framing", "http", "idle", "limit"] {
        let count = closed.get(reason).unwrap_or(&0);
        let labels = format!("listener=\"{listener}\",reason=\"{reason}\"");
        expected.push(format!("statsidecar_closed_connections_total{{{labels}}} {count}"));
    }
    daemon.scrape_with(&expected.iter().map(String::as_str).collect::<Vec<_>>())
}

fn rejected(exposition: &str, reason: &str) -> u64 {
    sum(exposition, &format!("statsidecar_rejected_samples_total{{reason=\"{reason}\"}}"))
}

/// (exporter 88)
#[test]
fn a_line_of_ten_megabytes_costs_nothing_but_itself() {
    for transport in STREAMS {
        let daemon = listening(transport, &[]);
        let mut client = Client::connect(&daemon.listeners[0]);
        let long = vec![b'x'; 10_000_000];
        client.write(b"a:1|c\n");
        client.write(&long);
        client.write(b"\nb:1|c\na:1|c\n");
        let bytes = 6 + long.len() as u64 + 1 + 6 + 6;
        daemon.scrape_when("statsidecar_bytes_total", bytes);
        let exposition = daemon.scrape_when("statsidecar_samples_total", 3);
        assert_eq!(clients(&exposition), ["a_total 2", "b_total 1"], "{transport}");
        assert_eq!(rejected(&exposition, "line_too_long"), 1, "{transport}");
        assert_eq!(sum(&exposition, "statsidecar_lines_total"), 4, "{transport}");
        assert_eq!(sum(&exposition, "statsidecar_bytes_total"), bytes, "{transport}");
        assert_eq!(sum(&exposition, "statsidecar_packets_total"), 0, "{transport}");
        connections(&daemon, 1, 1, &[]);
        let status = get(daemon.http, "/");
        let row = format!(
            "<td>{}</td><td class=n>0</td><td class=n>4</td><td></td><td></td><td class=n>1</td>",
            daemon.listeners[0]
        );
        assert!(status.contains(&row), "{row} is not on\n{status}");
    }
}

#[test]
fn a_line_of_64_kib_is_read_by_default() {
    for transport in ["tcp", "unix", "unixgram"] {
        let daemon = listening(transport, &[]);
        let mut client = Client::connect(&daemon.listeners[0]);
        for last in ["1", "11"] {
            let values = "1:".repeat((65_536 - "aa:1|c".len()) / 2);
            client.send(format!("aa:{values}{last}|c").as_bytes());
        }
        client.send(b"b:1|c");
        let exposition = daemon.scrape_when("statsidecar_lines_total", 3);
        assert_eq!(sum(&exposition, "aa_total"), 32_766, "{transport}");
        assert_eq!((sum(&exposition, "b_total"), rejected(&exposition, "line_too_long")), (1, 1), "{transport}");
    }
}

/// The form of a web page can make a browser send lines to any port of its machine.
#[test]
fn lines_in_a_request_of_http_are_not_taken() {
    let body = "a:1|c\nb:1|c\n";
    let post = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nx:1|c\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let requests = [post("/"), post("/a:1|c"), post(&"long".repeat(20_000)), "GET /a:1|c HTTP/1.0\n".to_owned()];
    for transport in STREAMS {
        let daemon = listening(transport, &[]);
        for (n, request) in (1..).zip(&requests) {
            let mut client = Client::connect(&daemon.listeners[0]);
            let (method, rest) = request.split_at(2);
            client.write(method.as_bytes());
            daemon.scrape();
            // The program may close the connection before all is sent.
            _ = client.try_write(rest.as_bytes());
            client.wait_for_end();
            let exposition = connections(&daemon, 0, n, &[("http", n)]);
            assert_eq!(clients(&exposition), [""; 0], "{transport}: {request:.40}");
            assert_eq!(sum(&exposition, "statsidecar_lines_total"), 0, "{transport}: {request:.40}");
        }
        // A name may begin like a request.
        Client::connect(&daemon.listeners[0]).send(b"GET /index:1|c");
        let n = requests.len() as u64;
        let exposition = connections(&daemon, 0, n + 1, &[("http", n), ("end", 1)]);
        assert_eq!(clients(&exposition), ["GET__index_total 1"], "{transport}");
    }
}

/// The limit is that of the line, wherever the stream cuts it, and the `\r` does not count.
#[test]
fn a_line_of_the_largest_length_is_read() {
    let scratch = Scratch::new("stream-max-line");
    let config = scratch.write("config.toml", "[intake]\nmax_line = 16\n");
    let daemon = listening("tcp", &["--config", &config]);
    let mut client = Client::connect(&daemon.listeners[0]);
    for piece in
        [&b"aaaaaaaaaaaa:1|c"[..], b"\r", b"\naaaaaaaaaaaaa:1|", b"c\n", b"aaaaaaaaaaaaaaaaaa", b":1|c\r\nb:1|", b"c\n"]
    {
        let before = sum(&daemon.scrape(), "statsidecar_bytes_total");
        client.write(piece);
        daemon.scrape_when("statsidecar_bytes_total", before + piece.len() as u64);
    }
    let exposition = daemon.scrape_when("statsidecar_samples_total", 2);
    assert_eq!(clients(&exposition), ["aaaaaaaaaaaa_total 1", "b_total 1"]);
    assert_eq!((rejected(&exposition, "line_too_long"), sum(&exposition, "statsidecar_lines_total")), (2, 4));
}

#[test]
fn a_client_may_send_a_byte_at_a_time() {
    for transport in STREAMS {
        let daemon = listening(transport, &[]);
        let mut client = Client::connect(&daemon.listeners[0]);
        if let Client::Tcp(tcp) = &client {
            tcp.set_nodelay(true).expect("an option");
        }
        let lines = b"a:1|c|#k:v\r\n\n\r\nb:+2|g\nbad\na:2|c|#k:v\n";
        lines.iter().for_each(|byte| client.write(&[*byte]));
        daemon.scrape_when("statsidecar_bytes_total", lines.len() as u64);
        let exposition = daemon.scrape_when("statsidecar_samples_total", 3);
        assert_eq!(clients(&exposition), ["a_total{k=\"v\"} 3", "b 2"], "{transport}");
        assert_eq!(rejected(&exposition, "malformed_line"), 1, "{transport}");
        assert_eq!(sum(&exposition, "statsidecar_lines_total"), 4, "{transport}");
    }
}

/// (exporter 87)
#[test]
fn a_last_line_without_its_end_is_applied_at_the_close() {
    for transport in STREAMS {
        let daemon = listening(transport, &[]);
        let mut client = Client::connect(&daemon.listeners[0]);
        client.write(b"x:1|c\r\ny:2|c\nz:3|c");
        let exposition = daemon.scrape_when("statsidecar_bytes_total", 18);
        assert_eq!(sum(&exposition, "statsidecar_connections"), 1);
        daemon.scrape_when("statsidecar_samples_total", 2);
        assert_eq!(clients(&daemon.scrape()), ["x_total 1", "y_total 2"], "the line may go on: {transport}");
        drop(client);
        let exposition = connections(&daemon, 0, 1, &[("end", 1)]);
        assert_eq!(clients(&exposition), ["x_total 1", "y_total 2", "z_total 3"], "{transport}");
        assert_eq!(sum(&exposition, "statsidecar_lines_total"), 3, "{transport}");
    }
}

/// The rest of the line is unknown: `1|c` may be the start of `1|c|@0.1`.
#[test]
fn a_line_cut_by_a_reset_is_not_applied() {
    let daemon = listening("tcp", &[]);
    let mut client = Client::connect(&daemon.listeners[0]);
    client.write(b"a:1|c\nb:1|c");
    daemon.scrape_when("statsidecar_bytes_total", 11);
    let Client::Tcp(tcp) = client else { panic!("it is TCP") };
    sockopt::set_socket_linger(&tcp, Some(std::time::Duration::ZERO)).expect("an option");
    drop(tcp);
    let exposition = connections(&daemon, 0, 1, &[("error", 1)]);
    assert_eq!(clients(&exposition), ["a_total 1"]);
    assert_eq!((rejected(&exposition, "malformed_line"), sum(&exposition, "statsidecar_lines_total")), (1, 2));
}

/// A scrape reads what has arrived before it, and must see the reset as the connection does.
#[test]
fn a_line_cut_by_a_reset_while_others_scrape_is_not_applied() {
    let daemon = listening("tcp", &[]);
    let (http, is_over, resets) = (daemon.http, AtomicBool::new(false), 300);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                get(http, "/metrics");
            }
        });
        for _ in 0..resets {
            let mut client = Client::connect(&daemon.listeners[0]);
            client.write(b"torn:1|c");
            let Client::Tcp(tcp) = client else { panic!("it is TCP") };
            sockopt::set_socket_linger(&tcp, Some(std::time::Duration::ZERO)).expect("an option");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let exposition = connections(&daemon, 0, resets, &[("error", resets)]);
    assert_eq!(clients(&exposition), [""; 0]);
}

// ---- Connections ----

#[test]
fn a_connection_over_the_limit_is_closed_at_once() {
    let scratch = Scratch::new("stream-limit");
    let config = scratch.write("config.toml", "[intake]\nmax_connections = 2\n");
    let daemon = listening("tcp", &["--config", &config]);
    let listener = daemon.listeners[0].clone();
    let (mut first, mut second) = (Client::connect(&listener), Client::connect(&listener));
    connections(&daemon, 2, 2, &[]);
    Client::connect(&listener).wait_for_end();
    connections(&daemon, 2, 3, &[("limit", 1)]);
    first.write(b"a:1|c\n");
    second.write(b"a:2|c\n");
    daemon.scrape_with(&["a_total 3"]);
    drop(first);
    connections(&daemon, 1, 3, &[("limit", 1), ("end", 1)]);
    Client::connect(&listener).write(b"a:4|c\n");
    daemon.scrape_with(&["a_total 7"]);
    connections(&daemon, 1, 4, &[("limit", 1), ("end", 2)]);
}

/// Each connection is an open file. If the system allows few, streams leave some of them to HTTP.
#[test]
fn streams_leave_files_to_http() {
    let scratch = Scratch::new("stream-files");
    let config = scratch.write("config.toml", "[http]\nmax_connections = 30\n");
    // 30 for HTTP, 1 for the listener, 32 for everything else, and 5 for streams.
    let args = ["--config", &config, "--listen", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"];
    let daemon = Daemon::start_with_files(30 + 1 + 32 + 5, &args);
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(&daemon.listeners[0])).collect();
    connections(&daemon, 5, 20, &[("limit", 15)]);
    clients.iter_mut().take(5).for_each(|client| client.write(b"a:1|c\n"));
    daemon.scrape_with(&["a_total 5"]);
    clients.iter_mut().skip(5).for_each(Client::wait_for_end);
    daemon.signal("TERM");
    let said = daemon.wait().stderr;
    let warning = "[intake] max_connections is 1024, but 68 files may be open, which leaves room for 5;";
    assert!(said.contains(warning), "{said}");
}

#[test]
fn a_silent_connection_is_closed_after_the_idle_timeout() {
    let scratch = Scratch::new("stream-idle");
    let config = scratch.write("config.toml", "[intake]\nidle_timeout = \"500ms\"\n");
    for transport in STREAMS {
        let daemon = listening(transport, &["--config", &config]);
        let mut client = Client::connect(&daemon.listeners[0]);
        client.write(b"a:1|c\nb:1|c");
        client.wait_for_end();
        let exposition = connections(&daemon, 0, 1, &[("idle", 1)]);
        assert_eq!(clients(&exposition), ["a_total 1", "b_total 1"], "{transport}");
    }
}

/// Clients that never pause, and one that stops within a line, delay neither other clients nor a scrape.
#[test]
fn clients_do_not_starve_each_other() {
    for transport in STREAMS {
        let daemon = listening(transport, &[]);
        let listener = &daemon.listeners[0];
        let mut dead = Client::connect(listener);
        dead.write(b"never.finished:1|");
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut busy = Client::connect(listener);
                    let lines = b"busy:1|c\n".repeat(10_000);
                    while !is_over.load(Ordering::Relaxed) {
                        busy.write(&lines);
                    }
                });
            }
            daemon.scrape_when("statsidecar_samples_total", 10_000);
            for n in 1..=3 {
                Client::connect(listener).write(b"small:1|c\n");
                daemon.scrape_with(&[&format!("small_total {n}")]);
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn many_clients_at_once_add_up() {
    const CLIENTS: usize = 40;
    const LINES: usize = 2_000;
    for transport in STREAMS {
        let daemon = listening(transport, &[]);
        let listener = &daemon.listeners[0];
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope.spawn(move || {
                    let lines = format!("all:1|c\none:1|c|#client:{}\nbad\n", client % 7).repeat(LINES);
                    let mut connection = Client::connect(listener);
                    // Each client cuts its lines at other places.
                    lines.as_bytes().chunks(1_000 + 97 * client).for_each(|piece| connection.write(piece));
                });
            }
        });
        let all = (CLIENTS * LINES) as u64;
        daemon.scrape_when("statsidecar_lines_total", 3 * all);
        let exposition = connections(&daemon, 0, CLIENTS as u64, &[("end", CLIENTS as u64)]);
        assert_eq!(sum(&exposition, "all_total"), all, "{transport}");
        assert_eq!(sum(&exposition, "one_total"), all, "{transport}");
        assert_eq!(rejected(&exposition, "malformed_line"), all, "{transport}");
        assert_eq!(sum(&exposition, "statsidecar_lines_total"), 3 * all, "{transport}");
        assert_eq!(sum(&exposition, "statsidecar_samples_total"), 2 * all, "{transport}");
    }
}

// ---- Messages behind their length ----

fn message(lines: &[u8]) -> Vec<u8> {
    [&u32::try_from(lines.len()).expect("a length").to_le_bytes(), lines].concat()
}

#[test]
fn messages_are_read_like_datagrams() {
    let daemon = listening("unix+dogstatsd", &[]);
    let mut client = Client::connect(&daemon.listeners[0]);
    let largest = [&b"a:1|c\n".repeat(10_922)[..], b"abcd"].concat();
    assert_eq!(largest.len(), 65_536);
    // The end of a message ends its last line, with a `\n` or without.
    let messages = [
        message(b"a:1|c\nb:2|c"),
        message(b""),
        message(b"\n"),
        message(b"b:3|c\n"),
        message(b"a:"),
        message(&largest),
    ];
    let bytes = messages.concat();
    client.write(&bytes);
    let exposition = daemon.scrape_when("statsidecar_packets_total", 6);
    assert_eq!(clients(&exposition), ["a_total 10923", "b_total 5"]);
    assert_eq!(rejected(&exposition, "malformed_line"), 2);
    assert_eq!(sum(&exposition, "statsidecar_lines_total"), 10_922 + 5);
    assert_eq!(sum(&exposition, "statsidecar_bytes_total"), bytes.len() as u64);
    drop(client);
    connections(&daemon, 0, 1, &[("end", 1)]);
}

#[test]
fn an_impossible_length_closes_the_connection() {
    let daemon = listening("unix+dogstatsd", &[]);
    let listener = &daemon.listeners[0];
    let mut client = Client::connect(listener);
    client.write(&[message(b"a:1|c"), 65_537_u32.to_le_bytes().to_vec(), b"a:2|c".to_vec()].concat());
    client.wait_for_end();
    connections(&daemon, 0, 1, &[("framing", 1)]);
    // A line without a length: as a length, `a:1|` is two billion.
    let mut client = Client::connect(listener);
    client.write(b"a:1|c\n");
    client.wait_for_end();
    connections(&daemon, 0, 2, &[("framing", 2)]);
    let mut client = Client::connect(listener);
    client.write(&message(b"a:4|c"));
    let exposition = daemon.scrape_when("statsidecar_packets_total", 2);
    assert_eq!(clients(&exposition), ["a_total 5"], "the next connection is a new one");
}

#[test]
fn a_message_cut_by_the_end_is_not_applied() {
    let daemon = listening("unix+dogstatsd", &[]);
    let mut client = Client::connect(&daemon.listeners[0]);
    client.write(&[&message(b"a:1|c")[..], &message(b"a:2|c\na:4|c")[..10]].concat());
    drop(client);
    let exposition = connections(&daemon, 0, 1, &[("framing", 1)]);
    assert_eq!(clients(&exposition), ["a_total 1"]);
    assert_eq!((rejected(&exposition, "malformed_line"), sum(&exposition, "statsidecar_packets_total")), (1, 1));
}

// ---- The end ----

/// The kernel may hold bytes of connections, of connections that were never accepted, and of datagrams.
#[test]
fn everything_that_the_kernel_holds_is_applied_at_the_end() {
    let name = |transport: &str| format!("{transport}://@statsidecar-end-{}-{transport}", std::process::id());
    let others = ["unix", "unix+dogstatsd", "unixgram"].map(name);
    let mut args = vec![];
    others.iter().for_each(|other| args.extend(["--listen", other.as_str()]));
    for signal in ["TERM", "INT"] {
        let daemon = listening("tcp", &args);
        let mut accepted: Vec<_> = daemon.listeners.iter().map(|listener| Client::connect(listener)).collect();
        daemon.scrape_when("statsidecar_connections_total", 3);
        daemon.signal("STOP");
        daemon.wait_until_stopped();
        let mut waiting: Vec<_> = daemon.listeners.iter().map(|listener| Client::connect(listener)).collect();
        let lines = b"a:1|c\n".repeat(500);
        for (client, listener) in accepted.iter_mut().chain(&mut waiting).zip(daemon.listeners.iter().cycle()) {
            match listener.split_once("://").map(|(transport, _)| transport) {
                Some("unix+dogstatsd") => client.write(&message(&lines)),
                // The last line has no end, so it may be incomplete, and is not applied.
                Some("tcp") => client.write(&[&lines[..], b"a:1|c"].concat()),
                _ => _ = client.send(&lines),
            }
        }
        daemon.signal(signal);
        daemon.signal("CONT");
        let ended = daemon.wait();
        let all = format!(" INFO stopped lines={} samples={}", 8 * 500 + 2, 8 * 500);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stderr.lines().last().is_some_and(|last| last.ends_with(&all)), "{}", ended.stderr);
    }
}

#[test]
fn the_end_does_not_wait_for_a_client_that_never_pauses() {
    let daemon = listening("tcp", &[]);
    let address = daemon.listeners[0].trim_start_matches("tcp://").to_owned();
    let busy = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).expect("it accepts");
        let lines = b"busy:1|c\n".repeat(10_000);
        while std::io::Write::write_all(&mut stream, &lines).is_ok() {}
    });
    daemon.scrape_when("statsidecar_samples_total", 10_000);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code, Some(0));
    busy.join().expect("the client saw the end");
}
