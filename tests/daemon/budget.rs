//! `[limits] memory`: whatever a client sends, the process takes the budget and a fixed amount at most.

use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, Daemon, Scratch, sum};
use crate::{clients, listening};

/// The budget of these tests.
const BUDGET: usize = 16 << 20;

/// What the process may take beyond its budget and what the start took: buffers, and what the allocator cannot reuse.
const BESIDE: usize = 16 << 20;

/// Small packets fit the queue of a Unix socket on every machine.
const PACKET: usize = 32 << 10;

/// The resident memory of the process, in bytes.
fn resident(daemon: &Daemon) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it is running");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    let kilobytes: usize = line.trim().strip_suffix(" kB").and_then(|n| n.parse().ok()).expect("a number");
    kilobytes * 1024
}

/// Sends lines, as many in a packet as fit; gives the number of packets.
fn send(client: &mut Client, lines: impl Iterator<Item = String>) -> u64 {
    let (mut packet, mut packets) = (String::new(), 0);
    let mut flush = |packet: &mut String| {
        client.send(packet.as_bytes());
        packet.clear();
        packets += 1;
    };
    for line in lines {
        if packet.len() + line.len() > PACKET {
            flush(&mut packet);
        }
        let _ = writeln!(packet, "{line}");
    }
    if !packet.is_empty() {
        flush(&mut packet);
    }
    packets
}

/// The value of a series, and 0 if there is none.
fn value(exposition: &str, series: &str) -> f64 {
    let of_series = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    exposition.lines().find_map(of_series).unwrap_or_default()
}

fn rejected(exposition: &str, reason: &str) -> u64 {
    value(exposition, &format!("statsidecar_rejected_samples_total{{reason=\"{reason}\"}}")) as u64
}

/// How many samples of clients were applied, and how many were rejected because there was no memory.
fn applied_and_refused(exposition: &str) -> (u64, u64) {
    (sum(exposition, "statsidecar_samples_total"), rejected(exposition, "memory_limit"))
}

/// The samples of known series that [`survives`] sends.
const KNOWN: u64 = 2 * 3 * 100;

/// Starts a sidecar with known series, throws a bomb, and feeds the known series again. Each of their samples must be
/// applied, and the process may not take more than its budget and a fixed amount.
fn survives(name: &str, config: &str, bomb: impl Iterator<Item = String>) -> String {
    let scratch = Scratch::new(name);
    let limits = format!("[limits]\nmemory = {BUDGET}\nseries = 10_000_000\n{config}");
    let daemon = listening("unixgram", &["--config", &scratch.write("config.toml", &limits)]);
    let mut client = Client::connect(&daemon.listeners[0]);
    let of_each_type = |n: u32| [format!("known.c{n}:1|c"), format!("known.g{n}:+1|g"), format!("known.h{n}:1|h")];
    let mut packets = send(&mut client, (0..100).flat_map(of_each_type));
    daemon.scrape_after(packets);
    let before = resident(&daemon);
    packets += send(&mut client, bomb);
    packets += send(&mut client, (0..100).flat_map(of_each_type));
    let exposition = daemon.scrape_after(packets);
    let taken = resident(&daemon) - before;
    println!("{name}: {} KiB beyond the start", taken / 1024);
    assert!(taken <= BUDGET + BESIDE, "{name}: {} KiB", taken / 1024);
    for n in 0..100 {
        for series in [format!("known_c{n}_total"), format!("known_g{n}"), format!("known_h{n}_count")] {
            assert_eq!(value(&exposition, &series), 2.0, "{series}");
        }
    }
    exposition
}

#[test]
fn names_with_long_tags_stay_within_the_budget() {
    let tag = "\\\"".repeat(450);
    let line = |n: usize| format!("bomb.of.many.names{n}:1|{}|#a:{tag},b:{tag}", ["c", "g", "h"][n % 3]);
    let exposition = survives("budget-names", "", (0..30_000).map(line));
    let (applied, refused) = applied_and_refused(&exposition);
    assert!(refused > 10_000, "{refused}");
    assert_eq!(applied + refused, KNOWN + 30_000);
    assert_eq!(sum(&exposition, "statsidecar_series"), KNOWN / 2 + 30_000 - refused);
}

#[test]
fn tags_that_are_too_long_cost_next_to_nothing() {
    let tags = (0..8).map(|n| format!("t{n}:{}", "x".repeat(1000))).collect::<Vec<_>>().join(",");
    let exposition = survives("budget-tags", "", (0..5_000).map(|n| format!("bomb{n}:1|h|#{tags}")));
    assert_eq!(rejected(&exposition, "series_too_long"), 5_000);
    assert_eq!(applied_and_refused(&exposition), (KNOWN, 0));
    assert!(value(&exposition, "statsidecar_memory_bytes") < 2.0 * 1024.0 * 1024.0);
}

#[test]
fn sets_stay_within_the_budget() {
    let members = |set: usize| (0..500).map(move |n| format!("visitors{set}:{set}x{n}|s"));
    let (applied, refused) = applied_and_refused(&survives("budget-sets", "", (0..2_000).flat_map(members)));
    assert!(refused > 100_000, "{refused}");
    assert_eq!(applied + refused, KNOWN + 2_000 * 500);
}

#[test]
fn summaries_over_nine_decades_stay_within_the_budget() {
    let rule = "[[metric]]\nmatch = \"took*\"\ntype = \"summary\"\n";
    let observations = |summary: usize| (0..500).map(move |n| format!("took{summary}:{}|d", 1e-3 * 1.043_f64.powi(n)));
    let exposition = survives("budget-summaries", rule, (0..4_000).flat_map(observations));
    let (applied, refused) = applied_and_refused(&exposition);
    assert!(refused > 100_000, "{refused}");
    assert_eq!(applied + refused, KNOWN + 4_000 * 500);
}

/// One series under many spellings takes routes, and no more of them than there is memory for.
#[test]
fn spellings_of_one_series_stay_within_the_budget() {
    let spelling = |n: usize| (0..9).map(|digit| ["-", "/", "+", "!"][n >> (2 * digit) & 3]).collect::<String>();
    let line = |n| format!("a.name{}of.one.metric:1|c", spelling(n));
    let exposition = survives("budget-spellings", "", (0..1 << 18).map(line));
    assert_eq!(applied_and_refused(&exposition), (KNOWN + (1 << 18), 0));
}

/// At the limit a new series is refused, and one that expires makes room again.
#[test]
fn expired_series_make_room_for_new_ones() {
    let scratch = Scratch::new("budget-expiry");
    let rule = "[[metric]]\nmatch = \"old.*\"\nttl = \"1s\"\n";
    let config = scratch.write("config.toml", &format!("limits.memory = \"2MiB\"\n{rule}"));
    let daemon = listening("unixgram", &["--config", &config]);
    let mut client = Client::connect(&daemon.listeners[0]);
    let packets = send(&mut client, (0..20_000).map(|n| format!("old.{n}:1|c")));
    let exposition = daemon.scrape_after(packets);
    let refused = rejected(&exposition, "memory_limit");
    assert!(refused > 1000 && refused < 20_000, "{refused}");
    let [used, limit] =
        ["statsidecar_memory_bytes", "statsidecar_memory_limit_bytes"].map(|name| value(&exposition, name));
    assert!(limit == f64::from(2 << 20) && used > limit / 2.0 && used < limit * 2.0, "{used} of {limit}");
    let made = 20_000 - refused;
    daemon.scrape_with(&[&format!("statsidecar_series_expired_total {made}")]);
    client.send(b"new:1|c");
    assert_eq!(clients(&daemon.scrape_with(&["new_total 1"])), ["new_total 1"]);
}

/// The system gets the memory of names that came and went.
#[test]
fn memory_of_expired_series_is_given_back() {
    let scratch = Scratch::new("budget-churn");
    let config = scratch.write("config.toml", "limits.series = 1_000_000\ndefaults.ttl = \"1s\"\n");
    let daemon = listening("unixgram", &["--config", &config]);
    let mut client = Client::connect(&daemon.listeners[0]);
    let before = resident(&daemon);
    send(&mut client, (0..150_000).map(|n| format!("some.job{n}.took:1|c|#host:web{n}")));
    let most = resident(&daemon);
    assert!(most > before + 2 * BESIDE, "{} KiB", (most - before) / 1024);
    let deadline = Instant::now() + Duration::from_secs(60);
    while resident(&daemon) > before + BESIDE {
        let kept = (resident(&daemon) - before) / 1024;
        assert!(Instant::now() < deadline, "{kept} KiB are kept of {} KiB", (most - before) / 1024);
        // Nothing tells when the system has the memory back.
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_a_budget_all_series_are_made() {
    let scratch = Scratch::new("budget-none");
    let daemon = listening("unixgram", &["--config", &scratch.write("config.toml", "limits.memory = \"0\"\n")]);
    Client::connect(&daemon.listeners[0]).send(b"a:1|c");
    let exposition = daemon.scrape_with(&["a_total 1", "statsidecar_memory_limit_bytes -1"]);
    assert_eq!(clients(&exposition), ["a_total 1"]);
}

/// What an earlier process has left counts as what this one makes.
#[test]
fn restored_series_count_against_the_budget() {
    let scratch = Scratch::new("budget-restored");
    let folders = ["disk", "memory"].map(|folder| scratch.file(folder));
    let config = format!("[state]\npath = {:?}\narena = {:?}\n", folders[0], folders[1]);
    let config = scratch.write("config.toml", &config);
    let start = || listening("unixgram", &["--config", &config]);
    let used = |exposition: &str| value(exposition, "statsidecar_memory_bytes");
    let first = start();
    let line = |n: usize| format!("a.name.of.some.length{n}:1|{}", ["c", "h", "s"][n % 3]);
    let packets = send(&mut Client::connect(&first.listeners[0]), (0..9_000).map(line));
    let before = first.scrape_after(packets);
    let arena = value(&before, "statsidecar_state_arena_bytes");
    assert!(arena > 1024.0 * 1024.0 && used(&before) > 2.0 * arena, "{arena} of {}", used(&before));
    first.signal("TERM");
    assert_eq!(first.wait().code, Some(0));
    let after = start().scrape();
    assert_eq!(sum(&after, "statsidecar_series"), 9_000);
    assert_eq!(value(&after, "statsidecar_state_arena_bytes"), arena);
    // There are no routes yet, and the members of sets have lists of their own length.
    let share = used(&after) / used(&before);
    assert!((0.6..=1.05).contains(&share), "{} after {}", used(&after), used(&before));
}
