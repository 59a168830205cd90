//! Push: what receivers get, when they refuse it, and what is counted. The receivers here are stubs; `tests/receivers` has
//! real ones.

// A test that panics has failed, which is all it should do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod losses;
mod otlp;
mod protobuf;
mod remote_write;
mod stub;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use support::{Daemon, Scratch, client};

/// A sidecar whose config has these tables, with a free port for each listener.
fn sidecar(scratch: &Scratch, tables: &str) -> Daemon {
    let config = scratch.write("push.toml", tables);
    support::started(&["--config", &config])
}

/// Sends lines to the sidecar, and waits until a scrape has them.
fn send(daemon: &Daemon, lines: &str, scraped: &[&str]) {
    client(daemon.udp[0]).send(lines.as_bytes()).expect("a packet");
    daemon.scrape_with(scraped);
}
