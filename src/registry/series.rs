//! One series: its text, ready-made, and its cells.

use std::cmp::Ordering;
use std::hint::black_box;
use std::sync::Arc;

use super::families::FamilyHead;
use crate::expose::text::label;
use crate::mapping::{Metric, Shape};
use crate::metric::{Bounds, Cells, Counter, Gauge, Histogram};

/// A series, shared by the registry, the route tables and a scrape.
#[derive(Debug)]
pub struct Series {
    /// `name` or `name{key="value"}`, which is also what identifies it.
    text: Arc<str>,
    name_len: usize,
    head: Arc<FamilyHead>,
    /// Its values.
    pub cells: Cells,
}

impl Series {
    /// The series of `metric` at 0, whose text is `text`; a histogram has the buckets of its family.
    pub(super) fn new(metric: &Metric, text: String, head: Arc<FamilyHead>, bounds: Option<&Bounds>) -> Self {
        let cells = match &metric.shape {
            Shape::Counter => Cells::Counter(Counter::new()),
            Shape::Gauge => Cells::Gauge(Gauge::new()),
            Shape::Histogram(own) => Cells::Histogram(Histogram::new(bounds.unwrap_or(own).clone())),
        };
        Self { text: text.into(), name_len: metric.name.len(), head, cells }
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

    /// Reads what a scrape will, so that it is in the cache when it comes to that.
    pub fn fetch(&self) {
        black_box((self.text.as_bytes().first(), self.text.as_bytes().last(), self.head.help.as_bytes().first()));
        self.cells.fetch();
    }

    pub(super) fn key(&self) -> &Arc<str> {
        &self.text
    }
}

/// A series in the order of the page: by name, so that those of a family stand together, then by labels. The text alone
/// would not do: `ab` stands between `a` and `a{k="v"}`.
#[derive(Clone, Debug)]
pub(super) struct ByName(pub Arc<Series>);

impl ByName {
    fn parts(&self) -> (&[u8], &[u8]) {
        self.0.text.as_bytes().split_at_checked(self.0.name_len).unwrap_or_default()
    }
}

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
