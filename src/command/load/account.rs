//! Accounts for the lines by the counters of the receiving sidecar.

use std::io;
use std::time::{Duration, Instant};

use crate::command::client::{Client, Reply};

/// How long to wait for missing packets after the last change of a counter.
const SETTLE: Duration = Duration::from_secs(2);

/// Scrapes the sidecar.
pub(super) fn scrape(sidecar: &Client) -> io::Result<String> {
    sidecar.get("/metrics").and_then(Reply::text).map_err(io::Error::other)
}

/// The value of a counter, summed over its labels.
fn count(exposition: &str, name: &str) -> u64 {
    let values = exposition.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let is_of_name = series.split('{').next() == Some(name);
        is_of_name.then_some(value)?.parse::<u64>().ok()
    });
    values.sum()
}

/// What the sidecar has counted between two scrapes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Account {
    packets: u64,
    lines: u64,
    applied: u64,
    rejected: u64,
    dropped: u64,
    events: u64,
    kernel_dropped_packets: u64,
}

impl Account {
    /// Scrapes until all `packets` and `lines` are accounted for, or until nothing changes any more.
    pub(super) fn settle(sidecar: &Client, before: &str, packets: u64, lines: u64) -> io::Result<Self> {
        let mut last = Self::default();
        let mut changed = Instant::now();
        loop {
            let account = Self::between(before, &scrape(sidecar)?);
            let has_all = account.packets + account.kernel_dropped_packets >= packets
                && (account.kernel_dropped_packets > 0 || account.lines >= lines);
            if has_all || changed.elapsed() > SETTLE {
                return Ok(account);
            }
            if account != last {
                (last, changed) = (account, Instant::now());
            }
        }
    }

    fn between(before: &str, after: &str) -> Self {
        let grown = |name| count(after, name).saturating_sub(count(before, name));
        Self {
            packets: grown("statsidecar_packets_total"),
            lines: grown("statsidecar_lines_total"),
            applied: grown("statsidecar_samples_total"),
            rejected: grown("statsidecar_rejected_samples_total"),
            dropped: grown("statsidecar_dropped_samples_total"),
            events: grown("statsidecar_events_total"),
            kernel_dropped_packets: grown("statsidecar_kernel_dropped_packets_total"),
        }
    }

    /// Whether every packet and every line is accounted for exactly once.
    pub(super) fn adds_up(&self, packets: u64, lines: u64) -> bool {
        packets == self.packets + self.kernel_dropped_packets
            && self.lines == self.applied + self.rejected + self.dropped + self.events
            && self.lines <= lines
            && (self.kernel_dropped_packets > 0 || self.lines == lines)
    }

    /// The account as a table.
    pub(super) fn report(&self, lines: u64) -> String {
        format!(
            "arrived     {} lines in {} packets\n\
             applied     {}\n\
             rejected    {}\n\
             dropped     {} by a rule\n\
             events      {}\n\
             lost        {} lines in {} packets, dropped by the kernel\n",
            self.lines,
            self.packets,
            self.applied,
            self.rejected,
            self.dropped,
            self.events,
            lines.saturating_sub(self.lines),
            self.kernel_dropped_packets,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_packets_lines_and_samples_are_noticed() {
        let account = |text: &str| Account::between("statsidecar_lines_total 1\n", text);
        let whole = "statsidecar_packets_total{listener=\"a\"} 2\nstatsidecar_packets_total{listener=\"b\"} 1\n\
                     statsidecar_lines_total 31\nstatsidecar_samples_total{type=\"c\"} 20\n\
                     statsidecar_samples_total{type=\"g\"} 8\nstatsidecar_rejected_samples_total 1\n\
                     statsidecar_events_total 1\n";
        assert!(account(whole).adds_up(3, 30));
        assert!(!account(whole).adds_up(3, 31), "a line is missing");
        assert!(!account(whole).adds_up(4, 30), "a packet is missing");
        let lossy = format!("{whole}statsidecar_kernel_dropped_packets_total 1\n");
        assert!(account(&lossy).adds_up(4, 40), "the kernel has counted the packet");
        assert!(!account(&lossy.replace(" 8\n", " 7\n")).adds_up(4, 40), "a sample is missing");
    }
}
