//! The clock by which series expire: whole seconds, set by one task and read by any thread.

use std::sync::atomic::{AtomicU32, Ordering};

/// A clock that is set from outside, so that reading it costs one load and tests control it.
///
/// `Relaxed` is enough because the time is a number of its own, and a reader may be a moment late.
#[derive(Debug, Default)]
pub struct Clock {
    now: AtomicU32,
    /// The time at the start. The series of an earlier process are from before it.
    start: AtomicU32,
}

impl Clock {
    /// The time, in seconds.
    #[inline]
    pub fn now(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }

    /// Seconds since the start.
    pub fn uptime(&self) -> u32 {
        self.now().saturating_sub(self.start.load(Ordering::Relaxed))
    }

    /// Starts at this time, in seconds, and not at 0.
    pub fn start_at(&self, seconds: u32) {
        self.start.store(seconds, Ordering::Relaxed);
        self.now.store(seconds, Ordering::Relaxed);
    }

    /// Sets the time by the seconds since the start.
    pub fn set(&self, uptime: u32) {
        self.now.store(self.start.load(Ordering::Relaxed).saturating_add(uptime), Ordering::Relaxed);
    }
}
