//! The HTTP server: what it serves, what it refuses, and that no client can keep it from another.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use statsidecar::config::Config;
use statsidecar::daemon::Timing;
use statsidecar::http::{ServerState, Timeouts, serve};
use statsidecar::mapping::Rules;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::{Pipeline, Worker};
use statsidecar::telemetry::{Listener, Snapshot};
use support::{Daemon, InProcess, PATIENCE, Scratch, get, request, started};

const PATHS: [&str; 4] = ["/", "/metrics", "/-/healthy", "/-/ready"];

#[test]
fn every_path_has_its_type_and_content() {
    let daemon = started(&[]);
    for (path, content_type, begins) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>\n"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP process_cpu_seconds_total "),
        ("/-/healthy", "text/plain; charset=utf-8", "statsidecar is healthy.\n"),
        ("/-/ready", "text/plain; charset=utf-8", "statsidecar is ready.\n"),
    ] {
        for target in [path.to_owned(), format!("{path}?name[]=x&y")] {
            let (head, body) = ask(daemon.http, "GET", &target);
            assert_eq!(status(&head), "200 OK", "{target}");
            assert_eq!(header(&head, "content-type"), Some(content_type), "{target}");
            assert_eq!(header(&head, "cache-control"), Some("no-store"), "{target}");
            // The exposition is sent while it is written, so its length is not known when the head is sent.
            let (length, encoding) = (body.len().to_string(), header(&head, "transfer-encoding"));
            let expected = if path == "/metrics" { (None, Some("chunked")) } else { (Some(length.as_str()), None) };
            assert_eq!((header(&head, "content-length"), encoding), expected, "{target}");
            let body = String::from_utf8(body).expect("text");
            assert!(body.starts_with(begins), "{target}: {body}");
        }
    }
}

#[test]
fn each_scrape_gets_a_new_exposition() {
    let daemon = started(&[]);
    let scrapes = |exposition: &str| {
        let line = exposition.lines().find_map(|line| line.strip_prefix("statsidecar_scrapes_total{format=\"text\"} "));
        line.and_then(|number| number.parse::<u64>().ok()).expect("scrapes are counted")
    };
    let expositions = [daemon.scrape(), daemon.scrape(), daemon.scrape()];
    assert_eq!(expositions.each_ref().map(|exposition| scrapes(exposition)), [0, 1, 2]);
    assert!(expositions[2].contains("\nstatsidecar_scrape_duration_seconds_count 2\n"), "{}", expositions[2]);
}

#[test]
fn the_status_page_shows_listeners_series_and_rejects() {
    let daemon = started(&[]);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    client.send_to(b"a:1|c\nb:2|g\nc\nd", daemon.udp[0]).expect("a packet");
    daemon.scrape_with(&["statsidecar_rejected_samples_total{reason=\"malformed_line\"} 2"]);
    let status = get(daemon.http, "/");
    for expected in [
        &format!("<td>udp://{}</td><td class=n>1</td><td class=n>4</td><td class=n>0</td>", daemon.udp[0]),
        "<td>counter</td><td class=n>1</td><td class=n>1</td>",
        "<td>gauge</td><td class=n>1</td><td class=n>1</td>",
        "<td>histogram</td><td class=n>0</td><td class=n>0</td>",
        "<tr><td>malformed_line</td><td class=n>2</td><td>write name:value|type,",
        "At most 100000 series.",
        ", ready.</p>",
    ] {
        assert!(status.contains(expected), "{expected} is not in\n{status}");
    }
}

#[test]
fn other_paths_are_not_found() {
    let daemon = started(&[]);
    for path in ["/x", "/metrics/", "/metricsx", "//metrics", "/-/", "/-/reload", "/%2e%2e/", "/favicon.ico", "*"] {
        assert_eq!(status(&ask(daemon.http, "GET", path).0), "404 Not Found", "{path}");
    }
}

#[test]
fn head_is_get_without_a_body() {
    let daemon = started(&[]);
    for path in ["/-/healthy", "/-/ready", "/", "/metrics", "/nothing"] {
        let (get, body) = ask(daemon.http, "GET", path);
        let (head, nothing) = ask(daemon.http, "HEAD", path);
        assert!(nothing.is_empty() && !body.is_empty(), "{path}");
        assert_eq!(status(&head), status(&get), "{path}");
        let rest = |head: &str| {
            // Without a body there is no transfer encoding.
            let changes = |line: &&str| line.starts_with("date:") || line.starts_with("transfer-encoding:");
            head.lines().filter(|line| !changes(line)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rest(&head), rest(&get), "{path}");
    }
}

#[test]
fn other_methods_are_refused() {
    let daemon = started(&[]);
    for path in PATHS.into_iter().chain(["/nothing", "/-/quit", "/-/reload"]) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"] {
            let (head, _) = ask(daemon.http, method, path);
            assert_eq!(status(&head), "405 Method Not Allowed", "{method} {path}");
            assert_eq!(header(&head, "allow"), Some("GET, HEAD"), "{method} {path}");
        }
    }
    let body = "a:1|c\n".repeat(10_000);
    let post =
        format!("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stream = connect(daemon.http);
    stream.write_all(post.as_bytes()).expect("the head is sent");
    let _ = stream.write_all(body.as_bytes()); // it is refused unread, so the connection may close meanwhile
    assert!(first_line(&mut stream).starts_with("HTTP/1.1 405 "));
    assert_eq!(get(daemon.http, "/-/healthy"), "statsidecar is healthy.\n");
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let daemon = started(&[]);
    let mut stream = connect(daemon.http);
    for _ in 0..3 {
        assert_eq!(healthy(&mut stream), "statsidecar is healthy.\n");
    }
    // All at once, before any answer is read.
    stream.write_all("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3).as_bytes()).expect("they are sent");
    for _ in 0..3 {
        assert_eq!(answer(&mut stream), "statsidecar is healthy.\n");
    }
    let (head, body) = request(daemon.http, "GET /-/healthy HTTP/1.0\r\n\r\n");
    assert!(head.starts_with("HTTP/1.0 200 ") && body == b"statsidecar is healthy.\n", "{head}");
}

/// `nc -N` does this. The answer has no length, so a client could not see that it is cut short.
#[test]
fn a_client_that_closes_its_sending_side_gets_its_answer() {
    let daemon = started(&[]);
    for _ in 0..20 {
        let mut stream = connect(daemon.http);
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("it is sent");
        stream.shutdown(Shutdown::Write).expect("it is connected");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer ends");
        assert!(answer.starts_with("HTTP/1.0 200 ") && answer.contains("\nstatsidecar_build_info{"), "{answer}");
    }
    let mut idle = connect(daemon.http);
    idle.shutdown(Shutdown::Write).expect("it is connected");
    assert!(is_closed(&mut idle), "a client that asks for nothing is disconnected");
}

#[test]
fn malformed_requests_are_refused_and_disturb_no_other_client() {
    let daemon = started(&[]);
    let mut other = connect(daemon.http);
    for garbage in [
        b"hello\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), // how TLS begins
        b"a:1|c\n\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /metrics\r\n\r\n".to_vec(),
        b"GET /metrics HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n".to_vec(),
        b"GET /metrics HTTP/1.1\r\nbad\x00name: x\r\n\r\n".to_vec(),
        b"GET /me trics HTTP/1.1\r\n\r\n".to_vec(),
        b"GET /\xff HTTP/1.1\r\n\r\n".to_vec(),
        b"GET /metrics HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_vec(),
        b"GET /metrics HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_vec(),
        b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: what\r\n\r\n".to_vec(),
    ] {
        let mut stream = connect(daemon.http);
        stream.write_all(&garbage).expect("it is sent");
        let line = first_line(&mut stream);
        assert_eq!(line, "HTTP/1.1 400 Bad Request", "{:?}", String::from_utf8_lossy(&garbage));
        assert!(is_closed(&mut stream), "{:?}", String::from_utf8_lossy(&garbage));
        assert_eq!(healthy(&mut other), "statsidecar is healthy.\n");
    }
    for (large, status) in [
        ("X: y\r\n".repeat(200), "HTTP/1.1 431 Request Header Fields Too Large"),
        (format!("X: {}\r\n", "y".repeat(1 << 20)), "HTTP/1.1 431 Request Header Fields Too Large"),
    ] {
        let mut stream = connect(daemon.http);
        let _ = stream.write_all(format!("GET / HTTP/1.1\r\n{large}\r\n").as_bytes()); // the server may close it meanwhile
        assert_eq!(first_line(&mut stream), status);
    }
    let mut stream = connect(daemon.http);
    stream.write_all(b"GET /met").expect("it is sent");
    drop(stream);
    assert!(daemon.scrape().contains("\nstatsidecar_build_info{"), "the metrics are served all the same");
    assert_eq!(healthy(&mut other), "statsidecar is healthy.\n");
}

/// A client that sends its head byte by byte is disconnected, and so is one that sends nothing. Others are served
/// meanwhile.
#[test]
fn a_connection_without_a_whole_head_is_closed() {
    assert_eq!(Timeouts::default().header, Duration::from_secs(10));
    const LIMIT: Duration = Duration::from_millis(400);
    let timing = Timing { http: Timeouts { header: LIMIT, ..Timeouts::default() }, ..Timing::default() };
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
}

/// A client that reads a part now and then gets the whole answer, even if that takes longer than the limit. A client that
/// reads nothing is disconnected, so that another client can connect.
#[test]
fn a_client_that_reads_nothing_is_disconnected_and_a_slow_one_is_not() {
    assert_eq!(Timeouts::default().write, Duration::from_secs(30));
    const LIMIT: Duration = Duration::from_millis(400);
    let timing = Timing { http: Timeouts { write: LIMIT, ..Timeouts::default() }, ..Timing::default() };
    let config = "http.max_connections = 1\nlimits = { label_value = 8192, series_length = 8192 }\n";
    let daemon = InProcess::start(config, &["tcp://127.0.0.1:0"], timing);
    // Far more bytes than the kernel buffers for a connection.
    let tag = "x".repeat(7000);
    let lines: String = (0..2000).map(|n| format!("a{n}:1|c|#tag:{tag}\n")).collect();
    TcpStream::connect(daemon.address()).and_then(|mut stream| stream.write_all(lines.as_bytes())).expect("it is sent");
    wait_for_counters(daemon.http, 2000);

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
    assert_eq!(get(daemon.http, "/-/healthy"), "statsidecar is healthy.\n");
    assert!(begun.elapsed() >= LIMIT, "it was disconnected after {:?}", begun.elapsed());
    let mut part = Vec::new();
    let _ = stuck.read_to_end(&mut part); // what the kernel has buffered, then the end or a reset
    assert!(part.starts_with(b"HTTP/1.1 200 OK\r\n") && !part.ends_with(b"\r\n0\r\n\r\n"));
}

#[test]
fn a_connection_above_the_limit_waits_until_another_closes() {
    let scratch = Scratch::new("connections");
    let config = scratch.write("config.toml", "[http]\nmax_connections = 2\n");
    let daemon = started(&["--config", &config]);
    let (mut first, mut second) = (connect(daemon.http), connect(daemon.http));
    for stream in [&mut first, &mut second] {
        assert_eq!(healthy(stream), "statsidecar is healthy.\n");
    }
    let mut third = connect(daemon.http);
    third.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is sent");
    for _ in 0..50 {
        assert_eq!(healthy(&mut first), "statsidecar is healthy.\n");
        assert_eq!(healthy(&mut second), "statsidecar is healthy.\n");
    }
    third.set_nonblocking(true).expect("it can be");
    let early = third.read(&mut [0; 16]);
    assert!(
        early.is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
        "it is served although two others are open"
    );
    third.set_nonblocking(false).expect("it can be");
    drop(second);
    assert_eq!(answer(&mut third), "statsidecar is healthy.\n");
    assert_eq!(healthy(&mut first), "statsidecar is healthy.\n");
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

/// Sends counters, `a0` and so on, each with 100 characters of tags, and waits until all are applied.
fn many_series(daemon: &Daemon, series: usize) {
    let client = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let lines: Vec<String> = (0..series).map(|n| format!("a{n}:{n}|c|#tag:{}", "x".repeat(100))).collect();
    let mut sent = 0;
    for packets in lines.chunks(1000) {
        for packet in packets.chunks(50) {
            client.send_to(packet.join("\n").as_bytes(), daemon.udp[0]).expect("a packet");
        }
        // The socket's buffer must not fill, so the next thousand lines wait for these.
        sent += packets.len();
        wait_for_counters(daemon.http, sent);
    }
}

/// Waits until there are so many counters.
fn wait_for_counters(server: SocketAddr, series: usize) {
    let (begun, expected) = (Instant::now(), format!("<td>counter</td><td class=n>{series}</td>"));
    while !get(server, "/").contains(&expected) {
        assert!(begun.elapsed() < PATIENCE, "not every line is applied");
    }
}

/// The lines of the series that were sent. The sidecar's own series change between scrapes.
fn of_series(exposition: &str) -> Vec<&str> {
    exposition.lines().filter(|line| line.starts_with('a')).collect()
}

fn unzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).expect("it is complete gzip of text");
    text
}

fn scrape_request(more: &str) -> String {
    format!("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n")
}

#[test]
fn the_exposition_is_compressed_for_clients_that_accept_gzip() {
    let daemon = started(&[]);
    many_series(&daemon, 5000);
    let plain = daemon.scrape();
    assert_eq!(of_series(&plain).len(), 5000);
    for asked in ["Accept-Encoding: gzip\r\n", "accept-encoding: br;q=1.0, gzip;q=0.8, *;q=0.1\r\n"] {
        let (head, body) = request(daemon.http, &scrape_request(asked));
        assert_eq!(header(&head, "content-encoding"), Some("gzip"), "{asked}");
        assert_eq!(header(&head, "vary"), Some("accept-encoding"), "{asked}");
        assert!(body.len() < plain.len() / 5, "{} of {}", body.len(), plain.len());
        assert_eq!(of_series(&unzip(&body)), of_series(&plain), "{asked}");
    }
    for asked in ["", "Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: identity, deflate\r\n"] {
        let (head, body) = request(daemon.http, &scrape_request(asked));
        assert_eq!(header(&head, "content-encoding"), None, "{asked}");
        assert_eq!(
            header(&head, "vary"),
            Some("accept-encoding"),
            "caches must know that the encoding may differ: {asked}"
        );
        assert_eq!(of_series(&String::from_utf8(body).expect("text")), of_series(&plain), "{asked}");
    }
    let head = request(daemon.http, &scrape_request("Accept-Encoding: gzip\r\n").replace("GET", "HEAD")).0;
    assert_eq!(header(&head, "content-encoding"), Some("gzip"));
    let head = request(daemon.http, &scrape_request("Accept-Encoding: gzip\r\n").replace("/metrics", "/")).0;
    assert_eq!(header(&head, "content-encoding"), None, "the status page is small");
}

/// A scrape sends what `page` gives, whose order and text other tests check.
#[test]
fn the_pieces_of_a_scrape_make_the_whole_exposition() {
    let (rules, _) = Rules::compile(&Config::default());
    let pipeline = Arc::new(Pipeline::new(&Config::default(), rules));
    let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::Shared);
    let udp = Listener::new("udp://test".to_owned());
    // Families of one series, a family of many, and lengths that make pieces end at many different places.
    for n in 0..20_000_usize {
        let tag = "x".repeat(n % 97);
        let packet = format!("a{n}:1|c\nb:{n}|ms|#n:{n},t:{tag}\nzz{}:1|g|#n:{n}", n % 7);
        worker.begin(&udp, None).batch().packet(packet.as_bytes());
    }
    let exposition = String::from_utf8(statsidecar::http::exposition(&pipeline, &Snapshot::default())).expect("text");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let state = ServerState::new(pipeline, Box::new(Snapshot::default), Box::new(|| true), Box::new(|| ()));
    std::thread::spawn(move || runtime.block_on(serve(listener, Arc::new(state), 64, Timeouts::default())));
    assert!(exposition.len() > 10 << 20, "{}", exposition.len());
    let own = |exposition: &str| exposition.find("# HELP statsidecar_scrape_duration").expect("it is there");
    for asked in ["", "Accept-Encoding: gzip\r\n"] {
        let (_, body) = request(address, &scrape_request(asked));
        let streamed = if asked.is_empty() { String::from_utf8(body).expect("text") } else { unzip(&body) };
        // Only the metrics about scrapes differ.
        assert!(streamed[..own(&streamed)] == exposition[..own(&exposition)], "{asked}");
        let rest = |exposition: &str| {
            exposition[exposition.find("# HELP statsidecar_series ").expect("it is there")..].to_owned()
        };
        assert!(rest(&streamed) == rest(&exposition), "{asked}");
    }
    assert_eq!(exposition.matches(" histogram\n").count(), 2, "a family has one header, however many its series");
}

#[test]
fn simultaneous_scrapes_are_all_complete() {
    let daemon = started(&[]);
    many_series(&daemon, 20_000);
    let exposition = daemon.scrape();
    let expected = of_series(&exposition);
    std::thread::scope(|scope| {
        for asked in ["", "Accept-Encoding: gzip\r\n", "", "Accept-Encoding: gzip\r\n"] {
            let (http, expected) = (daemon.http, &expected);
            scope.spawn(move || {
                for _ in 0..3 {
                    let (_, body) = request(http, &scrape_request(asked));
                    let exposition =
                        if asked.is_empty() { String::from_utf8(body).expect("text") } else { unzip(&body) };
                    assert!(of_series(&exposition) == *expected);
                }
            });
        }
    });
}

/// Some clients ask and read nothing; others disconnect in the middle of an answer. There are more of them than the limit
/// on connections. No other client waits for those that stay connected.
#[test]
fn a_client_that_does_not_read_delays_no_other() {
    let daemon = started(&[]);
    many_series(&daemon, 50_000); // far more bytes than the kernel buffers for a connection
    let expected = of_series(&daemon.scrape()).len();
    let mut stuck = Vec::new();
    for n in 0..100 {
        let mut stream = connect(daemon.http);
        stream.write_all(scrape_request("").as_bytes()).expect("it is sent");
        stream.read_exact(&mut [0; 1000]).expect("the answer begins");
        if n < 20 {
            stuck.push(stream);
        }
    }
    let begun = Instant::now();
    for asked in ["", "Accept-Encoding: gzip\r\n"] {
        let (_, body) = request(daemon.http, &scrape_request(asked));
        let exposition = if asked.is_empty() { String::from_utf8(body).expect("text") } else { unzip(&body) };
        assert_eq!(of_series(&exposition).len(), expected);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited for clients that do not read: {:?}", begun.elapsed());
    // A client that reads late still gets the whole answer.
    let mut late = Vec::new();
    stuck.pop().expect("there are some").read_to_end(&mut late).expect("the rest of the answer");
    assert!(late.ends_with(b"\r\n0\r\n\r\n"), "the answer is complete");
}

/// One request on a connection of its own: the answer's head, and its body.
fn ask(server: SocketAddr, method: &str, path: &str) -> (String, Vec<u8>) {
    request(server, &format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"))
}

fn status(head: &str) -> &str {
    head.lines().next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line")
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&server, PATIENCE).expect("the kernel accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
    stream
}

/// Asks for `/-/healthy` on a connection that stays open; gives the body.
fn healthy(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is sent");
    answer(stream)
}

/// The body of the next answer, whose head says how long it is.
fn answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head is text");
    let length = header(&head, "content-length").expect("a length").parse().expect("a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    String::from_utf8(body).expect("text")
}

/// The first line of the answer.
fn first_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

/// Reads until the server closes the connection; gives whether it does.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}
