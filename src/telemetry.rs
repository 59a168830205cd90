//! The sidecar's own metrics: one table that every output is made from, and the counters behind it.
//!
//! Workers count in a [`Tally`] of their own and add it up here once a batch, so that counting costs the hot path no
//! shared memory. What is read elsewhere at the moment of a scrape (kernel, process, registry) comes in as [`Facts`].

mod culprits;

pub use culprits::{Culprit, Culprits};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::metric::{Bounds, Histogram, Total, Type, Writers};
use crate::parse::Kind;
use crate::parse::tags::TagError;
use crate::reject::Reject;

/// One of the sidecar's own metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The family's name.
    pub name: &'static str,
    /// What it is.
    pub kind: Type,
    /// The help text.
    pub help: &'static str,
}

macro_rules! own_metrics {
    ($($id:ident = $name:literal, $kind:ident, $help:literal;)*) => {
        $(const $id: Description = Description { name: $name, kind: Type::$kind, help: $help };)*

        /// Every metric of the sidecar's own, in the order of their names.
        pub const TABLE: &[Description] = &[$($id),*];
    };
}

own_metrics! {
    PROCESS_CPU = "process_cpu_seconds_total", Counter, "Total user and system CPU time spent in seconds.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, "Maximum number of open file descriptors.";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, "Number of open file descriptors.";
    PROCESS_RESIDENT = "process_resident_memory_bytes", Gauge, "Resident memory size in bytes.";
    PROCESS_START = "process_start_time_seconds", Gauge, "Start time of the process since the Unix epoch in seconds.";
    PROCESS_THREADS = "process_threads", Gauge, "Number of threads of the process.";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", Gauge, "Virtual memory size in bytes.";
    PROCESS_VIRTUAL_MAX = "process_virtual_memory_max_bytes", Gauge, "Maximum amount of virtual memory available in bytes; -1 is no limit.";
    BUILD_INFO = "statsidecar_build_info", Gauge, "Always 1; the labels say which program this is.";
    BYTES = "statsidecar_bytes_total", Counter, "Bytes received, without what the network adds to them.";
    CLOSED = "statsidecar_closed_connections_total", Counter, "Connections that were closed, by reason: by the client, after an error, after a message that cannot be, after a long silence, or at once because there were too many.";
    CONNECTIONS = "statsidecar_connections", Gauge, "Connections that are open.";
    CONNECTIONS_TOTAL = "statsidecar_connections_total", Counter, "Connections accepted, with those that were closed at once.";
    DROPPED = "statsidecar_dropped_samples_total", Counter, "Samples that a rule says to drop, and service checks where they are not asked for.";
    EVENTS = "statsidecar_events_total", Counter, "Events received, which are counted and not exposed.";
    FAMILIES = "statsidecar_families", Gauge, "Metric names that exist, by type.";
    KERNEL_DROPPED = "statsidecar_kernel_dropped_packets_total", Counter, "Packets that the kernel dropped before they could be read, as the socket counts them: its buffer was full.";
    LINES = "statsidecar_lines_total", Counter, "Lines received, empty ones not counted.";
    PACKETS = "statsidecar_packets_total", Counter, "Packets received: datagrams, and messages of streams that have any; a stream of lines has none.";
    RECEIVE_BUFFER = "statsidecar_receive_buffer_bytes", Gauge, "Receive buffer that the kernel gave the socket, its own bookkeeping included.";
    REJECTED = "statsidecar_rejected_samples_total", Counter, "Samples that were not applied, by reason.";
    SAMPLES = "statsidecar_samples_total", Counter, "Samples applied, by the type that their line carried.";
    SCRAPE_DURATION = "statsidecar_scrape_duration_seconds", Histogram, "Time to make the page of a scrape.";
    SCRAPES = "statsidecar_scrapes_total", Counter, "Scrapes answered, by format; the one under way is not among them.";
    SERIES = "statsidecar_series", Gauge, "Series that exist, by type.";
    SERIES_EXPIRED = "statsidecar_series_expired_total", Counter, "Series that left because no sample came in their time to live.";
    SERIES_LIMIT = "statsidecar_series_limit", Gauge, "How many series there may be.";
    TAG_ERRORS = "statsidecar_tag_errors_total", Counter, "Tags that were left out or renamed while their sample was kept, by reason.";
    UNKNOWN_SECTIONS = "statsidecar_unknown_sections_total", Counter, "Sections of lines that were skipped because they are not known, by the character they begin with.";
    UNMAPPED = "statsidecar_unmapped_samples_total", Counter, "Samples applied under their own names, since no rule matched.";
}

/// Whether `name` is kept for the sidecar itself. (`statsidecar` too: as a histogram it would expose
/// `statsidecar_count`.)
pub fn is_reserved(name: &str) -> bool {
    name == "statsidecar" || name.starts_with("statsidecar_") || TABLE.iter().any(|own| own.name == name)
}

/// One worker's counts since it last added them up.
#[derive(Debug, Default)]
pub struct Tally {
    /// Packets received.
    pub packets: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Lines received.
    pub lines: u64,
    applied: [u64; Kind::ALL.len()],
    unmapped: u64,
    rare: Rare,
    /// Whether `rare` holds anything, so that a batch without mishaps does not look.
    is_rare: bool,
    is_over_limit: bool,
}

/// What a clean stream of lines never counts.
#[derive(Debug)]
struct Rare {
    rejected: [u64; Reject::ALL.len()],
    dropped: u64,
    events: u64,
    tag_errors: [u64; TagError::ALL.len()],
    unknown_sections: [u64; SECTIONS],
    culprits: Culprits,
}

/// Unknown sections by the letter or digit they begin with, and the rest together: a number that no client raises.
const SECTIONS: usize = 63;

impl Default for Rare {
    fn default() -> Self {
        Self {
            rejected: [0; Reject::ALL.len()],
            dropped: 0,
            events: 0,
            tag_errors: [0; TagError::ALL.len()],
            unknown_sections: [0; SECTIONS],
            culprits: Culprits::default(),
        }
    }
}

impl Tally {
    /// Counts an applied sample.
    #[inline]
    pub fn applied(&mut self, kind: Kind, is_mapped: bool) {
        self.applied[kind as usize] += 1;
        self.unmapped += u64::from(!is_mapped);
    }

    /// Counts `samples` that were not applied.
    #[cold]
    pub fn rejected(&mut self, reject: Reject, samples: u64) {
        self.is_rare = true;
        self.rare.rejected[reject as usize] += samples;
    }

    /// Counts a sample of `name` that hit `limit`, beside what became of it.
    #[cold]
    pub fn over_limit(&mut self, name: &[u8], limit: Reject) {
        (self.is_rare, self.is_over_limit) = (true, true);
        self.rare.culprits.count(name, limit);
    }

    /// Counts samples that a rule says to drop.
    pub fn dropped(&mut self, samples: u64) {
        self.is_rare = true;
        self.rare.dropped += samples;
    }

    /// Counts a line that is an event.
    pub fn event(&mut self) {
        self.is_rare = true;
        self.rare.events += 1;
    }

    /// Counts tags of one line that were left out or mended.
    pub fn tag_error(&mut self, error: TagError, count: u64) {
        self.is_rare = true;
        self.rare.tag_errors[error as usize] += count;
    }

    /// Counts a section that was skipped.
    pub fn unknown_section(&mut self, section: &[u8]) {
        self.is_rare = true;
        let index = match section.first() {
            Some(&b @ b'0'..=b'9') => b - b'0',
            Some(&b @ b'A'..=b'Z') => b - b'A' + 10,
            Some(&b @ b'a'..=b'z') => b - b'a' + 36,
            _ => 62,
        };
        self.rare.unknown_sections[usize::from(index)] += 1;
    }
}

/// What the sidecar knows of one listener.
#[derive(Debug)]
pub struct Listener {
    /// Its address, as the label `listener`.
    pub address: String,
    packets: AtomicU64,
    bytes: AtomicU64,
    lines: AtomicU64,
}

impl Listener {
    /// Packets and lines received.
    pub fn received(&self) -> (u64, u64) {
        (self.packets.load(Ordering::Relaxed), self.lines.load(Ordering::Relaxed))
    }
}

/// The counters behind the table. All are `Relaxed`: each is a number of its own, and none publishes other memory.
#[derive(Debug)]
pub struct Telemetry {
    listeners: Vec<Arc<Listener>>,
    samples: [AtomicU64; Kind::ALL.len()],
    unmapped: AtomicU64,
    rejected: [AtomicU64; Reject::ALL.len()],
    dropped: AtomicU64,
    events: AtomicU64,
    tag_errors: [AtomicU64; TagError::ALL.len()],
    unknown_sections: [AtomicU64; SECTIONS],
    /// Under a lock, which a worker takes at most once a batch, and only where samples hit a limit.
    culprits: Mutex<Culprits>,
    scrapes: AtomicU64,
    scrape_duration: Histogram,
}

/// Upper bounds of [`SCRAPE_DURATION`], in seconds: from an idle sidecar's page to that of a million series.
const SCRAPE_BOUNDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5];

impl Telemetry {
    /// Counters at 0 for listeners at these addresses.
    pub fn new(addresses: impl IntoIterator<Item = String>) -> Self {
        let zero = || AtomicU64::new(0);
        let listener = |address| Arc::new(Listener { address, packets: zero(), bytes: zero(), lines: zero() });
        Self {
            listeners: addresses.into_iter().map(listener).collect(),
            samples: std::array::from_fn(|_| zero()),
            unmapped: zero(),
            rejected: std::array::from_fn(|_| zero()),
            dropped: zero(),
            events: zero(),
            tag_errors: std::array::from_fn(|_| zero()),
            unknown_sections: std::array::from_fn(|_| zero()),
            culprits: Mutex::default(),
            scrapes: zero(),
            scrape_duration: Histogram::new(Bounds::new(&SCRAPE_BOUNDS).expect("the bounds rise")),
        }
    }

    /// The listeners, in the order of their addresses at [`Telemetry::new`].
    pub fn listeners(&self) -> &[Arc<Listener>] {
        &self.listeners
    }

    /// Adds up what one of `writers` counted, and leaves its tally at 0.
    pub fn add(&self, listener: &Listener, tally: &mut Tally, writers: Writers) {
        let drain = |into: &AtomicU64, from: &mut u64| {
            let n = std::mem::take(from);
            match writers {
                _ if n == 0 => {}
                // A packet of one line is felt to cost what a few locked instructions do.
                Writers::One => into.store(into.load(Ordering::Relaxed) + n, Ordering::Relaxed),
                Writers::Many => _ = into.fetch_add(n, Ordering::Relaxed),
            }
        };
        let drain_all = |into: &[AtomicU64], from: &mut [u64]| {
            into.iter().zip(from).for_each(|(into, from)| drain(into, from));
        };
        drain(&listener.packets, &mut tally.packets);
        drain(&listener.bytes, &mut tally.bytes);
        drain(&listener.lines, &mut tally.lines);
        drain_all(&self.samples, &mut tally.applied);
        drain(&self.unmapped, &mut tally.unmapped);
        if std::mem::take(&mut tally.is_rare) {
            drain_all(&self.rejected, &mut tally.rare.rejected);
            drain(&self.dropped, &mut tally.rare.dropped);
            drain(&self.events, &mut tally.rare.events);
            drain_all(&self.tag_errors, &mut tally.rare.tag_errors);
            drain_all(&self.unknown_sections, &mut tally.rare.unknown_sections);
            if std::mem::take(&mut tally.is_over_limit) {
                self.culprits.lock().unwrap_or_else(PoisonError::into_inner).take(&mut tally.rare.culprits);
            }
        }
    }

    /// Counts a scrape that took `seconds` to answer.
    pub fn scraped(&self, seconds: f64) {
        self.scrapes.fetch_add(1, Ordering::Relaxed);
        self.scrape_duration.observe(seconds, 1.0, Writers::Many);
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
    pub fn culprits(&self) -> Vec<Culprit> {
        self.culprits.lock().unwrap_or_else(PoisonError::into_inner).top()
    }

    /// Every own metric as it stands, in the order of the table.
    pub fn families(&self, facts: &Facts) -> Vec<Family> {
        let by_listener = |read: fn(&Listener) -> &AtomicU64| -> Vec<Row> {
            self.listeners.iter().map(|l| Row::count(&[("listener", &l.address)], read(l))).collect()
        };
        let by_type = |counts: &[u64; Type::ALL.len()]| -> Vec<Row> {
            Type::ALL.iter().zip(counts).map(|(t, &n)| Row::number(&[("type", t.as_str())], n as f64)).collect()
        };
        let mut families = Vec::with_capacity(TABLE.len());
        let mut push = |description, rows| families.push(Family { description, rows });
        if let Some(process) = &facts.process {
            push(PROCESS_CPU, vec![Row::number(&[], process.cpu_seconds)]);
            push(PROCESS_MAX_FDS, vec![Row::number(&[], process.max_fds)]);
            push(PROCESS_OPEN_FDS, vec![Row::number(&[], process.open_fds)]);
            push(PROCESS_RESIDENT, vec![Row::number(&[], process.resident_bytes)]);
            push(PROCESS_START, vec![Row::number(&[], process.start_time_seconds)]);
            push(PROCESS_THREADS, vec![Row::number(&[], process.threads)]);
            push(PROCESS_VIRTUAL, vec![Row::number(&[], process.virtual_bytes)]);
            push(PROCESS_VIRTUAL_MAX, vec![Row::number(&[], process.virtual_max_bytes)]);
        }
        push(BUILD_INFO, vec![Row::number(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)]);
        push(BYTES, by_listener(|l| &l.bytes));
        push(CLOSED, facts.streams.iter().flat_map(StreamFacts::closed_rows).collect());
        push(CONNECTIONS, facts.streams.iter().map(|s| Row::number(&s.label(), s.open() as f64)).collect());
        push(CONNECTIONS_TOTAL, facts.streams.iter().map(|s| Row::total(&s.label(), s.accepted)).collect());
        push(DROPPED, vec![Row::count(&[], &self.dropped)]);
        push(EVENTS, vec![Row::count(&[], &self.events)]);
        push(FAMILIES, by_type(&facts.families));
        push(KERNEL_DROPPED, facts.sockets.iter().map(|s| Row::total(&s.label(), s.dropped)).collect());
        push(LINES, by_listener(|l| &l.lines));
        push(PACKETS, by_listener(|l| &l.packets));
        push(RECEIVE_BUFFER, facts.sockets.iter().map(|s| Row::number(&s.label(), s.receive_buffer as f64)).collect());
        push(REJECTED, rows(&Reject::ALL.map(|r| [("reason", r.reason())]), &self.rejected));
        push(SAMPLES, rows(&Kind::ALL.map(|k| [("type", k.as_str())]), &self.samples));
        let mut cumulative = Vec::new();
        let sum = self.scrape_duration.read(&mut cumulative);
        let value = Value::Histogram { bounds: self.scrape_duration.bounds().clone(), cumulative, sum };
        push(SCRAPE_DURATION, vec![Row { labels: Vec::new(), value }]);
        push(SCRAPES, vec![Row::count(&[("format", "text")], &self.scrapes)]);
        push(SERIES, by_type(&facts.series));
        push(SERIES_EXPIRED, vec![Row::total(&[], facts.series_expired)]);
        push(SERIES_LIMIT, vec![Row::number(&[], facts.series_limit as f64)]);
        push(TAG_ERRORS, rows(&TagError::ALL.map(|e| [("reason", e.reason())]), &self.tag_errors));
        push(UNKNOWN_SECTIONS, self.unknown_sections());
        push(UNMAPPED, vec![Row::count(&[], &self.unmapped)]);
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

/// What is read elsewhere at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Series by type, in the order of [`Type::ALL`].
    pub series: [u64; Type::ALL.len()],
    /// Families by type, in the order of [`Type::ALL`].
    pub families: [u64; Type::ALL.len()],
    /// How many series there may be.
    pub series_limit: usize,
    /// How many series have expired.
    pub series_expired: u64,
    /// The sockets for datagrams, in the order of their listeners, which come first.
    pub sockets: Vec<SocketFacts>,
    /// The sockets for streams, in the order of their listeners.
    pub streams: Vec<StreamFacts>,
    /// The process; `None` where the system does not tell.
    pub process: Option<ProcessFacts>,
}

/// What the kernel knows of a socket.
#[derive(Clone, Debug, Default)]
pub struct SocketFacts {
    /// The listener's address.
    pub address: String,
    /// Packets that the kernel dropped.
    pub dropped: u64,
    /// The receive buffer that the kernel gave, in bytes.
    pub receive_buffer: usize,
}

impl SocketFacts {
    fn label(&self) -> [(&'static str, &str); 1] {
        [("listener", &self.address)]
    }
}

/// What became of the connections of a socket.
#[derive(Clone, Debug, Default)]
pub struct StreamFacts {
    /// The listener's address.
    pub address: String,
    /// Connections accepted.
    pub accepted: u64,
    /// Those that were closed, in the order of [`Closed::ALL`].
    pub closed: [u64; Closed::ALL.len()],
}

impl StreamFacts {
    /// How many are open.
    pub fn open(&self) -> u64 {
        self.accepted.saturating_sub(self.closed.iter().sum())
    }

    fn label(&self) -> [(&'static str, &str); 1] {
        [("listener", &self.address)]
    }

    fn closed_rows(&self) -> impl Iterator<Item = Row> {
        let rows = Closed::ALL.into_iter().zip(self.closed);
        rows.map(|(why, count)| Row::total(&[("listener", &self.address), ("reason", why.reason())], count))
    }
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The client did it.
    End,
    /// It broke: reset by the client, or its host is gone.
    Error,
    /// What came cannot be taken apart into messages.
    Framing,
    /// Nothing came for `[intake] idle_timeout`.
    Idle,
    /// There were `[intake] max_connections` already.
    Limit,
}

impl Closed {
    /// Every reason, in the order of their names.
    pub const ALL: [Self; 5] = [Self::End, Self::Error, Self::Framing, Self::Idle, Self::Limit];

    /// The reason's one word, as it stands in the label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Error => "error",
            Self::Framing => "framing",
            Self::Idle => "idle",
            Self::Limit => "limit",
        }
    }
}

/// What the kernel knows of the process, under the names of the `process_` metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the table above says what each is")]
pub struct ProcessFacts {
    pub cpu_seconds: f64,
    pub max_fds: f64,
    pub open_fds: f64,
    pub resident_bytes: f64,
    pub start_time_seconds: f64,
    pub threads: f64,
    pub virtual_bytes: f64,
    pub virtual_max_bytes: f64,
}

/// An own metric with its values.
#[derive(Debug)]
pub struct Family {
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
    pub value: Value,
}

/// The value of a series, as it was read.
#[derive(Debug)]
pub enum Value {
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
    fn new(labels: &[(&'static str, &str)], value: Value) -> Self {
        Self { labels: labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(), value }
    }

    fn count(labels: &[(&'static str, &str)], count: &AtomicU64) -> Self {
        Self::total(labels, count.load(Ordering::Relaxed))
    }

    fn total(labels: &[(&'static str, &str)], count: u64) -> Self {
        Self::new(labels, Value::Total(Total::Whole(count)))
    }

    fn number(labels: &[(&'static str, &str)], value: f64) -> Self {
        Self::new(labels, Value::Number(value))
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
            assert_eq!(own.kind == Type::Counter, own.name.ends_with("_total"), "{}", own.name);
            assert!(own.help.ends_with('.'), "{}", own.name);
        }
    }

    #[test]
    fn every_metric_of_the_table_is_exposed() {
        let facts = Facts { process: Some(ProcessFacts::default()), ..Facts::default() };
        let exposed: Vec<_> = Telemetry::new([]).families(&facts).iter().map(|f| f.description).collect();
        assert_eq!(exposed, TABLE);
    }
}
