//! A soak: everything that can happen to a sidecar happens to one at the same time, from a seed. Afterwards the totals of the
//! honest clients are exact, every line is in one place, and the memory is what it was.
//!
//! Its config is reloaded about once a second. It has three parts of the same length. In the first, one process runs, and all clients must be counted. In the second it
//! is asked to end every few seconds, and the next process goes on with what it has left; in the third it is killed. There
//! the clients of the Unix datagram socket must be counted: no line is lost to a process that was asked to end, and at most
//! the packets of one receive call to one that was killed.
//!
//! ```text
//! cargo test --release --test soak -- --seconds 3600 --seed 7
//! ```
//!
//! Without arguments it takes two minutes. All traffic stays on loopback and ends by itself.

mod bad_clients;
mod honest;
mod sidecar;
#[path = "../support/mod.rs"]
mod support;
mod targets;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use honest::Sent;
use sidecar::{Ending, Sidecar};
use statsidecar::intake::BATCH;
use support::{Exposition, Scratch, sum};

/// The budget of the sidecar, in bytes.
const BUDGET: usize = 32 << 20;

/// How much the memory of the last quarter may differ from that of the second one, in bytes.
const SLACK: usize = 16 << 20;

/// What the process may take beside its budget, in bytes: buffers of pages, what encoders of pages need, and the gaps that
/// bombs leave among the series of clients. It was 46 MiB in an hour with 389 restarts.
const BESIDE: usize = 48 << 20;

/// How often the config was reloaded, and how often that failed.
const RELOADED: &str = "statsidecar_config_reloads_total{outcome=\"succeeded\"}";
const NOT_RELOADED: &str = "statsidecar_config_reloads_total{outcome=\"failed\"}";

/// How long a process runs before it is ended.
const LIFE: Duration = Duration::from_secs(5);

/// The listeners, by what sends to them.
#[derive(Clone, Copy)]
enum To {
    Unixgram,
    Udp,
    Unix,
    Tcp,
    Bombs,
}

/// What all actors share.
struct Stage<'a> {
    listeners: &'a [String],
    http: SocketAddr,
    is_over: &'a AtomicBool,
    /// How processes end in this part; `None`: one process runs.
    ending: Option<Ending>,
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
    let (scratch, memory) = (Scratch::short("soak"), Scratch::memory("soak"));
    let targets = targets::Targets::reserve();
    let config = format!(
        "[limits]\nmemory = {BUDGET}\nseries = 50_000\noverflow = \"collapse\"\n\
         [state]\npath = \"{}\"\narena = \"{}\"\ninterval = \"2s\"\n\
         [[metric]]\nmatch = \"brief.**\"\nttl = \"3s\"\n[[metric]]\nmatch = \"took.**\"\ntype = \"summary\"\nttl = \"5s\"\n\
         [[metric]]\nmatch = \"visitors.**\"\nttl = \"5s\"\n[[metric]]\nmatch = \"unwanted.**\"\ndrop = true\n{}",
        scratch.file("state"),
        memory.file("arena"),
        targets.config()
    );
    let mut sidecar = Sidecar::start(&scratch, &scratch.write("config.toml", &config));
    let (listeners, http) = (sidecar.listeners(), sidecar.http);
    let (mut sent, mut resident) = (Sent::default(), Vec::new());
    for ending in [None, Some(Ending::Asked), Some(Ending::Killed)] {
        let is_over = AtomicBool::new(false);
        let stage = Stage { listeners: &listeners, http, is_over: &is_over, ending, seed };
        let time = Duration::from_secs(seconds) / 3;
        sent.add(thread::scope(|scope| perform(scope, &mut sidecar, &stage, &targets, time, &mut resident)));
        judge(&sidecar, &stage, &sent, &targets);
    }
    judge_memory(&resident);
    sidecar.stop();
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

/// Lets all actors act, and watches. Gives what the honest clients sent, and adds the resident memory as it was each second.
fn perform<'s, 'e>(
    scope: &'s Scope<'s, 'e>,
    sidecar: &mut Sidecar,
    stage: &'e Stage<'e>,
    targets: &'e targets::Targets,
    time: Duration,
    resident: &mut Vec<usize>,
) -> Sent {
    let actors = if stage.ending.is_some() { honest::AMONG_RESTARTS } else { honest::ACTORS };
    let honest: Vec<_> = actors.iter().map(|actor| scope.spawn(move || actor(stage))).collect();
    for actor in bad_clients::ACTORS {
        scope.spawn(move || actor(stage));
    }
    scope.spawn(move || targets.come_and_go(stage));
    let (begun, mut restarted, mut slowest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let (mut before, mut numbers) = (BTreeMap::new(), stage.numbers(31));
    while begun.elapsed() < time {
        thread::sleep(Duration::from_millis(numbers.u64(500..1500)));
        let asked = Instant::now();
        let exposition = sidecar.scrape();
        slowest = slowest.max(asked.elapsed());
        never_falls(&mut before, &exposition);
        resident.push(sidecar.resident());
        if resident.len().is_multiple_of(10) {
            report(&exposition, resident);
        }
        sidecar.reload(numbers.u64(2..5));
        if let Some(ending) = stage.ending.filter(|_| restarted.elapsed() > LIFE) {
            sidecar.restart(ending);
            restarted = Instant::now();
            // What the sidecar counts of itself begins again.
            before.retain(|series, _| !series.starts_with("statsidecar_"));
        }
    }
    stage.is_over.store(true, Ordering::Relaxed);
    println!("the slowest scrape took {slowest:?}");
    let mut sent = Sent::default();
    honest.into_iter().for_each(|actor| sent.add(actor.join().expect("an honest client fails only with its test")));
    sent
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

/// Compares what the sidecar says with what was sent.
fn judge(sidecar: &Sidecar, stage: &Stage<'_>, sent: &Sent, targets: &targets::Targets) {
    let settled = |exposition: &str| {
        // The counters of a batch follow one after the other, so the sum is looked at until it is right.
        let lines = sum(exposition, "statsidecar_lines_total");
        let ends = ["samples", "rejected_samples", "dropped_samples", "events"];
        lines == ends.iter().map(|end| sum(exposition, &format!("statsidecar_{end}_total"))).sum::<u64>()
            && targets.all_counted(exposition, lines)
    };
    sidecar.reload(3);
    let is_reloaded = |exposition: &str| sum(exposition, RELOADED) > 0 && sum(exposition, NOT_RELOADED) == 0;
    sidecar.scrape_until("the last config holds", is_reloaded);
    let exposition = sidecar.scrape_until("each line is in one place, here and at each target", settled);
    let value = |series: &str| {
        let of_series = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse::<f64>().ok();
        exposition.lines().find_map(of_series).unwrap_or_else(|| panic!("{series} is not on the page"))
    };
    match stage.ending {
        Some(Ending::Killed) => judge_losses(sidecar.killed, sent, value),
        _ => {
            let found = sent.totals.iter().map(|(series, expected)| (series, value(series), expected));
            let wrong: Vec<_> = found.filter(|(_, found, expected)| found != *expected).collect();
            assert!(wrong.is_empty(), "these were found and expected: {wrong:#?}");
        }
    }
    println!("{} totals of honest clients after {} restarts", sent.totals.len(), sidecar.asked + sidecar.killed);
    if stage.ending.is_none() {
        let udp = stage.address(To::Udp);
        let of_udp = |name: &str| value(&format!("statsidecar_{name}_total{{listener=\"{udp}\"}}"));
        let (received, dropped) = (of_udp("packets"), of_udp("kernel_dropped_packets"));
        let all = "packets over UDP are received or dropped by the kernel";
        assert_eq!(received + dropped, sent.udp_packets as f64, "{all}");
        println!("UDP: {received} packets received, {dropped} dropped");
    }
}

/// After so many kills, each of which may have taken the packets of one receive call.
fn judge_losses(kills: u32, sent: &Sent, value: impl Fn(&str) -> f64) {
    let most = f64::from(kills) * BATCH as f64;
    let mut lost = 0.0;
    for (series, expected) in sent.totals.iter().filter(|(series, _)| !series.ends_with("_depth")) {
        let short = expected - value(series);
        let most = most * if series.ends_with("_packets_total") { 1.0 } else { honest::MOST_IN_A_PACKET };
        assert!((0.0..=most).contains(&short), "{series} is {short} short after {kills} kills");
        lost += if series.ends_with("_packets_total") { short } else { 0.0 };
    }
    assert!(lost <= most, "{lost} packets are lost to {kills} kills");
    println!("{kills} kills took {lost} packets in all, of {most} that they may have had in hand");
}

fn judge_memory(resident: &[usize]) {
    let most = |seconds: &[usize]| seconds.iter().max().copied().unwrap_or_default();
    let quarter = resident.len() / 4;
    let (second, last) = (most(&resident[quarter..2 * quarter]), most(&resident[3 * quarter..]));
    let [begin, end] = [resident.first(), resident.last()].map(|bytes| bytes.map_or(0, |bytes| bytes >> 20));
    println!("resident memory: {begin} MiB at the start and {end} MiB at the end");
    println!("at most {} MiB in the second quarter, {} MiB in the last", second >> 20, last >> 20);
    assert!(last <= second + SLACK, "the memory grows: {resident:?}");
    assert!(most(resident) <= BUDGET + BESIDE, "the memory is over its budget: {resident:?}");
}
