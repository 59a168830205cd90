//! What the contract says beside its tables: of rules, and of the sidecar's own metrics.

use std::collections::BTreeSet;

use crate::page::Page;
use crate::row::check;
use crate::support::{Client, Scratch};
use crate::{clients, listening};

#[test]
fn sentences() {
    check(
        "contract",
        r##"
== a stream of lines and a datagram end a line alike, and a line is read to its end
> a:1|c\r\n\r\n\nb:1|c|#k:v\r\na:1|c
> a:1|c
a_total 3
b_total{k="v"} 1
= lines=4 c=4

== a bad line never costs its neighbours, whatever is wrong with it
> a:1|c\n\{x*9000}:1|c\na:1|c\n\xff\na:1|c\n:1|c\na:1|c\na:1|z\na:1|c\na:x|c\na:1|c\na\na:1|c
> a:1|c
a_total 8
= lines=14 c=8 line_too_long=1 not_utf8=1 empty_name=1 unknown_type=1 bad_value=1 malformed_line=1

== one bad value among packed ones of any type loses only itself
~ defaults.buckets = [1]
> a:1:x:2|ms\nb:1:NaN:2|g\nc:1:0x1:2|d\nd:1:1_0:2|m
a_seconds_bucket{le="1"} 2
a_seconds_bucket{le="+Inf"} 2
a_seconds_sum 0.003
a_seconds_count 2
b 2
c_bucket{le="1"} 1
c_bucket{le="+Inf"} 2
c_sum 3
c_count 2
d_total 3
= lines=4 values=12 ms=2 g=2 d=2 m=2 bad_value=4

== the smallest rate there may be, and the next below
~ defaults.buckets = [1]
> a:1|h|@1e-9\na:1|h|@0.000000000999999\nb:1|ms|@1\nb:1|ms|@1.0000001
a_bucket{le="1"} 1000000000
a_bucket{le="+Inf"} 1000000000
a_sum 1000000000
a_count 1000000000
b_seconds_bucket{le="1"} 1
b_seconds_bucket{le="+Inf"} 1
b_seconds_sum 0.001
b_seconds_count 1
= lines=4 h=1 ms=1 bad_sample_rate=2

== a timestamp does not change what is observed or seen either: the newest counts as now
~ defaults.buckets = [1]
> a:1|h|T1\na:2|d|T2000000000\nb:x|s|T1\nb:y|s|T2000000000\nc:5|g|T2000000000\nc:-1|g|T1
a_bucket{le="1"} 1
a_bucket{le="+Inf"} 2
a_sum 3
a_count 2
b 2
c 4
= lines=6 h=1 d=1 s=2 g=2

== two dialects that set one tag: the later in the line wins
> a[k=1],k=2:1|c\nb,k=1:1|c|#k:2\nc;k=1:1|c|#k:2\nd#k=1:1|c|#k:2
a_total{k="2"} 1
b_total{k="2"} 1
c_total{k="2"} 1
d_total{k="2"} 1
= lines=4 c=4 tag:duplicate_key=4

== labels whose keys become the same after escaping are one, in a rule's eyes too
~ [[metric]]
~ match = "a"
~ match_tags = { a_b = "2" }
~ name = "two"
> a:1|g|#a.b:1,a-b:2\na:2|g|#a-b:2,a.b:1
a{a_b="1"} 2
two{a_b="2"} 1
= lines=2 g=2 mapped=1 tag:duplicate_key=2

== a unit is for who reads it: it changes neither name nor value, nor this page
~ [[metric]]
~ match = "took"
~ name = "took_seconds"
~ type = "gauge"
~ unit = "seconds"
~ help = "Time taken."
> took:5|g
# HELP took_seconds Time taken.
# TYPE took_seconds gauge
took_seconds 5
= lines=1 g=1 mapped=1

== named groups and $0 in a name and in labels; a name by a rule gets no suffix
~ [[metric]]
~ match_regex = '(?P<app>\w+)\.(?P<what>\w+)'
~ name = "${app}_${what}"
~ labels = { app = "${app}", whole = "$0" }
> web.hits:1|c\nweb.load:2|g
web_hits{app="web",whole="web.hits"} 1
web_load{app="web",whole="web.load"} 2
= lines=2 c=1 g=1 mapped=2

== a rule without a name keeps the suffix of the line's own
~ defaults.buckets = [1]
~ [[metric]]
~ match = "web.*"
~ labels = { what = "$1" }
> web.hits:1|c\nweb.took:5|ms
web_hits_total{what="hits"} 1
web_took_seconds_bucket{what="took",le="1"} 1
web_took_seconds_bucket{what="took",le="+Inf"} 1
web_took_seconds_sum{what="took"} 0.005
web_took_seconds_count{what="took"} 1
= lines=2 c=1 ms=1 mapped=2

== a declared gauge of workers goes below 0, at any rate
~ [[metric]]
~ match = "workers"
~ type = "gauge"
> workers:-3|c\nworkers:1|c|@0.5\nworkers:-1:-1|c
workers -3
= lines=3 values=4 c=4 mapped=4

== a set moves between limits like all others: over the limit it is one for all such
~ limits.family_series = 1
~ limits.overflow = "collapse"
> u:a|s|#k:1\nu:b|s|#k:2\nu:c|s|#k:3\nu:c|s|#k:4
u{k="1"} 1
u{overflow="true"} 2
= lines=4 s=4
"##,
    );
}

/// So that a rate is right from the first scrape on.
#[test]
fn its_own_metrics_are_there_by_their_names_from_the_start() {
    for transport in ["udp", "unixgram", "tcp"] {
        let daemon = listening(transport, &[]);
        let page = daemon.scrape();
        Page::read(&page).expect("the page is valid");
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
            "line_too_long",
            "malformed_line",
            "name_collision",
            "negative_counter",
            "not_utf8",
            "reserved_name",
            "series_limit",
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
        let lines: BTreeSet<&str> = page.lines().collect();
        let missing: Vec<_> =
            counters.iter().filter(|series| !lines.contains(format!("{series} 0").as_str())).collect();
        assert!(missing.is_empty(), "{missing:?} are not at 0 over {transport}:\n{page}");
        let version = concat!("statsidecar_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1");
        assert!(lines.contains(version) && lines.contains("statsidecar_series_limit 100000"), "{page}");
        assert!(lines.contains("# TYPE statsidecar_scrape_duration_seconds histogram"), "{page}");
    }
}

/// Neither under its own name nor by a rule that makes it one.
#[test]
fn a_line_cannot_move_the_sidecars_own_metrics() {
    let scratch = Scratch::new("own-names");
    let config = scratch.write("config.toml", "[[metric]]\nmatch = \"fake.*\"\nname = \"${1}_limit\"\n");
    for transport in ["udp", "unixgram", "tcp"] {
        let daemon = listening(transport, &["--config", &config]);
        let mut client = Client::connect(&daemon.listeners[0]);
        client.send(b"statsidecar_series_limit:5|g\nfake.statsidecar_series:6|g\nprocess_start_time:7|ms\nok:1|c");
        let page = daemon.scrape_with(&[
            "statsidecar_rejected_samples_total{reason=\"reserved_name\"} 3",
            "statsidecar_series_limit 100000",
        ]);
        assert_eq!(clients(&page), ["ok_total 1"], "{transport}");
    }
}
