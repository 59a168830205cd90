//! A client of HTTP: requests, answers, and a sidecar with many series to scrape.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use crate::support::{Daemon, PATIENCE, request};

/// One request on a connection of its own: the answer's head, and its body.
pub(crate) fn ask(server: SocketAddr, method: &str, path: &str) -> (String, Vec<u8>) {
    request(server, &format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"))
}

pub(crate) fn status(head: &str) -> &str {
    head.lines().next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line")
}

pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&server, PATIENCE).expect("the kernel accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
    stream
}

/// Asks for `/-/healthy` on a connection that stays open; gives the body.
pub(crate) fn healthy(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is sent");
    answer(stream)
}

/// The body of the next answer, whose head says how long it is.
pub(crate) fn answer(stream: &mut TcpStream) -> String {
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
pub(crate) fn first_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

/// Reads until the server closes the connection; gives whether it does.
pub(crate) fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Sends counters, `a0` and so on, each with 100 characters of tags, and waits until all are applied.
pub(crate) fn many_series(daemon: &Daemon, series: usize) {
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

/// Waits until there are so many counters. The server may have a deadline that a busy machine misses, so an answer that is
/// cut off is asked for again.
pub(crate) fn wait_for_counters(server: SocketAddr, series: usize) {
    let (begun, expected) = (Instant::now(), format!("<td>counter</td><td class=n>{series}</td>"));
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(&expected) {
        assert!(begun.elapsed() < PATIENCE, "not every line is applied");
        answer.clear();
        let mut stream = connect(server);
        let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let _ = asked.and_then(|()| stream.read_to_end(&mut answer));
    }
}

/// The lines of the series that were sent. The sidecar's own series change between scrapes.
pub(crate) fn of_series(exposition: &str) -> Vec<&str> {
    exposition.lines().filter(|line| line.starts_with('a')).collect()
}

pub(crate) fn unzip(bytes: &[u8]) -> String {
    String::from_utf8(unzip_bytes(bytes)).expect("it is gzip of text")
}

pub(crate) fn unzip_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut content).expect("it is complete gzip");
    content
}

pub(crate) fn scrape_request(more: &str) -> String {
    format!("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n")
}
