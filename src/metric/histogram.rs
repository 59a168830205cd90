//! Histograms: observations, counted by size.

use std::sync::Arc;

use super::block::{self, Slice};
use super::float::{Carry, Sum};
use super::native::{Native, NativeSpec};
use super::sharing::Sharing;
use crate::prefetch::prefetch;
use crate::sync::{AtomicU64, Ordering};

/// The upper bounds of buckets, finite and strictly ascending. The bucket `+Inf` is not listed.
///
/// They are kept in blocks of four, with infinity behind the last, so that a processor compares four at a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds(Arc<[[f64; BLOCK]]>);

const BLOCK: usize = 4;

impl Bounds {
    /// `None`: the bounds are not finite or not strictly ascending.
    pub fn new(bounds: &[f64]) -> Option<Self> {
        let rising = bounds.iter().all(|b| b.is_finite()) && bounds.is_sorted_by(|a, b| a < b);
        rising.then(|| {
            let blocks = bounds.chunks(BLOCK).map(|chunk| {
                let mut block = [f64::INFINITY; BLOCK];
                block.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
                block
            });
            Self(blocks.collect())
        })
    }

    /// The bounds in ascending order.
    pub(crate) fn as_slice(&self) -> &[f64] {
        let padded = self.0.as_flattened();
        let padding = self.0.last().map_or(0, |last| last.iter().filter(|bound| bound.is_infinite()).count());
        padded.get(..padded.len() - padding).unwrap_or_default()
    }

    /// The bucket of `value`: the first whose bound is not less.
    #[inline]
    fn index(&self, value: f64) -> usize {
        // For few bounds, counting is faster than searching, because it has no branch to predict.
        if self.0.len() <= 32 / BLOCK {
            self.0.as_flattened().iter().map(|&bound| usize::from(bound < value)).sum()
        } else {
            self.0.as_flattened().partition_point(|&bound| bound < value)
        }
    }
}

/// A histogram: a count for each bucket, not cumulative, and the sum of the observations.
///
/// `_count` has no cell. It and all `le` values are added up from one reading of the buckets, or of the native histogram if
/// there are no bounds, so that `+Inf` and `_count` are always equal. `Relaxed` is enough, because each bucket is right by itself and no reader compares two of them.
#[derive(Debug)]
pub struct Histogram {
    bounds: Bounds,
    /// The sum, what it has lost, the carry, and the buckets.
    numbers: Slice,
    /// The same observations in buckets that need no bounds; boxed, because most histograms have none.
    native: Option<Box<Native>>,
}

impl Histogram {
    /// The numbers before the buckets.
    pub(crate) const BEFORE_BUCKETS: usize = 3;

    /// An empty histogram.
    pub fn new(bounds: Bounds) -> Self {
        Self::with(bounds, None, None)
    }

    /// A histogram with the observations of `lent`, without any if there is none; with an empty native one if `native` says
    /// how that divides the numbers.
    pub fn with(bounds: Bounds, native: Option<NativeSpec>, lent: Option<&'static [AtomicU64]>) -> Self {
        let numbers = Slice::new(Self::numbers(&bounds), lent);
        Self { bounds, numbers, native: native.map(|spec| Native::new(spec).into()) }
    }

    /// The native histogram.
    pub fn native(&self) -> Option<&Native> {
        self.native.as_deref()
    }

    /// How many numbers a histogram of these bounds has.
    pub(crate) fn numbers(bounds: &Bounds) -> usize {
        Self::BEFORE_BUCKETS + bounds.as_slice().len() + 1
    }

    /// Its numbers, which can be [restored](Self::restore).
    pub(crate) fn save(&self, words: &mut Vec<u64>) {
        block::save(self.numbers.get(), words);
        self.native.iter().for_each(|native| native.save(words));
    }

    /// Sets its numbers; `false` and no change if they are none of a histogram of these bounds.
    pub(crate) fn restore(&self, words: &[u64]) -> bool {
        let Some((words, native)) = words.split_at_checked(self.numbers.get().len()) else { return false };
        let sums = words.first_chunk::<{ Self::BEFORE_BUCKETS }>();
        sums.is_some_and(|sums| sums.iter().all(|word| f64::from_bits(*word).is_finite()))
            && self.native.as_ref().map_or(native.is_empty(), |own| own.restore(native))
            && block::restore(self.numbers.get(), words)
    }

    /// The sum, the carry and the buckets.
    #[inline(always)]
    fn parts(&self) -> (Sum<'_>, Carry<'_>, &[AtomicU64]) {
        let Some(([sum, lost, carry], buckets)) = self.numbers.get().split_first_chunk() else {
            unreachable!("there are as many numbers as the bounds need")
        };
        (Sum::new(sum, lost), Carry::new(carry), buckets)
    }

    /// The upper bounds of the buckets.
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Observes `value` `weight` times; `weight` is at least 1 and need not be whole.
    ///
    /// Counts are whole. The fraction of a weight is carried to the next observation, so that the count always differs from
    /// the sum of all weights by less than 1. The time does not depend on the weight.
    #[inline(always)]
    pub fn observe(&self, value: f64, weight: f64, sharing: Sharing) {
        let (sum, carry, buckets) = self.parts();
        let times = if weight == 1.0 { 1 } else { carry.whole(weight, sharing) };
        if let Some(native) = &self.native {
            native.observe(value, times, sharing);
        }
        if self.counting_alone().is_none()
            && let Some(bucket) = buckets.get(self.bounds.index(value))
        {
            sharing.saturating_add(bucket, times);
        }
        sum.add(value * weight, sharing);
    }

    /// The native histogram, if there are no bounds beside it. It then counts alone, because the bucket up to infinity would
    /// have the same count.
    #[inline(always)]
    fn counting_alone(&self) -> Option<&Native> {
        self.native.as_deref().filter(|_| self.bounds.0.is_empty())
    }

    /// Replaces the content of `cumulative` by the number of observations up to each bound, and up to infinity as the last
    /// one, and returns the sum. It reads each bucket once, also those of a native histogram that counts alone.
    pub fn read(&self, cumulative: &mut Vec<u64>) -> f64 {
        let (sum, _, buckets) = self.parts();
        cumulative.clear();
        if let Some(native) = self.counting_alone() {
            cumulative.push(native.count());
            return sum.get();
        }
        let mut count = 0_u64;
        cumulative.extend(buckets.iter().map(|bucket| {
            count = count.saturating_add(bucket.load(Ordering::Relaxed));
            count
        }));
        sum.get()
    }

    /// Prefetches two cache lines, which have the sum and most or all of the buckets.
    #[inline(always)]
    pub(super) fn prefetch(&self) {
        for at in [0, 8] {
            self.numbers.get().get(at).inspect(|number| prefetch(*number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(bounds: &[f64]) -> Histogram {
        Histogram::new(Bounds::new(bounds).expect("the bounds rise"))
    }

    #[test]
    fn a_bucket_stays_at_the_largest_number() {
        for sharing in [Sharing::SingleWriter, Sharing::Shared] {
            let histogram = histogram(&[1.0]);
            histogram.observe(0.5, 1.8e19, sharing);
            let (before, _) = read(&histogram);
            assert_eq!(before, [18_000_000_000_000_000_000; 2]);
            for weight in [1.0, 1e9, 1.8e19, 1e300, 1.0] {
                histogram.observe(0.5, weight, sharing);
                histogram.observe(2.0, weight, sharing);
            }
            assert_eq!(read(&histogram).0, [u64::MAX; 2], "{sharing:?}");
        }
    }

    fn read(histogram: &Histogram) -> (Vec<u64>, f64) {
        let mut cumulative = Vec::new();
        let sum = histogram.read(&mut cumulative);
        (cumulative, sum)
    }

    #[test]
    fn a_bucket_includes_its_bound() {
        let histogram = histogram(&[1.0, 2.0]);
        for value in [-1.0, 1.0, 1.5, 2.0, 2.5] {
            histogram.observe(value, 1.0, Sharing::Shared);
        }
        assert_eq!(read(&histogram), (vec![2, 4, 5], 6.0));
    }

    #[test]
    fn a_native_histogram_without_bounds_beside_it_has_the_count() {
        let alone = || Histogram::with(Bounds::default(), Some(NativeSpec::default()), None);
        let (histogram, restored) = (alone(), alone());
        for (value, weight) in [(0.25, 1.0), (-8.0, 2.5), (0.0, 2.5), (1e9, 1.0)] {
            histogram.observe(value, weight, Sharing::Shared);
        }
        assert_eq!(read(&histogram), (vec![7], 1e9 + 0.25 - 20.0));
        let mut words = Vec::new();
        histogram.save(&mut words);
        assert!(restored.restore(&words));
        assert_eq!(read(&restored), read(&histogram));
    }

    #[test]
    fn bounds_must_be_finite_and_ascending() {
        assert!(Bounds::new(&[]).is_some());
        for bad in [&[1.0, 1.0][..], &[2.0, 1.0], &[f64::NAN], &[1.0, f64::INFINITY]] {
            assert_eq!(Bounds::new(bad), None);
        }
    }

    #[test]
    fn three_observations_at_a_rate_of_0_3_count_as_ten() {
        let histogram = histogram(&[1.0]);
        let counts: Vec<u64> = (0..3)
            .map(|_| {
                histogram.observe(1.0, 1.0 / 0.3, Sharing::Shared);
                read(&histogram).0[1]
            })
            .collect();
        assert_eq!(counts, [3, 6, 10]);
        assert!((read(&histogram).1 - 10.0).abs() < 1e-12);
    }

    #[test]
    fn a_sum_has_no_rounding_error_and_never_overflows() {
        let histogram = histogram(&[1.0]);
        for _ in 0..1_000_000 {
            histogram.observe(0.1, 1.0, Sharing::SingleWriter);
        }
        assert_eq!(read(&histogram).1, 100_000.0);
        histogram.observe(f64::MAX, 1.0, Sharing::Shared);
        histogram.observe(f64::MAX, 1.0, Sharing::Shared);
        assert_eq!(read(&histogram).1, f64::MAX, "never infinite");
        histogram.observe(f64::MIN, 1.0, Sharing::Shared);
        assert!(read(&histogram).1.is_finite());
    }

    proptest! {
        #[test]
        fn prop_many_bounds_give_the_right_bucket(bounds in prop::collection::btree_set(-50_i32..50, 33..60), value in -60_i32..60) {
            let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
            let histogram = histogram(&bounds);
            histogram.observe(f64::from(value), 1.0, Sharing::Shared);
            let expected: Vec<u64> =
                bounds.iter().map(|&b| u64::from(f64::from(value) <= b)).chain([1]).collect();
            prop_assert_eq!(read(&histogram).0, expected);
        }

        #[test]
        fn prop_the_count_is_the_sum_of_the_weights(rates in prop::collection::vec(0.01_f64..=1.0, 1..200)) {
            let histogram = histogram(&[1.0]);
            let mut weights = 0.0;
            for rate in rates {
                histogram.observe(0.5, 1.0 / rate, Sharing::Shared);
                weights += 1.0 / rate;
                let count = *read(&histogram).0.last().unwrap() as f64;
                prop_assert!((count - weights).abs() < 1.0, "count {} of {}", count, weights);
            }
        }
    }

    #[test]
    fn counts_never_fall_while_threads_write() {
        let histogram = histogram(&[1.0, 2.0, 3.0]);
        const WRITES: u64 = 100_000;
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        for n in 0..WRITES {
                            histogram.observe((n % 5) as f64, 1.0 / 0.3, Sharing::Shared);
                        }
                    })
                })
                .collect();
            let mut last = 0;
            while !writers.iter().all(|writer| writer.is_finished()) {
                let (cumulative, _) = read(&histogram);
                assert!(cumulative.is_sorted() && cumulative[3] >= last, "{cumulative:?} after {last}");
                last = cumulative[3];
            }
        });
        let weights = 2.0 * WRITES as f64 / 0.3;
        assert!((read(&histogram).0[3] as f64 - weights).abs() < 1.0, "no carry is lost between two writers");
    }
}
