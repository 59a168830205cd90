//! Lines over several packets, scrapes and senders.

use std::net::UdpSocket;

use crate::support::{Exposition, Scratch};
use crate::{client, clients, started};

/// The port of a client is no part of a series (trap 10).
#[test]
fn all_senders_feed_the_same_series() {
    let daemon = started(&[]);
    for n in 1..=5 {
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        client.send_to(format!("a:{n}|c\nb:+1|g").as_bytes(), daemon.udp[0]).expect("a packet");
    }
    assert_eq!(clients(&daemon.scrape_after(5)), ["a_total 15", "b 5"]);
}

/// Totals grow from scrape to scrape, and a scrape takes nothing back (trap 7, trap 9).
#[test]
fn a_scrape_changes_nothing() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    for n in 1..=4_u64 {
        client.send(b"a:1|c\nb:+2|g\nc:1|h").expect("a packet");
        let exposition = clients(&daemon.scrape_after(n));
        assert_eq!(exposition[0], format!("a_total {n}"));
        assert_eq!(exposition[1], format!("b {}", 2 * n));
        assert_eq!(exposition[exposition.len() - 1], format!("c_count {n}"));
        assert_eq!(clients(&daemon.scrape()), exposition);
    }
}

/// A single packet does not wait for a full batch, and the bytes of an earlier batch are not read again (trap 8).
#[test]
fn a_single_packet_behind_a_burst_is_applied_at_once() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    for _ in 0..100 {
        client.send(b"burst:1|c\nburst.of.long.lines:1|c|#some:tag").expect("a packet");
    }
    daemon.scrape_after(100);
    for n in 1..=3 {
        client.send(b"single:1|c").expect("a packet");
        let expected = ["burst_of_long_lines_total{some=\"tag\"} 100", "burst_total 100", &format!("single_total {n}")];
        assert_eq!(clients(&daemon.scrape_after(100 + n)), expected);
    }
}

#[test]
fn constant_labels_are_on_the_sidecars_own_metrics_too() {
    let scratch = Scratch::new("constant");
    let config = scratch.write("config.toml", "[labels]\nteam = \"data\"\nreason = \"mine\"\n");
    let daemon = started(&["--config", &config]);
    client(daemon.udp[0]).send(b"a:1|c\nb").expect("a packet");
    let exposition = daemon.scrape_with(&[
        "a_total{reason=\"mine\",team=\"data\"} 1",
        "statsidecar_dropped_samples_total{reason=\"mine\",team=\"data\"} 0",
        "statsidecar_rejected_samples_total{reason=\"malformed_line\",team=\"data\"} 1",
        "statsidecar_samples_total{reason=\"mine\",team=\"data\",type=\"c\"} 1",
    ]);
    Exposition::read(&exposition).expect("the exposition is valid");
}

/// Every byte in every place of a line, and lines cut anywhere: the exposition stays valid, and every line is counted.
#[test]
fn no_byte_breaks_the_exposition() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    let whole = b"n.a:1|h|@0.5|#k:v,l|c:d|T1|z";
    let mut lines: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut line = whole.to_vec();
            line[at] = byte;
            lines.push(line);
        }
    }
    let mut sent = 0;
    for packet in lines.chunks(64) {
        client.send(&packet.join(&b'\n')).expect("a packet");
        sent += 1;
        daemon.scrape_after(sent);
    }
    // The cut lines are 27, because the empty one does not count. A `\n` makes two lines in 26 of the 28 places. The
    // upper half of all bytes is not UTF-8 in any place.
    let lines = format!("statsidecar_lines_total{{listener=\"udp://{}\"}} {}", daemon.udp[0], 27 + 28 * 256 + 26);
    let rejected = format!("statsidecar_rejected_samples_total{{reason=\"not_utf8\"}} {}", 28 * 128);
    Exposition::read(&daemon.scrape_with(&[&lines, &rejected])).expect("the exposition is valid");
}
