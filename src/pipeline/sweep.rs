//! How series expire without losing a sample.
//!
//! A worker holds the lock of its workspace while its `Work` exists. The sweeper takes the lock of each worker in turn and
//! makes the worker forget its routes to the series that are due. From then on the worker reaches such a series only
//! through its family, which touches it under the family's lock, at a time that is not before the sweep's. Last, the sweeper
//! removes, under the same lock, the series that are still due: no route leads to them, and no sample is under way.

use std::sync::Arc;

use super::shared::Pipeline;
use super::workspace::Workspace;
use crate::registry::Series;
use crate::sync::{Mutex, unlock_fair};

impl Pipeline {
    /// Removes the series that no sample has reached within their time to live, and gives them. Waits for workers, so a
    /// thread that has a `Work` must not call it. Meant for a thread that may wait.
    pub fn sweep(&self) -> Vec<Arc<Series>> {
        let _held = self.workspaces.hold_series();
        let (edition, now) = (self.current(), self.clock.now());
        let due = edition.registry.take_due(now);
        if due.is_empty() {
            return due;
        }
        for workspace in self.workspaces.living() {
            forget_due(&workspace, now);
        }
        edition.registry.remove_due(due, now)
    }
}

/// Forgets the routes that are due, some at a time, so that the worker never waits long.
fn forget_due(workspace: &Mutex<Workspace>, now: u32) {
    let mut rest = Some(usize::MAX);
    while let Some(end) = rest {
        let mut workspace = workspace.lock();
        rest = workspace.cache.forget_due(end, now);
        unlock_fair(workspace);
    }
}
