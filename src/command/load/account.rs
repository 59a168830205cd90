//! Accounts for the lines by the counters of the receiving sidecar.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;

/// The sidecar's own counters, each summed over its labels.
pub(super) struct Scrape(HashMap<String, u64>);

/// How long to wait for missing packets after the last change of a counter.
const SETTLE: Duration = Duration::from_secs(2);

impl Scrape {
    /// Scrapes the sidecar at `address`.
    pub(super) fn read(address: SocketAddr) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let text = runtime
            .block_on(get(address))
            .map_err(|error| io::Error::other(format!("cannot scrape http://{address}/metrics: {error}")))?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    fn parse(text: &str) -> Self {
        let mut counts = HashMap::new();
        for line in text.lines().filter(|line| line.starts_with("statsidecar_")) {
            if let Some((series, value)) = line.rsplit_once(' ')
                && let Ok(value) = value.parse::<u64>()
            {
                let name = series.split('{').next().unwrap_or(series);
                *counts.entry(name.to_owned()).or_default() += value;
            }
        }
        Self(counts)
    }

    fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

async fn get(address: SocketAddr) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/metrics").header("host", address.to_string()).body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        Ok::<_, hyper::Error>(response.into_body().collect().await?.to_bytes())
    };
    tokio::select! {
        answer = answer => Ok(answer?),
        ended = connection => Err(ended.err().map_or_else(|| "it closed the connection".into(), Into::into)),
    }
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
    pub(super) fn settle(sidecar: SocketAddr, before: &Scrape, packets: u64, lines: u64) -> io::Result<Self> {
        let mut last = Self::default();
        let mut changed = Instant::now();
        loop {
            let account = Self::between(before, &Scrape::read(sidecar)?);
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

    fn between(before: &Scrape, after: &Scrape) -> Self {
        let grown = |name| after.count(name).saturating_sub(before.count(name));
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
        let account =
            |text: &str| Account::between(&Scrape::parse("statsidecar_lines_total 1\n"), &Scrape::parse(text));
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
