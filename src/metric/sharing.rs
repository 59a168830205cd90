//! Whether updates need locked instructions.

use crate::sync::{AtomicU64, Ordering};

/// How many threads may update the same cells. Any number of threads may read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Only one, so that an update needs no locked instruction, which takes several times as long as the addition.
    SingleWriter,
    /// More than one.
    Shared,
}

impl Sharing {
    /// Adds to a whole number, which wraps, and returns the old value.
    #[inline]
    pub(super) fn add(self, cell: &AtomicU64, n: u64) -> u64 {
        match self {
            Self::SingleWriter => {
                let old = cell.load(Ordering::Relaxed);
                cell.store(old.wrapping_add(n), Ordering::Relaxed);
                old
            }
            Self::Shared => cell.fetch_add(n, Ordering::Relaxed),
        }
    }
}
