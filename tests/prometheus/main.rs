//! The two example pipelines and a real Prometheus: every query of the pipelines must have the right answer.
//!
//! ```sh
//! python3 -m venv .venv && .venv/bin/pip install statsd==4.0.1 datadog==0.56.0 prometheus_client==0.26.0
//! STATSIDECAR_PYTHON=.venv/bin/python cargo test --release --test prometheus
//! ```
//!
//! This needs programs that not every machine has, so plain `cargo test` leaves it out. It never skips: a missing
//! program fails it. The example programs keep a ledger of their calls. From it, `expected.py` works out the right
//! answers, and
//! `verify.py` compares them with those of Prometheus.

#[path = "../support/mod.rs"]
mod support;

mod examples;
mod page;
mod server;
mod tools;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use examples::{EXAMPLES, Example};
use server::Prometheus;
use support::{Daemon, Process, Scratch, started};

/// How long the programs run. There must be enough scrapes for a rate, and a query's `[1m]` window must cover the run.
const RUN: &str = "25";

#[test]
fn before_the_first_line_every_metric_is_exposed_at_zero() {
    for example in &EXAMPLES {
        let exposition = started(&["--config", &example.path("config.toml")]).scrape();
        assert_eq!(
            Example::own_lines(&exposition),
            example.exposition_at_zero(),
            "{}: the left side is the exposition",
            example.folder
        );
        for name in example.names() {
            let help = format!("# HELP {name} ");
            assert!(exposition.lines().any(|line| line.starts_with(&help)), "{name} has no help text");
        }
    }
}

#[test]
fn a_pipeline_works_without_a_sidecar() {
    tools::require();
    for example in &EXAMPLES {
        // Port 9 discards, or is closed, and the system gives it to no other test. The kernel refuses to send to port
        // 0.
        for address in ["127.0.0.1:9", "127.0.0.1:0"] {
            let mut command = tools::python();
            command.arg(example.path("pipeline.py")).args(["--statsd", address]).args(example.little);
            Process::spawn(command.stdout(Stdio::piped())).finish(Duration::from_secs(60));
        }
    }
}

#[test]
fn every_query_has_the_answer_of_the_ledgers() {
    tools::require();
    let folder = Scratch::new("pipelines");
    let sidecars = EXAMPLES.each_ref().map(|example| started(&["--config", &example.path("config.toml")]));
    let ledgers = EXAMPLES.each_ref().map(|example| folder.file(&format!("{}.json", example.folder)));

    let jobs = EXAMPLES.iter().zip(&sidecars).map(|(example, sidecar)| (example, sidecar.http));
    let prometheus = Prometheus::start(folder.path(), jobs);
    // The first sample of a counter must be 0, because rate() does not see an increment before the first sample.
    prometheus.wait_for("count(up == 1) == 2");

    let mut programs = Vec::new();
    for ((example, sidecar), ledger) in EXAMPLES.iter().zip(&sidecars).zip(&ledgers) {
        programs.push(program(example, sidecar, ledger));
    }
    for program in programs {
        program.finish(Duration::from_secs(120));
    }

    let mut verify = tools::python();
    verify.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prometheus/verify.py"));
    verify.args(["--prometheus", &prometheus.address().to_string()]);
    for ((example, sidecar), ledger) in EXAMPLES.iter().zip(&sidecars).zip(&ledgers) {
        verify.args(["--pipeline", example.job, &sidecar.http.to_string()]).arg(ledger);
    }
    println!("{}", Process::spawn(verify.stdout(Stdio::piped())).finish(Duration::from_secs(120)));
}

/// Starts the example's program, which sends to its sidecar.
fn program(example: &Example, sidecar: &Daemon, ledger: &str) -> Process {
    let mut command = tools::python();
    command.arg(example.path("pipeline.py")).args(["--statsd", &sidecar.udp[0].to_string()]);
    command.args(["--seed", "7", "--duration", RUN, "--ledger"]).arg(ledger).stdout(Stdio::piped());
    Process::spawn(&mut command)
}
