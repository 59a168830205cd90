//! The two example pipelines, a real Prometheus, and every query that they have: are the answers right?
//!
//! ```sh
//! python3 -m venv .venv && .venv/bin/pip install statsd==4.0.1 datadog==0.56.0 prometheus_client==0.26.0
//! STATSIDECAR_PYTHON=.venv/bin/python cargo test --release --test prometheus
//! ```
//!
//! This needs programs that not every machine has, so plain `cargo test` leaves it out. Asked for, it never skips: a
//! program that is missing fails it. What the answers must be is worked out by `expected.py`, from the ledgers that
//! the example programs keep of their own calls; `verify.py` compares.

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
use support::{Process, Sidecar};

/// How long the programs run: enough scrapes for a rate, and short enough for the `[1m]` window of a query.
const RUN: &str = "25";

#[test]
fn before_the_first_line_every_metric_is_on_the_page_at_zero() {
    for example in &EXAMPLES {
        let page = Sidecar::start(&["--config", &example.path("config.toml")]).scrape();
        assert_eq!(Example::own_lines(&page), example.page_at_zero(), "{}: left is the page", example.folder);
        for name in example.names() {
            let help = format!("# HELP {name} ");
            assert!(page.lines().any(|line| line.starts_with(&help)), "{name} has no help text");
        }
    }
}

#[test]
fn a_pipeline_goes_on_without_a_sidecar() {
    tools::require();
    for example in &EXAMPLES {
        // The discard port: nobody listens there, or somebody who does not care, and no other test is given it.
        // Port 0: the kernel refuses to send at all.
        for address in ["127.0.0.1:9", "127.0.0.1:0"] {
            let mut command = tools::python();
            command.arg(example.path("pipeline.py")).args(["--statsd", address]).args(example.little);
            Process::spawn(command.stdout(Stdio::piped())).finish(Duration::from_secs(60));
        }
    }
}

#[test]
fn every_query_has_the_answer_that_the_ledgers_give() {
    tools::require();
    let folder = tools::Folder::new("pipelines");
    let sidecars = EXAMPLES.each_ref().map(|example| Sidecar::start(&["--config", &example.path("config.toml")]));
    let ledgers = EXAMPLES.each_ref().map(|example| folder.file(&format!("{}.json", example.folder)));

    let jobs = EXAMPLES.iter().zip(&sidecars).map(|(example, sidecar)| (example, sidecar.http_addr()));
    let prometheus = Prometheus::start(folder.path(), jobs);
    // A counter's first sample is its 0, so that no increment is lost to rate().
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
        verify.args(["--pipeline", example.job, &sidecar.http_addr().to_string()]).arg(ledger);
    }
    println!("{}", Process::spawn(verify.stdout(Stdio::piped())).finish(Duration::from_secs(120)));
}

/// The example's program, started, sending to its sidecar.
fn program(example: &Example, sidecar: &Sidecar, ledger: &Path) -> Process {
    let mut command = tools::python();
    command.arg(example.path("pipeline.py")).args(["--statsd", &sidecar.udp_addr().to_string()]);
    command.args(["--seed", "7", "--duration", RUN, "--ledger"]).arg(ledger).stdout(Stdio::piped());
    Process::spawn(&mut command)
}
