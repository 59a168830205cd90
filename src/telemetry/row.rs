//! The values of the sidecar's own metrics, as read for a scrape.

use std::sync::atomic::{AtomicU64, Ordering};

use super::table::Description;
use crate::metric::{Bounds, Total};

/// One of the sidecar's own metrics with its values.
#[derive(Debug)]
pub(crate) struct OwnFamily {
    pub(crate) description: Description,
    pub(crate) rows: Vec<OwnRow>,
}

/// One series of an own metric.
#[derive(Debug)]
pub(crate) struct OwnRow {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: OwnValue,
}

/// The value of such a series.
#[derive(Debug)]
pub(crate) enum OwnValue {
    /// Of a counter.
    Total(Total),
    /// Of a gauge, or of a counter that the kernel keeps.
    Number(f64),
    /// Of a histogram.
    Histogram {
        /// Upper bounds of the buckets.
        bounds: Bounds,
        /// Observations up to each bound, and up to infinity.
        cumulative: Vec<u64>,
        /// The sum of all observations.
        sum: f64,
    },
}

impl OwnRow {
    pub(super) fn new(labels: &[(&'static str, &str)], value: OwnValue) -> Self {
        Self { labels: labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(), value }
    }

    pub(super) fn count(labels: &[(&'static str, &str)], count: &AtomicU64) -> Self {
        Self::total(labels, count.load(Ordering::Relaxed))
    }

    pub(super) fn total(labels: &[(&'static str, &str)], count: u64) -> Self {
        Self::new(labels, OwnValue::Total(Total::Whole(count)))
    }

    pub(super) fn number(labels: &[(&'static str, &str)], value: f64) -> Self {
        Self::new(labels, OwnValue::Number(value))
    }
}
