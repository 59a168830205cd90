//! Atomic floating-point numbers and sums.

use super::sharing::Sharing;
use crate::sync::{AtomicU64, Ordering};

/// An atomic f64. It is never NaN or infinite: a sum that would overflow stays at the largest number, because one sample
/// must not destroy the sum of all earlier ones.
///
/// `Relaxed` is enough: each number is valid by itself and publishes no other memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtomicF64<'n>(pub(super) &'n AtomicU64);

impl AtomicF64<'_> {
    #[inline]
    pub(super) fn get(self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn set(self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Sets the number, and returns the one before.
    #[inline]
    pub(super) fn replace(self, value: f64, sharing: Sharing) -> f64 {
        match sharing {
            Sharing::SingleWriter => {
                let old = self.get();
                self.set(value);
                old
            }
            Sharing::Shared => f64::from_bits(self.0.swap(value.to_bits(), Ordering::Relaxed)),
        }
    }

    #[inline]
    pub(super) fn add(self, value: f64, sharing: Sharing) {
        self.update(|old| (old + value).clamp(f64::MIN, f64::MAX), sharing);
    }

    /// Replaces the number by `next` of it. `next` runs again if another thread has changed the number meanwhile.
    #[inline]
    pub(super) fn update(self, mut next: impl FnMut(f64) -> f64, sharing: Sharing) {
        let mut old = self.0.load(Ordering::Relaxed);
        if sharing == Sharing::SingleWriter {
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

/// A sum without accumulated rounding errors: a million times 0.1 is 100,000.
///
/// The rounding error of an addition is carried to the next addition and is not part of the value. The value is a single
/// cell, so that readers never see it fall: Prometheus would take a fall for a restart from 0. `Relaxed` is enough, because
/// a carry that another thread sees late changes the sum by no more than a rounding error.
///
/// Source: Kahan's compensated summation, with the error-free transformation `TwoSum` by Knuth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum<'n> {
    sum: AtomicF64<'n>,
    lost: AtomicF64<'n>,
}

impl<'n> Sum<'n> {
    /// The sum in `sum`, which carries in `lost`.
    #[inline(always)]
    pub(super) fn new(sum: &'n AtomicU64, lost: &'n AtomicU64) -> Self {
        Self { sum: AtomicF64(sum), lost: AtomicF64(lost) }
    }

    pub(super) fn get(self) -> f64 {
        self.sum.get()
    }

    #[inline]
    pub(super) fn add(self, value: f64, sharing: Sharing) {
        if sharing == Sharing::SingleWriter {
            let (sum, lost) = Self::added(self.sum.get(), value, self.lost.get());
            self.sum.set(sum);
            return self.lost.set(lost);
        }
        self.add_shared(value, sharing);
    }

    /// The same where other threads add too.
    #[inline(never)]
    fn add_shared(self, value: f64, sharing: Sharing) {
        let carried = self.lost.replace(0.0, sharing);
        let mut lost = 0.0;
        self.sum.update(
            |old| {
                let sum;
                (sum, lost) = Self::added(old, value, carried);
                sum
            },
            sharing,
        );
        if lost != 0.0 {
            self.lost.add(lost, sharing);
        }
    }

    /// The sum of `old`, `value` and what earlier additions have lost; and what this one loses.
    #[inline(always)]
    fn added(old: f64, value: f64, lost: f64) -> (f64, f64) {
        let added = value + lost;
        let mut new = old + added;
        // The carry may be below 0, but the sum must not fall.
        if value >= 0.0 && new < old {
            new = old;
        }
        if new.abs() >= f64::MAX {
            // The part that is clamped is not a rounding error.
            return (new.clamp(f64::MIN, f64::MAX), 0.0);
        }
        let grown = new - old;
        (new, (old - (new - grown)) + (added - grown))
    }
}

/// The fraction of weights, carried from one observation to the next. `Relaxed` is enough, as for [`AtomicF64`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Carry<'n>(AtomicF64<'n>);

/// The tolerance for rounding errors of weights: three observations at a rate of 0.3 count as ten, not as nine and a
/// fraction just below 1.
const ROUNDING: f64 = 1e-9;

impl<'n> Carry<'n> {
    #[inline(always)]
    pub(super) fn new(carry: &'n AtomicU64) -> Self {
        Self(AtomicF64(carry))
    }

    /// The whole part of the carry and a weight; the fraction becomes the new carry.
    #[inline(never)]
    pub(super) fn whole(self, weight: f64, sharing: Sharing) -> u64 {
        if weight.fract() == 0.0 {
            return weight as u64;
        }
        let mut whole = 0.0;
        self.0.update(
            |carry| {
                let total = carry + weight;
                whole = (total + ROUNDING).floor();
                total - whole
            },
            sharing,
        );
        whole as u64
    }
}
