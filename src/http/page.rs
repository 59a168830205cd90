//! The page of a scrape, written piece by piece.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec;

use crate::expose::text::{self, Histograms};
use crate::metric::Cells;
use crate::pipeline::Pipeline;
use crate::registry::{FamilyHead, Registry, Series};
use crate::telemetry::{Family, Snapshot, Value};

/// A piece is handed on once it has this many bytes: few enough to stay in the cache, many enough that the handing on
/// costs nothing beside the writing.
pub(super) const PIECE: usize = 64 << 10;

/// What the last series of a piece may take beyond that, as a rule, before the memory of the piece grows.
const ROOM: usize = 4 << 10;

/// How many series are brought to the cache together.
const FETCHED: usize = 32;

/// The page in text format 0.0.4: every family, the sidecar's own among them, in the order of the names.
pub fn page(pipeline: &Pipeline, snapshot: &Snapshot) -> Vec<u8> {
    let (mut whole, mut piece) = (Vec::new(), Vec::new());
    let mut page = Page::new(pipeline, snapshot);
    while page.write(&mut piece) {
        whole.append(&mut piece);
    }
    whole.append(&mut piece);
    whole
}

/// A page that is being written. It holds a small part of the series at a time, however many there are.
pub(super) struct Page<'a> {
    registry: &'a Registry,
    /// The sidecar's own metrics that are still to come.
    own: Peekable<vec::IntoIter<Family>>,
    /// The series at hand, of which those before `next` are written.
    series: Vec<Arc<Series>>,
    next: usize,
    /// What the family of the last series says; another one begins with a header of its own.
    head: Option<Arc<FamilyHead>>,
    writer: Writer<'a>,
}

struct Writer<'a> {
    constants: &'a [(String, String)],
    /// The time, for what looks back from it.
    now: u32,
    histograms: Histograms,
    /// A histogram's counts, in memory that all of them use.
    cumulative: Vec<u64>,
    /// A summary's quantiles, likewise.
    values: Vec<f64>,
}

impl<'a> Page<'a> {
    pub fn new(pipeline: &'a Pipeline, snapshot: &Snapshot) -> Self {
        Self {
            registry: &pipeline.registry,
            own: pipeline.telemetry.families(snapshot).into_iter().peekable(),
            series: Vec::new(),
            next: 0,
            head: None,
            writer: Writer {
                constants: pipeline.rules.constants(),
                now: pipeline.clock.now(),
                histograms: Histograms::default(),
                cumulative: Vec::new(),
                values: Vec::new(),
            },
        }
    }

    /// Adds the next piece to `out`; whether there is more to come.
    pub fn write(&mut self, out: &mut Vec<u8>) -> bool {
        out.reserve(PIECE + ROOM);
        while out.len() < PIECE {
            let Some(series) = self.series.get(self.next) else {
                if self.refill() {
                    continue;
                }
                self.own.by_ref().for_each(|family| self.writer.own(out, &family));
                return false;
            };
            self.next += 1;
            if self.next % FETCHED == 1 {
                // The cache misses of one series would wait for those of the one before.
                self.series.iter().skip(self.next).take(FETCHED).for_each(|series| series.prefetch());
            }
            if !self.head.as_ref().is_some_and(|head| Arc::ptr_eq(head, series.head())) {
                while let Some(before) = self.own.next_if(|family| family.description.name < series.name()) {
                    self.writer.own(out, &before);
                }
                text::header(out, series.name(), series.head().metric_type, &series.head().help, None);
                self.head = Some(Arc::clone(series.head()));
            }
            self.writer.series(out, series);
        }
        true
    }

    /// Takes the next series to hand; whether there are any.
    fn refill(&mut self) -> bool {
        let last = self.series.last().cloned();
        self.registry.next(last, &mut self.series);
        self.next = 0;
        !self.series.is_empty()
    }
}

impl Writer<'_> {
    fn series(&mut self, out: &mut Vec<u8>, series: &Series) {
        match &series.cells {
            Cells::Counter(counter) => text::counter(out, series.text(), counter.total()),
            Cells::Gauge(gauge) => text::gauge(out, series.text(), gauge.value()),
            Cells::Histogram(histogram) => {
                let sum = histogram.read(&mut self.cumulative);
                let (name, labels) = (series.name(), series.labels());
                self.histograms.write(out, name, labels, histogram.bounds(), &self.cumulative, sum);
            }
            Cells::Set(set) => text::gauge(out, series.text(), set.count(self.now)),
            Cells::Summary(summary) => {
                let (sum, count) = summary.read(self.now, &mut self.values);
                let quantiles = (summary.quantiles(), self.values.as_slice());
                text::summary(out, series.name(), series.labels(), quantiles, sum, count);
            }
        }
    }

    /// An own metric: its labels, and those constant labels that it has not itself.
    fn own(&mut self, out: &mut Vec<u8>, family: &Family) {
        let name = family.description.name;
        if family.rows.is_empty() {
            return;
        }
        text::header(out, name, family.description.metric_type, family.description.help, None);
        for row in &family.rows {
            let mut pairs: Vec<(&str, &str)> = row.labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
            for (key, value) in self.constants {
                if !pairs.iter().any(|(own, _)| own == key) {
                    pairs.push((key, value));
                }
            }
            pairs.sort_unstable();
            let mut labels = String::new();
            pairs.iter().for_each(|(key, value)| text::label(&mut labels, key, value));
            let series = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") };
            match &row.value {
                Value::Total(total) => text::counter(out, &series, *total),
                Value::Number(value) => text::gauge(out, &series, *value),
                Value::Histogram { bounds, cumulative, sum } => {
                    self.histograms.write(out, name, &labels, bounds, cumulative, *sum);
                }
            }
        }
    }
}
