//! Letting the lines of a TCP connection gather in the kernel.
//!
//! A client that writes line by line wakes the thread with each write. So where writes come fast, the kernel reports them
//! only when one read takes no more, and a timer reads what is less. The kernel also reports the end of a connection, and a
//! buffer that is nearly full, so no client has to wait.

use std::future::pending;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::gathering::Pacer;
use super::sys;
use crate::config::Address;

/// The pauses of one connection.
#[derive(Debug)]
pub(super) struct StreamGathering {
    length: Duration,
    pacer: Pacer,
    /// When the pause ends; `None` while the kernel reports all writes.
    end: Option<Instant>,
}

impl StreamGathering {
    /// Pauses of this `length` for a connection to `listener`. There are none if it is zero.
    pub(super) fn new(listener: &Address, length: Duration) -> Self {
        let length = match listener {
            Address::Tcp(_) => length,
            // What waits counts against the buffer of the sender, which holds few small writes.
            _ => Duration::ZERO,
        };
        Self { length, pacer: Pacer::new(length), end: None }
    }

    /// Waits until a pause ends.
    pub(super) async fn ended(&self) {
        match self.end {
            Some(end) => sleep_until(end.into()).await,
            None => pending().await,
        }
    }

    /// Begins a pause, or none, after a read that has left nothing in `connection`. `is_empty` says that it had nothing.
    /// During a pause the kernel reports `full` bytes.
    pub(super) fn was_read(&mut self, connection: BorrowedFd<'_>, is_empty: bool, full: usize) {
        let now = Instant::now();
        let mut pauses = self.pacer.pauses(!is_empty, now);
        if pauses != self.end.is_some() && sys::report_from(connection, if pauses { full } else { 1 }).is_err() {
            // The kernel goes on as before, and so must this.
            pauses = !pauses;
        }
        self.end = pauses.then(|| now + self.length);
    }
}
