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
    /// Adds to a whole number that cannot overflow, the count of a bucket for example.
    #[inline]
    pub(super) fn add(self, cell: &AtomicU64, n: u64) {
        match self {
            Self::SingleWriter => cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed),
            Self::Shared => _ = cell.fetch_add(n, Ordering::Relaxed),
        }
    }

    /// Adds to a whole number, or returns `false` and leaves it as it is if the sum would overflow.
    #[inline]
    pub(super) fn checked_add(self, cell: &AtomicU64, n: u64) -> bool {
        let mut old = cell.load(Ordering::Relaxed);
        while let Some(new) = old.checked_add(n) {
            if self == Self::SingleWriter {
                cell.store(new, Ordering::Relaxed);
                return true;
            }
            match cell.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        false
    }
}
