//! Sketches: quantiles with a relative error of 1 % in bounded memory.

use super::block::Saved;

/// The largest relative error of a quantile.
const ERROR: f64 = 0.01;

/// The most bins. So many adjacent bins cover nine orders of magnitude, but only bins in use count.
const MAX_BINS: usize = 1024;

/// Added to every exponent to make it at least 1. The smallest exponent is -37,219.
const OFFSET: i32 = 40_000;

/// Observations, counted in bins whose bounds grow by 2 %.
///
/// Source: C. Masson, J. E. Rim and H. K. Lee, "DDSketch" (<https://arxiv.org/abs/1908.10693>). The bins are sparse, because
/// in a dense sketch a single value of 1e300 would collapse all other bins. Negative values have bins of their own.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    /// The bins in ascending order, each with its count.
    bins: Vec<(i32, u64)>,
    min: f64,
    max: f64,
}

impl Sketch {
    pub(super) fn new() -> Self {
        Self { bins: Vec::new(), min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    /// Observes a finite value `times` times. The cost does not depend on `times`.
    pub(super) fn add(&mut self, value: f64, times: u64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let bin = bin(value);
        match self.bins.binary_search_by_key(&bin, |(bin, _)| *bin) {
            Ok(at) => {
                if let Some((_, count)) = self.bins.get_mut(at) {
                    *count = count.saturating_add(times);
                }
            }
            Err(mut at) => {
                if self.bins.len() >= MAX_BINS {
                    // Before the insertion, because one more bin would double the memory.
                    self.collapse();
                    at = self.bins.partition_point(|(other, _)| *other < bin);
                }
                self.bins.insert(at, (bin, times));
            }
        }
    }

    /// Whether observing a value takes more memory.
    pub(super) fn must_grow_for(&self, value: f64) -> bool {
        let is_full = self.bins.len() == self.bins.capacity() && self.bins.len() < MAX_BINS;
        is_full && self.bins.binary_search_by_key(&bin(value), |(bin, _)| *bin).is_err()
    }

    /// Merges the bin of the smallest absolute values into the next larger bin of the same sign. The bin of 0 remains.
    fn collapse(&mut self) {
        let negative = self.bins.partition_point(|(bin, _)| *bin < 0);
        let positive = self.bins.partition_point(|(bin, _)| *bin <= 0);
        let size = |at: usize| self.bins.get(at).map_or(i32::MAX, |(bin, _)| bin.abs());
        let is_positive = size(positive) < size(negative.wrapping_sub(1));
        // One of the signs has at least two of so many bins.
        let (from, to) = match is_positive && positive + 1 < self.bins.len() || negative < 2 {
            true => (positive, positive + 1),
            false => (negative - 1, negative - 2),
        };
        let moved = self.bins.get(from).map_or(0, |(_, count)| *count);
        if let Some((_, count)) = self.bins.get_mut(to) {
            *count = count.saturating_add(moved);
            self.bins.remove(from);
        }
    }

    /// Adds the observations of another sketch.
    pub(super) fn merge(&mut self, other: &Self) {
        self.bins.extend_from_slice(&other.bins);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Adds its numbers to `words`.
    pub(super) fn save(&self, words: &mut Vec<u64>) {
        words.extend([self.min.to_bits(), self.max.to_bits(), self.bins.len() as u64]);
        words.extend(self.bins.iter().flat_map(|(bin, count)| [i64::from(*bin) as u64, *count]));
    }

    /// The sketch whose numbers come next in `saved`; `None` if they are none of a sketch.
    pub(super) fn restored(saved: &mut Saved<'_>) -> Option<Self> {
        let (min, max) = (saved.finite()?, saved.finite()?);
        let len = saved.count(MAX_BINS)?;
        let pairs = saved.words(2 * len)?.as_chunks().0;
        let bins = pairs.iter().map(|&[bin, count]| Some((i32::try_from(bin as i64).ok()?, count)));
        let bins: Vec<_> = bins.collect::<Option<_>>()?;
        let is_valid = min <= max && !bins.is_empty() && bins.is_sorted_by(|(one, _), (other, _)| one < other);
        is_valid.then_some(Self { bins, min, max })
    }

    /// Adds the value of each quantile to `values`; NaN if there are no observations. `quantiles` must be ascending.
    pub(super) fn quantiles(mut self, quantiles: &[f64], values: &mut Vec<f64>) {
        // Merging leaves bins unsorted, and the same bin several times.
        self.bins.sort_unstable_by_key(|(bin, _)| *bin);
        let total: f64 = self.bins.iter().map(|(_, count)| *count as f64).sum();
        let mut bins = self.bins.iter();
        let (mut below, mut value) = (0.0, f64::NAN);
        values.extend(quantiles.iter().map(|quantile| {
            // The first bin whose cumulative count reaches the rank of the quantile.
            let rank = (quantile * total).max(1.0);
            while below < rank
                && let Some((bin, count)) = bins.next()
            {
                below += *count as f64;
                value = middle(*bin);
            }
            match quantile {
                0.0 if total > 0.0 => self.min,
                1.0 if total > 0.0 => self.max,
                _ if value.is_nan() => value,
                _ => value.clamp(self.min, self.max),
            }
        }));
    }
}

/// The natural logarithm of the ratio between adjacent bounds.
fn growth() -> f64 {
    ((1.0 + ERROR) / (1.0 - ERROR)).ln()
}

/// The bin of a finite number: 0 for 0, otherwise with the sign of the number.
fn bin(value: f64) -> i32 {
    if value == 0.0 {
        return 0;
    }
    let bin = (value.abs().ln() / growth()).ceil() as i32 + OFFSET;
    if value < 0.0 { -bin } else { bin }
}

/// The number with the same relative distance to both bounds of a bin.
fn middle(bin: i32) -> f64 {
    if bin == 0 {
        return 0.0;
    }
    let upper = (f64::from(bin.abs() - OFFSET) * growth()).exp();
    (upper * (1.0 - ERROR)).copysign(f64::from(bin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::new();
        values.iter().for_each(|value| sketch.add(*value, 1));
        sketch
    }

    fn quantiles(sketch: Sketch, quantiles: &[f64]) -> Vec<f64> {
        let mut values = Vec::new();
        sketch.quantiles(quantiles, &mut values);
        values
    }

    fn is_near(value: f64, expected: f64) -> bool {
        // The logarithm and the exponential are rounded too.
        (value - expected).abs() <= expected.abs() * (ERROR + 1e-9)
    }

    #[test]
    fn a_single_value_is_exact() {
        for value in [0.32, -5.0, 0.0, 1e-300, 1e300, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324] {
            assert_eq!(quantiles(sketch(&[value]), &[0.0, 0.5, 0.99, 1.0]), [value; 4]);
        }
        assert!(quantiles(Sketch::new(), &[0.0, 0.5, 1.0]).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn outliers_do_not_change_other_quantiles() {
        let mut sketch = sketch(&[1e300, -1e300, 1e-300]);
        sketch.add(0.25, 1000);
        assert!(is_near(quantiles(sketch.clone(), &[0.5])[0], 0.25));
        assert_eq!(quantiles(sketch, &[0.0, 1.0]), [-1e300, 1e300]);
    }

    #[test]
    fn a_weight_counts_as_so_many_values() {
        let mut sketch = Sketch::new();
        sketch.add(1.0, 1_000_000_000);
        sketch.add(5.0, 999_999_999);
        let values = quantiles(sketch, &[0.49, 0.51]);
        assert!(is_near(values[0], 1.0) && is_near(values[1], 5.0), "{values:?}");
    }

    #[test]
    fn a_count_does_not_overflow() {
        let mut sketch = Sketch::new();
        (0..3).for_each(|_| sketch.add(1.0, u64::MAX));
        assert_eq!(quantiles(sketch, &[0.5]), [1.0]);
    }

    #[test]
    fn the_smallest_of_too_many_bins_collapse() {
        let mut sketch = Sketch::new();
        for exponent in -300..300 {
            for digit in 1..10 {
                let value = f64::from(digit) * 10_f64.powi(exponent);
                sketch.add(value, 1);
                sketch.add(-value, 1);
            }
        }
        assert_eq!((sketch.bins.len(), sketch.bins.capacity()), (MAX_BINS, MAX_BINS));
        assert!(sketch.bins.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(sketch.bins.iter().map(|(_, count)| count).sum::<u64>(), 2 * 600 * 9);
        // The 4,970th of the 5,400 positive values.
        let values = quantiles(sketch, &[0.0399, 0.9601]);
        assert!(is_near(values[0], -2e252) && is_near(values[1], 2e252), "{values:?}");
    }

    #[test]
    fn bins_of_negative_values_collapse() {
        let mut sketch = Sketch::new();
        (0..2000).for_each(|n| sketch.add(-(1.03_f64.powi(n)), 1));
        assert_eq!(sketch.bins.len(), MAX_BINS);
        let values = quantiles(sketch, &[0.25]);
        assert!(is_near(values[0], -(1.03_f64.powi(1500))), "{values:?}");
    }

    proptest! {
        #[test]
        fn prop_quantiles_are_off_by_1_percent_at_most(
            values in prop::collection::vec(prop_oneof![
                4 => 1e-3_f64..1e3,
                1 => -1e3_f64..1e3,
                1 => any::<f64>().prop_filter("finite and normal", |x| x.is_normal() && x.abs() > 1e-300),
                1 => Just(0.0),
            ], 1..200),
            quantile in 0.0_f64..=1.0,
            cut in any::<prop::sample::Index>(),
        ) {
            // In two sketches, as for two panes.
            let (one, two) = values.split_at(cut.index(values.len()));
            let mut merged = sketch(one);
            merged.merge(&sketch(two));
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let rank = (quantile * values.len() as f64).max(1.0).ceil() as usize;
            let value = quantiles(merged, &[quantile])[0];
            prop_assert!(is_near(value, sorted[rank - 1]), "{} for {}", value, sorted[rank - 1]);
        }
    }
}
