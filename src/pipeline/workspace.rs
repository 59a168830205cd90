//! What a worker works with under its lock, and the list of all workers' locks.

use std::sync::{Arc, Weak};

use super::edition::Edition;
use super::route_cache::RouteCache;
use crate::metric::Sharing;
use crate::sync::{Mutex, MutexGuard};

/// What a worker works with. Its lock is held while its [`Work`](super::Work) exists, and taken by the sweeper and by a
/// reload.
#[derive(Debug)]
pub(super) struct Workspace {
    /// The rules that the routes of the cache were resolved by.
    pub edition: Arc<Edition>,
    pub cache: RouteCache,
    /// Whether other workers update the same cells.
    pub sharing: Sharing,
}

/// The workspaces of all workers.
#[derive(Debug, Default)]
pub(super) struct Workspaces {
    all: Mutex<Vec<Weak<Mutex<Workspace>>>>,
    /// Held by a sweep or by a reload, of which each needs the series to stay as it finds them.
    series: Mutex<()>,
}

impl Workspaces {
    /// The workspace of a new worker. `current` gives the current edition.
    pub(super) fn add(&self, current: impl FnOnce() -> Arc<Edition>, sharing: Sharing) -> Arc<Mutex<Workspace>> {
        // Under this lock the edition is read, so that a reload either comes first or finds the workspace.
        let mut all = self.all.lock();
        let edition = current();
        let cache = RouteCache::of(&edition.registry);
        let workspace = Arc::new(Mutex::new(Workspace { edition, cache, sharing }));
        all.push(Arc::downgrade(&workspace));
        workspace
    }

    /// Those of the workers that exist.
    pub(super) fn living(&self) -> Vec<Arc<Mutex<Workspace>>> {
        let mut all = self.all.lock();
        all.retain(|workspace| workspace.strong_count() > 0);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    /// Keeps other sweeps and reloads away until the result is dropped.
    pub(super) fn hold_series(&self) -> MutexGuard<'_, ()> {
        self.series.lock()
    }
}
