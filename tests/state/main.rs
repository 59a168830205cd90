//! What outlives the process, over restarts, kills and faults: real processes, a real load, and real files.

mod broken_start;
mod churn;
mod clocks;
mod equality;
mod files;
mod folders;
mod full;
mod harassed;
mod home;
mod kept_file;
mod kills;
mod ledger;
mod load;
mod mounts;
mod plan;
mod recovery;
mod restarts;
mod restored;
mod state_file;
#[path = "../support/mod.rs"]
mod support;

use support::{Daemon, Ended};

/// How many packets a worker has in hand at most.
const BATCH: u64 = 64;

/// Ends a process as a service manager does (SIGTERM).
fn stop(daemon: Daemon) -> Ended {
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// The value of the series with this text; `None`: it is not there.
fn value(exposition: &str, series: &str) -> Option<f64> {
    let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    exposition.lines().find_map(value)
}
