//! How long a connection may be open, and how many.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use statsidecar::config::Config;
use statsidecar::daemon::Timing;
use statsidecar::http::Timeouts;

use crate::client::{connect, healthy, is_closed, scrape_request, wait_for_counters};
use crate::support::{InProcess, PATIENCE, Scratch, get, started};

/// A sidecar whose page has far more bytes than the kernel buffers for a connection.
fn with_a_large_page(timing: Timing) -> InProcess {
    let config = "limits = { label_value = 8192, series_length = 8192 }\n";
    let daemon = InProcess::start(config, &["tcp://127.0.0.1:0"], timing);
    let tag = "x".repeat(7000);
    let lines: String = (0..2000).map(|n| format!("a{n}:1|c|#tag:{tag}\n")).collect();
    TcpStream::connect(daemon.address()).and_then(|mut stream| stream.write_all(lines.as_bytes())).expect("it is sent");
    wait_for_counters(daemon.http, 2000);
    daemon
}

/// A client that sends its head byte by byte is disconnected, and so is one that sends nothing. Others are served
/// meanwhile.
#[test]
fn a_connection_without_a_whole_head_is_closed() {
    assert_eq!(Timeouts::default().header, Duration::from_secs(10));
    const LIMIT: Duration = Duration::from_millis(400);
    assert_eq!(Timeouts::default().idle, Duration::from_secs(90));
    let http = Timeouts { header: LIMIT, idle: LIMIT, ..Timeouts::default() };
    let timing = Timing { http, ..Timing::default() };
    let daemon = InProcess::start("", &["udp://127.0.0.1:0"], timing);
    let begun = Instant::now();
    let mut silent = connect(daemon.http);
    let mut slow = connect(daemon.http);
    let mut idle = connect(daemon.http);
    assert_eq!(healthy(&mut idle), "statsidecar is healthy.\n");
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-A: ").expect("it is sent");
    slow.set_read_timeout(Some(LIMIT / 10)).expect("a time limit can be set");
    loop {
        assert!(begun.elapsed() < PATIENCE, "an incomplete head keeps its connection open for ever");
        // This waits for an answer, or for a tenth of the limit.
        match slow.read(&mut [0; 512]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let _ = slow.write_all(b"a"); // another byte gives it no more time
                assert_eq!(get(daemon.http, "/-/healthy"), "statsidecar is healthy.\n");
            }
            Ok(_) | Err(_) => break,
        }
    }
    assert!(begun.elapsed() >= LIMIT, "a slow client is disconnected after {:?}", begun.elapsed());
    assert!(is_closed(&mut silent) && is_closed(&mut idle), "an idle connection stays open for ever");
    let closed =
        |reason: &str, count: u64| format!("statsidecar_http_closed_connections_total{{reason=\"{reason}\"}} {count}");
    daemon.scrape_with(&[&closed("head", 2), &closed("idle", 1), &closed("limit", 0)]);
}

/// A client that reads a part now and then gets the whole answer, even if that takes longer than the limit. A client that
/// reads nothing is disconnected, so that another client can connect.
#[test]
fn a_client_that_reads_nothing_is_disconnected_and_a_slow_one_is_not() {
    assert_eq!(Timeouts::default().write, Duration::from_secs(30));
    const LIMIT: Duration = Duration::from_millis(400);
    let timing = Timing { http: Timeouts { write: LIMIT, ..Timeouts::default() }, ..Timing::default() };
    let daemon = with_a_large_page(timing);

    let begun = Instant::now();
    let (mut slow, mut whole) = (connect(daemon.http), Vec::new());
    slow.write_all(scrape_request("").as_bytes()).expect("it is sent");
    while (&slow).take(1 << 20).read_to_end(&mut whole).expect("the next part") > 0 {
        std::thread::sleep(LIMIT / 6);
    }
    assert!(whole.ends_with(b"\r\n0\r\n\r\n") && begun.elapsed() > 2 * LIMIT, "{:?}", begun.elapsed());

    let mut stuck = connect(daemon.http);
    let begun = Instant::now();
    stuck.write_all(scrape_request("").as_bytes()).expect("it is sent");
    daemon.scrape_with(&["statsidecar_http_closed_connections_total{reason=\"write\"} 1"]);
    assert!(begun.elapsed() >= LIMIT, "it was disconnected after {:?}", begun.elapsed());
    let mut part = Vec::new();
    let _ = stuck.read_to_end(&mut part); // what the kernel has buffered, then the end or a reset
    assert!(part.starts_with(b"HTTP/1.1 200 OK\r\n") && !part.ends_with(b"\r\n0\r\n\r\n"));
}

/// A client that reads all the time, but too slowly, does not keep its answer for ever.
#[test]
fn an_answer_has_a_deadline() {
    assert_eq!(Timeouts::default().answer, Duration::from_secs(60));
    const LIMIT: Duration = Duration::from_millis(600);
    let timing = Timing { http: Timeouts { answer: LIMIT, ..Timeouts::default() }, ..Timing::default() };
    let daemon = with_a_large_page(timing);

    let (mut slow, begun) = (connect(daemon.http), Instant::now());
    slow.write_all(scrape_request("").as_bytes()).expect("it is sent");
    let (mut buffer, mut end) = (vec![0; 64 << 10], Vec::new());
    while let Ok(len @ 1..) = slow.read(&mut buffer) {
        end = buffer[..len].to_vec();
        std::thread::sleep(LIMIT / 60);
    }
    assert!(begun.elapsed() >= LIMIT, "it was disconnected after {:?}", begun.elapsed());
    assert!(!end.ends_with(b"\r\n0\r\n\r\n"), "it got the whole answer");
}

#[test]
fn at_the_limit_the_connection_that_is_idle_for_the_longest_time_is_closed() {
    let scratch = Scratch::new("connections");
    let config = scratch.write("config.toml", "[http]\nmax_connections = 3\n");
    let daemon = started(&["--config", &config]);
    let [mut first, mut second, mut third] = [(); 3].map(|()| connect(daemon.http));
    for stream in [&mut first, &mut second, &mut third] {
        assert_eq!(healthy(stream), "statsidecar is healthy.\n");
    }
    // A part of a head does not make the second one younger, and an answer makes the first one younger.
    assert_eq!(healthy(&mut first), "statsidecar is healthy.\n");
    second.write_all(b"GET /-/heal").expect("it is sent");
    let mut fourth = connect(daemon.http);
    assert_eq!(healthy(&mut fourth), "statsidecar is healthy.\n");
    assert!(is_closed(&mut second), "the oldest is still open");
    for stream in [&mut first, &mut third, &mut fourth] {
        assert_eq!(healthy(stream), "statsidecar is healthy.\n");
    }
    // This scrape closes another one.
    daemon.scrape_with(&["statsidecar_http_closed_connections_total{reason=\"limit\"} 2"]);
}

/// Clients that ask again as soon as they have an answer are never idle. They share the places with new ones.
#[test]
fn at_the_limit_a_busy_connection_is_closed_after_its_answer() {
    let scratch = Scratch::new("connections");
    let config = scratch.write("config.toml", "[http]\nmax_connections = 2\n");
    let daemon = started(&["--config", &config]);
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let busy = [(); 2].map(|()| {
        let mut stream = connect(daemon.http);
        stream.write_all(requests.as_bytes()).expect("they are sent");
        stream.read_exact(&mut [0; 100]).expect("the first answer begins");
        stream
    });
    assert_eq!(get(daemon.http, "/-/healthy"), "statsidecar is healthy.\n");
    let answers = busy.map(|mut stream| {
        let mut text = Vec::new();
        let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
        let _ = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    assert!(answers.iter().any(|text| text.contains("\r\nconnection: close\r\n")), "none was closed after an answer");
}

#[test]
fn by_default_64_connections_are_served() {
    assert_eq!(Config::default().http.max_connections, 64);
    let daemon = started(&[]);
    let mut streams: Vec<_> = (0..64).map(|_| connect(daemon.http)).collect();
    for stream in &mut streams {
        assert_eq!(healthy(stream), "statsidecar is healthy.\n");
    }
}
