//! Several workers that share a socket apply lines as one worker would.

use crate::support::Scratch;
use crate::{client, clients, started};

/// Each burst arrives while the program is stopped, so that several workers have a full batch at the same time. The
/// first batch of a burst is the slowest, so the other workers would overtake it if they did not wait for its gauges.
#[test]
fn several_workers_apply_lines_in_their_order() {
    const BURSTS: u64 = 12;
    const PACKETS: u64 = 300;
    let scratch = Scratch::new("workers");
    let config = scratch.write("config.toml", "[intake]\nworkers = 4\n[defaults]\nbuckets = [0.1]\n");
    let daemon = started(&["--config", &config]);
    let client = client(daemon.udp[0]);
    let (mut sent, mut lines) = (0, 0);
    for burst in 1..=BURSTS {
        daemon.signal("STOP");
        daemon.wait_until_stopped();
        for n in 0..PACKETS {
            sent += 1;
            let set = format!("set:{sent}|g\nmoved:{}|g\ntold:1|c\ntook:{}|ms\n", sent * 10, n % 200);
            let more = if n < 64 { "work:1|c\nwork:1|ms\n".repeat(20) } else { String::new() };
            let moved = "moved:+1|g\nmoved:-3|g\n";
            let packet = set + &more + moved;
            lines += packet.lines().count() as u64;
            client.send(packet.as_bytes()).expect("a packet");
        }
        daemon.signal("CONT");
        let listener = format!("{{listener=\"udp://{}\"}}", daemon.udp[0]);
        let exposition = daemon.scrape_with(&[
            &format!("statsidecar_packets_total{listener} {sent}"),
            &format!("statsidecar_lines_total{listener} {lines}"),
        ]);
        // The values are 0 to 199 ms, then 0 to 99 ms; 0 to 100 ms are at most 0.1 s.
        let (short, sum) = (101 + 100, 19_900 + 4950);
        let work = 64 * 20 * burst;
        assert_eq!(
            clients(&exposition),
            [
                format!("moved {}", sent * 10 - 2),
                format!("set {sent}"),
                format!("told_total {sent}"),
                format!("took_seconds_bucket{{le=\"0.1\"}} {}", short * burst),
                format!("took_seconds_bucket{{le=\"+Inf\"}} {sent}"),
                format!("took_seconds_sum {}", (sum * burst) as f64 / 1000.0),
                format!("took_seconds_count {sent}"),
                format!("work_seconds_bucket{{le=\"0.1\"}} {work}"),
                format!("work_seconds_bucket{{le=\"+Inf\"}} {work}"),
                format!("work_seconds_sum {}", work as f64 / 1000.0),
                format!("work_seconds_count {work}"),
                format!("work_total {work}"),
            ]
        );
    }
}
