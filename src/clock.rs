//! The time by which series grow old: whole seconds, which one task tells and any thread reads at the cost of a load.

use std::sync::atomic::{AtomicU32, Ordering};

/// A clock that is set from outside, so that who reads it needs no system clock of its own.
///
/// `Relaxed` is enough: the time is a number by itself, and whoever reads it a moment late is late by that moment.
#[derive(Debug, Default)]
pub struct Clock(AtomicU32);

impl Clock {
    /// Seconds since the start.
    #[inline]
    pub fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes it `seconds` since the start.
    pub fn set(&self, seconds: u32) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}
