//! One series: its text, ready-made, and its cells.

use std::sync::Arc;
use std::time::Duration;

use crate::expose::text::label;
use crate::mapping::{Metric, MetricSpec};
use crate::metric::{Cells, Counter, Gauge, Histogram, MemoryBudget, Set, Summary};
use crate::prefetch::prefetch;
use crate::sync::{AtomicU32, Ordering};

/// A series, shared by its family, the route caches and a scrape.
#[derive(Debug)]
pub struct Series {
    /// `name` or `name{key="value"}`.
    text: Arc<str>,
    name_len: u32,
    /// When the last sample arrived, in seconds of the pipeline's clock. `Relaxed`: a worker that touches and the sweeper
    /// that removes meet under the lock of the family.
    touched: AtomicU32,
    /// For how many seconds it stays after the last sample; [`FOREVER`] if it does not expire.
    ttl: u32,
    /// Whether it takes the samples of its family that are over a limit.
    is_overflow: bool,
    /// Its values.
    pub cells: Cells,
}

/// A time to live without an end.
const FOREVER: u32 = u32::MAX;

impl Series {
    /// The series of `metric` with the value 0, made as its family has it. `text` is the one of the metric.
    pub(super) fn new(
        metric: &Metric,
        text: Arc<str>,
        spec: &MetricSpec,
        is_overflow: bool,
        now: u32,
        budget: MemoryBudget,
    ) -> Self {
        let cells = match spec {
            MetricSpec::Counter => Cells::Counter(Counter::new()),
            MetricSpec::Gauge => Cells::Gauge(Gauge::new()),
            MetricSpec::Histogram(bounds) => Cells::Histogram(Histogram::new(bounds.clone())),
            MetricSpec::Set(window) => Cells::Set(Set::new(*window, budget).into()),
            MetricSpec::Summary(quantiles, window) => {
                Cells::Summary(Summary::new(quantiles.clone(), *window, budget).into())
            }
        };
        // The clock tells whole seconds, so a fraction of one is rounded up.
        let seconds = |ttl: Duration| u32::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(FOREVER);
        Self {
            text,
            name_len: metric.name.len() as u32,
            touched: AtomicU32::new(now),
            ttl: metric.ttl.map_or(FOREVER, seconds),
            is_overflow,
            cells,
        }
    }

    /// Notes that a sample arrived at `now`. An earlier time than the last changes nothing, because workers read the
    /// clock once a batch and a batch may be overtaken.
    #[inline]
    pub fn touch(&self, now: u32) {
        if self.touched.load(Ordering::Relaxed) < now {
            self.touched.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// Whether it expires when no sample arrives.
    pub(crate) fn has_ttl(&self) -> bool {
        self.ttl != FOREVER
    }

    /// The second in which it expires if no further sample arrives.
    pub(super) fn due(&self) -> u32 {
        // The sample may have arrived at the end of the second that it is noted under.
        self.touched.load(Ordering::Relaxed).saturating_add(self.ttl).saturating_add(1)
    }

    /// Whether its time to live is over at `now`.
    pub(crate) fn is_due(&self, now: u32) -> bool {
        self.has_ttl() && self.due() <= now
    }

    /// Whether it takes the samples of its family that are over a limit.
    pub(super) fn is_overflow(&self) -> bool {
        self.is_overflow
    }

    /// Its name with its labels, as the text formats write it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of its family.
    pub fn name(&self) -> &str {
        self.text.get(..self.name_len as usize).unwrap_or_default()
    }

    /// Its labels with their braces; empty if it has none.
    pub(crate) fn braced_labels(&self) -> &str {
        self.text.get(self.name_len as usize..).unwrap_or_default()
    }

    /// Its labels as they stand between the braces; empty if it has none.
    pub fn labels(&self) -> &str {
        let braced = self.braced_labels();
        braced.strip_prefix('{').and_then(|labels| labels.strip_suffix('}')).unwrap_or_default()
    }

    /// Asks for what a scrape reads beside the series itself.
    pub(crate) fn prefetch(&self) {
        let text = self.text.as_bytes();
        text.first().inspect(|byte| prefetch(*byte));
        text.last().inspect(|byte| prefetch(*byte));
        self.cells.prefetch();
    }
}

/// The text that identifies the series of `metric`: `name` or `name{key="value"}`.
pub(super) fn text(metric: &Metric) -> String {
    if metric.labels.is_empty() {
        return metric.name.clone();
    }
    let mut labels = String::new();
    for (key, value) in &metric.labels {
        label(&mut labels, key, value);
    }
    format!("{}{{{labels}}}", metric.name)
}
