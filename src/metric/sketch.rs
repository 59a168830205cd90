//! A distribution in a bounded memory: quantiles with a relative error of 1 %.

/// The relative error of a quantile.
const ERROR: f64 = 0.01;

/// How many bins there are at most. They cover nine orders of magnitude without a gap, and values wherever they are as
/// long as no more bins than this are in use.
const MAX_BINS: usize = 1024;

/// What is added to the exponent of the smallest number and makes it 1 or more, as -37,219 is the least there is.
const OFFSET: i32 = 40_000;

/// Observations counted by size, in bins whose bounds grow by 2 %: those that are in use, and no others.
///
/// Source: C. Masson, J. E. Rim and H. K. Lee, "DDSketch" (<https://arxiv.org/abs/1908.10693>). The bins are sparse, as
/// one value of 1e300 would otherwise make all others fall together; negative values have bins of their own.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    /// The bins in the order of their values, each with its count.
    bins: Vec<(i32, u64)>,
    min: f64,
    max: f64,
}

impl Sketch {
    pub fn new() -> Self {
        Self { bins: Vec::new(), min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.bins.clear();
        (self.min, self.max) = (f64::INFINITY, f64::NEG_INFINITY);
    }

    /// Observes a finite value so many times, at a cost that does not depend on that.
    pub fn add(&mut self, value: f64, times: u64) {
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
                    // Before there is one more, for which the memory would double.
                    self.collapse();
                    at = self.bins.partition_point(|(other, _)| *other < bin);
                }
                self.bins.insert(at, (bin, times));
            }
        }
    }

    /// Moves the bin of the smallest numbers, by their size, into the next larger one of the same sign. A 0 stays one.
    fn collapse(&mut self) {
        let negative = self.bins.partition_point(|(bin, _)| *bin < 0);
        let positive = self.bins.partition_point(|(bin, _)| *bin <= 0);
        let size = |at: usize| self.bins.get(at).map_or(i32::MAX, |(bin, _)| bin.abs());
        let is_positive = size(positive) < size(negative.wrapping_sub(1));
        // Of so many bins one sign has two at least.
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

    /// Adds what another one holds.
    pub fn merge(&mut self, other: &Self) {
        self.bins.extend_from_slice(&other.bins);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Gives each of the quantiles, which rise, in their order; NaN where there is no observation.
    pub fn quantiles(mut self, quantiles: &[f64], values: &mut Vec<f64>) {
        // Of merged sketches they are neither in order nor one of a kind.
        self.bins.sort_unstable_by_key(|(bin, _)| *bin);
        let total: f64 = self.bins.iter().map(|(_, count)| *count as f64).sum();
        let mut bins = self.bins.iter();
        let (mut below, mut value) = (0.0, f64::NAN);
        values.extend(quantiles.iter().map(|quantile| {
            // The first bin up to which there are as many observations as the quantile asks for.
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

/// How much larger each bin is than the one before, as a natural logarithm.
fn growth() -> f64 {
    ((1.0 + ERROR) / (1.0 - ERROR)).ln()
}

/// The bin of a finite number: 0 is that of 0, and the others have its sign.
fn bin(value: f64) -> i32 {
    if value == 0.0 {
        return 0;
    }
    let bin = (value.abs().ln() / growth()).ceil() as i32 + OFFSET;
    if value < 0.0 { -bin } else { bin }
}

/// The number that is off by the same share from both bounds of a bin.
fn middle(bin: i32) -> f64 {
    if bin == 0 {
        return 0.0;
    }
    let upper = (f64::from(bin.abs() - OFFSET) * growth()).exp();
    (upper * (1.0 - ERROR)).copysign(f64::from(bin))
}

#[cfg(all(test, not(loom_cells)))]
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
    fn one_value_is_exact() {
        for value in [0.32, -5.0, 0.0, 1e-300, 1e300, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324] {
            assert_eq!(quantiles(sketch(&[value]), &[0.0, 0.5, 0.99, 1.0]), [value; 4]);
        }
        assert!(quantiles(Sketch::new(), &[0.0, 0.5, 1.0]).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn an_outlier_spoils_nothing() {
        let mut sketch = sketch(&[1e300, -1e300, 1e-300]);
        sketch.add(0.25, 1000);
        assert!(is_near(quantiles(sketch.clone(), &[0.5])[0], 0.25));
        assert_eq!(quantiles(sketch, &[0.0, 1.0]), [-1e300, 1e300]);
    }

    #[test]
    fn a_weight_is_so_many_values() {
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
    fn many_bins_collapse_from_the_smallest() {
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
        // Of the 5,400 positive values it is the 4,970th.
        let values = quantiles(sketch, &[0.0399, 0.9601]);
        assert!(is_near(values[0], -2e252) && is_near(values[1], 2e252), "{values:?}");
    }

    #[test]
    fn negative_values_alone_collapse_too() {
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
            // In two parts, as two panes have them.
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
