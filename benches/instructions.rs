//! What the script `benches/instructions` counts: a worker that takes packets of known lines, and nothing else.
//!
//! `instructions TAGS ROUNDS` makes 1,000 series of so many tags each, takes packets of their lines ROUNDS times more,
//! and prints how many lines a round has. What two runs that differ in ROUNDS alone differ by is the cost of rounds.

mod support;

use std::env;
use std::sync::Arc;

use statsidecar::metric::Sharing;
use statsidecar::pipeline::Worker;
use statsidecar::telemetry::Listener;
use statsidecar::workload::{Mix, Packet, Workload};

const SERIES: usize = 1000;

/// What fits an Ethernet frame, as `load` fills them.
const PACKET: usize = 1432;

/// How many of the workload's packets are taken: enough to meet each series many times.
const PACKETS: usize = 2000;

fn main() {
    let arguments: Vec<usize> = env::args().skip(1).map_while(|argument| argument.parse().ok()).collect();
    let [tags, rounds] = arguments[..] else {
        return println!("run `benches/instructions`, which counts what this does");
    };
    let workload = Workload::new(SERIES, tags, Mix::default(), PACKET);
    let packets = &workload.packets()[..PACKETS];
    let pipeline = support::pipeline("");
    let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
    let listener = Listener::new("udp://bench".to_owned());
    let mut round =
        || packets.iter().for_each(|Packet { bytes, .. }| worker.begin(&listener, None).batch().packet(bytes));
    round();
    assert_eq!(pipeline.registry.len(), SERIES, "every series is known");
    for _ in 0..rounds {
        round();
    }
    println!("{}", packets.iter().map(|packet| packet.lines).sum::<u64>());
}
