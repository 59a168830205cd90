//! What takes more than one row.

use std::net::UdpSocket;

use crate::page::Page;
use crate::support::{Daemon, Scratch};
use crate::{client, clients, started};

/// State keyed by the client's port would make a new series of each (trap 10).
#[test]
fn who_sent_a_line_does_not_matter() {
    let daemon = started(&[]);
    for n in 1..=5 {
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        client.send_to(format!("a:{n}|c\nb:+1|g").as_bytes(), daemon.udp[0]).expect("a packet");
    }
    assert_eq!(clients(&daemon.scrape_after(5)), ["a_total 15", "b 5"]);
}

/// Deltas shown as totals, or totals that a scrape takes back, would show here (trap 7, trap 9).
#[test]
fn a_scrape_changes_nothing() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    for n in 1..=4_u64 {
        client.send(b"a:1|c\nb:+2|g\nc:1|h").expect("a packet");
        let page = clients(&daemon.scrape_after(n));
        assert_eq!(page[0], format!("a_total {n}"));
        assert_eq!(page[1], format!("b {}", 2 * n));
        assert_eq!(page[page.len() - 1], format!("c_count {n}"));
        assert_eq!(clients(&daemon.scrape()), page);
    }
}

/// A lone packet is not kept waiting for a full batch, and what an earlier batch left in the buffers is not read again
/// (trap 8).
#[test]
fn a_lone_packet_behind_a_burst_is_one_packet() {
    let daemon = started(&[]);
    let client = client(daemon.udp[0]);
    for _ in 0..100 {
        client.send(b"burst:1|c\nburst.of.long.lines:1|c|#some:tag").expect("a packet");
    }
    daemon.scrape_after(100);
    for n in 1..=3 {
        client.send(b"lone:1|c").expect("a packet");
        let expected = ["burst_of_long_lines_total{some=\"tag\"} 100", "burst_total 100", &format!("lone_total {n}")];
        assert_eq!(clients(&daemon.scrape_after(100 + n)), expected);
    }
}

#[test]
fn constant_labels_are_on_the_sidecars_own_metrics_too() {
    let scratch = Scratch::new("constant");
    let config = scratch.write("config.toml", "[labels]\nteam = \"data\"\nreason = \"mine\"\n");
    let daemon = started(&["--config", &config]);
    client(daemon.udp[0]).send(b"a:1|c\nb").expect("a packet");
    let page = daemon.scrape_with(&[
        "a_total{reason=\"mine\",team=\"data\"} 1",
        "statsidecar_dropped_samples_total{reason=\"mine\",team=\"data\"} 0",
        "statsidecar_rejected_samples_total{reason=\"malformed_line\",team=\"data\"} 1",
        "statsidecar_samples_total{reason=\"mine\",team=\"data\",type=\"c\"} 1",
    ]);
    Page::read(&page).expect("the page is valid");
}

/// Every byte in every place of a line, and lines cut anywhere: the page stays valid, and every line ends somewhere.
#[test]
fn no_byte_spoils_the_page() {
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
    // An empty line is none, and a `\n` makes two of a line in each of its 28 places but the first and the last. The
    // upper half of all bytes is not UTF-8 in any of them.
    let lines = format!("statsidecar_lines_total{{listener=\"udp://{}\"}} {}", daemon.udp[0], 27 + 28 * 256 + 26);
    let rejected = format!("statsidecar_rejected_samples_total{{reason=\"not_utf8\"}} {}", 28 * 128);
    Page::read(&daemon.scrape_with(&[&lines, &rejected])).expect("the page is valid");
}

#[test]
fn listeners_of_both_families() {
    let listen = ["--listen", "udp://127.0.0.1:0", "--listen", "udp://[::1]:0", "--http", "[::1]:0"];
    let daemon = Daemon::start(&listen);
    assert!(daemon.udp[0].is_ipv4() && daemon.udp[1].is_ipv6() && daemon.http.is_ipv6(), "{:?}", daemon.udp);
    client(daemon.udp[0]).send(b"a:1|c\nb:1|c\nx").expect("a packet over IPv4");
    client(daemon.udp[1]).send(b"a:2|c").expect("a packet over IPv6");
    client(daemon.udp[1]).send(b"a:4|c").expect("a packet over IPv6");
    let page = daemon.scrape_after(3);
    assert_eq!(clients(&page), ["a_total 7", "b_total 1"]);
    for (metric, counts) in [("packets", [1, 2]), ("lines", [3, 2]), ("bytes", [13, 10])] {
        for (listener, count) in daemon.udp.iter().zip(counts) {
            daemon.scrape_with(&[&format!("statsidecar_{metric}_total{{listener=\"udp://{listener}\"}} {count}")]);
        }
    }
}

#[test]
fn an_ipv6_wildcard_takes_ipv4_too() {
    let daemon = Daemon::start(&["--listen", "udp://[::]:0", "--http", "127.0.0.1:0"]);
    let port = daemon.udp[0].port();
    client(([127, 0, 0, 1], port).into()).send(b"a:1|c").expect("a packet over IPv4");
    client(format!("[::1]:{port}").parse().expect("an address")).send(b"a:2|c").expect("a packet over IPv6");
    assert_eq!(clients(&daemon.scrape_after(2)), ["a_total 3"]);
}

/// ... and leaves IPv4 to a listener that asks for the same port.
#[test]
fn wildcards_of_both_families_share_a_port() {
    // A port that was free a moment ago: another program may take it, so it is tried with several.
    let daemon = (0..20).find_map(|_| {
        let port = UdpSocket::bind("[::]:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let (four, six) = (format!("udp://0.0.0.0:{port}"), format!("udp://[::]:{port}"));
        let free = UdpSocket::bind(("0.0.0.0", port)).is_ok();
        free.then(|| Daemon::start(&["--listen", &four, "--listen", &six, "--http", "127.0.0.1:0"]))
    });
    let daemon = daemon.expect("a port that both families have free");
    let port = daemon.udp[0].port();
    client(([127, 0, 0, 1], port).into()).send(b"a:1|c").expect("a packet over IPv4");
    client(format!("[::1]:{port}").parse().expect("an address")).send(b"a:2|c").expect("a packet over IPv6");
    let page = daemon.scrape_after(2);
    assert_eq!(clients(&page), ["a_total 3"]);
    for listener in [format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
        daemon.scrape_with(&[&format!("statsidecar_packets_total{{listener=\"udp://{listener}\"}} 1")]);
    }
}
