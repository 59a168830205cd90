//! The program that the script `benches/instructions` measures: a worker that applies packets of known lines.
//!
//! `instructions TAGS ROUNDS` makes 1,000 series with that many tags, applies packets of their lines ROUNDS times more, and
//! prints how many lines a round has. The difference between two runs with different ROUNDS is the cost of the rounds.

#[path = "../tests/support/pipeline.rs"]
mod pipeline;

use std::env;
use std::sync::Arc;

use statsidecar::metric::Sharing;
use statsidecar::pipeline::Worker;
use statsidecar::telemetry::Listener;
use statsidecar::workload::{Mix, Packet, Workload};

const SERIES: usize = 1000;

/// The size of packets that fit an Ethernet frame; `load` uses it too.
const PACKET: usize = 1432;

/// How many packets of the workload are applied: enough to have each series many times.
const PACKETS: usize = 2000;

fn main() {
    let arguments: Vec<usize> = env::args().skip(1).map_while(|argument| argument.parse().ok()).collect();
    let [tags, rounds] = arguments[..] else {
        return println!("run the script benches/instructions, which measures this program");
    };
    let workload = Workload::new(SERIES, tags, Mix::default(), PACKET);
    let packets = &workload.packets()[..PACKETS];
    let pipeline = pipeline::pipeline("");
    let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
    let listener = Listener::new("udp://bench".to_owned());
    let mut round = || {
        let mut work = worker.begin(&listener, None);
        packets.iter().for_each(|Packet { bytes, .. }| work.batch().packet(bytes));
    };
    round();
    assert_eq!(pipeline.registry.len(), SERIES, "every series is known");
    for _ in 0..rounds {
        round();
    }
    println!("{}", packets.iter().map(|packet| packet.lines).sum::<u64>());
}
