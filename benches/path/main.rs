//! The whole path, from the socket to the cells, beside a floor. The floor is a program that receives the same packets
//! by the same calls and discards them.
//!
//! `cargo bench --bench path [-- SECONDS [NAME]]` starts both, one after the other, with the same load from
//! `statsidecar load`. It prints the CPU time of each for a line, how often its threads wake, the lost packets, and the
//! memory at the peak; once more with `[state]`. Then it prints the largest burst without a loss, cold starts, and scrapes with and without gzip.
//! `NAME` picks the rows whose name has it. Compare figures of one run only with each other. With two cores or more, the
//! receiver has the first core and the sender the second.
//!
//! With `--runs=N` each figure is the median of so many runs, in turn with those that it is compared with.
//!
//! With `--rules` statsidecar has 200 rules, half of them regexes.
//!
//! With `--peers` it also sends the untagged lines to other daemons that Debian packages. Each runs with its defaults
//! and only its StatsD listener, so it has the system's receive buffer, which loses packets in any pause. The row of a
//! peer has the highest rate, by steps, at which that daemon loses no packet. The floor that it is divided by ran at
//! the rate of its own row. Peers flush at most every 10 s, so a run shorter than `-- 20 --peers` may miss the pause.

mod bursts;
mod peers;
mod rates;
mod receiver;
mod scrapes;

use std::env;
use std::os::fd::AsFd;

use statsidecar::config::{Address, IntakeConfig};
use statsidecar::intake::{BATCH, ReceiveBuffers, Socket, Wait};

/// What the command line asks for.
struct Options {
    /// How long each load is sent.
    seconds: u64,
    /// What the names of rows must contain.
    only: String,
    /// Each figure is the median of so many runs.
    runs: usize,
    with_peers: bool,
    with_rules: bool,
}

impl Options {
    fn read(arguments: &[String]) -> Self {
        let (options, arguments): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with("--"));
        let has = |name: &str| options.iter().any(|option| *option == name);
        let runs = options.iter().find_map(|option| option.strip_prefix("--runs="));
        let number = |text: &str| text.parse().expect("the argument is a whole number");
        Self {
            seconds: arguments.first().map_or(5, |seconds| number(seconds)),
            only: arguments.get(1).map_or_else(String::new, |only| (*only).clone()),
            runs: runs.map_or(1, |runs| number(runs) as usize),
            with_peers: has("--peers"),
            with_rules: has("--rules"),
        }
    }

    fn asks_for(&self, name: &str) -> bool {
        name.contains(&self.only)
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == "floor") {
        return floor();
    }
    let options = Options::read(&arguments);
    rates::print(&options);
    bursts::print(&options);
    scrapes::print(&options);
}

/// Receives and discards packets, and prints their number at the end.
fn floor() {
    let address: Address = "udp://127.0.0.1:0".parse().expect("it is an address");
    let socket = Socket::bind(&address, &IntakeConfig::default()).expect("the floor binds");
    println!("listening for StatsD on {}", socket.address());
    let mut batch = ReceiveBuffers::new(BATCH);
    let (mut packets, mut bytes) = (0_u64, 0_usize);
    loop {
        for packet in batch.receive(socket.as_fd(), Wait::ForOne).expect("the floor receives") {
            if packet.bytes == b"end" {
                println!("packets {packets} {bytes}");
                return;
            }
            packets += 1;
            bytes += packet.bytes.len();
        }
    }
}
