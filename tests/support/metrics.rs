//! Scrapes, and waits for what they say.

use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use super::{PATIENCE, get};

/// The HTTP server of a running sidecar.
pub struct Metrics {
    /// Its address.
    pub http: SocketAddr,
}

impl Metrics {
    /// The exposition at `/metrics`, now.
    pub fn scrape(&self) -> String {
        get(self.http, "/metrics")
    }

    /// The exposition once all listeners together have received this many packets. The lines in them are applied by
    /// then, but for the sidecar's other counters see [`scrape_with`](Self::scrape_with).
    pub fn scrape_after(&self, packets: u64) -> String {
        self.scrape_when("statsidecar_packets_total", packets)
    }

    /// The exposition once one of the sidecar's own counters, summed over its labels, is at least as large.
    pub fn scrape_when(&self, counter: &str, least: u64) -> String {
        self.scrape_until(&format!("{counter} is at least {least}"), |exposition| sum(exposition, counter) >= least)
    }

    /// The exposition once all these lines are in it. A worker adds to its counters one after the other, so some
    /// counters may follow a moment after the packets.
    pub fn scrape_with(&self, expected: &[&str]) -> String {
        let has = |exposition: &str, expected: &&str| exposition.lines().any(|line| line == *expected);
        let has_all = |exposition: &str| expected.iter().all(|expected| has(exposition, expected));
        self.scrape_until(&format!("it has all of {expected:?}"), has_all)
    }

    /// The exposition once each of this many packets is either read or dropped by the kernel.
    pub fn scrape_settled(&self, packets: u64) -> String {
        let counters = ["statsidecar_packets_total", "statsidecar_kernel_dropped_packets_total"];
        let ended = |exposition: &str| counters.iter().map(|counter| sum(exposition, counter)).sum::<u64>();
        self.scrape_until("every packet is read or dropped", |exposition| ended(exposition) == packets)
    }

    /// The exposition once `is_right` accepts it; `what` says in words what that takes.
    pub fn scrape_until(&self, what: &str, is_right: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let exposition = self.scrape();
            if is_right(&exposition) {
                return exposition;
            }
            assert!(Instant::now() < deadline, "in {PATIENCE:?} this did not come true: {what}\n{exposition}");
            thread::yield_now();
        }
    }
}

/// One of the sidecar's own counters, summed over its labels.
pub fn sum(exposition: &str, counter: &str) -> u64 {
    let is_of = |line: &&str| line.strip_prefix(counter).is_some_and(|rest| rest.starts_with(['{', ' ']));
    exposition.lines().filter(is_of).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
