//! The sidecar's own metrics: all are there from the start, and no line can change them.

use std::collections::BTreeSet;

use crate::support::{Client, Exposition, Scratch};
use crate::{clients, listening};

/// A counter must be there at 0, because the rate of a counter that appears later misses its first value.
#[test]
fn every_own_metric_is_exposed_from_the_start() {
    for transport in ["udp", "unixgram", "tcp"] {
        let daemon = listening(transport, &[]);
        let exposition = daemon.scrape();
        Exposition::read(&exposition).expect("the exposition is valid");
        let listener = format!("listener=\"{}\"", daemon.listeners[0]);
        let mut counters: Vec<String> = ["packets", "bytes", "lines"]
            .iter()
            .map(|what| format!("statsidecar_{what}_total{{{listener}}}"))
            .collect();
        if transport != "tcp" {
            counters.push(format!("statsidecar_kernel_dropped_packets_total{{{listener}}}"));
        }
        for kind in ["c", "m", "g", "ms", "h", "d", "s", "_sc"] {
            counters.push(format!("statsidecar_samples_total{{type=\"{kind}\"}}"));
        }
        for reason in [
            "bad_sample_rate",
            "bad_value",
            "empty_name",
            "family_series_limit",
            "label_too_long",
            "line_too_long",
            "malformed_line",
            "memory_limit",
            "name_collision",
            "negative_counter",
            "not_utf8",
            "reserved_name",
            "series_limit",
            "series_too_long",
            "tag_limit",
            "type_conflict",
            "unknown_type",
        ] {
            counters.push(format!("statsidecar_rejected_samples_total{{reason=\"{reason}\"}}"));
        }
        for name in ["dropped_samples", "series_expired", "events", "unmapped_samples"] {
            counters.push(format!("statsidecar_{name}_total"));
        }
        for kind in ["counter", "gauge", "histogram", "set", "summary"] {
            counters.push(format!("statsidecar_series{{type=\"{kind}\"}}"));
            counters.push(format!("statsidecar_families{{type=\"{kind}\"}}"));
        }
        counters.push("statsidecar_scrapes_total{format=\"text\"}".to_owned());
        let lines: BTreeSet<&str> = exposition.lines().collect();
        let missing: Vec<_> =
            counters.iter().filter(|series| !lines.contains(format!("{series} 0").as_str())).collect();
        assert!(missing.is_empty(), "{missing:?} are not at 0 over {transport}:\n{exposition}");
        let version = concat!("statsidecar_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1");
        assert!(lines.contains(version) && lines.contains("statsidecar_series_limit 100000"), "{exposition}");
        assert!(lines.contains("# TYPE statsidecar_scrape_duration_seconds histogram"), "{exposition}");
    }
}

/// Both a line with such a name and a rule that makes such a name are refused.
#[test]
fn a_line_cannot_change_the_sidecars_own_metrics() {
    let scratch = Scratch::new("own-names");
    let config = scratch.write("config.toml", "[[metric]]\nmatch = \"fake.*\"\nname = \"${1}_limit\"\n");
    for transport in ["udp", "unixgram", "tcp"] {
        let daemon = listening(transport, &["--config", &config]);
        let mut client = Client::connect(&daemon.listeners[0]);
        client.send(b"statsidecar_series_limit:5|g\nfake.statsidecar_series:6|g\nprocess_start_time:7|ms\nok:1|c");
        let exposition = daemon.scrape_with(&[
            "statsidecar_rejected_samples_total{reason=\"reserved_name\"} 3",
            "statsidecar_series_limit 100000",
        ]);
        assert_eq!(clients(&exposition), ["ok_total 1"], "{transport}");
    }
}
