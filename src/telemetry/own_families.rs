//! The sidecar's own metrics of a scrape: the counters and a snapshot, in the order of the table.

use std::sync::atomic::{AtomicU64, Ordering};

use strum::{EnumCount, VariantArray};

use super::counters::Telemetry;
use super::row::{OwnFamily, OwnRow, OwnValue};
use super::snapshot::{Closed, Delivery, ListenerSnapshot, RelaySnapshot, Snapshot};
use super::table;
use crate::metric::MetricType;
use crate::parse::StatsdType;
use crate::parse::tags::TagError;
use crate::reject::Reject;

impl Telemetry {
    /// Every own metric with its values, in the order of the table.
    pub(crate) fn families(&self, snapshot: &Snapshot) -> Vec<OwnFamily> {
        let number = |value: f64| vec![OwnRow::number(&[], value)];
        let by_type = |counts: &[u64; MetricType::ALL.len()]| {
            MetricType::ALL
                .iter()
                .zip(counts)
                .map(|(t, &n)| OwnRow::number(&[("type", t.as_str())], n as f64))
                .collect()
        };
        let mut families = Vec::with_capacity(table::TABLE.len());
        let mut push = |description, rows| families.push(OwnFamily { description, rows });
        if let Some(process) = &snapshot.process {
            push(table::PROCESS_CPU, number(process.cpu_seconds));
            push(table::PROCESS_MAX_FDS, number(process.max_fds));
            push(table::PROCESS_OPEN_FDS, number(process.open_fds));
            push(table::PROCESS_RESIDENT, number(process.resident_bytes));
            push(table::PROCESS_START, number(process.start_time_seconds));
            push(table::PROCESS_THREADS, number(process.threads));
            push(table::PROCESS_VIRTUAL, number(process.virtual_bytes));
            push(table::PROCESS_VIRTUAL_MAX, number(process.virtual_max_bytes));
        }
        let listeners = Listeners(&snapshot.listeners);
        push(table::BUILD_INFO, vec![OwnRow::number(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)]);
        push(table::BYTES, listeners.totals(|listener| Some(listener.bytes)));
        push(table::CLOSED, listeners.closed());
        push(table::CONNECTIONS, listeners.numbers(|listener| Some(listener.socket.stream()?.open() as f64)));
        push(table::CONNECTIONS_TOTAL, listeners.totals(|listener| Some(listener.socket.stream()?.accepted)));
        push(table::DROPPED, vec![OwnRow::count(&[], &self.dropped)]);
        push(table::EVENTS, vec![OwnRow::count(&[], &self.events)]);
        push(table::FAMILIES, by_type(&snapshot.families));
        push(table::KERNEL_DROPPED, listeners.totals(|listener| Some(listener.socket.datagram()?.dropped)));
        push(table::LINES, listeners.totals(|listener| Some(listener.lines)));
        push(table::PACKETS, listeners.totals(|listener| Some(listener.packets)));
        push(
            table::RECEIVE_BUFFER,
            listeners.numbers(|listener| Some(listener.socket.datagram()?.receive_buffer as f64)),
        );
        push(table::REJECTED, counts(&Reject::ALL.map(|reject| [("reason", reject.reason())]), &self.rejected));
        push(table::RELAY_LINES, deliveries(snapshot, |relay| &relay.lines));
        push(table::RELAY_PACKETS, deliveries(snapshot, |relay| &relay.packets));
        push(table::SAMPLES, counts(&StatsdType::ALL.map(|t| [("type", t.as_str())]), &self.samples));
        push(table::SCRAPE_DURATION, vec![self.scrape_duration()]);
        push(table::SCRAPES, vec![OwnRow::count(&[("format", "text")], &self.scrapes)]);
        push(table::SERIES, by_type(&snapshot.series));
        push(table::SERIES_EXPIRED, vec![OwnRow::total(&[], snapshot.series_expired)]);
        push(table::SERIES_LIMIT, number(snapshot.series_limit as f64));
        push(table::TAG_ERRORS, counts(&TagError::ALL.map(|error| [("reason", error.reason())]), &self.tag_errors));
        push(table::UNKNOWN_SECTIONS, self.unknown_sections());
        push(table::UNMAPPED, vec![OwnRow::count(&[], &self.unmapped)]);
        families
    }

    fn scrape_duration(&self) -> OwnRow {
        let mut cumulative = Vec::new();
        let sum = self.scrape_duration.read(&mut cumulative);
        let bounds = self.scrape_duration.bounds().clone();
        OwnRow::new(&[], OwnValue::Histogram { bounds, cumulative, sum })
    }

    /// Only the sections that were received: most never are.
    fn unknown_sections(&self) -> Vec<OwnRow> {
        let first = (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z').map(|b| char::from(b).to_string());
        first
            .chain(["other".to_owned()])
            .zip(&self.unknown_sections)
            .filter(|(_, count)| count.load(Ordering::Relaxed) > 0)
            .map(|(section, count)| OwnRow::count(&[("section", &section)], count))
            .collect()
    }
}

fn counts(labels: &[[(&'static str, &str); 1]], counts: &[AtomicU64]) -> Vec<OwnRow> {
    labels.iter().zip(counts).map(|(labels, count)| OwnRow::count(labels, count)).collect()
}

/// A row for each target of the relay and each outcome.
fn deliveries(snapshot: &Snapshot, read: impl Fn(&RelaySnapshot) -> &[u64; Delivery::COUNT]) -> Vec<OwnRow> {
    let mut rows = Vec::new();
    for relay in &snapshot.relays {
        for (outcome, count) in Delivery::VARIANTS.iter().zip(read(relay)) {
            rows.push(OwnRow::total(&[("target", &relay.target), ("outcome", outcome.into())], *count));
        }
    }
    rows
}

/// Rows with a label `listener`, for the listeners that have the value.
struct Listeners<'a>(&'a [ListenerSnapshot]);

impl Listeners<'_> {
    fn totals(&self, read: impl Fn(&ListenerSnapshot) -> Option<u64>) -> Vec<OwnRow> {
        self.0
            .iter()
            .filter_map(|listener| Some(OwnRow::total(&[("listener", &listener.address)], read(listener)?)))
            .collect()
    }

    fn numbers(&self, read: impl Fn(&ListenerSnapshot) -> Option<f64>) -> Vec<OwnRow> {
        self.0
            .iter()
            .filter_map(|listener| Some(OwnRow::number(&[("listener", &listener.address)], read(listener)?)))
            .collect()
    }

    fn closed(&self) -> Vec<OwnRow> {
        let mut rows = Vec::new();
        for listener in self.0 {
            let closed = listener.socket.stream().map(|stream| stream.closed);
            for (reason, count) in Closed::VARIANTS.iter().zip(closed.into_iter().flatten()) {
                rows.push(OwnRow::total(&[("listener", &listener.address), ("reason", reason.into())], count));
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::ProcessSnapshot;

    #[test]
    fn every_metric_of_the_table_is_exposed() {
        let snapshot = Snapshot { process: Some(ProcessSnapshot::default()), ..Snapshot::default() };
        let exposed: Vec<_> = Telemetry::new().families(&snapshot).iter().map(|family| family.description).collect();
        assert_eq!(exposed, table::TABLE);
    }
}
