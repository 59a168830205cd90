//! The pipeline: rules, registry, counters and clock, which all workers share.

use std::sync::Arc;

use super::resolver::Resolver;
use super::sweep::RouteCaches;
use crate::clock::Clock;
use crate::config::{Config, Limits};
use crate::mapping::Rules;
use crate::memory;
use crate::metric::MemoryBudget;
use crate::registry::{Registry, Series};
use crate::telemetry::Telemetry;

/// What all workers share.
#[derive(Debug)]
pub struct Pipeline {
    /// What lines mean.
    pub rules: Rules,
    /// The series that exist.
    pub registry: Registry,
    /// What the sidecar counts about itself.
    pub telemetry: Telemetry,
    /// The longest line that is read, in bytes.
    pub max_line: usize,
    /// The time.
    pub clock: Clock,
    pub(super) route_caches: RouteCaches,
}

/// The memory that `limits` allow.
fn budget(limits: &Limits) -> MemoryBudget {
    limits.memory.map_or(MemoryBudget::UNLIMITED, |limit| MemoryBudget::new(limit, memory::in_use))
}

impl Pipeline {
    /// A pipeline without series.
    pub fn new(config: &Config, rules: Rules) -> Self {
        Self {
            rules,
            registry: Registry::new(config.limits.clone(), budget(&config.limits)),
            telemetry: Telemetry::new(),
            max_line: config.intake.max_line,
            clock: Clock::default(),
            route_caches: RouteCaches::default(),
        }
    }

    /// Finds out where samples go.
    pub fn resolver(&self) -> Resolver<'_> {
        Resolver { rules: &self.rules, registry: &self.registry }
    }

    /// Sets the clock, in seconds; gives whether series may have expired, so that a [`sweep`](Self::sweep) is due.
    pub fn set_time(&self, now: u32) -> bool {
        self.clock.set(now);
        self.registry.has_due(now)
    }

    /// Removes the series that have expired, and gives them. Waits for workers, so a thread that has a `Work` must not call
    /// it.
    pub fn sweep(&self) -> Vec<Arc<Series>> {
        self.route_caches.sweep(&self.registry, self.clock.now())
    }
}
