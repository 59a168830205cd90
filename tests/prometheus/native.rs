//! Native histograms in real servers: their quantiles are those of what was sent.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::scrapers::{job, newer};
use crate::server::Prometheus;
use crate::support::{Daemon, Scratch, client, started};
use crate::tools;

/// The factor between the bounds of adjacent buckets of schema 3: 2^(1/8).
const FACTOR: f64 = 1.090_507_733;

const VALUES: usize = 2000;

/// A sidecar that has got all these values.
fn sidecar(values: &[f64]) -> Daemon {
    let scratch = Scratch::new("native-scraped");
    let sidecar = started(&["--config", &scratch.write("config.toml", "[defaults]\nnative = true\n")]);
    let socket = client(sidecar.udp[0]);
    for some in values.chunks(50) {
        let mut lines = String::new();
        some.iter().for_each(|value| writeln!(lines, "took:{value}|ms").expect("text"));
        socket.send(lines.as_bytes()).expect("a packet");
    }
    sidecar.scrape_with(&[&format!("took_seconds_count {VALUES}")]);
    sidecar
}

/// The one value of a query.
fn value(prometheus: &Prometheus, expression: &str) -> f64 {
    let answer: serde_json::Value = serde_json::from_str(&prometheus.query(expression)).expect("it is JSON");
    let value = answer["data"]["result"][0]["value"][1].as_str();
    value.unwrap_or_else(|| panic!("{expression}: {answer}")).parse().expect("a number")
}

fn check(program: &OsStr) {
    // Five powers of ten, which are 16.6 powers of two: more than 160 buckets of schema 3 around the first value would not
    // have all of them if it lay at an end.
    let milliseconds = std::iter::once(Just(30.0).boxed())
        .chain((1..VALUES).map(|_| (-1.0..4.0_f64).prop_map(|power| 10_f64.powf(power)).boxed()))
        .collect::<Vec<_>>();
    let values = milliseconds.new_tree(&mut TestRunner::deterministic()).expect("values").current();
    let (sidecar, folder) = (sidecar(&values), Scratch::new("native-prometheus"));
    let config = format!("scrape_configs:\n{}", job("native", sidecar.http, ""));
    let args = ["--enable-feature=native-histograms"];
    let prometheus = Prometheus::start_with(folder.path(), program, &args, &config);
    prometheus.wait_for("histogram_count(took_seconds)");
    assert_eq!(value(&prometheus, "histogram_count(took_seconds)"), VALUES as f64);
    let mut seconds: Vec<f64> = values.iter().map(|value| value / 1000.0).collect();
    let sum: f64 = seconds.iter().sum();
    assert!((value(&prometheus, "histogram_sum(took_seconds)") / sum - 1.0).abs() < 1e-9);
    seconds.sort_by(f64::total_cmp);
    for quantile in [0.01, 0.25, 0.5, 0.9, 0.99, 0.999] {
        let exact = seconds[(quantile * VALUES as f64).ceil() as usize - 1];
        let found = value(&prometheus, &format!("histogram_quantile({quantile}, took_seconds)"));
        let off = (found / exact).max(exact / found);
        println!("{quantile}: {found:.6} for {exact:.6}, off by {:.1} %", (off - 1.0) * 100.0);
        assert!(off <= FACTOR, "the quantile {quantile} is {found}, and exactly {exact}");
    }
}

#[test]
fn a_prometheus_of_the_system_has_the_right_quantiles() {
    tools::require();
    check(OsStr::new("prometheus"));
}

#[test]
fn a_newer_prometheus_has_the_right_quantiles() {
    check(Path::new(&newer("prometheus/usr/bin/prometheus")).as_os_str());
}
