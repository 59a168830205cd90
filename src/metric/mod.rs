//! The values of series: atomics that workers update and scrapes read.
//!
//! This module knows no names, no clock, no text and no sockets. The numbers of an [`Update`] are finite and in the unit of
//! the metric. Sets and summaries cover a window of time: the caller passes the time, and each of them has a lock.

mod block;
mod counter;
mod float;
mod gauge;
mod histogram;
mod lent;
mod memory_budget;
mod native;
mod saved_sketch;
mod set;
mod sharing;
mod sketch;
mod summary;
mod update;
mod window;

pub use counter::{Counter, Total};
pub use gauge::Gauge;
pub use histogram::{Bounds, Histogram};
pub(crate) use lent::Lent;
pub use memory_budget::MemoryBudget;
pub use native::{LEAST_SCHEMA, MOST_SCHEMA, Native, NativeReading, NativeSpec};
pub use set::Set;
pub use sharing::Sharing;
pub use summary::{Quantiles, Summary};
pub use update::Update;
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

    /// Adds the numbers that make up the values to `words`, so that they can be [restored](Self::restore).
    pub fn save(&self, words: &mut Vec<u64>) {
        match self {
            Self::Counter(Counter(numbers)) => numbers.save(words),
            Self::Gauge(Gauge(number)) => number.save(words),
            Self::Histogram(histogram) => histogram.save(words),
            Self::Set(set) => set.save(words),
            Self::Summary(summary) => summary.save(words),
        }
    }

    /// Sets the values to those that were [saved](Self::save); `false` and no change if the words are none of this type.
    /// They may be any words.
    pub fn restore(&self, words: &[u64]) -> bool {
        match self {
            Self::Counter(counter) => counter.restore(words),
            Self::Gauge(gauge) => gauge.restore(words),
            Self::Histogram(histogram) => histogram.restore(words),
            Self::Set(set) => set.restore(words),
            Self::Summary(summary) => summary.restore(words),
        }
    }

    /// Prefetches the memory outside of this value that an update changes.
    #[inline]
    pub(crate) fn prefetch(&self) {
        match self {
            Self::Counter(Counter(numbers)) => numbers.prefetch(),
            Self::Gauge(Gauge(number)) => number.prefetch(),
            Self::Histogram(histogram) => histogram.prefetch(),
            Self::Set(_) | Self::Summary(_) => {}
        }
    }

    /// Prefetches the numbers of a histogram.
    #[inline(always)]
    pub(crate) fn prefetch_buckets(&self) {
        if let Self::Histogram(histogram) = self {
            histogram.prefetch();
        }
    }

    /// Applies an update at the time `now`, in seconds; `false` if a set or a summary needs memory for it that it may not
    /// have, and then nothing changes. An update for another type does nothing; conversions never make one.
    #[inline(always)]
    #[must_use]
    pub fn apply(&self, update: Update<'_>, sharing: Sharing, now: u32) -> bool {
        // The update decides first: the compiler then joins each kind of update with the code that makes it.
        match (update, self) {
            (Update::Count(n), Self::Counter(counter)) => counter.add_whole(n, sharing),
            (Update::Add(x), Self::Counter(counter)) => counter.add(x, sharing),
            (Update::Total(x), Self::Counter(counter)) => counter.follow(x, sharing),
            (Update::Set(x), Self::Gauge(gauge)) => gauge.set(x),
            (Update::Move(x), Self::Gauge(gauge)) => gauge.add(x, sharing),
            (Update::Observe { value, weight }, Self::Histogram(histogram)) => {
                histogram.observe(value, weight, sharing)
            }
            (Update::Observe { value, weight }, Self::Summary(summary)) => return summary.observe(value, weight, now),
            (Update::Member(member), Self::Set(set)) => return set.add(member, now),
            _ => debug_assert!(false, "{update:?} on a {}", self.type_of().as_str()),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;

    fn all_types() -> [Cells; MetricType::COUNT] {
        let bounds = Bounds::new(&[1.0, 10.0, 100.0]).expect("they rise");
        let quantiles = Quantiles::new(&[0.0, 0.5, 0.9, 1.0]).expect("they rise");
        let window = Window::new(60);
        [
            Cells::Counter(Counter::new()),
            Cells::Gauge(Gauge::new()),
            Cells::Histogram(Histogram::with(bounds, Some(NativeSpec::default()), None)),
            Cells::Set(Set::new(window, MemoryBudget::UNLIMITED).into()),
            Cells::Summary(Summary::new(quantiles, window, MemoryBudget::UNLIMITED).into()),
        ]
    }

    fn apply(cells: &Cells, value: f64, now: u32) {
        let member = value.to_bits().to_ne_bytes();
        let updates = match cells.type_of() {
            MetricType::Counter => vec![Update::Add(value.abs()), Update::Total(value.abs())],
            MetricType::Gauge => vec![Update::Set(value), Update::Move(value)],
            MetricType::Histogram | MetricType::Summary => vec![Update::Observe { value, weight: 1.3 }],
            MetricType::Set => vec![Update::Member(&member)],
        };
        updates.iter().for_each(|update| assert!(cells.apply(*update, Sharing::SingleWriter, now)));
    }

    /// What a scrape would show.
    fn shown(cells: &Cells, now: u32) -> String {
        let mut shown = String::new();
        let (mut buckets, mut values) = (Vec::new(), Vec::new());
        match cells {
            Cells::Counter(counter) => write!(shown, "{:?}", counter.total()),
            Cells::Gauge(gauge) => write!(shown, "{}", gauge.value()),
            Cells::Histogram(histogram) => write!(shown, "{} {buckets:?}", histogram.read(&mut buckets)),
            Cells::Set(set) => write!(shown, "{}", set.count(now)),
            Cells::Summary(summary) => write!(shown, "{:?} {values:?}", summary.read(now, &mut values)),
        }
        .expect("text can be written");
        shown
    }

    fn assert_same(one: &Cells, other: &Cells, now: u32) {
        if let (Cells::Set(one), Cells::Set(other)) = (one, other) {
            let (one, other) = (one.count(now), other.count(now));
            // The estimate of a large set depends a little on the order of the members.
            let most = if one > 1024.0 { one / 100.0 } else { 0.0 };
            return assert!((one - other).abs() <= most, "{one} and {other}");
        }
        assert_eq!(shown(one, now), shown(other, now));
    }

    proptest! {
        /// Values that were saved and restored go on as if nothing had happened.
        #[test]
        fn prop_restored_values_are_those_that_were_saved(
            before in prop::collection::vec((-1e6..1e6_f64, 0_u32..100), 0..50),
            members in prop_oneof![0_u32..1000, Just(1234_u32), Just(2940)],
            after in prop::collection::vec(-1e6..1e6_f64, 0..20),
        ) {
            for (one, other) in all_types().iter().zip(&all_types()) {
                before.iter().for_each(|(value, now)| apply(one, *value, *now));
                (0..members).filter(|_| one.type_of() == MetricType::Set).for_each(|n| apply(one, f64::from(n), 100));
                let mut words = Vec::new();
                one.save(&mut words);
                prop_assert!(other.restore(&words));
                assert_same(one, other, 100);
                for value in &after {
                    apply(one, *value, 101);
                    apply(other, *value, 101);
                }
                assert_same(one, other, 130);
            }
        }

        /// Any words are taken or refused, and what was taken can be used.
        #[test]
        fn prop_any_words_may_be_restored(words in prop::collection::vec(any_word(), 0..40)) {
            for cells in all_types() {
                let untouched = shown(&cells, 7);
                if !cells.restore(&words) {
                    prop_assert_eq!(shown(&cells, 7), untouched);
                }
                apply(&cells, 3.5, 8);
                shown(&cells, 9);
            }
        }
    }

    fn any_word() -> impl Strategy<Value = u64> {
        prop_oneof![3 => 0..6_u64, 2 => (0..100_i32).prop_map(|n| f64::from(n).to_bits()), 1 => any::<u64>()]
    }

    #[test]
    fn numbers_of_another_type_or_shape_are_refused() {
        let types = all_types();
        for (n, one) in types.iter().enumerate() {
            apply(one, 2.0, 1);
            let mut words = Vec::new();
            one.save(&mut words);
            for (m, other) in all_types().iter().enumerate() {
                assert_eq!(other.restore(&words), n == m, "{} as {}", one.type_of().as_str(), other.type_of().as_str());
            }
        }
        let infinite = [f64::INFINITY.to_bits(), f64::NAN.to_bits()];
        assert!(infinite.iter().all(|word| !types[1].restore(&[*word])));
        assert!(!types[0].restore(&[1, (-1.0_f64).to_bits(), 0, 0]), "a counter never falls below 0");
    }
}
