//! Fifty sidecars push to one receiver, half of them by each protocol, and the totals over all of them are what was sent.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use super::support::{Daemon, PATIENCE, Scratch, client};
use super::{OTLP, PUSHED, Peer, REMOTE_WRITE, RULES, free_address, newer};

const SIDECARS: u32 = 50;
const ROUNDS: u32 = 20;

/// The sums over the fleet after `rounds`, by hand. The sidecars are numbered from 1, which makes 1,275 together.
fn expected(rounds: u32) -> [(&'static str, f64); 7] {
    let rounds = f64::from(rounds);
    [
        ("sum(jobs_total{PUSHED})", 10.0 * 1275.0 * rounds),
        ("sum(jobs_total{queue=\"q3\",PUSHED})", 1275.0 * rounds),
        ("count(count by (instance, service_instance_id) (jobs_total{PUSHED}))", 50.0),
        ("sum(took_seconds_count{PUSHED})", 50.0 * 2.0 * rounds),
        ("sum(took_seconds_bucket{le=~\"0.1|1e-01\",PUSHED})", 50.0 * rounds),
        ("round(sum(took_seconds_sum{PUSHED}), 0.001)", 50.0 * 5.07 * rounds),
        ("sum(workers{PUSHED})", 1275.0),
    ]
}

#[test]
fn fifty_sidecars_push_to_a_newer_victoriametrics() {
    // Nothing is there to scrape.
    let mut peer = Peer::victoria(newer("victoria-metrics/usr/bin/victoria-metrics"), free_address());
    peer.start();
    let scratch = Scratch::new("fleet");
    let configs = [("remote_write.toml", REMOTE_WRITE), ("otlp.toml", OTLP)].map(|(file, table)| {
        let table = table.replace("ADDRESS", &peer.address.to_string());
        scratch.write(file, &format!("{RULES}{table}interval = \"1s\"\n"))
    });
    let fleet: Vec<(Daemon, UdpSocket)> = (0..SIDECARS as usize)
        .map(|number| {
            let config = &configs[number % configs.len()];
            // The port is part of the sidecar's name at the receiver.
            let http = free_address().to_string();
            let daemon = Daemon::start(&["--config", config, "--listen", "udp://127.0.0.1:0", "--http", &http]);
            let client = client(daemon.udp[0]);
            (daemon, client)
        })
        .collect();

    (0..ROUNDS / 2).for_each(|_| send(&fleet));
    has(&peer, ROUNDS / 2);
    peer.stop();
    (0..ROUNDS / 2).for_each(|_| send(&fleet));
    peer.start();
    has(&peer, ROUNDS);
    let sums = peer.query(&format!("sort(sum by (instance, service_instance_id) (jobs_total{{{PUSHED}}}))"));
    let sums: Vec<f64> = sums.iter().map(|(_, sum)| sum.as_str().unwrap().parse().unwrap()).collect();
    let each: Vec<f64> = (1..=SIDECARS).map(|number| f64::from(10 * number * ROUNDS)).collect();
    assert_eq!(sums, each, "each sidecar has its own");
}

/// Sends one packet to each sidecar.
fn send(fleet: &[(Daemon, UdpSocket)]) {
    for (number, (_, client)) in (1..).zip(fleet) {
        let jobs: String = (0..10).map(|queue| format!("jobs:{number}|c|#queue:q{queue}\n")).collect();
        let packet = format!("{jobs}took:70|ms\ntook:5000|ms\nworkers:{number}|g");
        client.send(packet.as_bytes()).expect("a packet");
    }
}

/// Waits until the receiver has what was sent in so many rounds.
fn has(peer: &Peer, rounds: u32) {
    let deadline = Instant::now() + PATIENCE;
    for (query, expected) in expected(rounds) {
        let query = query.replace("PUSHED", PUSHED);
        loop {
            let sums = peer.query(&query);
            let sum = sums.first().map(|(_, sum)| sum.as_str().unwrap().parse::<f64>().unwrap());
            if sum == Some(expected) {
                break;
            }
            assert!(Instant::now() < deadline, "{query} is {sum:?} and not {expected}");
            // A receiver does not report that it has received.
            thread::sleep(Duration::from_millis(100));
        }
    }
}
