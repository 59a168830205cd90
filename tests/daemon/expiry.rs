//! Series and observations expire, over each transport, by a clock that the test sets.

use crate::support::{Client, Exposition, InProcess, listener, sum};

/// Runs a test over each transport, each time against a new sidecar whose clock stands still.
fn over_each_transport(config: &str, run: impl Fn(&InProcess, &mut Client)) {
    for transport in ["udp", "unixgram", "tcp"] {
        let sidecar = InProcess::start_with_clock(config, &[&listener(transport)]);
        let mut client = Client::connect(&sidecar.listeners[0]);
        run(&sidecar, &mut client);
    }
}

/// Lets two seconds go by, which is longer than a ttl of one second; returns the exposition once so many series have
/// expired since the start, and the lines of the clients in it.
fn expired(sidecar: &InProcess, series: u64) -> (String, Vec<String>) {
    sidecar.advance(2);
    let exposition = sidecar.scrape_with(&[&format!("statsidecar_series_expired_total {series}")]);
    let lines =
        Exposition::read(&exposition).expect("the exposition is valid").clients(|line| line.starts_with("# TYPE "));
    (exposition, lines)
}

fn rejected(exposition: &str) -> u64 {
    sum(exposition, "statsidecar_rejected_samples_total")
}

/// A counter starts again from 0 after it has expired, and any other type may take its name (exporter 98, trap 12).
#[test]
fn an_expired_name_is_free_for_any_type() {
    let config = "[defaults]\nnaming = \"verbatim\"\nttl = \"1s\"\nbuckets = [1]\n";
    over_each_transport(config, |sidecar, client| {
        client.send(b"t:5|c");
        sidecar.scrape_with(&["# TYPE t counter", "t 5"]);
        assert_eq!(expired(sidecar, 1).1, [""; 0]);
        client.send(b"t:1|c");
        sidecar.scrape_with(&["# TYPE t counter", "t 1"]);
        assert_eq!(expired(sidecar, 2).1, [""; 0]);
        client.send(b"t:1|g");
        sidecar.scrape_with(&["# TYPE t gauge", "t 1"]);
        assert_eq!(expired(sidecar, 3).1, [""; 0]);
        client.send(b"t:0|h");
        let exposition = sidecar.scrape_with(&["# TYPE t histogram", "t_bucket{le=\"+Inf\"} 1", "t_count 1"]);
        assert_eq!(rejected(&exposition), 0);
    });
}

/// A histogram also reserves `_bucket`, `_sum` and `_count`. Other series may take them after it has expired.
#[test]
fn an_expired_histogram_frees_its_reserved_names() {
    let config = "[defaults]\nnaming = \"verbatim\"\nbuckets = [1]\n[[metric]]\nmatch = \"x\"\nttl = \"1s\"\n";
    over_each_transport(config, |sidecar, client| {
        client.send(b"x:1|h\nx_count:5|g\nx_bucket:5|g\nx_sum:5|c");
        sidecar.scrape_with(&["statsidecar_rejected_samples_total{reason=\"name_collision\"} 3"]);
        assert_eq!(expired(sidecar, 1).1, [""; 0]);
        client.send(b"x_count:1|g\nx_bucket:2|g\nx_sum:3|c\nx:1|h");
        let exposition = sidecar.scrape_with(&[
            "x_bucket 2",
            "x_count 1",
            "x_sum 3",
            "statsidecar_rejected_samples_total{reason=\"name_collision\"} 4",
        ]);
        assert_eq!(rejected(&exposition), 4, "the series that came first keeps the name");
    });
}

#[test]
fn an_expired_series_no_longer_counts_towards_the_limits() {
    let config = "[defaults]\nttl = \"1s\"\n[limits]\nseries = 2\nfamily_series = 1\n";
    over_each_transport(config, |sidecar, client| {
        client.send(b"a:1|c\na:1|c|#k:v\nb:1|c\nc:1|c");
        sidecar.scrape_with(&[
            "statsidecar_rejected_samples_total{reason=\"series_limit\"} 1",
            "statsidecar_rejected_samples_total{reason=\"family_series_limit\"} 1",
        ]);
        assert_eq!(expired(sidecar, 2).1, [""; 0]);
        client.send(b"c:2|c\na:2|c|#k:v");
        let exposition =
            sidecar.scrape_with(&["a_total{k=\"v\"} 2", "c_total 2", "statsidecar_series{type=\"counter\"} 2"]);
        assert_eq!(rejected(&exposition), 2);
    });
}

/// Without a ttl, a counter that gets no lines keeps its value while other series expire (trap 12).
#[test]
fn without_a_ttl_nothing_expires() {
    let config = "[[metric]]\nmatch = \"brief\"\nttl = \"1s\"\n";
    over_each_transport(config, |sidecar, client| {
        client.send(b"brief:1|c\nstays:5|c\nlevel:+5|g\nseen:1|h");
        sidecar.scrape_with(&["brief_total 1", "stays_total 5", "level 5", "seen_count 1"]);
        for n in 1..=2 {
            expired(sidecar, n);
            client.send(b"brief:1|c");
            sidecar.scrape_with(&["brief_total 1", "stays_total 5", "level 5", "seen_count 1"]);
        }
        client.send(b"stays:1|c\nlevel:+1|g");
        sidecar.scrape_with(&["stays_total 6", "level 6"]);
    });
}

/// The default ttl, a longer one by a rule, a rule that turns it off, and a declared series (exporter 126).
#[test]
fn each_rule_may_have_a_ttl_of_its_own() {
    let config = r#"
[defaults]
ttl = "1s"
[[metric]]
match = "late"
ttl = "10s"
[[metric]]
match = "never"
ttl = "0"
[[metric]]
match = "declared"
name = "declared"
type = "gauge"
init = [{ k = "1" }]
"#;
    over_each_transport(config, |sidecar, client| {
        client.send(b"unmapped:1|g\nlate:1|g\nnever:1|g\ndeclared:7|g|#k:1");
        sidecar.scrape_with(&["unmapped 1", "late 1", "never 1", "declared{k=\"1\"} 7"]);
        let kept = ["# TYPE declared gauge", "declared{k=\"1\"} 7", "# TYPE never gauge", "never 1"];
        let late = ["# TYPE late gauge", "late 1"];
        assert_eq!(expired(sidecar, 1).1, [&kept[..2], &late, &kept[2..]].concat());
        sidecar.advance(8);
        assert_eq!(expired(sidecar, 2).1, kept);
    });
}

/// Every line keeps its series alive, whatever its value.
#[test]
fn a_series_that_gets_lines_does_not_expire() {
    over_each_transport("[defaults]\nttl = \"5s\"\n", |sidecar, client| {
        client.send(b"silent:1|c\nfed:0|c\nsame:7|g");
        sidecar.scrape_with(&["silent_total 1", "fed_total 0", "same 7"]);
        let mut samples = 3;
        let exposition = loop {
            sidecar.advance(1);
            client.send(b"fed:0|c\nsame:7|g");
            samples += 2;
            let exposition = sidecar.scrape_when("statsidecar_samples_total", samples);
            assert!(samples < 100, "the silent series does not expire");
            if sum(&exposition, "statsidecar_series_expired_total") > 0 {
                break exposition;
            }
        };
        let lines = Exposition::read(&exposition).expect("the exposition is valid").clients(|_| false);
        assert_eq!(lines, ["fed_total 0", "same 7"]);
    });
}

/// When the window of a summary has passed, its quantiles are NaN, but its sum and count stay (exporter 124).
#[test]
fn observations_expire_with_the_window_but_sum_and_count_stay() {
    let config = "[defaults]\ntimer = \"summary\"\nquantiles = [0.5]\nsummary_window = \"10s\"\n";
    over_each_transport(config, |sidecar, client| {
        client.send(b"a:5|h\na:5|h");
        sidecar.scrape_with(&["a{quantile=\"0.5\"} 5", "a_sum 10", "a_count 2"]);
        sidecar.advance(20);
        sidecar.scrape_with(&["a{quantile=\"0.5\"} NaN", "a_sum 10", "a_count 2"]);
        client.send(b"a:1|h");
        sidecar.scrape_with(&["a{quantile=\"0.5\"} 1", "a_sum 11", "a_count 3"]);
    });
}
