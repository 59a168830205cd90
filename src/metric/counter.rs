//! Counters: sums that only go up.

use super::block::{self, Block};
use super::float::{AtomicF64, Sum};
use super::sharing::Sharing;
use crate::sync::{AtomicU64, Ordering};

/// 2^64, the first number that is too large for a u64.
const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;

/// 2^53: from here on, an f64 has no room for a fraction, and soon none for every whole number.
const WHOLE_ONLY: u64 = 1 << 53;

/// A counter. Whole numbers are exact up to 2^64; fractions are added up separately.
///
/// A reader never sees the counter fall: each of the two sums only rises, and [`Counter::total`] rises with both of them.
/// So `Relaxed` is enough, because a reader that sees one sum earlier than the other sees the total of an earlier moment.
#[derive(Debug)]
pub struct Counter(pub(super) Block<{ Self::NUMBERS }>);

/// The numbers of a counter, wherever they are.
#[derive(Clone, Copy)]
pub(super) struct CounterNumbers<'n> {
    whole: &'n AtomicU64,
    rest: Sum<'n>,
    /// The last running total of the emitter; 0 before the first.
    followed: AtomicF64<'n>,
}

/// The value of a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Total {
    /// A whole number, exact.
    Whole(u64),
    /// A number with a fraction, or of at least 2^64.
    Real(f64),
}

impl Counter {
    /// How many numbers it has.
    pub(crate) const NUMBERS: usize = 4;

    /// A counter at 0.
    #[expect(clippy::new_without_default, reason = "the model checker's atomics have no default")]
    pub fn new() -> Self {
        Self::with(None)
    }

    /// A counter with the value of `lent`; at 0 if there is none.
    pub(crate) fn with(lent: Option<&'static [AtomicU64]>) -> Self {
        Self(Block::new(lent))
    }

    /// Sets its numbers; `false` and no change if they are none of a counter.
    pub(crate) fn restore(&self, words: &[u64]) -> bool {
        let [_, rest, lost, followed] = words else { return false };
        let is_right = |word: &u64| f64::from_bits(*word).is_finite();
        let is_risen = |word: &u64| f64::from_bits(*word) >= 0.0;
        [rest, lost, followed].into_iter().all(is_right)
            && [rest, followed].into_iter().all(is_risen)
            && block::restore(self.0.get(), words)
    }

    #[inline(always)]
    fn numbers(&self) -> CounterNumbers<'_> {
        CounterNumbers::of(self.0.get())
    }

    /// Adds a whole number.
    #[inline]
    pub fn add_whole(&self, n: u64, sharing: Sharing) {
        self.numbers().add_whole(n, sharing);
    }

    /// Adds a finite number of at least 0.
    pub fn add(&self, value: f64, sharing: Sharing) {
        self.numbers().add(value, sharing);
    }

    /// Adds what a running total, finite and at least 0, has risen since the last call. The first total counts whole, and
    /// so does one that is lower than the last, because its emitter has started again.
    pub fn follow(&self, total: f64, sharing: Sharing) {
        self.numbers().follow(total, sharing);
    }

    /// The value. From 2^53 on, a fraction is left out: rounding it in could make the value fall.
    pub fn total(&self) -> Total {
        let CounterNumbers { whole, rest, .. } = self.numbers();
        let (whole, rest) = (whole.load(Ordering::Relaxed), rest.get());
        match whole.checked_add(rest as u64) {
            Some(total) if rest < TOO_LARGE && (rest.fract() == 0.0 || total >= WHOLE_ONLY) => Total::Whole(total),
            _ => Total::Real((whole as f64 + rest).min(f64::MAX)),
        }
    }
}

impl<'n> CounterNumbers<'n> {
    #[inline(always)]
    pub(super) fn of([whole, rest, lost, followed]: &'n [AtomicU64; Counter::NUMBERS]) -> Self {
        Self { whole, rest: Sum::new(rest, lost), followed: AtomicF64(followed) }
    }

    #[inline(always)]
    pub(super) fn add_whole(self, n: u64, sharing: Sharing) {
        if !sharing.checked_add(self.whole, n) {
            self.rest.add(n as f64, sharing);
        }
    }

    pub(super) fn follow(self, total: f64, sharing: Sharing) {
        let last = self.followed.replace(total, sharing);
        self.add(if total >= last { total - last } else { total }, sharing);
    }

    pub(super) fn add(self, value: f64, sharing: Sharing) {
        // An f64 below 2^64 splits into a whole number and a fraction without rounding.
        if value < TOO_LARGE {
            self.add_whole(value as u64, sharing);
            let fraction = value.fract();
            if fraction > 0.0 {
                self.rest.add(fraction, sharing);
            }
        } else {
            self.rest.add(value, sharing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    #[test]
    fn whole_numbers_are_exact_to_two_to_the_64() {
        let counter = Counter::new();
        counter.add_whole(u64::MAX - 1, Sharing::Shared);
        counter.add(1.0, Sharing::Shared);
        assert_eq!(counter.total(), Total::Whole(u64::MAX));
        counter.add_whole(1, Sharing::Shared);
        assert_eq!(counter.total(), Total::Real(TOO_LARGE), "a larger value is rounded and does not fall");
    }

    /// What a scraper reads: the text of a value as an f64.
    fn scraped(counter: &Counter) -> f64 {
        match counter.total() {
            Total::Whole(n) => n.to_string().parse().expect("a number"),
            Total::Real(x) => x,
        }
    }

    #[test]
    fn a_fraction_does_not_make_a_large_counter_fall() {
        let counter = Counter::new();
        counter.add_whole(9_007_199_254_740_993, Sharing::SingleWriter);
        let mut last = scraped(&counter);
        for _ in 0..5 {
            counter.add(0.5, Sharing::SingleWriter);
            assert!(scraped(&counter) >= last, "{:?}", counter.total());
            last = scraped(&counter);
        }
        assert_eq!(counter.total(), Total::Whole(9_007_199_254_740_995));
    }

    fn additions() -> impl Strategy<Value = f64> {
        let edges =
            vec![0.1, 0.5, 1.0, 1e9, 9_007_199_254_740_991.0, 9_007_199_254_740_992.0, 1.8e19, TOO_LARGE, 1e300];
        prop_oneof![4 => 0.0_f64..3.0, 2 => select(edges), 1 => 0.0..1e17_f64]
    }

    proptest! {
        #[test]
        fn prop_a_counter_never_falls(values in prop::collection::vec(additions(), 1..100), shared: bool) {
            let sharing = if shared { Sharing::Shared } else { Sharing::SingleWriter };
            let counter = Counter::new();
            let mut last = 0.0;
            for value in values {
                counter.add(value, sharing);
                let total = scraped(&counter);
                prop_assert!(total >= last, "{} after {}", total, last);
                last = total;
            }
        }

        #[test]
        fn prop_a_counter_follows_a_total(totals in prop::collection::vec(0_u32..1000, 1..50)) {
            let counter = Counter::new();
            let (mut expected, mut last) = (0, 0);
            for total in totals {
                counter.follow(f64::from(total), Sharing::SingleWriter);
                expected += u64::from(if total < last { total } else { total - last });
                last = total;
                prop_assert_eq!(counter.total(), Total::Whole(expected));
            }
        }
    }

    #[test]
    fn fractions_add_up_to_whole_numbers() {
        let counter = Counter::new();
        counter.add(1.5, Sharing::Shared);
        assert_eq!(counter.total(), Total::Real(1.5));
        counter.add(1.5, Sharing::Shared);
        assert_eq!(counter.total(), Total::Whole(3));
        for _ in 0..10 {
            counter.add(0.1, Sharing::Shared);
        }
        assert_eq!(counter.total(), Total::Whole(4), "to the last digit");
        counter.add(1e300, Sharing::Shared);
        assert_eq!(counter.total(), Total::Real(1e300));
        counter.add(f64::MAX, Sharing::Shared);
        counter.add(f64::MAX, Sharing::Shared);
        assert_eq!(counter.total(), Total::Real(f64::MAX), "never infinite");
    }
}
