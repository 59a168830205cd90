//! The two example pipelines and a real Prometheus: every query of the pipelines must have the right answer.
//!
//! ```sh
//! python3 -m venv .venv && .venv/bin/pip install statsd==4.0.1 datadog==0.56.0 prometheus_client==0.26.0
//! cp tests/clients/package*.json /tmp/node && (cd /tmp/node && npm ci)
//! STATSIDECAR_PYTHON=.venv/bin/python NODE_PATH=/tmp/node/node_modules cargo test --release --test prometheus
//! ```
//!
//! This needs programs that not every machine has, so plain `cargo test` leaves it out. It never skips: a missing
//! program fails it. The example programs keep a ledger of their calls. From it, `expected.py` works out the right
//! answers, and
//! `verify.py` compares them with those of Prometheus.

#[path = "../support/mod.rs"]
mod support;

mod dashboards;
mod datagrams;
mod examples;
mod native;
mod page;
mod scrapers;
mod server;
mod tools;

use std::net::UdpSocket;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use examples::{EXAMPLES, Example};
use server::Prometheus;
use support::{Daemon, Process, Scratch, run_in, started};

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

/// Another program has the port: the sidecar cannot start and says so, and the pipeline sends to that program.
#[test]
fn a_pipeline_works_while_another_program_has_the_port() {
    tools::require();
    for example in &EXAMPLES {
        let other = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
        let address = other.local_addr().expect("it is bound").to_string();
        let folder = Scratch::new("port-taken");
        let listen = format!("udp://{address}");
        let args = ["--config", &example.path("config.toml"), "--listen", &listen, "--http", "127.0.0.1:0"];
        let sidecar = run_in(folder.path(), &args);
        assert_eq!(sidecar.code, Some(1), "{}", sidecar.stderr);
        assert!(sidecar.stderr.contains(&address), "{}", sidecar.stderr);
        let mut command = tools::python();
        command.arg(example.path("pipeline.py")).args(["--statsd", &address]).args(example.little);
        Process::spawn(command.stdout(Stdio::piped())).finish(Duration::from_secs(60));
        // Its lines arrived, so it did send.
        other.set_nonblocking(true).expect("a socket can be non-blocking");
        assert!(other.recv(&mut [0; 9000]).is_ok_and(|length| length > 0), "{}", example.folder);
    }
}

/// `--once` runs a good flow and one with each of six faults, so each operation on each table fails once.
///
/// The numbers follow from the order of the operations: a flow ends at the first one that fails.
#[test]
fn once_shows_a_failure_of_each_operation() {
    tools::require();
    let [_, example] = &EXAMPLES;
    let sidecar = started(&["--config", &example.path("config.toml")]);
    let mut command = tools::python();
    command.arg(example.path("pipeline.py")).args(["--once", "--statsd", &sidecar.udp[0].to_string()]);
    command.args(["--page", &format!("http://{}/metrics", sidecar.http)]).stdout(Stdio::piped());
    let shown = Process::spawn(&mut command).finish(Duration::from_secs(60));
    let operations = [
        ("parquet_write", "raw"),
        ("clickhouse_load", "raw"),
        ("parquet_write", "normalized"),
        ("clickhouse_load", "normalized"),
        ("parquet_write", "features"),
        ("clickhouse_load", "features"),
    ];
    for ((operation, table), successes) in operations.into_iter().zip([6, 5, 4, 3, 2, 1]) {
        for (outcome, count) in [("failed", 1), ("success", successes)] {
            let line = format!("nse_pipeline_{operation}_{outcome}_total{{table=\"{table}\"}} {count}");
            assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
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
