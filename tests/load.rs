//! The account under load: `sent = applied + dropped by the kernel`, to the last line.
//!
//! This needs `--release`, because nobody puts load on a debug build. The sender is `statsidecar load`, which prints
//! how many lines it has sent. This file compares that with the metrics by its own arithmetic.

mod support;

use std::net::SocketAddr;
use std::process::{Command, Output};

use support::{Client, Daemon, Metrics, Scratch, listener, started, sum};

/// The number of lines and packets that `load` sent.
#[derive(Debug)]
struct Sent {
    lines: u64,
    packets: u64,
}

fn load(target: &str, http: SocketAddr, args: &[&str]) -> (Sent, Output) {
    let output = Command::new(env!("CARGO_BIN_EXE_statsidecar"))
        .args(["load", "--target", target, "--scrape", &http.to_string()])
        .args(args)
        .output()
        .expect("the load can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let words: Vec<&str> = text.lines().next().expect("it prints what it sent").split_whitespace().collect();
    // "sent N lines in M packets in ..."
    let number = |at: usize| words[at].parse().expect("a number");
    (Sent { lines: number(1), packets: number(4) }, output)
}

/// The exposition once every packet is either read or dropped by the kernel, and every line that was read is counted.
fn settled(metrics: &Metrics, packets: u64) -> String {
    metrics.scrape_settled(packets);
    // A worker adds to its counters one after the other, so that of samples may follow a moment after the packets.
    let is_counted = |text: &str| sum(text, "statsidecar_lines_total") == sum(text, "statsidecar_samples_total");
    metrics.scrape_until("every line is counted as a sample", is_counted)
}

/// The sum of the values on the lines that `is_counted` accepts.
fn total(exposition: &str, is_counted: impl Fn(&str) -> bool) -> u64 {
    let value = |line: &str| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a whole number");
    exposition.lines().filter(|line| !line.starts_with('#') && is_counted(line)).map(value).sum()
}

#[test]
fn every_line_of_one_client_is_applied_or_in_a_dropped_packet() {
    for (rate, seconds, extra) in
        [(20_000, 2, &["--packet", "0"][..]), (50_000, 2, &["--tags", "3"]), (200_000, 10, &["--series", "1000"])]
    {
        let daemon = started(&[]);
        let args = ["--rate", &rate.to_string(), "--seconds", &seconds.to_string()];
        let (sent, output) = load(&daemon.listeners[0], daemon.http, &[&args, extra].concat());
        let exposition = settled(&daemon, sent.packets);
        let dropped = sum(&exposition, "statsidecar_kernel_dropped_packets_total");
        let samples = sum(&exposition, "statsidecar_samples_total");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // A busy machine may slow the sender down, and may make the kernel drop packets.
        assert!(sent.lines >= rate * seconds / 4, "at {rate} lines/s: {sent:?}");
        let lost = sent.lines - samples;
        let most = dropped * 2 * sent.lines.div_ceil(sent.packets);
        assert!(lost <= most && (lost > 0) == (dropped > 0), "{lost} lines in {dropped} dropped packets");
        // The series themselves must agree: each line of a counter is `1|c`.
        let by_type = |name: &str| sum(&exposition, &format!("statsidecar_samples_total{{type=\"{name}\"}}"));
        assert_eq!(total(&exposition, |line| line.contains("records_read_total")), by_type("c"));
        let is_timer = |line: &str| line.contains("_count") && line.contains("batch_took_seconds");
        assert_eq!(total(&exposition, is_timer), by_type("ms"));
        assert_eq!(by_type("c") + by_type("g") + by_type("ms"), samples);
    }
}

/// A stopped process reads nothing, so its small buffer overflows for certain.
#[test]
fn packets_that_the_kernel_drops_are_counted() {
    const PACKETS: u64 = 2000;
    let scratch = Scratch::new("load-drops");
    let config = scratch.write("config.toml", "[intake]\nreceive_buffer = 0\n");
    let daemon = started(&["--config", &config]);
    let mut client = Client::connect(&daemon.listeners[0]);
    daemon.signal("STOP");
    daemon.wait_until_stopped();
    for _ in 0..PACKETS {
        client.send(b"x:1|c\nx:1|c\nx:1|c");
    }
    daemon.signal("CONT");
    let exposition = settled(&daemon, PACKETS);
    let dropped = sum(&exposition, "statsidecar_kernel_dropped_packets_total");
    assert!(dropped > 0 && dropped < PACKETS, "{dropped} of {PACKETS}");
    assert_eq!(sum(&exposition, "x_total"), 3 * (PACKETS - dropped));
}

/// Streams and Unix sockets make a sender wait instead of losing packets, so every line arrives at any rate.
#[test]
fn every_line_arrives_over_streams_and_unix_sockets() {
    for transport in ["tcp", "unixgram", "unix", "unix+dogstatsd"] {
        let daemon = Daemon::start(&["--listen", &listener(transport), "--http", "127.0.0.1:0"]);
        let (sent, output) = load(&daemon.listeners[0], daemon.http, &["--rate", "0", "--seconds", "2"]);
        assert!(output.status.success(), "{transport}: {}", String::from_utf8_lossy(&output.stderr));
        let exposition = daemon.scrape();
        let packets = if ["unixgram", "unix+dogstatsd"].contains(&transport) { sent.packets } else { 0 };
        assert_eq!(sum(&exposition, "statsidecar_packets_total"), packets, "{transport}");
        assert_eq!(sum(&exposition, "statsidecar_samples_total"), sent.lines, "{transport}");
        assert!(sent.lines > 100_000, "{transport}: {sent:?}");
    }
}
