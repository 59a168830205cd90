//! The cells that hold what was measured: plain atomics, changed by the intake and read by a scrape.
//!
//! A cell knows no name, no clock, no text and no socket. It is changed by a [`Update`], which is already in the
//! metric's own unit and known to be finite. A set and a summary look at a window of time: they are told the time, and
//! each has a lock of its own.

mod counter;
mod float;
mod gauge;
mod histogram;
mod quantiles;
mod set;
mod sketch;
mod summary;
mod window;

pub use counter::{Counter, Total};
pub use gauge::Gauge;
pub use histogram::{Bounds, Histogram};
pub use quantiles::Quantiles;
pub use set::Set;
pub use summary::Summary;
pub use window::Window;

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// The atomics of the cells; the model checker's own where a model of them runs.
mod sync {
    #[cfg(loom_cells)]
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
    #[cfg(not(loom_cells))]
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
}

/// How many threads change the cells. Any number reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One alone: it needs no locked instruction, which would cost it several times what the addition does.
    SingleWriter,
    /// More than one may.
    Shared,
}

impl Sharing {
    /// Adds to a whole number, which wraps; gives what it was.
    #[inline]
    fn add(self, cell: &sync::AtomicU64, n: u64) -> u64 {
        match self {
            Self::SingleWriter => {
                let old = cell.load(sync::Ordering::Relaxed);
                cell.store(old.wrapping_add(n), sync::Ordering::Relaxed);
                old
            }
            Self::Shared => cell.fetch_add(n, sync::Ordering::Relaxed),
        }
    }
}

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
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The type as the exposition formats have it, which know no sets.
    pub fn exposed(self) -> Self {
        if self == Self::Set { Self::Gauge } else { self }
    }

    /// What a metric of this type adds to its name for series beside those of the name itself.
    pub fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::Gauge | Self::Set => &[],
            Self::Histogram => &["_bucket", "_sum", "_count"],
            Self::Summary => &["_sum", "_count"],
        }
    }
}

/// What one sample does to a cell. Every number in it is finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update<'a> {
    /// Add a whole number to a counter.
    Count(u64),
    /// Add any number, 0 or more, to a counter.
    Add(f64),
    /// Set a gauge.
    Set(f64),
    /// Move a gauge.
    Move(f64),
    /// Observe `value` as often as `weight` says, which is 1 or more.
    Observe {
        /// The value, in the metric's unit.
        value: f64,
        /// How many observations the sample stands for: 1/rate.
        weight: f64,
    },
    /// See a member of a set.
    Member(&'a [u8]),
}

/// The cells of one series.
#[derive(Debug)]
pub enum Cells {
    /// A counter's.
    Counter(Counter),
    /// A gauge's.
    Gauge(Gauge),
    /// A histogram's.
    Histogram(Histogram),
    /// A set's, elsewhere: it is larger than the others, and what most series would pay for in memory.
    Set(Box<Set>),
    /// A summary's, elsewhere too.
    Summary(Box<Summary>),
}

impl Cells {
    /// What the series is.
    pub fn type_of(&self) -> MetricType {
        match self {
            Self::Counter(_) => MetricType::Counter,
            Self::Gauge(_) => MetricType::Gauge,
            Self::Histogram(_) => MetricType::Histogram,
            Self::Set(_) => MetricType::Set,
            Self::Summary(_) => MetricType::Summary,
        }
    }

    /// Asks for what a change will change and is not here, but elsewhere.
    #[inline]
    pub fn prefetch(&self) {
        if let Self::Histogram(histogram) = self {
            histogram.prefetch();
        }
    }

    /// Applies a change at the time `now`, in seconds. One that was made for another type of metric does nothing, and is
    /// never made.
    #[inline(always)]
    pub fn apply(&self, update: Update<'_>, sharing: Sharing, now: u32) {
        match (self, update) {
            (Self::Counter(counter), Update::Count(n)) => counter.add_whole(n, sharing),
            (Self::Counter(counter), Update::Add(x)) => counter.add(x, sharing),
            (Self::Gauge(gauge), Update::Set(x)) => gauge.set(x),
            (Self::Gauge(gauge), Update::Move(x)) => gauge.add(x, sharing),
            (Self::Histogram(histogram), Update::Observe { value, weight }) => {
                histogram.observe(value, weight, sharing)
            }
            (Self::Set(set), Update::Member(member)) => set.see(member, now),
            (Self::Summary(summary), Update::Observe { value, weight }) => summary.observe(value, weight, now),
            _ => debug_assert!(false, "{update:?} on a {}", self.type_of().as_str()),
        }
    }
}
