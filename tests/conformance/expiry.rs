//! Series and observations that leave, over each transport: what is awaited is what the page says, never a time.

use std::thread;

use crate::listening;
use crate::page::Page;
use crate::support::{Client, Daemon, Scratch, sum};

const TRANSPORTS: [&str; 3] = ["udp", "unixgram", "tcp"];

/// Runs this over each transport at the same time, with one config, for most of it is waiting.
fn over_each_transport(topic: &str, config: &str, run: impl Fn(&Daemon, &mut Client) + Sync) {
    let scratch = Scratch::new(topic);
    let config = scratch.write("config.toml", config);
    thread::scope(|scope| {
        for transport in TRANSPORTS {
            let (config, run) = (&config, &run);
            scope.spawn(move || {
                let daemon = listening(transport, &["--config", config]);
                let mut client = Client::connect(&daemon.listeners[0]);
                run(&daemon, &mut client);
            });
        }
    });
}

/// The page once so many series have expired since the start, and what clients have on it.
fn expired(daemon: &Daemon, series: u64) -> (String, Vec<String>) {
    let page = daemon.scrape_with(&[&format!("statsidecar_series_expired_total {series}")]);
    let lines = Page::read(&page).expect("the page is valid").clients(false, true);
    (page, lines)
}

fn rejected(page: &str) -> u64 {
    sum(page, "statsidecar_rejected_samples_total")
}

/// An expired counter starts from 0, and its name is free for any other type (exporter 98, trap 12).
#[test]
fn an_expired_name_is_bound_to_no_type() {
    let config = "[defaults]\nnaming = \"verbatim\"\nttl = \"1s\"\nbuckets = [1]\n";
    over_each_transport("expiry-type", config, |daemon, client| {
        client.send(b"t:5|c");
        assert_eq!(expired(daemon, 1).1, [""; 0]);
        client.send(b"t:1|c");
        daemon.scrape_with(&["# TYPE t counter", "t 1"]);
        assert_eq!(expired(daemon, 2).1, [""; 0]);
        client.send(b"t:1|g");
        daemon.scrape_with(&["# TYPE t gauge", "t 1"]);
        assert_eq!(expired(daemon, 3).1, [""; 0]);
        client.send(b"t:0|h");
        let page = daemon.scrape_with(&["# TYPE t histogram", "t_bucket{le=\"+Inf\"} 1", "t_count 1"]);
        assert_eq!(rejected(&page), 0);
    });
}

/// So are the names that a histogram exposes beside its own, and what was refused for them is taken then.
#[test]
fn an_expired_histogram_gives_its_suffixes_back() {
    let config = "[defaults]\nnaming = \"verbatim\"\nbuckets = [1]\n[[metric]]\nmatch = \"x\"\nttl = \"1s\"\n";
    over_each_transport("expiry-suffixes", config, |daemon, client| {
        client.send(b"x:1|h\nx_count:5|g\nx_bucket:5|g\nx_sum:5|c");
        daemon.scrape_with(&["statsidecar_rejected_samples_total{reason=\"name_collision\"} 3"]);
        assert_eq!(expired(daemon, 1).1, [""; 0]);
        client.send(b"x_count:1|g\nx_bucket:2|g\nx_sum:3|c\nx:1|h");
        let page = daemon.scrape_with(&[
            "x_bucket 2",
            "x_count 1",
            "x_sum 3",
            "statsidecar_rejected_samples_total{reason=\"name_collision\"} 4",
        ]);
        assert_eq!(rejected(&page), 4, "whichever came first stays");
    });
}

/// ... and a place under the limits.
#[test]
fn an_expired_series_gives_its_place_back() {
    let config = "[defaults]\nttl = \"1s\"\n[limits]\nseries = 2\nfamily_series = 1\n";
    over_each_transport("expiry-place", config, |daemon, client| {
        client.send(b"a:1|c\na:1|c|#k:v\nb:1|c\nc:1|c");
        daemon.scrape_with(&[
            "statsidecar_rejected_samples_total{reason=\"series_limit\"} 1",
            "statsidecar_rejected_samples_total{reason=\"family_series_limit\"} 1",
        ]);
        assert_eq!(expired(daemon, 2).1, [""; 0]);
        client.send(b"c:2|c\na:2|c|#k:v");
        let page = daemon.scrape_with(&["a_total{k=\"v\"} 2", "c_total 2", "statsidecar_series{type=\"counter\"} 2"]);
        assert_eq!(rejected(&page), 2);
    });
}

/// Nothing expires by itself: a counter that nobody feeds while others leave goes on where it was (trap 12).
#[test]
fn by_default_nothing_leaves() {
    let config = "[[metric]]\nmatch = \"goes\"\nttl = \"1s\"\n";
    over_each_transport("expiry-default", config, |daemon, client| {
        client.send(b"goes:1|c\nstays:5|c\nlevel:+5|g\nseen:1|h");
        for n in 1..=2 {
            expired(daemon, n);
            client.send(b"goes:1|c");
            daemon.scrape_with(&["goes_total 1", "stays_total 5", "level 5", "seen_count 1"]);
        }
        client.send(b"stays:1|c\nlevel:+1|g");
        daemon.scrape_with(&["stays_total 6", "level 6"]);
    });
}

/// A ttl by default, longer ones by rule, one that is none, and a metric that is declared to be there (exporter 126).
#[test]
fn each_rule_may_have_a_ttl_of_its_own() {
    let config = r#"
[defaults]
ttl = "1s"
[[metric]]
match = "late"
ttl = "4s"
[[metric]]
match = "never"
ttl = "0"
[[metric]]
match = "declared"
name = "declared"
type = "gauge"
init = [{ k = "1" }]
"#;
    over_each_transport("expiry-rules", config, |daemon, client| {
        // A test that is kept from looking for seconds sees both gone at once; then it looks again.
        let in_order = (1..=5).any(|round| {
            client.send(b"unmapped:1|g\nlate:1|g\nnever:1|g\ndeclared:7|g|#k:1");
            daemon.scrape_with(&["unmapped 1", "late 1", "never 1", "declared{k=\"1\"} 7"]);
            let first = daemon.scrape_when("statsidecar_series_expired_total", 2 * round - 1);
            assert!(!first.contains("\nunmapped ") || !first.contains("\nlate "), "one has left:\n{first}");
            let is_later = !first.contains("\nunmapped 1\n") && first.contains("\nlate 1\n");
            let (_, all) = expired(daemon, 2 * round);
            let kept = ["# TYPE declared gauge", "declared{k=\"1\"} 7", "# TYPE never gauge", "never 1"];
            assert_eq!(all, kept, "after round {round}");
            is_later
        });
        assert!(in_order, "the longer ttl is the default's");
    });
}

/// A line is a sign of life, whatever its value.
#[test]
fn what_is_fed_does_not_leave() {
    let config = "[defaults]\nttl = \"3s\"\n";
    over_each_transport("expiry-fed", config, |daemon, client| {
        client.send(b"silent:1|c\nfed:0|c\nsame:7|g");
        daemon.scrape_with(&["silent_total 1", "fed_total 0", "same 7"]);
        let page = loop {
            client.send(b"fed:0|c\nsame:7|g");
            let page = daemon.scrape();
            if sum(&page, "statsidecar_series_expired_total") > 0 {
                break page;
            }
        };
        let lines = Page::read(&page).expect("the page is valid").clients(false, false);
        assert_eq!(lines, ["fed_total 0", "same 7"]);
    });
}

/// The quantiles of a summary whose window has passed are NaN, while its sum and its count stay (exporter 124).
#[test]
fn observations_leave_with_the_window_but_for_sum_and_count() {
    let config = "[defaults]\ntimer = \"summary\"\nquantiles = [0.5]\nsummary_window = \"1s\"\n";
    over_each_transport("summary-window", config, |daemon, client| {
        client.send(b"a:5|h\na:5|h");
        daemon.scrape_with(&["a{quantile=\"0.5\"} 5", "a_sum 10", "a_count 2"]);
        daemon.scrape_with(&["a{quantile=\"0.5\"} NaN", "a_sum 10", "a_count 2"]);
        client.send(b"a:1|h");
        daemon.scrape_with(&["a{quantile=\"0.5\"} 1", "a_sum 11", "a_count 3"]);
    });
}

/// Wave upon wave of names that never come again costs what one does.
#[test]
fn an_expired_series_gives_its_memory_back() {
    const WAVE: usize = 10_000;
    let scratch = Scratch::new("expiry-memory");
    let config = scratch.write("config.toml", "[defaults]\nttl = \"1s\"\n");
    let daemon = listening("unixgram", &["--config", &config]);
    let mut client = Client::connect(&daemon.listeners[0]);
    let tag = "t".repeat(300);
    let mut wave = |n: usize| {
        for part in 0..WAVE / 100 {
            let line = |line: usize| format!("job{n}.step{part}.line{line}:1|c|#{tag}\n");
            client.send((0..100).map(line).collect::<String>().as_bytes());
        }
        let (page, lines) = expired(&daemon, (n * WAVE) as u64);
        assert_eq!((lines.len(), sum(&page, "statsidecar_series")), (0, 0));
        sum(&page, "process_resident_memory_bytes")
    };
    let one = wave(1);
    let five = (2..=5).map(&mut wave).last().expect("four more");
    // The tags alone of four waves are 12 MB.
    assert!(five < one + (6 << 20), "{one} bytes after one wave, {five} after five");
}
