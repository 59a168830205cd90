//! What came of the reloads of the config.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::Mutex;

/// The reloads since the start. The counts are `Relaxed`: each is a number of its own.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
    last: Mutex<Option<LastReload>>,
}

/// The last reload.
#[derive(Clone, Debug)]
pub(crate) struct LastReload {
    /// When it ended, in seconds since the start.
    pub(crate) at: u32,
    /// Why it has changed nothing; `None`: it has succeeded.
    pub(crate) failure: Option<String>,
}

impl Reloads {
    /// Counts a reload that has ended now, in seconds since the start. `failure` says why it has changed nothing.
    pub(crate) fn ended(&self, failure: Option<&str>, at: u32) {
        let count = if failure.is_some() { &self.failed } else { &self.succeeded };
        count.fetch_add(1, Ordering::Relaxed);
        *self.last.lock() = Some(LastReload { at, failure: failure.map(str::to_owned) });
    }

    /// How many have succeeded, and how many have failed.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [&self.succeeded, &self.failed].map(|count| count.load(Ordering::Relaxed))
    }

    /// The last one; `None`: there was none.
    pub(crate) fn last(&self) -> Option<LastReload> {
        self.last.lock().clone()
    }

    /// Whether the config that was read last holds.
    pub(super) fn last_succeeded(&self) -> bool {
        self.last.lock().as_ref().is_none_or(|last| last.failure.is_none())
    }
}
