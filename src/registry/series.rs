//! One series: its text, ready-made, and its cells.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use super::families::FamilyHead;
use crate::expose::text::label;
use crate::mapping::{Metric, MetricSpec};
use crate::metric::{Cells, Counter, Gauge, Histogram, Set, Summary};
use crate::prefetch::prefetch;

/// A series, shared by the registry, the route tables and a scrape.
#[derive(Debug)]
pub struct Series {
    /// `name` or `name{key="value"}`, which is also what identifies it.
    text: Arc<str>,
    name_len: usize,
    head: Arc<FamilyHead>,
    /// When a sample last came, in seconds of the pipeline's clock. `Relaxed`, as is `is_leaving`: both are decided upon
    /// under the locks of the registry, and by the generations of [`presence`](super::presence).
    touched: AtomicU32,
    /// For how many seconds it stays after the last sample; [`FOR_EVER`] where it does not leave.
    ttl: u32,
    /// Whether workers have been told to give up their routes to it.
    is_leaving: AtomicBool,
    /// Its values.
    pub cells: Cells,
}

/// A time to live without an end.
pub(super) const FOR_EVER: u32 = u32::MAX;

impl Series {
    /// The series of `metric` at 0, whose text is `text`; it is made as its family has it.
    pub(super) fn new(metric: &Metric, text: String, head: Arc<FamilyHead>, now: u32) -> Self {
        let cells = match &head.spec {
            MetricSpec::Counter => Cells::Counter(Counter::new()),
            MetricSpec::Gauge => Cells::Gauge(Gauge::new()),
            MetricSpec::Histogram(bounds) => Cells::Histogram(Histogram::new(bounds.clone())),
            MetricSpec::Set(window) => Cells::Set(Set::new(*window).into()),
            MetricSpec::Summary(quantiles, window) => Cells::Summary(Summary::new(quantiles.clone(), *window).into()),
        };
        // The clock tells whole seconds: what is left of one is waited for.
        let seconds = |ttl: Duration| u32::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(FOR_EVER);
        Self {
            text: text.into(),
            name_len: metric.name.len(),
            head,
            touched: AtomicU32::new(now),
            ttl: metric.ttl.map_or(FOR_EVER, seconds),
            is_leaving: AtomicBool::new(false),
            cells,
        }
    }

    /// Says that a sample comes, at `now`.
    #[inline]
    pub fn touch(&self, now: u32) {
        self.touched.store(now, Relaxed);
    }

    /// Whether it leaves when no sample comes.
    pub(super) fn is_mortal(&self) -> bool {
        self.ttl != FOR_EVER
    }

    /// When it expires, as it stands: the first second in which it is over.
    pub(super) fn due(&self) -> u32 {
        // The sample may have come at the end of the second that its time was read in.
        self.touched.load(Relaxed).saturating_add(self.ttl).saturating_add(1)
    }

    /// Whether workers have been told to give up their routes to it.
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Relaxed)
    }

    pub(super) fn set_leaving(&self, is_leaving: bool) {
        self.is_leaving.store(is_leaving, Relaxed);
    }

    /// Its name with its labels, as the text formats write it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its name: that of its family.
    pub fn name(&self) -> &str {
        self.text.get(..self.name_len).unwrap_or_default()
    }

    /// What its family says, one and the same for all series of it.
    pub fn head(&self) -> &Arc<FamilyHead> {
        &self.head
    }

    /// Its labels, as they stand between the braces; empty where it has none.
    pub fn labels(&self) -> &str {
        let braced = self.text.get(self.name_len..).unwrap_or_default();
        braced.strip_prefix('{').and_then(|labels| labels.strip_suffix('}')).unwrap_or_default()
    }

    /// Asks for what a scrape will read beside the series itself.
    pub fn prefetch(&self) {
        let text = self.text.as_bytes();
        text.first().inspect(|byte| prefetch(*byte));
        text.last().inspect(|byte| prefetch(*byte));
        self.cells.prefetch();
    }

    pub(super) fn key(&self) -> &Arc<str> {
        &self.text
    }
}

/// A series in the order of the page: by name, so that those of a family stand together, then by labels. The text alone
/// would not do: `ab` stands between `a` and `a{k="v"}`.
#[derive(Clone, Debug)]
pub(super) struct ByName(pub Arc<Series>);

/// What the order goes by, of a series or of one that is looked for: the name, and what follows it.
pub(super) trait Parts {
    fn parts(&self) -> (&[u8], &[u8]);
}

impl Parts for ByName {
    fn parts(&self) -> (&[u8], &[u8]) {
        self.0.text.as_bytes().split_at_checked(self.0.name_len).unwrap_or_default()
    }
}

impl Parts for (&[u8], &[u8]) {
    fn parts(&self) -> (&[u8], &[u8]) {
        *self
    }
}

impl<'a> Borrow<dyn Parts + 'a> for ByName {
    fn borrow(&self) -> &(dyn Parts + 'a) {
        self
    }
}

impl Ord for dyn Parts + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for dyn Parts + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Parts + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Parts + '_ {}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByName {}

/// The text that identifies the series of `metric`.
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
