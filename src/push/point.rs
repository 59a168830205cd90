//! One series as it is pushed, whatever the protocol.

use std::borrow::Cow;

use crate::metric::{Bounds, MetricType, NativeReading, Quantiles};

/// A series with its values at one moment.
#[derive(Debug)]
pub(super) struct Point<'a> {
    pub(super) family: FamilyText<'a>,
    /// In the order of the names.
    pub(super) labels: &'a [(Cow<'a, str>, Cow<'a, str>)],
    pub(super) value: PointValue<'a>,
    /// When it was read, in milliseconds since the Unix epoch.
    pub(super) time: u64,
    /// From when on it counts.
    pub(super) start: u64,
    /// Whether the series has ended, so that it has no value any more.
    pub(super) is_stale: bool,
}

impl Point<'_> {
    /// From when on it counts, if it is cumulative and has a value.
    pub(super) fn start(&self) -> Option<u64> {
        let is_cumulative = !matches!(self.family.metric_type, MetricType::Gauge | MetricType::Set);
        (is_cumulative && !self.is_stale).then_some(self.start)
    }
}

/// What the series of a name share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FamilyText<'a> {
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    pub(super) unit: Option<&'a str>,
    pub(super) metric_type: MetricType,
}

/// The values of a series.
#[derive(Clone, Copy, Debug)]
pub(super) enum PointValue<'a> {
    /// Of a counter or a gauge.
    Number(f64),
    /// The bounds, the observations up to each of them and up to infinity, the sum, and the native histogram beside it.
    Histogram(&'a Bounds, &'a [u64], f64, Option<&'a NativeReading>),
    /// The quantiles with a value for each, the sum and the count.
    Summary(&'a Quantiles, &'a [f64], f64, u64),
}
