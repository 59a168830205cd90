//! One series: its text, ready-made, and its cells.

use std::sync::Arc;

use crate::expose::text::label;
use crate::mapping::{Metric, Shape};
use crate::metric::{Bounds, Cells, Counter, Gauge, Histogram};

/// A series, shared by the registry, the route tables and a scrape.
#[derive(Debug)]
pub struct Series {
    /// `name` or `name{key="value"}`, which is also what identifies it.
    text: Arc<str>,
    name_len: usize,
    /// Its values.
    pub cells: Cells,
}

impl Series {
    /// The series of `metric` at 0, whose text is `text`; a histogram has the buckets of its family.
    pub(super) fn new(metric: &Metric, text: String, bounds: Option<&Bounds>) -> Self {
        let cells = match &metric.shape {
            Shape::Counter => Cells::Counter(Counter::new()),
            Shape::Gauge => Cells::Gauge(Gauge::new()),
            Shape::Histogram(own) => Cells::Histogram(Histogram::new(bounds.unwrap_or(own).clone())),
        };
        Self { text: text.into(), name_len: metric.name.len(), cells }
    }

    /// Its name with its labels, as the text formats write it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its labels, as they stand between the braces; empty where it has none.
    pub fn labels(&self) -> &str {
        let braced = self.text.get(self.name_len..).unwrap_or_default();
        braced.strip_prefix('{').and_then(|labels| labels.strip_suffix('}')).unwrap_or_default()
    }

    pub(super) fn key(&self) -> &Arc<str> {
        &self.text
    }
}

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
