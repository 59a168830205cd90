//! How series expire without losing a sample. The sweeper is [`Pipeline::sweep`](super::Pipeline::sweep), which the daemon
//! calls on a thread that may wait.
//!
//! A worker holds the lock of its route cache while its `Work` exists. The sweeper takes the lock of each worker in turn and
//! makes the worker forget its routes to the series that are due. From then on the worker reaches such a series only
//! through its family, which touches it under the family's lock, at a time that is not before the sweep's. Last, the sweeper
//! removes, under the same lock, the series that are still due: no route leads to them, and no sample is under way.

use std::sync::{Arc, Weak};

use super::route_cache::RouteCache;
use crate::registry::{Registry, Series};
use crate::sync::{Mutex, unlock_fair};

/// The route caches of all workers.
#[derive(Debug, Default)]
pub(super) struct RouteCaches(Mutex<Vec<Weak<Mutex<RouteCache>>>>);

impl RouteCaches {
    /// The cache of a new worker.
    pub(super) fn add(&self, cache: RouteCache) -> Arc<Mutex<RouteCache>> {
        let cache = Arc::new(Mutex::new(cache));
        self.0.lock().push(Arc::downgrade(&cache));
        cache
    }

    /// Removes the series that no sample has reached within their time to live, and gives them. The pipeline's clock must
    /// have reached `now` before. Waits for workers, so a thread that has a `Work` must not call it.
    pub(super) fn sweep(&self, registry: &Registry, now: u32) -> Vec<Arc<Series>> {
        let due = registry.take_due(now);
        if due.is_empty() {
            return due;
        }
        for cache in self.living() {
            forget_due(&cache, now);
        }
        registry.remove_due(due, now)
    }

    fn living(&self) -> Vec<Arc<Mutex<RouteCache>>> {
        let mut caches = self.0.lock();
        caches.retain(|cache| cache.strong_count() > 0);
        caches.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Forgets the routes that are due, some at a time, so that the worker never waits long.
fn forget_due(cache: &Mutex<RouteCache>, now: u32) {
    let mut rest = Some(usize::MAX);
    while let Some(end) = rest {
        let mut cache = cache.lock();
        rest = cache.forget_due(end, now);
        unlock_fair(cache);
    }
}
