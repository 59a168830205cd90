//! The sidecar's own metrics: one table that every output is made from, and the counters behind it.
//!
//! Workers count in a [`WorkerStats`] of their own and add it up here once a batch, so that counting costs the hot path no
//! shared memory. What is read elsewhere at the moment of a scrape (kernel, process, registry) comes in as [`Snapshot`].

mod heavy_hitters;
mod listener;
mod snapshot;
mod table;
mod worker_stats;

pub use heavy_hitters::{HeavyHitter, HeavyHitters};
pub use listener::Listener;
pub use snapshot::{Closed, Delivery, ListenerSnapshot, ProcessSnapshot, RelaySnapshot, Snapshot, SocketSnapshot};
pub use table::{Description, TABLE, is_reserved};
pub use worker_stats::WorkerStats;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::metric::{Bounds, Histogram, MetricType, Sharing, Total};
use crate::parse::StatsdType;
use crate::parse::tags::TagError;
use crate::reject::Reject;
use worker_stats::SECTIONS;

/// The counters behind the table. All are `Relaxed`: each is a number of its own, and none publishes other memory.
#[derive(Debug)]
pub struct Telemetry {
    samples: [AtomicU64; StatsdType::ALL.len()],
    unmapped: AtomicU64,
    rejected: [AtomicU64; Reject::ALL.len()],
    dropped: AtomicU64,
    events: AtomicU64,
    tag_errors: [AtomicU64; TagError::ALL.len()],
    unknown_sections: [AtomicU64; SECTIONS],
    /// Under a lock, which a worker takes at most once a batch, and only where samples hit a limit.
    heavy_hitters: Mutex<HeavyHitters>,
    scrapes: AtomicU64,
    scrape_duration: Histogram,
}

/// Upper bounds of [`SCRAPE_DURATION`], in seconds: from an idle sidecar's page to that of a million series.
const SCRAPE_BOUNDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5];

impl Telemetry {
    /// Counters at 0.
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            samples: std::array::from_fn(|_| zero()),
            unmapped: zero(),
            rejected: std::array::from_fn(|_| zero()),
            dropped: zero(),
            events: zero(),
            tag_errors: std::array::from_fn(|_| zero()),
            unknown_sections: std::array::from_fn(|_| zero()),
            heavy_hitters: Mutex::default(),
            scrapes: zero(),
            scrape_duration: Histogram::new(Bounds::new(&SCRAPE_BOUNDS).expect("the bounds rise")),
        }
    }

    /// Adds up what one of `sharing` counted, and leaves its stats at 0.
    pub fn add(&self, listener: &Listener, stats: &mut WorkerStats, sharing: Sharing) {
        let drain = |into: &AtomicU64, from: &mut u64| {
            let n = std::mem::take(from);
            match sharing {
                _ if n == 0 => {}
                // A packet of one line is felt to cost what a few locked instructions do.
                Sharing::SingleWriter => into.store(into.load(Ordering::Relaxed) + n, Ordering::Relaxed),
                Sharing::Shared => _ = into.fetch_add(n, Ordering::Relaxed),
            }
        };
        let drain_all = |into: &[AtomicU64], from: &mut [u64]| {
            into.iter().zip(from).for_each(|(into, from)| drain(into, from));
        };
        drain(&listener.packets, &mut stats.packets);
        drain(&listener.bytes, &mut stats.bytes);
        drain(&listener.lines, &mut stats.lines);
        drain_all(&self.samples, &mut stats.applied);
        drain(&self.unmapped, &mut stats.unmapped);
        if std::mem::take(&mut stats.is_rare) {
            drain_all(&self.rejected, &mut stats.rare.rejected);
            drain(&self.dropped, &mut stats.rare.dropped);
            drain(&self.events, &mut stats.rare.events);
            drain_all(&self.tag_errors, &mut stats.rare.tag_errors);
            drain_all(&self.unknown_sections, &mut stats.rare.unknown_sections);
            if std::mem::take(&mut stats.is_over_limit) {
                self.heavy_hitters.lock().unwrap_or_else(PoisonError::into_inner).take(&mut stats.rare.heavy_hitters);
            }
        }
    }

    /// Counts a scrape that took `seconds` to answer.
    pub fn scraped(&self, seconds: f64) {
        self.scrapes.fetch_add(1, Ordering::Relaxed);
        self.scrape_duration.observe(seconds, 1.0, Sharing::Shared);
    }

    /// How many samples were applied.
    pub fn applied(&self) -> u64 {
        self.samples.iter().map(|samples| samples.load(Ordering::Relaxed)).sum()
    }

    /// How many samples were rejected for one reason.
    pub fn rejected(&self, reject: Reject) -> u64 {
        self.rejected[reject as usize].load(Ordering::Relaxed)
    }

    /// The names that hit a limit most often, most samples first.
    pub fn heavy_hitters(&self) -> Vec<HeavyHitter> {
        self.heavy_hitters.lock().unwrap_or_else(PoisonError::into_inner).top()
    }

    /// Every own metric as it stands, in the order of the table.
    pub fn families(&self, snapshot: &Snapshot) -> Vec<OwnFamily> {
        let by_listener = |read: fn(&ListenerSnapshot) -> Option<Row>| -> Vec<Row> {
            snapshot.listeners.iter().filter_map(read).collect()
        };
        let by_type = |counts: &[u64; MetricType::ALL.len()]| -> Vec<Row> {
            MetricType::ALL.iter().zip(counts).map(|(t, &n)| Row::number(&[("type", t.as_str())], n as f64)).collect()
        };
        let mut families = Vec::with_capacity(TABLE.len());
        let mut push = |description, rows| families.push(OwnFamily { description, rows });
        if let Some(process) = &snapshot.process {
            push(table::PROCESS_CPU, vec![Row::number(&[], process.cpu_seconds)]);
            push(table::PROCESS_MAX_FDS, vec![Row::number(&[], process.max_fds)]);
            push(table::PROCESS_OPEN_FDS, vec![Row::number(&[], process.open_fds)]);
            push(table::PROCESS_RESIDENT, vec![Row::number(&[], process.resident_bytes)]);
            push(table::PROCESS_START, vec![Row::number(&[], process.start_time_seconds)]);
            push(table::PROCESS_THREADS, vec![Row::number(&[], process.threads)]);
            push(table::PROCESS_VIRTUAL, vec![Row::number(&[], process.virtual_bytes)]);
            push(table::PROCESS_VIRTUAL_MAX, vec![Row::number(&[], process.virtual_max_bytes)]);
        }
        push(table::BUILD_INFO, vec![Row::number(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)]);
        push(table::BYTES, by_listener(|l| Some(Row::total(&l.label(), l.bytes))));
        push(table::CLOSED, snapshot.listeners.iter().flat_map(ListenerSnapshot::closed_rows).collect());
        push(table::CONNECTIONS, by_listener(|l| Some(Row::number(&l.label(), l.open_connections()? as f64))));
        push(
            table::CONNECTIONS_TOTAL,
            by_listener(|l| match l.socket {
                SocketSnapshot::Stream { accepted, .. } => Some(Row::total(&l.label(), accepted)),
                SocketSnapshot::Datagram { .. } => None,
            }),
        );
        push(table::DROPPED, vec![Row::count(&[], &self.dropped)]);
        push(table::EVENTS, vec![Row::count(&[], &self.events)]);
        push(table::FAMILIES, by_type(&snapshot.families));
        push(
            table::KERNEL_DROPPED,
            by_listener(|l| match l.socket {
                SocketSnapshot::Datagram { dropped, .. } => Some(Row::total(&l.label(), dropped)),
                SocketSnapshot::Stream { .. } => None,
            }),
        );
        push(table::LINES, by_listener(|l| Some(Row::total(&l.label(), l.lines))));
        push(table::PACKETS, by_listener(|l| Some(Row::total(&l.label(), l.packets))));
        push(
            table::RECEIVE_BUFFER,
            by_listener(|l| match l.socket {
                SocketSnapshot::Datagram { receive_buffer, .. } => Some(Row::number(&l.label(), receive_buffer as f64)),
                SocketSnapshot::Stream { .. } => None,
            }),
        );
        push(table::REJECTED, rows(&Reject::ALL.map(|r| [("reason", r.reason())]), &self.rejected));
        push(table::RELAY_LINES, snapshot.relays.iter().flat_map(|relay| relay.rows(&relay.lines)).collect());
        push(table::RELAY_PACKETS, snapshot.relays.iter().flat_map(|relay| relay.rows(&relay.packets)).collect());
        push(table::SAMPLES, rows(&StatsdType::ALL.map(|k| [("type", k.as_str())]), &self.samples));
        let mut cumulative = Vec::new();
        let sum = self.scrape_duration.read(&mut cumulative);
        let value = OwnValue::Histogram { bounds: self.scrape_duration.bounds().clone(), cumulative, sum };
        push(table::SCRAPE_DURATION, vec![Row { labels: Vec::new(), value }]);
        push(table::SCRAPES, vec![Row::count(&[("format", "text")], &self.scrapes)]);
        push(table::SERIES, by_type(&snapshot.series));
        push(table::SERIES_EXPIRED, vec![Row::total(&[], snapshot.series_expired)]);
        push(table::SERIES_LIMIT, vec![Row::number(&[], snapshot.series_limit as f64)]);
        push(table::TAG_ERRORS, rows(&TagError::ALL.map(|e| [("reason", e.reason())]), &self.tag_errors));
        push(table::UNKNOWN_SECTIONS, self.unknown_sections());
        push(table::UNMAPPED, vec![Row::count(&[], &self.unmapped)]);
        families
    }

    /// Only the sections that were seen: most never are.
    fn unknown_sections(&self) -> Vec<Row> {
        let first = (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z').map(|b| char::from(b).to_string());
        first
            .chain(["other".to_owned()])
            .zip(&self.unknown_sections)
            .filter(|(_, count)| count.load(Ordering::Relaxed) > 0)
            .map(|(section, count)| Row::count(&[("section", &section)], count))
            .collect()
    }
}

fn rows(labels: &[[(&'static str, &str); 1]], counts: &[AtomicU64]) -> Vec<Row> {
    labels.iter().zip(counts).map(|(labels, count)| Row::count(labels, count)).collect()
}

/// An own metric with its values.
#[derive(Debug)]
pub struct OwnFamily {
    /// Which it is.
    pub description: Description,
    /// Its series.
    pub rows: Vec<Row>,
}

/// One series of an own metric.
#[derive(Debug)]
pub struct Row {
    /// Its labels.
    pub labels: Vec<(&'static str, String)>,
    /// Its value.
    pub value: OwnValue,
}

/// The value of a series, as it was read.
#[derive(Debug)]
pub enum OwnValue {
    /// A counter's.
    Total(Total),
    /// A gauge's, or that of a counter which is measured elsewhere.
    Number(f64),
    /// A histogram's.
    Histogram {
        /// Upper bounds of the buckets.
        bounds: Bounds,
        /// Observations up to each bound, and up to infinity.
        cumulative: Vec<u64>,
        /// The sum of what was observed.
        sum: f64,
    },
}

impl Row {
    fn new(labels: &[(&'static str, &str)], value: OwnValue) -> Self {
        Self { labels: labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(), value }
    }

    fn count(labels: &[(&'static str, &str)], count: &AtomicU64) -> Self {
        Self::total(labels, count.load(Ordering::Relaxed))
    }

    fn total(labels: &[(&'static str, &str)], count: u64) -> Self {
        Self::new(labels, OwnValue::Total(Total::Whole(count)))
    }

    fn number(labels: &[(&'static str, &str)], value: f64) -> Self {
        Self::new(labels, OwnValue::Number(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_named_well_and_explained() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name), "sorted, and each once");
        for own in TABLE {
            assert!(own.name.starts_with("statsidecar_") || own.name.starts_with("process_"), "{}", own.name);
            assert_eq!(own.metric_type == MetricType::Counter, own.name.ends_with("_total"), "{}", own.name);
            assert!(own.help.ends_with('.'), "{}", own.name);
        }
    }

    #[test]
    fn every_metric_of_the_table_is_exposed() {
        let snapshot = Snapshot { process: Some(ProcessSnapshot::default()), ..Snapshot::default() };
        let exposed: Vec<_> = Telemetry::new().families(&snapshot).iter().map(|f| f.description).collect();
        assert_eq!(exposed, TABLE);
    }
}
