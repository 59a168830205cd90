//! CPU time, wake-ups and memory at a rate that all receivers bear.

use std::env;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use crate::Options;
use crate::peers::{PEERS, Peer, RunningPeer};
use crate::receiver::{Receiver, Sidecar, StateFolders, Usage, load, median, peak_bytes, write_config};

/// The workloads: a name, lines a second, and the arguments of `load`.
const WORKLOADS: [(&str, u64, &[&str]); 9] = [
    ("packed, 1,000 series", 4_000_000, &["--series", "1000"]),
    ("packed, 1,000 series, 3 tags", 2_000_000, &["--series", "1000", "--tags", "3"]),
    ("packed, 10,000 series", 4_000_000, &["--series", "10000"]),
    ("packed, 100,000 series", 4_000_000, &["--series", "100000"]),
    ("one line a packet, 1,000 series", 300_000, &["--series", "1000", "--packet", "0"]),
    ("evenly, one line a packet, 200/s", 200, &EVENLY),
    ("evenly, one line a packet, 2,000/s", 2_000, &EVENLY),
    ("evenly, one line a packet, 20,000/s", 20_000, &EVENLY),
    ("evenly, one line a packet, 100,000/s", 100_000, &EVENLY),
];

/// Each packet by itself, as real clients send: the receiver may be woken for each.
const EVENLY: [&str; 5] = ["--series", "1000", "--packet", "0", "--even"];

/// The factor to the next rate after a receiver has lost packets.
const SLOWER: f64 = 0.7;

/// Prints the rows of the workloads that `options` asks for.
pub(crate) fn print(options: &Options) {
    let workloads: Vec<_> = WORKLOADS.into_iter().filter(|(name, ..)| options.asks_for(name)).collect();
    if workloads.is_empty() {
        return;
    }
    let rules = if options.with_rules { rules() } else { String::new() };
    println!("| workload | lines/s | program | CPU ns/line | x floor | wake-ups/s | lost packets | peak MiB |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut states = Vec::new();
    for (name, rate, args) in workloads {
        let (rate, runs) = at_a_rate_without_loss(options, rate, args, &rules);
        for run in &runs {
            print_row(name, rate, run, &runs[0]);
        }
        if let [_, without, with] = runs.as_slice() {
            states.push((name, with.nanoseconds_per_line / without.nanoseconds_per_line));
        }
        if options.with_peers && !args.contains(&"--tags") {
            for peer in PEERS {
                if let Some((rate, run)) = run_peer(peer, rate, options.seconds, args) {
                    print_row(name, rate, &run, &runs[0]);
                }
            }
        }
    }
    println!();
    if !states.is_empty() {
        println!("| workload | CPU with [state], x without |\n|---|---|");
        states.iter().for_each(|(name, ratio)| println!("| {name} | {ratio:.3} |"));
        println!();
    }
}

/// The result of one program with one workload.
struct Run {
    program: &'static str,
    nanoseconds_per_line: f64,
    wakes_per_second: f64,
    lost: u64,
    peak_bytes: u64,
}

fn print_row(name: &str, rate: u64, run: &Run, floor: &Run) {
    println!(
        "| {name} | {rate} | {} | {:.1} | {:.2} | {:.0} | {} | {:.1} |",
        run.program,
        run.nanoseconds_per_line,
        run.nanoseconds_per_line / floor.nanoseconds_per_line,
        run.wakes_per_second,
        run.lost,
        run.peak_bytes as f64 / 1_048_576.0
    );
}

/// All programs at the same rate: the highest, by steps, at which none of them loses a packet. The last one is the same as
/// the one before, with a state.
fn at_a_rate_without_loss(options: &Options, rate: u64, args: &[&str], rules: &str) -> (u64, Vec<Run>) {
    let (mut rate, seconds) = (rate, options.seconds);
    let programs: [&dyn Fn(u64) -> Run; 3] = [
        &|rate| run_floor(rate, seconds, args),
        &|rate| run_statsidecar("statsidecar", rate, seconds, args, &write_config("rules", rules)),
        &|rate| {
            let state = StateFolders::new();
            let config = write_config("state", &format!("{}{rules}", state.config()));
            run_statsidecar("statsidecar [state]", rate, seconds, args, &config)
        },
    ];
    for _ in 0..8 {
        let mut runs: [Vec<Run>; 3] = Default::default();
        // In turn, so that a machine that becomes busier disturbs all.
        for _ in 0..options.runs {
            runs.iter_mut().zip(&programs).for_each(|(runs, program)| runs.push(program(rate)));
        }
        let runs: Vec<Run> = runs.into_iter().map(median_run).collect();
        if runs.iter().all(|run| run.lost == 0) {
            return (rate, runs);
        }
        rate = (rate as f64 * SLOWER) as u64;
    }
    panic!("packets are lost even at {rate} lines/s");
}

/// The medians of several runs of one program; what they have lost is added up.
fn median_run(runs: Vec<Run>) -> Run {
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
    Run {
        program: runs[0].program,
        nanoseconds_per_line: of(|run| run.nanoseconds_per_line),
        wakes_per_second: of(|run| run.wakes_per_second),
        lost: runs.iter().map(|run| run.lost).sum(),
        peak_bytes: of(|run| run.peak_bytes as f64) as u64,
    }
}

/// Runs `send`, which gives how many lines it has sent in these `seconds`, and measures `process` meanwhile.
fn measured(program: &'static str, process: u32, seconds: u64, send: impl FnOnce() -> u64) -> Run {
    let before = Usage::settled(process);
    let lines = send();
    let after = Usage::settled(process);
    Run {
        program,
        nanoseconds_per_line: (after.cpu_nanoseconds - before.cpu_nanoseconds) / lines as f64,
        wakes_per_second: (after.wakes - before.wakes) as f64 / seconds as f64,
        lost: 0,
        peak_bytes: peak_bytes(process),
    }
}

fn run_floor(rate: u64, seconds: u64, args: &[&str]) -> Run {
    let mut floor = Receiver::start(Command::new(env::current_exe().expect("it has a path")).arg("floor"));
    let mut packets = 0;
    let run = measured("floor", floor.id(), seconds, || {
        let (lines, sent) = load(floor.udp, rate, seconds, args);
        packets = sent;
        lines
    });
    let end = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    end.send_to(b"end", floor.udp).expect("loopback takes packets");
    let last = floor.line();
    let received: u64 = last.split(' ').nth(1).expect("a number of packets").parse().expect("a number");
    Run { lost: packets - received, ..run }
}

fn run_statsidecar(program: &'static str, rate: u64, seconds: u64, args: &[&str], config: &Path) -> Run {
    let sidecar = Sidecar::start(Some(config));
    // Every series exists before the measurement, because this does not measure the cost of new series. A low rate would
    // not reach all of them.
    load(sidecar.receiver.udp, rate.clamp(20_000, 500_000), 3, args);
    let dropped = sidecar.dropped();
    let run = measured(program, sidecar.receiver.id(), seconds, || load(sidecar.receiver.udp, rate, seconds, args).0);
    Run { lost: sidecar.dropped() - dropped, ..run }
}

/// The highest rate without a loss, by steps down from `rate`, and its result; `None` if the peer is not installed.
fn run_peer(peer: Peer, rate: u64, seconds: u64, args: &[&str]) -> Option<(u64, Run)> {
    let running = RunningPeer::start(peer)?;
    load(running.udp, rate.clamp(20_000, 50_000), 3, args);
    let mut rate = rate;
    loop {
        let dropped = running.dropped();
        let run = measured(peer.name, running.id(), seconds, || load(running.udp, rate, seconds, args).0);
        let lost = running.dropped() - dropped;
        if lost == 0 {
            return Some((rate, run));
        }
        rate = (rate as f64 * SLOWER) as u64;
        assert!(rate > 50, "{} loses packets at any rate", peer.name);
    }
}

/// A config of 100 globs and 100 regexes. The last ones match names of the workload.
fn rules() -> String {
    let mut file = String::new();
    for n in 0..99 {
        file += &format!("[[metric]]\nmatch = \"shop{n}.*.request-*.**\"\nname = \"shop_{n}_$1\"\n");
        file += &format!("[[metric]]\nmatch_regex = 'queue{n}\\.([a-z]+)\\.(\\d+)'\nlabels = {{ queue = \"$1\" }}\n");
    }
    file += "[[metric]]\nmatch = \"etl.stage01.*.**\"\nlabels = { instance = \"$1\" }\n";
    file +=
        "[[metric]]\nmatch_regex = 'etl\\.stage02\\.(?P<instance>[^.]+)\\..*'\nlabels = { instance = \"$instance\" }\n";
    file
}
