//! From a start to the first scrape, and scrapes with and without gzip.

use std::net::UdpSocket;
use std::time::Instant;

use crate::Options;
use crate::peers::{PEERS, RunningPeer};
use crate::receiver::{Sidecar, Usage, load, median, peak_bytes};

/// How many starts, or scrapes, the medians are of.
const TIMES: usize = 20;

/// Milliseconds from the start until it listens, and until a scrape shows a line that was sent then; of CPU; and MiB.
type Start = [f64; 4];

/// Prints the rows.
pub(crate) fn print(options: &Options) {
    if options.asks_for("cold start") {
        println!("| workload | program | ms until it listens | ms until a scrape | CPU ms | peak MiB |");
        println!("|---|---|---|---|---|---|");
        print_start("statsidecar", (0..TIMES).map(|_| cold_start()).collect());
        if options.with_peers {
            print_peers();
        }
        println!();
    }
    if options.asks_for("gzip scrape") {
        println!("| workload | MB | ms | CPU ms |");
        println!("|---|---|---|---|");
        let sidecar = Sidecar::start(None);
        load(sidecar.receiver.udp, 500_000, 4, &["--series", "100000"]);
        print_scrape(&sidecar, "scrape, 100,000 series", "");
        print_scrape(&sidecar, "gzip scrape, 100,000 series", "Accept-Encoding: gzip\r\n");
        println!();
    }
}

fn print_start(program: &str, starts: Vec<Start>) {
    let [listens, scrape, cpu, memory] = [0, 1, 2, 3].map(|n| median(starts.iter().map(|start| start[n]).collect()));
    // Peers have no page to scrape.
    let scrape = if scrape.is_nan() { "-".to_owned() } else { format!("{scrape:.1}") };
    println!("| cold start | {program} | {listens:.1} | {scrape} | {cpu:.1} | {memory:.1} |");
}

fn cold_start() -> Start {
    let begun = Instant::now();
    let sidecar = Sidecar::start(None);
    let listens = begun.elapsed();
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.send_to(b"first:1|c", sidecar.receiver.udp).expect("loopback takes packets");
    assert_eq!(sidecar.count("first_total "), 1);
    let scrape = begun.elapsed();
    let cpu = Usage::of(sidecar.receiver.id()).cpu_nanoseconds / 1e6;
    [listens.as_secs_f64() * 1e3, scrape.as_secs_f64() * 1e3, cpu, peak_mebibytes(sidecar.receiver.id())]
}

fn print_peers() {
    for peer in PEERS {
        let starts = (0..TIMES).map_while(|_| {
            let begun = Instant::now();
            let running = RunningPeer::start(peer)?;
            let listens = begun.elapsed().as_secs_f64() * 1e3;
            let cpu = Usage::of(running.id()).cpu_nanoseconds / 1e6;
            Some([listens, f64::NAN, cpu, peak_mebibytes(running.id())])
        });
        let starts: Vec<_> = starts.collect();
        if !starts.is_empty() {
            print_start(peer.name, starts);
        }
    }
}

fn peak_mebibytes(process: u32) -> f64 {
    peak_bytes(process) as f64 / 1_048_576.0
}

fn print_scrape(sidecar: &Sidecar, name: &str, headers: &str) {
    let scrapes = (0..TIMES).map(|_| {
        let (before, begun) = (Usage::of(sidecar.receiver.id()), Instant::now());
        let bytes = sidecar.scrape(headers).len();
        let time = begun.elapsed();
        let cpu = Usage::of(sidecar.receiver.id()).cpu_nanoseconds - before.cpu_nanoseconds;
        [bytes as f64 / 1e6, time.as_secs_f64() * 1e3, cpu / 1e6]
    });
    let scrapes: Vec<[f64; 3]> = scrapes.collect();
    let [megabytes, time, cpu] = [0, 1, 2].map(|n| median(scrapes.iter().map(|scrape| scrape[n]).collect()));
    println!("| {name} | {megabytes:.1} | {time:.0} | {cpu:.0} |");
}
