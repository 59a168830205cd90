//! The program that the script `benches/instructions` measures: a worker that applies packets of known lines, or of lines
//! that each make a series, and scrapes.
//!
//! `instructions lines TAGS ROUNDS` makes 1,000 series with that many tags, applies packets of their lines ROUNDS times
//! more, and prints how many lines a round has. `instructions arena TAGS ROUNDS` does the same with the values of the
//! series in an arena. `instructions scrape TAGS ROUNDS` writes the exposition ROUNDS times, and prints how many series it
//! has. The difference between two runs with different ROUNDS is the cost of the rounds.
//!
//! `instructions new TAGS SERIES` makes packets of 100,000 lines, each of another series, and applies them until there are
//! SERIES series, which it prints. The difference between 0 and 100,000 is the cost of these series.

#[path = "../tests/support/pipeline.rs"]
mod pipeline;

use std::env;
use std::hint::black_box;
use std::mem;
use std::sync::Arc;

use statsidecar::http;
use statsidecar::memory::CountingAllocator;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::Worker;
use statsidecar::telemetry::{Listener, Snapshot};
use statsidecar::workload::{Mix, Packet, Workload};

/// That of the program.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const SERIES: usize = 1000;

/// The most series that are new.
const NEW: usize = 100_000;

/// The size of packets that fit an Ethernet frame; `load` uses it too.
const PACKET: usize = 1432;

/// How many packets a call of the kernel gives.
const RECEIVED: usize = 32;

/// How many packets of the workload are applied: enough to have each series many times.
const PACKETS: usize = 2000;

fn main() {
    let mut arguments = env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let numbers: Vec<usize> = arguments.map_while(|argument| argument.parse().ok()).collect();
    let [tags, rounds] = numbers[..] else {
        return println!("run the script benches/instructions, which measures this program");
    };
    if what == "new" {
        return new_series(tags, rounds);
    }
    let workload = Workload::new(SERIES, tags, Mix::default(), PACKET);
    let packets = &workload.packets()[..PACKETS];
    let pipeline = if what == "arena" { pipeline::pipeline_with_arena("") } else { pipeline::pipeline("") };
    let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
    let listener = Listener::new("udp://bench".to_owned());
    let mut round = || {
        let mut work = worker.begin(&listener, None);
        for received in packets.chunks(RECEIVED) {
            let mut batch = work.batch();
            received.iter().for_each(|Packet { bytes, .. }| batch.packet(bytes));
        }
    };
    round();
    assert_eq!(pipeline.current().registry.len(), SERIES, "every series is known");
    if what == "scrape" {
        let whole = || black_box(http::exposition(&pipeline, &Snapshot::default()));
        (0..rounds).for_each(|_| drop(whole()));
        return println!("{SERIES}");
    }
    for _ in 0..rounds {
        round();
    }
    println!("{}", packets.iter().map(|packet| packet.lines).sum::<u64>());
}

fn new_series(tags: usize, most: usize) {
    let workload = Workload::of_new_series(NEW, tags, Mix::default(), PACKET);
    let pipeline = pipeline::pipeline("");
    let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
    let listener = Listener::new("udp://bench".to_owned());
    for Packet { bytes, .. } in workload.packets() {
        if pipeline.current().registry.len() >= most {
            break;
        }
        worker.begin(&listener, None).batch().packet(bytes);
    }
    println!("{}", pipeline.current().registry.len());
    // To free the series is no part of the cost.
    mem::forget((pipeline, worker));
}
