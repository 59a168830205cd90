//! The pipeline: the current edition, counters and clock, which all workers share.

use std::sync::Arc;

use super::edition::Edition;
use super::workspace::Workspaces;
use crate::clock::Clock;
use crate::config::Config;
use crate::mapping::Rules;
use crate::metric::Sharing;
use crate::sync::RwLock;
use crate::telemetry::Telemetry;

/// What all workers share.
#[derive(Debug)]
pub struct Pipeline {
    /// Held to read while a key is resolved, so that no series is made in an edition after its series were taken over.
    pub(super) edition: RwLock<Arc<Edition>>,
    /// What the sidecar counts about itself.
    pub telemetry: Telemetry,
    /// The time.
    pub clock: Clock,
    pub(super) workspaces: Workspaces,
}

impl Pipeline {
    /// A pipeline without series.
    pub fn new(config: &Config, rules: impl Into<Arc<Rules>>) -> Self {
        Self::of(Edition::new(config, rules))
    }

    /// The pipeline of an edition.
    pub fn of(edition: Edition) -> Self {
        Self {
            edition: RwLock::new(edition.into()),
            telemetry: Telemetry::default(),
            clock: Clock::default(),
            workspaces: Workspaces::default(),
        }
    }

    /// The rules and the series as they are now.
    pub fn current(&self) -> Arc<Edition> {
        Arc::clone(&self.edition.read())
    }

    /// Says to all workers whether others update the same cells. Waits for workers, so a thread that has a `Work` must not
    /// call it.
    pub(crate) fn share(&self, sharing: Sharing) {
        self.workspaces.living().iter().for_each(|workspace| workspace.lock().sharing = sharing);
    }

    /// Sets the clock to so many seconds after the start; gives whether series may have expired, so that a
    /// [`sweep`](Self::sweep) is due.
    pub fn set_time(&self, uptime: u32) -> bool {
        self.clock.set(uptime);
        self.current().registry.has_due(self.clock.now())
    }
}
