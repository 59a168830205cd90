//! What is served under which path, and what is refused.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::client::{answer, ask, connect, first_line, header, healthy, is_closed, status};
use crate::support::{get, request, started};

const PATHS: [&str; 6] = ["/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/status", "/api/v1/explain"];

#[test]
fn every_path_has_its_type_and_content() {
    let daemon = started(&[]);
    for (path, content_type, begins) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>\n"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP process_cpu_seconds_total "),
        ("/-/healthy", "text/plain; charset=utf-8", "statsidecar is healthy.\n"),
        ("/-/ready", "text/plain; charset=utf-8", "statsidecar is ready.\n"),
        ("/api/v1/status", "application/json", "{\"version\":\""),
        ("/api/v1/explain?line=a", "application/json", "{\"line\":\"a\","),
        ("/assets/page.css", "text/css; charset=utf-8", ":root {"),
        ("/assets/page.js", "text/javascript; charset=utf-8", "// The status page"),
        ("/assets/icon.svg", "image/svg+xml", "<svg "),
    ] {
        let more = if path.contains('?') { '&' } else { '?' };
        for target in [path.to_owned(), format!("{path}{more}name[]=x&y")] {
            let (head, body) = ask(daemon.http, "GET", &target);
            assert_eq!(status(&head), "200 OK", "{target}");
            assert_eq!(header(&head, "content-type"), Some(content_type), "{target}");
            assert_eq!(header(&head, "cache-control"), Some("no-store"), "{target}");
            // The exposition is sent while it is written, so its length is not known when the head is sent.
            let (length, encoding) = (body.len().to_string(), header(&head, "transfer-encoding"));
            let expected = if path == "/metrics" { (None, Some("chunked")) } else { (Some(length.as_str()), None) };
            assert_eq!((header(&head, "content-length"), encoding), expected, "{target}");
            let body = String::from_utf8(body).expect("text");
            // `/metrics` knows no metric `x`.
            let begins = if path == "/metrics" && target != path { "" } else { begins };
            assert!(body.starts_with(begins), "{target}: {body}");
        }
    }
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
    for path in [
        "/x",
        "/metrics/",
        "/metricsx",
        "//metrics",
        "/-/",
        "/-/reload/",
        "/assets/",
        "/assets/page",
        "/api/v1",
        "/api/v1/",
        "/%2e%2e/",
        "/favicon.ico",
        "*",
    ] {
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
    for path in PATHS.into_iter().chain(["/nothing", "/-/quit"]) {
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
