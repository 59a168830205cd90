//! A soak: everything that can happen to a sidecar happens to one at the same time, from a seed. Afterwards the totals of the
//! honest clients are exact, every line is in one place, and the memory is what it was.
//!
//! ```text
//! cargo test --release --test soak -- --seconds 3600 --seed 7
//! ```
//!
//! Without arguments it takes two minutes. All traffic stays on loopback and ends by itself.

mod bad_clients;
mod honest;
#[path = "../support/mod.rs"]
mod support;
mod targets;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use honest::Sent;
use support::{Daemon, Exposition, Scratch, listener, sum};

/// The budget of the sidecar, in bytes.
const BUDGET: usize = 32 << 20;

/// How much the memory of the last quarter may differ from that of the second one, and what the process may take beside
/// its budget, in bytes.
const SLACK: usize = 16 << 20;

/// The listeners, by what sends to them.
#[derive(Clone, Copy)]
enum To {
    Unixgram,
    Udp,
    Bombs,
    Unix,
    Tcp,
}

/// What all actors share.
struct Stage<'a> {
    listeners: &'a [String],
    http: SocketAddr,
    is_over: &'a AtomicBool,
    seed: u64,
}

impl Stage<'_> {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The numbers of one actor, the same in every run with this seed.
    fn numbers(&self, actor: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed.wrapping_mul(1000) + actor)
    }

    fn address(&self, to: To) -> &str {
        &self.listeners[to as usize]
    }
}

fn main() {
    let (seconds, seed) = arguments();
    println!("a soak of {seconds} s from seed {seed}");
    let scratch = Scratch::short("soak");
    let targets = targets::Targets::reserve();
    let config = format!(
        "[limits]\nmemory = {BUDGET}\nseries = 50_000\n{}\
         [[metric]]\nmatch = \"brief.**\"\nttl = \"3s\"\n[[metric]]\nmatch = \"took.**\"\ntype = \"summary\"\nttl = \"5s\"\n\
         [[metric]]\nmatch = \"visitors.**\"\nttl = \"5s\"\n[[metric]]\nmatch = \"unwanted.**\"\ndrop = true\n",
        "overflow = \"collapse\"\n"
    );
    let config = scratch.write("config.toml", &format!("{config}{}", targets.config()));
    let mut args = vec!["--config".to_owned(), config, "--http".to_owned(), "127.0.0.1:0".to_owned()];
    // In the order of `To`: the program prints datagrams first.
    for transport in ["unixgram", "udp", "unixgram", "unix", "tcp"] {
        args.extend(["--listen".to_owned(), listener(transport)]);
    }
    let daemon = Daemon::start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let is_over = AtomicBool::new(false);
    let stage = Stage { listeners: &daemon.listeners, http: daemon.http, is_over: &is_over, seed };
    let (sent, memory) = thread::scope(|scope| perform(scope, &daemon, &stage, &targets, Duration::from_secs(seconds)));
    judge(&daemon, &stage, &sent, &memory, &targets);
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    println!("all totals are exact, and every line is in one place");
}

fn arguments() -> (u64, u64) {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str, otherwise: u64| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)).map_or(otherwise, |value| value.parse().expect("a whole number"))
    };
    (value("--seconds", 120), value("--seed", 1))
}

/// Lets all actors act, and watches. Gives what the honest clients sent, and the resident memory as it was each second.
fn perform<'s, 'e>(
    scope: &'s Scope<'s, 'e>,
    daemon: &Daemon,
    stage: &'e Stage<'e>,
    targets: &'e targets::Targets,
    time: Duration,
) -> (Sent, Vec<usize>) {
    let honest: Vec<_> = honest::ACTORS.iter().map(|actor| scope.spawn(move || actor(stage))).collect();
    for actor in bad_clients::ACTORS {
        scope.spawn(move || actor(stage));
    }
    scope.spawn(move || targets.come_and_go(stage));
    let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
    let (mut memory, mut before) = (Vec::new(), BTreeMap::new());
    while begun.elapsed() < time {
        thread::sleep(Duration::from_secs(1));
        let asked = Instant::now();
        let exposition = daemon.scrape();
        slowest = slowest.max(asked.elapsed());
        never_falls(&mut before, &exposition);
        memory.push(resident(daemon));
        if memory.len() % 10 == 0 {
            report(&exposition, &memory);
        }
    }
    stage.is_over.store(true, Ordering::Relaxed);
    println!("{} scrapes, the slowest in {slowest:?}", memory.len());
    let mut sent = Sent::default();
    honest.into_iter().for_each(|actor| sent.add(actor.join().expect("an honest client fails only with its test")));
    (sent, memory)
}

fn report(exposition: &str, memory: &[usize]) {
    let [lines, rejected, scrapes] = ["lines_total", "rejected_samples_total", "scrapes_total"]
        .map(|name| sum(exposition, &format!("statsidecar_{name}")));
    let resident = memory.last().copied().unwrap_or_default() >> 20;
    println!("{:>5} s: {lines} lines, {rejected} rejected, {scrapes} scrapes, {resident} MiB resident", memory.len());
}

/// The exposition is valid, and no counter of an honest client or of the sidecar is less than before.
fn never_falls(before: &mut BTreeMap<String, f64>, exposition: &str) {
    Exposition::read(exposition).unwrap_or_else(|error| panic!("{error}"));
    for line in exposition.lines().filter(|line| line.starts_with("honest_") || line.starts_with("statsidecar_")) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split('{').next().unwrap_or_default();
        if !["_total", "_bucket", "_count"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let value: f64 = value.parse().expect("a number");
        let last = before.insert(series.to_owned(), value).unwrap_or_default();
        assert!(value >= last, "{series} fell from {last} to {value}");
    }
}

fn resident(daemon: &Daemon) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it is running");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().strip_suffix(" kB").and_then(|n| n.parse::<usize>().ok()).expect("a number") * 1024
}

/// Compares what the sidecar says with what was sent.
fn judge(daemon: &Daemon, stage: &Stage<'_>, sent: &Sent, memory: &[usize], targets: &targets::Targets) {
    let settled = |exposition: &str| {
        // The counters of a batch follow one after the other, so the sum is looked at until it is right.
        let lines = sum(exposition, "statsidecar_lines_total");
        let ends = ["samples", "rejected_samples", "dropped_samples", "events"];
        lines == ends.iter().map(|end| sum(exposition, &format!("statsidecar_{end}_total"))).sum::<u64>()
            && targets.all_counted(exposition, lines)
    };
    let exposition = daemon.scrape_until("each line is in one place, here and at each target", settled);
    let value = |series: &str| {
        let of_series = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse::<f64>().ok();
        exposition.lines().find_map(of_series).unwrap_or_else(|| panic!("{series} is not on the page"))
    };
    for (series, expected) in &sent.totals {
        assert_eq!(value(series), *expected, "{series}");
    }
    let udp = stage.address(To::Udp);
    let of_udp = |name: &str| value(&format!("statsidecar_{name}_total{{listener=\"{udp}\"}}"));
    let (received, dropped) = (of_udp("packets"), of_udp("kernel_dropped_packets"));
    assert_eq!(received + dropped, sent.udp_packets as f64, "packets over UDP are received or dropped by the kernel");
    println!("{} totals of honest clients; UDP: {received} packets received, {dropped} dropped", sent.totals.len());

    let most = |seconds: &[usize]| seconds.iter().max().copied().unwrap_or_default();
    let quarter = memory.len() / 4;
    let (second, last) = (most(&memory[quarter..2 * quarter]), most(&memory[3 * quarter..]));
    println!("resident memory: at most {} MiB in the second quarter, {} MiB in the last", second >> 20, last >> 20);
    assert!(last <= second + SLACK, "the memory grows: {memory:?}");
    assert!(most(memory) <= BUDGET + 2 * SLACK, "the memory is over its budget: {memory:?}");
}
