//! Gauges: numbers that go up and down.

use super::float::AtomicF64;
use super::sharing::Sharing;

/// A gauge, which starts at 0.
#[derive(Debug)]
pub struct Gauge(AtomicF64);

impl Gauge {
    /// A gauge at 0.
    #[expect(clippy::new_without_default, reason = "the model checker's atomics have no default")]
    pub fn new() -> Self {
        Self(AtomicF64::new(0.0))
    }

    /// Sets the value.
    #[inline]
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// Adds to the value.
    #[inline]
    pub fn add(&self, value: f64, sharing: Sharing) {
        self.0.add(value, sharing);
    }

    /// The value.
    pub fn value(&self) -> f64 {
        self.0.get()
    }
}
