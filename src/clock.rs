//! The clock by which series expire: whole seconds, set by one task and read by any thread.

use std::sync::atomic::{AtomicU32, Ordering};

/// A clock that is set from outside, so that reading it costs one load and tests control it.
///
/// `Relaxed` is enough because the time is a number of its own, and a reader may be a moment late.
#[derive(Debug, Default)]
pub struct Clock(AtomicU32);

impl Clock {
    /// Seconds since the start.
    #[inline]
    pub fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the time, in seconds since the start.
    pub fn set(&self, seconds: u32) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}
