//! Numbers that threads share: an f64, and a sum of many.

use super::Sharing;
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

    /// The number, and 0 in its place.
    #[inline]
    fn take(&self, sharing: Sharing) -> f64 {
        match sharing {
            Sharing::SingleWriter => {
                let old = self.get();
                self.set(0.0);
                old
            }
            Sharing::Shared => f64::from_bits(self.0.swap(0, Ordering::Relaxed)),
        }
    }

    #[inline]
    pub fn add(&self, value: f64, sharing: Sharing) {
        self.update(|old| (old + value).clamp(f64::MIN, f64::MAX), sharing);
    }

    /// Replaces the number by `next` of it, which runs again when another thread came in between.
    #[inline]
    pub fn update(&self, mut next: impl FnMut(f64) -> f64, sharing: Sharing) {
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

/// A sum that does not lose what rounding takes from each addition: a million times 0.1 is 100,000.
///
/// What is lost is carried to the next addition, and not shown: the sum is one cell, so that a reader never sees it
/// fall by a last digit between two stores, which Prometheus would take for a restart from 0. `Relaxed` is enough, as
/// for any single number; that the carried part is seen late costs no more than a rounding.
///
/// Source: Kahan's summation, with the error-free transformation `TwoSum` (Knuth).
#[derive(Debug)]
pub(super) struct Sum {
    sum: AtomicF64,
    lost: AtomicF64,
}

impl Sum {
    pub fn new() -> Self {
        Self { sum: AtomicF64::new(0.0), lost: AtomicF64::new(0.0) }
    }

    pub fn get(&self) -> f64 {
        self.sum.get()
    }

    #[inline]
    pub fn add(&self, value: f64, sharing: Sharing) {
        let added = value + self.lost.take(sharing);
        let mut lost = 0.0;
        self.sum.update(
            |old| {
                let mut new = (old + added).clamp(f64::MIN, f64::MAX);
                if value >= 0.0 {
                    // What is carried may be below 0, and must not show as a fall.
                    new = new.max(old);
                }
                let grown = new - old;
                lost = (old - (new - grown)) + (added - grown);
                if new.abs() == f64::MAX {
                    // What is over is no rounding.
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

/// What is left of weights that are not whole, carried from each to the next. `Relaxed` is enough, as for any single
/// number.
#[derive(Debug)]
pub(super) struct Carry(AtomicF64);

/// What rounding may take from a weight: three observations at a rate of 0.3 are ten, not nine and a rest that is
/// short of 1 by the last bit.
const ROUNDING: f64 = 1e-9;

impl Carry {
    pub fn new() -> Self {
        Self(AtomicF64::new(0.0))
    }

    /// The whole part of a weight with what was carried so far; the rest is carried on.
    pub fn whole(&self, weight: f64, sharing: Sharing) -> u64 {
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
