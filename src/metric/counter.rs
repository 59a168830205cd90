//! Counters: sums that only go up.

use super::float::Sum;
use super::sharing::Sharing;
use crate::sync::{AtomicU64, Ordering};

/// 2^64, the amount that a u64 loses when it wraps.
const WRAP: f64 = 18_446_744_073_709_551_616.0;

/// A counter. Whole numbers are exact up to 2^64; fractions are added up separately.
///
/// `Relaxed` is enough: a reader adds the two cells up, and if it sees one of them earlier than the other, the total is
/// still right for some order of the samples.
#[derive(Debug)]
pub struct Counter {
    whole: AtomicU64,
    rest: Sum,
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
    /// A counter at 0.
    #[expect(clippy::new_without_default, reason = "the model checker's atomics have no default")]
    pub fn new() -> Self {
        Self { whole: AtomicU64::new(0), rest: Sum::new() }
    }

    /// Adds a whole number.
    #[inline]
    pub fn add_whole(&self, n: u64, sharing: Sharing) {
        let old = sharing.add(&self.whole, n);
        if old.checked_add(n).is_none() {
            self.rest.add(WRAP, sharing);
        }
    }

    /// Adds a finite number of at least 0.
    pub fn add(&self, value: f64, sharing: Sharing) {
        // An f64 below 2^64 splits into a whole number and a fraction without rounding.
        if value < WRAP {
            self.add_whole(value as u64, sharing);
            let fraction = value.fract();
            if fraction > 0.0 {
                self.rest.add(fraction, sharing);
            }
        } else {
            self.rest.add(value, sharing);
        }
    }

    /// The value.
    pub fn total(&self) -> Total {
        let (whole, rest) = (self.whole.load(Ordering::Relaxed), self.rest.get());
        match whole.checked_add(rest as u64) {
            Some(total) if rest < WRAP && rest.fract() == 0.0 => Total::Whole(total),
            _ => Total::Real((whole as f64 + rest).min(f64::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_are_exact_to_two_to_the_64() {
        let counter = Counter::new();
        counter.add_whole(u64::MAX - 1, Sharing::Shared);
        counter.add(1.0, Sharing::Shared);
        assert_eq!(counter.total(), Total::Whole(u64::MAX));
        counter.add_whole(1, Sharing::Shared);
        assert_eq!(counter.total(), Total::Real(WRAP), "a larger value is rounded and does not fall");
    }

    proptest! {
        #[test]
        fn prop_a_counter_never_falls(values in prop::collection::vec(0.0_f64..3.0, 1..300)) {
            let counter = Counter::new();
            let mut last = 0.0;
            for value in values {
                counter.add(value, Sharing::SingleWriter);
                let total = match counter.total() {
                    Total::Whole(n) => n as f64,
                    Total::Real(x) => x,
                };
                prop_assert!(total >= last, "{} after {}", total, last);
                last = total;
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
