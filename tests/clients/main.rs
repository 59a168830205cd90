//! Real client libraries, over every transport that each supports: the metrics must show every call.
//!
//! ```sh
//! python3 -m venv .venv && .venv/bin/pip install -r tests/requirements.txt
//! cp tests/clients/package*.json /tmp/node && (cd /tmp/node && npm ci)
//! STATSIDECAR_PYTHON=.venv/bin/python NODE_PATH=/tmp/node/node_modules cargo test --test clients
//! ```
//!
//! This needs programs that not every machine has, so plain `cargo test` leaves it out. It never skips a client: a
//! missing one fails it. For each client, a program beside this file makes every call of its interface. The text files
//! have the series that the calls must cause, written by hand from the meaning of the calls. A `*` in them stands for
//! times, and for counts that a client keeps of itself.

#[path = "../support/mod.rs"]
mod support;

mod cadence;
mod emitters;
mod exposition;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Daemon, PATIENCE, Process, Scratch};

/// One run of a client.
struct Run<'a> {
    /// The scheme of the sidecar's listener.
    listener: &'a str,
    /// The client's name for the transport.
    transport: &'a str,
    /// The mode of the client, one that its program knows.
    mode: &'a str,
    /// The files with the expected series.
    expected: &'a [&'a str],
    /// How many events were sent.
    events: u64,
}

#[test]
fn statsd() {
    for (listener, transport) in [("udp", "udp"), ("tcp", "tcp"), ("unix", "unix")] {
        for mode in ["plain", "pipeline"] {
            let run = Run { listener, transport, mode, expected: &["statsd"], events: 0 };
            run.check(|address| python("statsd_calls.py", &run, address));
        }
    }
}

#[test]
fn datadog() {
    // With `unix`, the client finds out the type of the socket.
    let transports = [
        ("udp", "udp"),
        ("unixgram", "unixgram"),
        ("unixgram", "unix"),
        ("unix+dogstatsd", "unixstream"),
        ("unix+dogstatsd", "unix"),
    ];
    for (listener, transport) in transports {
        for (mode, expected) in [
            ("plain", &["datadog", "datadog_sampled"][..]),
            ("buffered", &["datadog", "datadog_sampled", "datadog_telemetry"]),
            ("aggregated", &["datadog"]),
            ("background", &["datadog", "datadog_sampled"]),
            ("global", &["datadog", "datadog_sampled"]),
        ] {
            let run = Run { listener, transport, mode, expected, events: 2 };
            run.check(|address| python("datadog_calls.py", &run, address));
        }
    }
}

#[test]
fn aiodogstatsd() {
    for mode in ["context", "byhand"] {
        let run = Run { listener: "udp", transport: "udp", mode, expected: &["aiodogstatsd"], events: 0 };
        run.check(|address| python("aiodogstatsd_calls.py", &run, address));
    }
}

#[test]
fn hot_shots() {
    for (listener, transport) in [("udp", "udp"), ("tcp", "tcp"), ("unixgram", "uds"), ("unix", "stream")] {
        for (mode, expected, events) in [
            ("plain", &["hot_shots", "hot_shots_checks"][..], 2),
            ("buffered", &["hot_shots", "hot_shots_checks", "hot_shots_telemetry"], 2),
            ("aggregated", &["hot_shots", "hot_shots_checks"], 2),
            ("telegraf", &["hot_shots"], 0),
        ] {
            let run = Run { listener, transport, mode, expected, events };
            run.check(|address| node("hot_shots_calls.js", &run, address));
        }
    }
}

#[test]
fn cadence() {
    for listener in ["udp", "unixgram"] {
        for mode in ["plain", "buffered", "queued"] {
            let run = Run { listener, transport: listener, mode, expected: &["cadence"], events: 0 };
            run.check(|address| cadence::run(listener, address, mode));
        }
    }
}

impl Run<'_> {
    /// Starts a sidecar, lets the client send to it, and compares the exposition with the expected series.
    fn check(&self, send: impl FnOnce(&str)) {
        let scratch = Scratch::short(&format!("clients-{}-{}-{}", self.expected.join("-"), self.transport, self.mode));
        let address = match self.listener {
            "udp" | "tcp" => "127.0.0.1:0".to_owned(),
            _ => scratch.file("socket"),
        };
        let listen = format!("{}://{address}", self.listener);
        let config = folder().join("config.toml");
        let config = config.to_str().expect("the path is text");
        let daemon = Daemon::start(&["--config", config, "--listen", &listen, "--http", "127.0.0.1:0"]);
        let listener = daemon.listeners.first().expect("a listener");
        send(listener.split_once("://").expect("a listener has a transport").1);
        let exposition = exposition::when_all_is_read(&daemon, listener);

        let run =
            format!("{} over {} as {}, {}", self.expected.join(" and "), self.listener, self.transport, self.mode);
        let expected = self.expected.iter().map(|name| exposition::read(&folder().join(format!("{name}.txt"))));
        exposition::compare(&exposition, &expected.collect::<String>(), &run);
        // No line of a client may be lost.
        for (counter, expected) in [
            ("statsidecar_events_total", self.events),
            ("statsidecar_rejected_samples_total", 0),
            ("statsidecar_dropped_samples_total", 0),
            ("statsidecar_kernel_dropped_packets_total", 0),
            ("statsidecar_tag_errors_total", 0),
            ("statsidecar_unknown_sections_total", 0),
        ] {
            let lines: Vec<_> = exposition.lines().filter(|line| line.starts_with(counter)).collect();
            assert_eq!(support::sum(&exposition, counter), expected, "{run}: {lines:#?}");
        }
    }
}

/// Runs a program of this folder to its end, with the interpreter that has the clients.
fn python(program: &str, run: &Run, address: &str) {
    finish(support::python().arg(folder().join(program)), run, address);
}

fn node(program: &str, run: &Run, address: &str) {
    let mut command = Command::new("node");
    support::remove_datadog_environment(&mut command);
    finish(command.arg(folder().join(program)), run, address);
}

fn finish(command: &mut Command, run: &Run, address: &str) {
    command.args([run.transport, address, run.mode]).stdout(Stdio::piped());
    Process::spawn(command).finish(PATIENCE);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}
