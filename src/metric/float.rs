//! Atomic floating-point numbers and sums.

use super::sharing::Sharing;
use crate::sync::{AtomicU64, Ordering};

/// An atomic f64. It is never NaN or infinite: a sum that would overflow stays at the largest number, because one sample
/// must not destroy the sum of all earlier ones.
///
/// `Relaxed` is enough: each number is valid by itself and publishes no other memory.
#[derive(Debug)]
pub(super) struct AtomicF64(AtomicU64);

impl AtomicF64 {
    pub(super) fn new(value: f64) -> Self {
        Self(AtomicU64::new(value.to_bits()))
    }

    #[inline]
    pub(super) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Sets the number, and returns the one before.
    #[inline]
    pub(super) fn replace(&self, value: f64, sharing: Sharing) -> f64 {
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
    pub(super) fn add(&self, value: f64, sharing: Sharing) {
        self.update(|old| (old + value).clamp(f64::MIN, f64::MAX), sharing);
    }

    /// Replaces the number by `next` of it. `next` runs again if another thread has changed the number meanwhile.
    #[inline]
    pub(super) fn update(&self, mut next: impl FnMut(f64) -> f64, sharing: Sharing) {
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
#[derive(Debug)]
pub(super) struct Sum {
    sum: AtomicF64,
    lost: AtomicF64,
}

impl Sum {
    pub(super) fn new() -> Self {
        Self { sum: AtomicF64::new(0.0), lost: AtomicF64::new(0.0) }
    }

    pub(super) fn get(&self) -> f64 {
        self.sum.get()
    }

    #[inline]
    pub(super) fn add(&self, value: f64, sharing: Sharing) {
        let added = value + self.lost.replace(0.0, sharing);
        let mut lost = 0.0;
        self.sum.update(
            |old| {
                let mut new = (old + added).clamp(f64::MIN, f64::MAX);
                if value >= 0.0 {
                    // The carry may be below 0, but the sum must not fall.
                    new = new.max(old);
                }
                let grown = new - old;
                lost = (old - (new - grown)) + (added - grown);
                if new.abs() == f64::MAX {
                    // The part that was clamped is not a rounding error.
                    lost = 0.0;
                }
                new
            },
            sharing,
        );
        if lost != 0.0 {
            self.lost.add(lost, sharing);
        }
    }
}

/// The fraction of weights, carried from one observation to the next. `Relaxed` is enough, as for [`AtomicF64`].
#[derive(Debug)]
pub(super) struct Carry(AtomicF64);

/// The tolerance for rounding errors of weights: three observations at a rate of 0.3 count as ten, not as nine and a
/// fraction just below 1.
const ROUNDING: f64 = 1e-9;

impl Carry {
    pub(super) fn new() -> Self {
        Self(AtomicF64::new(0.0))
    }

    /// The whole part of the carry and a weight; the fraction becomes the new carry.
    pub(super) fn whole(&self, weight: f64, sharing: Sharing) -> u64 {
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
