//! How series leave while workers hold routes to them, and no sample is lost: by generations.
//!
//! Whoever takes series away first announces it, which begins a new generation. A worker that enters sees that, gives up
//! its routes to what is about to leave, and then stands for the new generation. Once no worker stands for an older one,
//! nobody can reach these series but through the registry, which decides there, under its lock, who comes first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The present generation, and who works.
#[derive(Debug, Default)]
pub(super) struct Generations {
    present: AtomicU64,
    /// A worker that has ended is away for good.
    workers: Mutex<Vec<Weak<Presence>>>,
}

/// One worker, as others see it.
#[derive(Debug, Default)]
pub struct Presence {
    is_working: AtomicBool,
    generation: AtomicU64,
}

impl Generations {
    /// A new worker, which is away.
    pub fn join(&self) -> Arc<Presence> {
        let presence = Arc::default();
        self.workers().push(Arc::downgrade(&presence));
        presence
    }

    /// Begins a new generation; gives its number.
    pub fn begin(&self) -> u64 {
        self.present.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The generation that all workers stand for at least; one that is away will see the present one before all else.
    pub fn reached(&self) -> u64 {
        // The present one is read first: a worker that enters after that stands for it or for a later one.
        let present = self.present.load(Ordering::SeqCst);
        let mut workers = self.workers();
        workers.retain(|worker| worker.strong_count() > 0);
        let stands_for = |worker: &Presence| match worker.is_working.load(Ordering::SeqCst) {
            true => worker.generation.load(Ordering::SeqCst),
            false => present,
        };
        workers.iter().filter_map(Weak::upgrade).map(|worker| stands_for(&worker)).min().unwrap_or(present).min(present)
    }

    /// Says that a worker begins to apply; `review` gives up its routes to what is about to leave, where there may be
    /// any.
    pub fn enter(&self, worker: &Presence, review: impl FnOnce()) {
        // Who looks at the workers after this store finds one that works. Whoever looked before had announced what
        // leaves before that, so that the load below sees it: both are in the one order of all `SeqCst` operations.
        worker.is_working.store(true, Ordering::SeqCst);
        let present = self.present.load(Ordering::SeqCst);
        if worker.generation.load(Ordering::Relaxed) != present {
            review();
            worker.generation.store(present, Ordering::SeqCst);
        }
    }

    /// Says that a worker has applied all it had.
    pub fn leave(&self, worker: &Presence) {
        // `Release`: who sees it away sees what it applied.
        worker.is_working.store(false, Ordering::Release);
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Weak<Presence>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_reached_when_nobody_works_in_an_older_one() {
        let generations = Generations::default();
        let (one, two) = (generations.join(), generations.join());
        assert_eq!(generations.begin(), 1);
        assert_eq!(generations.reached(), 1, "who is away is in nobody's way");
        generations.enter(&one, || {});
        assert_eq!(generations.begin(), 2);
        assert_eq!(generations.reached(), 1);
        let mut reviewed = false;
        generations.enter(&two, || reviewed = true);
        assert!(reviewed);
        assert_eq!(generations.reached(), 1, "the other one still works in the older one");
        generations.leave(&one);
        assert_eq!(generations.reached(), 2);
        generations.enter(&two, || panic!("nothing has changed"));
        drop(two);
        assert_eq!(generations.begin(), 3);
        assert_eq!(generations.reached(), 3, "who has ended is away");
    }
}
