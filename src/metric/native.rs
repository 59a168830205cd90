//! Native histograms: observations, counted in buckets whose bounds grow by a constant factor.
//!
//! Source: Prometheus, "Native Histograms" (<https://prometheus.io/docs/specs/native_histograms/>).

use std::sync::OnceLock;

use super::block::Saved;
use super::sharing::Sharing;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The finest schema: 256 buckets for each power of two.
pub const MOST_SCHEMA: i8 = 8;

/// The coarsest schema: a bucket for each 16 powers of two.
pub const LEAST_SCHEMA: i8 = -4;

/// How many schemas there are.
const LEVELS: usize = (MOST_SCHEMA - LEAST_SCHEMA) as usize + 1;

/// How a native histogram divides the numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NativeSpec {
    /// The schema at the start: a bucket's bounds differ by the factor 2^(2^-schema).
    pub schema: i8,
    /// The most buckets for values above 0, and the most for those below.
    pub buckets: u16,
    /// Values that are not farther from 0 are in the bucket of 0.
    pub zero_threshold: f64,
}

/// 2^-128, as the specification recommends.
const DEFAULT_ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

impl Default for NativeSpec {
    /// Bounds that grow by 9 %, over a factor of about a million.
    fn default() -> Self {
        Self { schema: 3, buckets: 160, zero_threshold: DEFAULT_ZERO_THRESHOLD }
    }
}

/// The values that a native histogram has counted.
#[derive(Clone, Debug, PartialEq)]
pub struct NativeReading {
    /// The schema of all buckets.
    pub schema: i8,
    /// Values that are not farther from 0 are in the bucket of 0.
    pub zero_threshold: f64,
    /// The values in the bucket of 0.
    pub zero_count: u64,
    /// The buckets above 0 that have values, by ascending index. Bucket `i` has the values up to 2^(i * 2^-schema) that are
    /// above the bound of the bucket before.
    pub positive: Vec<(i32, u64)>,
    /// Those below 0, by the absolute values.
    pub negative: Vec<(i32, u64)>,
}

impl NativeReading {
    /// All values.
    pub fn count(&self) -> u64 {
        let buckets = self.positive.iter().chain(&self.negative);
        buckets.fold(self.zero_count, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// How many adjacent buckets the larger side needs.
    fn span(&self) -> usize {
        span(&self.positive).max(span(&self.negative))
    }

    /// Makes the buckets twice as wide.
    fn halve(&mut self) {
        self.schema -= 1;
        for buckets in [&mut self.positive, &mut self.negative] {
            buckets.iter_mut().for_each(|(index, _)| *index = coarser(*index, 1));
            join(buckets);
        }
    }
}

/// A native histogram, without the sum.
///
/// It counts in a table of adjacent buckets. A value that no table of this schema can have beside the others makes the
/// schema coarser: a table with wider buckets begins, and the old one stays as it is. A reader adds up all tables. So no
/// count ever moves, and writers need no lock. There are at most thirteen tables, and nearly always one or two.
#[derive(Debug)]
pub struct Native {
    spec: NativeSpec,
    zero: AtomicU64,
    positive: NativeSide,
    negative: NativeSide,
}

impl Native {
    /// An empty histogram.
    pub fn new(spec: NativeSpec) -> Self {
        let side = || NativeSide::new(spec.schema);
        Self { spec, zero: AtomicU64::new(0), positive: side(), negative: side() }
    }

    /// Observes a finite value `times` times.
    #[inline]
    pub fn observe(&self, value: f64, times: u64, sharing: Sharing) {
        let size = value.abs();
        if size <= self.spec.zero_threshold {
            return sharing.saturating_add(&self.zero, times);
        }
        let side = if value > 0.0 { &self.positive } else { &self.negative };
        side.observe(size, times, self.spec.buckets, sharing);
    }

    /// How many values it has counted.
    pub fn count(&self) -> u64 {
        let sides = [&self.positive, &self.negative].into_iter().map(NativeSide::count);
        sides.fold(self.zero.load(Ordering::Relaxed), u64::saturating_add)
    }

    /// The values. Whole buckets are joined until all have the coarsest schema of a table.
    pub fn read(&self) -> NativeReading {
        let level = self.positive.level().max(self.negative.level());
        NativeReading {
            schema: schema_of(level),
            zero_threshold: self.spec.zero_threshold,
            zero_count: self.zero.load(Ordering::Relaxed),
            positive: self.positive.read(level),
            negative: self.negative.read(level),
        }
    }

    /// Adds its numbers to `words`.
    pub(super) fn save(&self, words: &mut Vec<u64>) {
        let NativeReading { schema, zero_count, positive, negative, .. } = self.read();
        words.extend([i64::from(schema) as u64, zero_count]);
        for buckets in [positive, negative] {
            words.push(buckets.len() as u64);
            words.extend(buckets.iter().flat_map(|(index, count)| [i64::from(*index) as u64, *count]));
        }
    }

    /// Sets its numbers; `false` and no change if they are none of such a histogram, or if it has values already.
    pub(super) fn restore(&self, words: &[u64]) -> bool {
        let Some(saved) = read_saved(&mut Saved(words), self.spec) else { return false };
        let level = usize::from(MOST_SCHEMA.abs_diff(saved.schema));
        let own = [&self.positive, &self.negative];
        let is_used = own.iter().any(|side| side.tables.iter().any(|table| table.get().is_some()));
        if is_used || self.zero.load(Ordering::Relaxed) > 0 {
            return false;
        }
        self.zero.store(saved.zero_count, Ordering::Relaxed);
        let sides = [&saved.positive, &saved.negative];
        own.iter().zip(sides).for_each(|(side, buckets)| side.restore(buckets, level, self.spec.buckets));
        true
    }
}

/// The reading that these numbers are, of a schema at which it fits a table; `None`: they are none.
fn read_saved(saved: &mut Saved<'_>, spec: NativeSpec) -> Option<NativeReading> {
    let schema =
        i8::try_from(saved.word()? as i64).ok().filter(|schema| (LEAST_SCHEMA..=MOST_SCHEMA).contains(schema))?;
    let zero_count = saved.word()?;
    let reachable = index(f64::from_bits(1), schema)..=index(f64::MAX, schema);
    let mut side = || {
        let len = saved.count(u16::MAX.into())?;
        let buckets = saved.words(2 * len)?.as_chunks().0;
        let buckets = buckets.iter().map(|&[index, count]| Some((i32::try_from(index as i64).ok()?, count)));
        let buckets: Vec<_> = buckets.collect::<Option<_>>()?;
        let is_valid = buckets.iter().all(|(index, _)| reachable.contains(index));
        (is_valid && buckets.is_sorted_by(|(one, _), (other, _)| one < other)).then_some(buckets)
    };
    let (positive, negative) = (side()?, side()?);
    let zero_threshold = spec.zero_threshold;
    let mut reading = NativeReading { schema, zero_threshold, zero_count, positive, negative };
    while reading.schema > LEAST_SCHEMA && reading.span() > usize::from(spec.buckets) {
        reading.halve();
    }
    saved.0.is_empty().then_some(reading)
}

/// The buckets of the values on one side of 0.
#[derive(Debug)]
struct NativeSide {
    /// The level of the table that counts now. `Relaxed`: a writer that sees an older one counts in an older table.
    level: AtomicU32,
    /// The tables by level: the first has the finest schema.
    tables: [OnceLock<NativeTable>; LEVELS],
}

/// Adjacent buckets of one schema.
#[derive(Debug)]
struct NativeTable {
    /// The index of the first.
    first: i32,
    counts: Box<[AtomicU64]>,
}

impl NativeSide {
    fn new(schema: i8) -> Self {
        Self { level: AtomicU32::new((MOST_SCHEMA - schema) as u32), tables: [const { OnceLock::new() }; LEVELS] }
    }

    fn level(&self) -> usize {
        self.level.load(Ordering::Relaxed) as usize
    }

    #[inline]
    fn observe(&self, size: f64, times: u64, buckets: u16, sharing: Sharing) {
        let level = self.level();
        let index = index(size, schema_of(level));
        match self.tables.get(level).and_then(OnceLock::get).and_then(|table| table.count(index)) {
            Some(count) => sharing.saturating_add(count, times),
            None => self.observe_outside(size, times, buckets, sharing),
        }
    }

    /// Counts a value that the table has no bucket for, or that is the first.
    #[cold]
    fn observe_outside(&self, size: f64, times: u64, buckets: u16, sharing: Sharing) {
        for level in self.level()..LEVELS {
            let index = index(size, schema_of(level));
            let range = self.range(level);
            let (low, high) = range.map_or((index, index), |(low, high)| (low.min(index), high.max(index)));
            let is_last = level + 1 == LEVELS;
            if (i64::from(high) - i64::from(low)) < i64::from(buckets) || is_last {
                let Some(place) = self.tables.get(level) else { return };
                let table = place.get_or_init(|| NativeTable::around(low, high, buckets));
                // Another thread may have made the table for other values.
                if let Some(count) = table.count(index).or_else(|| table.nearest(index).filter(|_| is_last)) {
                    self.level.fetch_max(level as u32, Ordering::Relaxed);
                    return sharing.saturating_add(count, times);
                }
            }
        }
    }

    /// The values of all tables.
    fn count(&self) -> u64 {
        let counts = self.tables.iter().filter_map(OnceLock::get).flat_map(|table| &table.counts);
        counts.map(|count| count.load(Ordering::Relaxed)).fold(0, u64::saturating_add)
    }

    /// The first and the last bucket of this level that have values, of all finer tables too.
    fn range(&self, level: usize) -> Option<(i32, i32)> {
        let used = self.read(level);
        Some((used.first()?.0, used.last()?.0))
    }

    /// The buckets that have values, joined to those of this level.
    fn read(&self, level: usize) -> Vec<(i32, u64)> {
        let mut all: Vec<(i32, u64)> = Vec::new();
        for (finer, table) in self.tables.iter().enumerate().take(level + 1) {
            let Some(table) = table.get() else { continue };
            let counts = table.counts.iter().map(|count| count.load(Ordering::Relaxed)).zip(table.first..);
            let used = counts.filter(|(count, _)| *count > 0);
            all.extend(used.map(|(count, index)| (coarser(index, level - finer), count)));
        }
        all.sort_unstable_by_key(|(index, _)| *index);
        join(&mut all);
        all
    }

    /// Sets the buckets of an empty side. At the coarsest level, which has few, the table is made as large as they need.
    fn restore(&self, buckets: &[(i32, u64)], level: usize, most: u16) {
        self.level.store(level as u32, Ordering::Relaxed);
        let ([(low, _), ..], [.., (high, _)]) = (buckets, buckets) else { return };
        let Some(place) = self.tables.get(level) else { return };
        let most = most.max(span(buckets).try_into().unwrap_or(most));
        let table = place.get_or_init(|| NativeTable::around(*low, *high, most));
        for (index, value) in buckets {
            table.count(*index).inspect(|count| count.store(*value, Ordering::Relaxed));
        }
    }
}

impl NativeTable {
    /// A table with these buckets in its middle.
    fn around(low: i32, high: i32, buckets: u16) -> Self {
        let spare = i64::from(buckets) - (i64::from(high) - i64::from(low) + 1);
        let first = i64::from(low) - spare.max(0) / 2;
        let first = first.clamp(i32::MIN.into(), i64::from(i32::MAX) - i64::from(buckets)) as i32;
        Self { first, counts: (0..buckets).map(|_| AtomicU64::new(0)).collect() }
    }

    #[inline]
    fn count(&self, index: i32) -> Option<&AtomicU64> {
        self.counts.get(usize::try_from(index.wrapping_sub(self.first)).ok()?)
    }

    /// The bucket at the end that is nearer to this index.
    fn nearest(&self, index: i32) -> Option<&AtomicU64> {
        if index < self.first { self.counts.first() } else { self.counts.last() }
    }
}

/// How many adjacent buckets a table needs to have these, which ascend.
fn span(buckets: &[(i32, u64)]) -> usize {
    buckets.first().zip(buckets.last()).map_or(0, |((low, _), (high, _))| high.abs_diff(*low) as usize + 1)
}

/// Adds up the counts of adjacent elements that are the same bucket.
fn join(buckets: &mut Vec<(i32, u64)>) {
    buckets.dedup_by(|(index, count), (kept, sum)| {
        let is_same = index == kept;
        if is_same {
            *sum = sum.saturating_add(*count);
        }
        is_same
    });
}

fn schema_of(level: usize) -> i8 {
    MOST_SCHEMA - level as i8
}

/// The bucket that has this one when the resolution is halved so many times.
fn coarser(index: i32, halvings: usize) -> i32 {
    let widened = i64::from(index) + (1 << halvings) - 1;
    (widened >> halvings) as i32
}

/// The bucket of a finite number above 0.
#[inline]
fn index(size: f64, schema: i8) -> i32 {
    let (fraction, exponent) = parts(size);
    if schema > 0 {
        let bounds = bounds(schema);
        let within = if bounds.len() <= 16 {
            // For few bounds, counting is faster than searching, because it has no branch to predict.
            bounds.iter().map(|&bound| i32::from(bound < fraction)).sum()
        } else {
            bounds.partition_point(|&bound| bound < fraction) as i32
        };
        return within + ((exponent - 1) << schema);
    }
    let whole = if fraction == 0.5 { exponent - 1 } else { exponent };
    coarser(whole, usize::from(schema.unsigned_abs()))
}

/// A number as a fraction from 0.5 to below 1 and the power of two that it is multiplied by.
#[inline]
fn parts(size: f64) -> (f64, i32) {
    const MANTISSA: u64 = (1 << 52) - 1;
    const HALF: u64 = 1022 << 52;
    let bits = size.to_bits();
    let exponent = (bits >> 52) as i32 & 0x7ff;
    if exponent == 0 {
        // A number so small has no leading bit of its own.
        let (fraction, exponent) = parts(size * (1_u64 << 54) as f64);
        return (fraction, exponent - 54);
    }
    (f64::from_bits(bits & MANTISSA | HALF), exponent - 1022)
}

/// The bounds of the buckets from 0.5 to below 1.
#[inline]
fn bounds(schema: i8) -> &'static [f64] {
    let len = 1_usize << schema;
    BOUNDS.get(len..2 * len).unwrap_or_default()
}

/// The bounds of all schemas above 0; those of schema `s` begin at 2^s.
const BOUNDS: [f64; 512] = all_bounds();

const fn all_bounds() -> [f64; 512] {
    let mut bounds = [0.5; 512];
    let mut len = 2;
    while len <= 256 {
        let mut n = 0;
        while n < len {
            bounds[len + n] = half_times_root(n, len);
            n += 1;
        }
        len *= 2;
    }
    bounds
}

/// 0.5 * 2^(n / len), where `len` is a power of two up to 256: the product of the roots that the bits of `n` name.
const fn half_times_root(n: usize, len: usize) -> f64 {
    let mut product = 0.5;
    let (mut bit, mut level) = (len / 2, 0);
    while bit > 0 {
        if n & bit != 0 {
            product *= ROOTS[level];
        }
        bit /= 2;
        level += 1;
    }
    product
}

/// 2^(1/2), 2^(1/4), 2^(1/8), and so on.
const ROOTS: [f64; 8] = [
    std::f64::consts::SQRT_2,
    1.189_207_115_002_721,
    1.090_507_732_665_257_7,
    1.044_273_782_427_413_8,
    1.021_897_148_654_116_6,
    1.010_889_286_051_700_5,
    1.005_429_901_112_802_7,
    1.002_711_275_050_202_5,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn native(schema: i8, buckets: u16) -> Native {
        Native::new(NativeSpec { schema, buckets, zero_threshold: 1e-9 })
    }

    /// The upper bound of a bucket, by the definition.
    fn bound(index: i32, schema: i8) -> f64 {
        2_f64.powf(f64::from(index) * 2_f64.powi(-i32::from(schema)))
    }

    #[test]
    fn bounds_are_powers_of_the_factor() {
        for schema in 1..=MOST_SCHEMA {
            for (n, found) in bounds(schema).iter().enumerate() {
                let expected = 0.5 * 2_f64.powf(n as f64 / f64::from(1 << schema));
                assert!((found / expected - 1.0).abs() < 1e-15, "{found} for {expected}");
            }
        }
    }

    #[test]
    fn a_bucket_includes_its_upper_bound() {
        for schema in LEAST_SCHEMA..=MOST_SCHEMA {
            for power in [-40, -3, 0, 1, 5, 60] {
                let size = 2_f64.powi(power);
                let expected = (f64::from(power) * 2_f64.powi(schema.into())).ceil() as i32;
                assert_eq!(index(size, schema), expected, "{size} with schema {schema}");
            }
        }
        assert_eq!(index(f64::MIN_POSITIVE / 4.0, 0), -1024);
        assert_eq!(index(f64::MAX, LEAST_SCHEMA), 64);
    }

    proptest! {
        #[test]
        fn prop_a_value_is_between_the_bounds_of_its_bucket(power in -300.0..300.0_f64, schema in LEAST_SCHEMA..=MOST_SCHEMA) {
            let size = 10_f64.powf(power);
            let index = index(size, schema);
            let (low, high) = (bound(index - 1, schema), bound(index, schema));
            prop_assert!(low * 0.999_999 < size && size < high * 1.000_001, "{} is not in ({}, {}]", size, low, high);
        }

        #[test]
        fn prop_a_coarser_bucket_has_the_finer_one(power in -300.0..300.0_f64, schema in (LEAST_SCHEMA + 1)..=MOST_SCHEMA) {
            let size = 10_f64.powf(power);
            prop_assert_eq!(coarser(index(size, schema), 1), index(size, schema - 1));
        }

        /// However the values lie, every one is counted in the bucket of the schema that is left, and there are no more buckets
        /// than allowed.
        #[test]
        fn prop_all_values_are_counted_within_the_limit(
            values in prop::collection::vec((-30.0..30.0_f64, 1_u64..5, any::<bool>()), 1..200), buckets in 70_u16..200,
        ) {
            let histogram = native(MOST_SCHEMA, buckets);
            let sized: Vec<_> = values.iter().map(|(power, times, negative)| {
                (10_f64.powf(*power) * if *negative { -1.0 } else { 1.0 }, *times)
            }).collect();
            sized.iter().for_each(|(value, times)| histogram.observe(*value, *times, Sharing::SingleWriter));
            let read = histogram.read();
            prop_assert_eq!(read.count(), values.iter().map(|(_, times, _)| times).sum::<u64>());
            prop_assert_eq!(histogram.count(), read.count());
            prop_assert!(read.positive.len() <= buckets.into() && read.negative.len() <= buckets.into());
            for (side, sign) in [(&read.positive, 1.0), (&read.negative, -1.0)] {
                for (at, count) in side {
                    let is_here = |value: f64| value * sign > 1e-9 && index(value.abs(), read.schema) == *at;
                    let expected: u64 = sized.iter().filter(|(value, _)| is_here(*value)).map(|(_, times)| times).sum();
                    prop_assert_eq!(*count, expected, "bucket {} of schema {}", at, read.schema);
                }
            }
            let mut words = Vec::new();
            histogram.save(&mut words);
            let restored = native(3, buckets);
            prop_assert!(restored.restore(&words));
            prop_assert_eq!(restored.read(), read);
            prop_assert!(!restored.restore(&words), "it has values already");
        }
    }

    /// Few buckets do not reach from the smallest number to the largest at the coarsest schema. What was far from the first
    /// values is at an end of the last table, and comes back from there.
    #[test]
    fn values_farther_apart_than_the_buckets_reach_are_restored() {
        for values in [[1e-38, 1.0, 1e300], [1e300, 1.0, 1e-38], [1.0, 1e300, 1e-38]] {
            let histogram = native(3, 8);
            values.iter().for_each(|value| histogram.observe(*value, 7, Sharing::SingleWriter));
            let (mut words, restored) = (Vec::new(), native(3, 8));
            histogram.save(&mut words);
            assert!(restored.restore(&words), "{values:?}");
            assert_eq!(restored.read(), histogram.read());
            assert_eq!(restored.read().count(), 21);
        }
    }

    #[test]
    fn what_was_saved_for_more_buckets_is_restored_with_wider_ones() {
        let (wide, narrow) = (native(3, 160), native(3, 40));
        [1.0, 1000.0].iter().for_each(|value| wide.observe(*value, 1, Sharing::SingleWriter));
        let mut words = Vec::new();
        wide.save(&mut words);
        assert!(narrow.restore(&words));
        let read = narrow.read();
        assert_eq!((read.schema, read.positive), (1, vec![(0, 1), (20, 1)]), "as if they had been observed");
    }

    #[test]
    fn buckets_that_no_number_has_are_refused() {
        // From 2^-1074 to just below 2^1024, eight buckets for each power of two.
        let words = |index: i64| [3, 0, 1, index as u64, 5, 0];
        for (index, is_right) in [(-8592, true), (-8593, false), (8192, true), (8193, false), (1 << 30, false)] {
            assert_eq!(native(3, 160).restore(&words(index)), is_right, "{index}");
        }
    }

    #[test]
    fn the_resolution_is_halved_when_the_buckets_do_not_suffice() {
        // 1 is the bound of bucket 0, which is in the middle of the first table. The binary logarithm of 1,000 is 9.97, so its
        // bucket is 80 of schema 3.
        for (buckets, schema, last) in [(160, 3, 80), (159, 2, 40), (41, 2, 40), (40, 1, 20)] {
            let histogram = native(3, buckets);
            histogram.observe(1.0, 1, Sharing::SingleWriter);
            histogram.observe(1000.0, 1, Sharing::SingleWriter);
            let read = histogram.read();
            assert_eq!((read.schema, read.positive), (schema, vec![(0, 1), (last, 1)]), "{buckets}");
        }
    }

    #[test]
    fn threads_lose_no_count_while_the_resolution_is_halved() {
        let histogram = native(8, 160);
        const VALUES: u32 = 20_000;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let histogram = &histogram;
                scope.spawn(move || {
                    for n in 0..VALUES {
                        let power = f64::from((n * 7 + thread) % 600) / 10.0 - 30.0;
                        histogram.observe(10_f64.powf(power), 1, Sharing::Shared);
                    }
                });
            }
        });
        assert_eq!(histogram.read().count(), u64::from(4 * VALUES));
    }

    #[test]
    fn values_near_0_have_a_bucket_of_their_own() {
        let histogram = native(3, 160);
        [0.0, 1e-9, -1e-9, 1e-12].iter().for_each(|value| histogram.observe(*value, 2, Sharing::SingleWriter));
        assert_eq!((histogram.read().zero_count, histogram.read().count()), (8, 8));
    }
}
