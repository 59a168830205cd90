//! Gauges: numbers that go up and down.

use super::block::{self, Block};
use super::float::AtomicF64;
use super::sharing::Sharing;
use crate::sync::AtomicU64;

/// A gauge, which starts at 0.
#[derive(Debug)]
pub struct Gauge(pub(super) Block<{ Self::NUMBERS }>);

impl Gauge {
    /// How many numbers it has.
    pub(crate) const NUMBERS: usize = 1;

    /// A gauge at 0.
    #[expect(clippy::new_without_default, reason = "the model checker's atomics have no default")]
    pub fn new() -> Self {
        Self::with(None)
    }

    /// A gauge with the value of `lent`; at 0 if there is none.
    pub(crate) fn with(lent: Option<&'static [AtomicU64]>) -> Self {
        Self(Block::new(lent))
    }

    /// Sets its numbers; `false` and no change if they are none of a gauge.
    pub(crate) fn restore(&self, words: &[u64]) -> bool {
        words.iter().all(|word| f64::from_bits(*word).is_finite()) && block::restore(self.0.get(), words)
    }

    /// Sets the value.
    #[inline]
    pub fn set(&self, value: f64) {
        self.number().set(value);
    }

    /// Adds to the value.
    #[inline]
    pub fn add(&self, value: f64, sharing: Sharing) {
        self.number().add(value, sharing);
    }

    /// The value.
    pub fn value(&self) -> f64 {
        self.number().get()
    }

    #[inline(always)]
    fn number(&self) -> AtomicF64<'_> {
        let [value] = self.0.get();
        AtomicF64(value)
    }
}
