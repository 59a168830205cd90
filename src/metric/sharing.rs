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
    /// Adds to a whole number, which stays at the largest one when the sum would be larger.
    #[inline]
    pub(super) fn saturating_add(self, cell: &AtomicU64, n: u64) {
        let now = cell.load(Ordering::Relaxed);
        match self {
            Self::SingleWriter => cell.store(now.saturating_add(n), Ordering::Relaxed),
            // Only 2^31 threads together could overflow here.
            Self::Shared if now < 1 << 63 && n < 1 << 32 => _ = cell.fetch_add(n, Ordering::Relaxed),
            Self::Shared => {
                let add = |now: u64| Some(now.saturating_add(n));
                let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
            }
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
