//! The values of series: atomics that workers update and scrapes read.
//!
//! This module knows no names, no clock, no text and no sockets. The numbers of an [`Update`] are finite and in the unit of
//! the metric. Sets and summaries cover a window of time: the caller passes the time, and each of them has a lock.

mod counter;
mod float;
mod gauge;
mod histogram;
mod memory_budget;
mod set;
mod sharing;
mod sketch;
mod summary;
mod window;

pub use counter::{Counter, Total};
pub use gauge::Gauge;
pub use histogram::{Bounds, Histogram};
pub use memory_budget::MemoryBudget;
pub use set::Set;
pub use sharing::Sharing;
pub use summary::{Quantiles, Summary};
pub use window::Window;

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum MetricType {
    /// A number that only goes up.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Observations, counted by size.
    Histogram,
    /// The number of different members seen in a window of time.
    Set,
    /// Quantiles of the observations in a window of time.
    Summary,
}

impl MetricType {
    /// Every type, in the order of the discriminants.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("there are COUNT variants");

    /// The type as the config and the sidecar's own metrics name it.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }

    /// The type in the exposition formats, which have no sets.
    pub(crate) fn exposed(self) -> Self {
        if self == Self::Set { Self::Gauge } else { self }
    }

    /// The label that the series of this type have by themselves.
    pub(crate) fn own_label(self) -> Option<&'static str> {
        match self {
            Self::Counter | Self::Gauge | Self::Set => None,
            Self::Histogram => Some("le"),
            Self::Summary => Some("quantile"),
        }
    }

    /// The suffixes of the series that a metric of this type exposes in addition to its name.
    pub(crate) fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::Gauge | Self::Set => &[],
            Self::Histogram => &["_bucket", "_sum", "_count"],
            Self::Summary => &["_sum", "_count"],
        }
    }
}

/// What a sample does to a series. All numbers are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update<'a> {
    /// Adds a whole number to a counter.
    Count(u64),
    /// Adds a number of at least 0 to a counter.
    Add(f64),
    /// Adds to a counter what the running total of its emitter, at least 0, has risen.
    Total(f64),
    /// Sets a gauge.
    Set(f64),
    /// Adds to a gauge.
    Move(f64),
    /// Observes `value` `weight` times.
    Observe {
        /// The value, in the unit of the metric.
        value: f64,
        /// The number of observations that the sample represents: 1/rate, so at least 1.
        weight: f64,
    },
    /// Adds a member to a set.
    Member(&'a [u8]),
}

/// The values of one series.
#[derive(Debug)]
pub enum Cells {
    /// Of a counter.
    Counter(Counter),
    /// Of a gauge.
    Gauge(Gauge),
    /// Of a histogram.
    Histogram(Histogram),
    /// Of a set; boxed, because it is large and would make every series as large.
    Set(Box<Set>),
    /// Of a summary; boxed for the same reason.
    Summary(Box<Summary>),
}

impl Cells {
    /// The type of the series.
    pub(crate) fn type_of(&self) -> MetricType {
        match self {
            Self::Counter(_) => MetricType::Counter,
            Self::Gauge(_) => MetricType::Gauge,
            Self::Histogram(_) => MetricType::Histogram,
            Self::Set(_) => MetricType::Set,
            Self::Summary(_) => MetricType::Summary,
        }
    }

    /// Prefetches the memory outside of this value that an update changes.
    #[inline]
    pub(crate) fn prefetch(&self) {
        if let Self::Histogram(histogram) = self {
            histogram.prefetch();
        }
    }

    /// Applies an update at the time `now`, in seconds; `false` if a set or a summary needs memory for it that it may not
    /// have, and then nothing changes. An update for another type does nothing; conversions never make one.
    #[inline(always)]
    #[must_use]
    pub fn apply(&self, update: Update<'_>, sharing: Sharing, now: u32) -> bool {
        match (self, update) {
            (Self::Counter(counter), Update::Count(n)) => counter.add_whole(n, sharing),
            (Self::Counter(counter), Update::Add(x)) => counter.add(x, sharing),
            (Self::Counter(counter), Update::Total(x)) => counter.follow(x, sharing),
            (Self::Gauge(gauge), Update::Set(x)) => gauge.set(x),
            (Self::Gauge(gauge), Update::Move(x)) => gauge.add(x, sharing),
            (Self::Histogram(histogram), Update::Observe { value, weight }) => {
                histogram.observe(value, weight, sharing)
            }
            (Self::Set(set), Update::Member(member)) => return set.add(member, now),
            (Self::Summary(summary), Update::Observe { value, weight }) => return summary.observe(value, weight, now),
            _ => debug_assert!(false, "{update:?} on a {}", self.type_of().as_str()),
        }
        true
    }
}
