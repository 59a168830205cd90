//! Numbers that threads share: an f64, and a sum of many.

use super::Writers;
use super::sync::{AtomicU64, Ordering};

/// The bits of an f64 in an atomic. It never holds NaN or an infinity: a sum that would overflow stays at the largest
/// number, for one sample must not spoil all that came before it.
///
/// `Relaxed` is enough: each cell is one number that means something by itself, and no other memory is published
/// through it.
#[derive(Debug)]
pub(super) struct AtomicF64(AtomicU64);

impl AtomicF64 {
    pub fn new(value: f64) -> Self {
        Self(AtomicU64::new(value.to_bits()))
    }

    #[inline]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    #[inline]
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    #[inline]
    pub fn add(&self, value: f64, writers: Writers) {
        self.update(|old| (old + value).clamp(f64::MIN, f64::MAX), writers);
    }

    /// Replaces the number by `next` of it, which runs again when another thread came in between.
    #[inline]
    pub fn update(&self, mut next: impl FnMut(f64) -> f64, writers: Writers) {
        let mut old = self.0.load(Ordering::Relaxed);
        if writers == Writers::One {
            return self.set(next(f64::from_bits(old)));
        }
        loop {
            let new = next(f64::from_bits(old)).to_bits();
            match self.0.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }
}

/// A sum that does not lose what rounding takes from each addition: a million times 0.1 is 100,000 to the last digit.
///
/// `Relaxed` is enough here too: a reader that sees one of the two cells a moment before the other is off by the
/// rounding of one addition.
///
/// Source: the error-free transformation `TwoSum` (Knuth), as in Neumaier's summation.
#[derive(Debug)]
pub(super) struct Sum {
    rounded: AtomicF64,
    lost: AtomicF64,
}

impl Sum {
    pub fn new() -> Self {
        Self { rounded: AtomicF64::new(0.0), lost: AtomicF64::new(0.0) }
    }

    pub fn get(&self) -> f64 {
        (self.rounded.get() + self.lost.get()).clamp(f64::MIN, f64::MAX)
    }

    #[inline]
    pub fn add(&self, value: f64, writers: Writers) {
        let mut lost = 0.0;
        self.rounded.update(
            |old| {
                let new = (old + value).clamp(f64::MIN, f64::MAX);
                let added = new - old;
                lost = (old - (new - added)) + (value - added);
                new
            },
            writers,
        );
        // At the largest number what is over is no rounding.
        if lost != 0.0 && lost.is_finite() && self.rounded.get().abs() < f64::MAX {
            self.lost.add(lost, writers);
        }
    }
}
