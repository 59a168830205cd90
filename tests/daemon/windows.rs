//! Sets and summaries, which cover a window of time.

use crate::support::{Client, Daemon, InProcess, Scratch};
use crate::{client, clients, listening, started};

fn started_with(name: &str, config: &str) -> (Daemon, Scratch) {
    let scratch = Scratch::new(name);
    let config = scratch.write("config.toml", config);
    (started(&["--config", &config]), scratch)
}

#[test]
fn the_sidecars_own_metrics_count_sets_as_sets() {
    let (daemon, _scratch) = started_with("own_types", "defaults.timer = \"summary\"");
    client(daemon.udp[0]).send(b"u:a|s\nu:a|s|#k:v\nt:1|ms\n_e{1,1}:a|b").expect("a packet");
    daemon.scrape_with(&[
        "statsidecar_series{type=\"gauge\"} 0",
        "statsidecar_series{type=\"set\"} 2",
        "statsidecar_families{type=\"set\"} 1",
        "statsidecar_series{type=\"summary\"} 1",
        "statsidecar_events_total 1",
    ]);
}

#[test]
fn a_set_is_exact_up_to_1024_members_and_an_estimate_above() {
    // A Unix socket makes the sender wait, where UDP would lose packets on a busy machine.
    let daemon = listening("unixgram", &[]);
    let mut client = Client::connect(&daemon.listeners[0]);
    let mut packets = 0;
    let mut see = |members: std::ops::Range<u32>| {
        for first in members.clone().step_by(32) {
            let lines: Vec<String> = (first..members.end.min(first + 32)).map(|n| format!("u:member {n}|s")).collect();
            client.send(lines.join("\n").as_bytes());
            packets += 1;
        }
        let exposition = clients(&daemon.scrape_after(packets));
        exposition[0].strip_prefix("u ").and_then(|count| count.parse::<f64>().ok()).expect("the set")
    };
    assert_eq!(see(0..1000), 1000.0);
    assert_eq!(see(500..1024), 1024.0);
    assert_eq!(see(0..1024), 1024.0);
    // Eight times the standard error of 1.6 %, because the hashes differ from run to run.
    for many in [2_000_u32, 20_000] {
        let count = see(0..many);
        assert!((count / f64::from(many) - 1.0).abs() < 0.13, "{count} of {many}");
        assert_eq!(count.fract(), 0.0);
    }
}

#[test]
fn members_expire_with_the_window() {
    let config = "[defaults]\nset_window = \"10s\"\n";
    let sidecar = InProcess::start_with_clock(config, &["udp://127.0.0.1:0"]);
    let client = client(sidecar.address());
    client.send(b"u:a|s\nu:b|s\nu:c|s").expect("a packet");
    sidecar.scrape_with(&["u 3"]);
    sidecar.advance(20);
    sidecar.scrape_with(&["u 0"]);
    client.send(b"u:d|s\nu:a|s").expect("a packet");
    sidecar.scrape_with(&["u 2"]);
    sidecar.advance(20);
    sidecar.scrape_with(&["u 0"]);
    // Of 20,000 members only an estimate is kept, and it expires all the same.
    for first in (0..20_000).step_by(50) {
        let lines: Vec<String> = (first..first + 50).map(|n| format!("v:{n}|s")).collect();
        client.send(lines.join("\n").as_bytes()).expect("a packet");
        // The kernel would drop packets that are sent faster than the sidecar reads them.
        if first % 1_000 == 0 {
            sidecar.scrape_after(3 + first / 50);
        }
    }
    sidecar.scrape_after(402);
    sidecar.advance(20);
    sidecar.scrape_with(&["v 0"]);
    client.send(b"v:a|s").expect("a packet");
    sidecar.scrape_with(&["v 1"]);
}

#[test]
fn quantiles_are_within_1_percent() {
    let (daemon, _scratch) = started_with("quantiles", "defaults.timer = \"summary\"");
    let client = client(daemon.udp[0]);
    // 1 to 1,000 ms, each once and out of order, because 7 and 1,000 have no common factor.
    for first in 0..50 {
        let values: Vec<String> = (first * 20..first * 20 + 20).map(|n| (n * 7 % 1000 + 1).to_string()).collect();
        client.send(format!("a:{}|ms", values.join(":")).as_bytes()).expect("a packet");
    }
    let exposition = clients(&daemon.scrape_after(50));
    let value = |series: &str| -> f64 {
        let line = exposition.iter().find_map(|line| line.strip_prefix(series));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{series} is not among {exposition:?}"))
    };
    for (quantile, expected) in [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99)] {
        let value = value(&format!("a_seconds{{quantile=\"{quantile}\"}} "));
        assert!((value / expected - 1.0_f64).abs() <= 0.010_001, "{value} at {quantile}");
    }
    assert_eq!((value("a_seconds_sum "), value("a_seconds_count ")), (500.5, 1000.0));
}
