//! The account under load: what one client sends is, to the last line, what the page says.
//!
//! Built with `--release`, since a debug build is not what anyone loads. The sender is `statsidecar load`; what it says
//! it sent is held against the page by this file's own arithmetic.

mod support;

use std::net::SocketAddr;
use std::process::{Command, Output};

use support::{Daemon, Sidecar};

/// What `load` sent: lines and packets.
#[derive(Debug)]
struct Sent {
    lines: u64,
    packets: u64,
}

fn load(sidecar: &Sidecar, args: &[&str]) -> (Sent, Output) {
    load_over(&format!("udp://{}", sidecar.udp_addr()), sidecar.http_addr(), args)
}

fn load_over(target: &str, page: SocketAddr, args: &[&str]) -> (Sent, Output) {
    let output = Command::new(env!("CARGO_BIN_EXE_statsidecar"))
        .args(["load", "--target", target, "--scrape", &page.to_string()])
        .args(args)
        .output()
        .expect("the load can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let words: Vec<&str> = text.lines().next().expect("it says what it sent").split_whitespace().collect();
    // "sent N lines in M packets in ..."
    let number = |at: usize| words[at].parse().expect("a number");
    (Sent { lines: number(1), packets: number(4) }, output)
}

/// The sum of the samples of one family.
fn sum(page: &str, name: &str) -> u64 {
    page.lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
        .map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a whole number"))
        .sum()
}

#[test]
fn every_line_of_one_client_is_applied_at_several_rates() {
    for (rate, seconds, extra) in [
        ("20000", "2", &["--packet", "0"][..]),
        ("50000", "2", &["--tags", "3"]),
        ("200000", "10", &["--series", "1000"]),
    ] {
        let sidecar = Sidecar::start(&[]);
        let (sent, output) = load(&sidecar, &[&["--rate", rate, "--seconds", seconds], extra].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let page = sidecar.scrape();
        assert!(sent.lines >= rate.parse::<u64>().unwrap() * seconds.parse::<u64>().unwrap() * 99 / 100, "{sent:?}");
        assert_eq!(sum(&page, "statsidecar_packets_total"), sent.packets, "at {rate} lines/s");
        assert_eq!(sum(&page, "statsidecar_kernel_dropped_packets_total"), 0, "at {rate} lines/s");
        assert_eq!(sum(&page, "statsidecar_samples_total"), sent.lines, "at {rate} lines/s");
        // The same once more from the series themselves: each counter's line is `1|c`.
        let counted: u64 = page
            .lines()
            .filter(|line| !line.starts_with('#') && line.contains("records_read_total"))
            .map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a whole number"))
            .sum();
        let by_kind = |kind: &str| sum(&page, &format!("statsidecar_samples_total{{type=\"{kind}\"}}"));
        assert_eq!(counted, by_kind("c"));
        let observed: u64 = page
            .lines()
            .filter(|line| line.contains("_count") && !line.starts_with('#') && line.contains("batch_took_seconds"))
            .map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a whole number"))
            .sum();
        assert_eq!(observed, by_kind("ms"));
        assert_eq!(by_kind("c") + by_kind("g") + by_kind("ms"), sent.lines);
    }
}

#[test]
fn what_the_kernel_drops_is_accounted_for() {
    let config = std::env::temp_dir().join(format!("statsidecar-load-{}.toml", std::process::id()));
    std::fs::write(&config, "[intake]\nreceive_buffer = 0\n").expect("the config can be written");
    let sidecar = Sidecar::start(&["--config", config.to_str().expect("a temporary path is text")]);
    std::fs::remove_file(&config).expect("the config can be removed");
    // Stopped, it reads nothing, so that the small buffer overflows for certain.
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &sidecar.id().to_string()]).status();
        assert!(sent.expect("kill can be started").success());
    };
    signal("-STOP");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket can be bound");
    const PACKETS: u64 = 2000;
    for _ in 0..PACKETS {
        socket.send_to(b"x:1|c\nx:1|c\nx:1|c", sidecar.udp_addr()).expect("loopback takes packets");
    }
    signal("-CONT");
    let page = loop {
        let page = sidecar.scrape();
        if sum(&page, "statsidecar_packets_total") + sum(&page, "statsidecar_kernel_dropped_packets_total") >= PACKETS {
            break page;
        }
    };
    let dropped = sum(&page, "statsidecar_kernel_dropped_packets_total");
    assert!(dropped > 0 && dropped < PACKETS, "{dropped} of {PACKETS}");
    assert_eq!(sum(&page, "statsidecar_packets_total") + dropped, PACKETS);
    assert_eq!(sum(&page, "x_total"), 3 * (PACKETS - dropped));
}

/// Where a sender waits instead of losing anything, every line arrives as fast as it can be sent.
#[test]
fn every_line_arrives_over_streams_and_unix_sockets() {
    let name = |transport: &str| format!("{transport}://@statsidecar-load-{}-{transport}", std::process::id());
    for listener in ["tcp://127.0.0.1:0".to_owned(), name("unixgram"), name("unix"), name("unix+dogstatsd")] {
        let daemon = Daemon::start(&["--listen", &listener, "--http", "127.0.0.1:0"]);
        let (sent, output) = load_over(&daemon.listeners[0], daemon.http, &["--rate", "0", "--seconds", "2"]);
        assert!(output.status.success(), "{listener}: {}", String::from_utf8_lossy(&output.stderr));
        let page = daemon.scrape();
        let has_packets = listener.starts_with("unixgram") || listener.starts_with("unix+dogstatsd");
        assert_eq!(sum(&page, "statsidecar_packets_total"), if has_packets { sent.packets } else { 0 }, "{listener}");
        assert_eq!(sum(&page, "statsidecar_samples_total"), sent.lines, "{listener}");
        assert!(sent.lines > 100_000, "{listener}: {sent:?}");
    }
}
