//! Clients that do harm: bombs, garbage, resets, and HTTP clients that are slow, silent, in a hurry or gone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::support::Client;
use crate::{Stage, To};

pub const ACTORS: &[fn(&Stage<'_>)] = &[bombs, garbage, resets, slow_heads, silent, aborted, chatty, slow_readers];

/// How long an HTTP client waits for what it may never get.
const WAIT: Duration = Duration::from_secs(5);

/// New names without an end, long tags, sets and summaries that grow, and names of a short life.
fn bombs(stage: &Stage<'_>) {
    let mut numbers = stage.numbers(11);
    let mut client = Client::connect(stage.address(To::Bombs));
    let long = "\\\"".repeat(400);
    let mut n = 0_u64;
    while !stage.is_over() {
        let mut packet = String::new();
        let kind = numbers.u32(0..7);
        for _ in 0..40 {
            n += 1;
            packet += &match kind {
                0 => format!("bomb.name{n}:1|c\n"),
                1 => format!("brief.name{n}.with.a.short.life:1|h\n"),
                2 => format!("brief.tags:1|c|#user:{n},text:{long}\n"),
                3 => format!("visitors.v{}:member{n}|s\n", n % 300),
                4 => format!("took.t{}:{}|ms\n", n % 300, 1e-3 * 1.5_f64.powi((n % 50) as i32)),
                5 => format!("brief.too.long:1|c|#a:{}\n", "x".repeat(1100)),
                _ => format!("unwanted.name{n}:1|c\n"),
            };
        }
        client.send(packet.as_bytes());
        if numbers.u32(0..20) == 0 {
            thread::sleep(Duration::from_millis(numbers.u64(0..20)));
        }
    }
}

/// Lines that mean nothing. None has a line end or what separates values in it, so each counts once.
fn garbage(stage: &Stage<'_>) {
    let mut numbers = stage.numbers(12);
    let mut client = Client::connect(stage.address(To::Bombs));
    while !stage.is_over() {
        let mut packet = Vec::new();
        for _ in 0..20 {
            let len = numbers.usize(1..80);
            packet.extend((0..len).map(|_| match numbers.u8(..) {
                b'\n' | b'\r' | b':' | b'|' => b'x',
                byte => byte,
            }));
            packet.push(b'\n');
        }
        client.send(&packet);
        thread::sleep(Duration::from_millis(numbers.u64(0..10)));
    }
}

/// Connections that break in the middle of a line.
fn resets(stage: &Stage<'_>) {
    let mut numbers = stage.numbers(13);
    let address = stage.address(To::Tcp).trim_start_matches("tcp://").to_owned();
    while !stage.is_over() {
        let Ok(mut stream) = TcpStream::connect(&address) else { continue };
        let lines = "reset.done:1|c\n".repeat(numbers.usize(0..200)) + "reset.cut";
        let _ = stream.write_all(lines.as_bytes());
        if numbers.bool() {
            let _ = set_socket_linger(&stream, Some(Duration::ZERO));
        }
        drop(stream);
        thread::sleep(Duration::from_millis(numbers.u64(0..20)));
    }
}

fn connect(stage: &Stage<'_>) -> Option<TcpStream> {
    let stream = TcpStream::connect(stage.http).ok()?;
    stream.set_read_timeout(Some(WAIT)).ok()?;
    Some(stream)
}

/// Requests that arrive a byte at a time.
fn slow_heads(stage: &Stage<'_>) {
    let mut streams: Vec<TcpStream> = Vec::new();
    while !stage.is_over() {
        if streams.len() < 40 {
            streams.extend(connect(stage));
        }
        streams.retain_mut(|stream| stream.write_all(b"G").is_ok());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Connections that never ask.
fn silent(stage: &Stage<'_>) {
    let mut streams: Vec<TcpStream> = Vec::new();
    while !stage.is_over() {
        streams.extend(connect(stage));
        if streams.len() > 100 {
            streams.drain(..50);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Scrapes whose client is gone at once.
fn aborted(stage: &Stage<'_>) {
    let mut numbers = stage.numbers(14);
    while !stage.is_over() {
        if let Some(mut stream) = connect(stage) {
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
        }
        thread::sleep(Duration::from_millis(numbers.u64(0..20)));
    }
}

/// One connection that asks without a pause, many questions at a time.
fn chatty(stage: &Stage<'_>) {
    let questions = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    let status = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    while !stage.is_over() {
        let Some(mut stream) = connect(stage) else { continue };
        for _ in 0..20 {
            if stream.write_all(&questions).and_then(|()| stream.write_all(status)).is_err() {
                break;
            }
            let mut answers = [0; 16 << 10];
            if !matches!(stream.read(&mut answers), Ok(1..)) {
                break;
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Scrapes that are read slowly.
fn slow_readers(stage: &Stage<'_>) {
    while !stage.is_over() {
        let Some(mut stream) = connect(stage) else { continue };
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut part = [0; 4096];
        for _ in 0..100 {
            if stage.is_over() || !matches!(stream.read(&mut part), Ok(1..)) {
                break;
            }
            thread::sleep(Duration::from_millis(30));
        }
    }
}
