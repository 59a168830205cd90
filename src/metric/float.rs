//! An f64 that threads share.

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
    pub fn add(&self, value: f64) {
        self.update(|old| (old + value).clamp(f64::MIN, f64::MAX));
    }

    /// Replaces the number by `next` of it, which runs again when another thread came in between.
    #[inline]
    pub fn update(&self, mut next: impl FnMut(f64) -> f64) {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let new = next(f64::from_bits(old)).to_bits();
            match self.0.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }
}
