//! What a config makes of the pipeline: its rules, and the series under them.

use std::sync::Arc;

use super::resolver::Resolver;
use crate::config::{Config, Limits};
use crate::mapping::{Metric, Rules};
use crate::memory;
use crate::metric::MemoryBudget;
use crate::registry::Registry;
use crate::reject::Reject;
use crate::state::Arena;
use crate::telemetry::RuleMatches;

/// The rules of one config, and the series under them. A reload replaces it as a whole.
#[derive(Debug)]
pub struct Edition {
    /// What lines mean. Shared, so that lines can be tried on a scratch edition.
    pub rules: Arc<Rules>,
    /// The series that exist.
    pub registry: Registry,
    /// The longest line that is read, in bytes.
    pub max_line: usize,
    /// What each rule matched.
    pub(crate) matches: RuleMatches,
}

/// The memory that `limits` allow.
fn budget(limits: &Limits) -> MemoryBudget {
    limits.memory.map_or(MemoryBudget::UNLIMITED, |limit| MemoryBudget::new(limit, memory::in_use))
}

impl Edition {
    /// An edition without series.
    pub fn new(config: &Config, rules: impl Into<Arc<Rules>>) -> Self {
        let registry = Registry::new(config.limits.clone(), budget(&config.limits));
        Self::with_registry(rules.into(), registry, config.intake.max_line)
    }

    fn with_registry(rules: Arc<Rules>, registry: Registry, max_line: usize) -> Self {
        let matches = RuleMatches::new(rules.len());
        Self { rules, registry, max_line, matches }
    }

    /// The edition of other rules and limits that takes over the series of this one that stay.
    pub(super) fn next(&self, config: &Config, rules: Arc<Rules>) -> Self {
        let registry = self.registry.next(config.limits.clone(), budget(&config.limits));
        Self::with_registry(rules, registry, config.intake.max_line)
    }

    /// An edition of the same rules and limits, to try lines on. It has the series of the rules' `init` keys and no others,
    /// and nothing that is done to it reaches `self`.
    pub fn scratch(&self) -> Self {
        let scratch = Self::with_registry(Arc::clone(&self.rules), self.registry.without_series(), self.max_line);
        // The limits may leave no room for a series. A line that needs it meets the same limit.
        let _ = scratch.make_initial(0);
        scratch
    }

    /// The same with the values of new series in an arena.
    pub fn with_arena(self, arena: Arc<Arena>) -> Self {
        Self { registry: self.registry.with_arena(Some(arena)), ..self }
    }

    /// Finds out whether the series of the rules' `init` keys can be made, without making them here.
    pub(super) fn can_make_initial(&self) -> Result<(), NoInitial> {
        Self::with_registry(Arc::clone(&self.rules), self.registry.without_series(), self.max_line).make_initial(0)
    }

    /// Makes the series of the rules' `init` keys at `now`. The error has the name of the metric that cannot be made.
    pub fn make_initial(&self, now: u32) -> Result<(), NoInitial> {
        self.rules.initial.iter().try_for_each(|metric: &Metric<'static>| {
            let made = self.registry.get_or_create(metric, None, now);
            made.map(drop).map_err(|reject| NoInitial { metric: metric.name.clone(), reject })
        })
    }

    /// Finds out where samples go.
    pub fn resolver(&self) -> Resolver<'_> {
        Resolver { rules: &self.rules, registry: &self.registry }
    }
}

/// A series of an `init` key that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoInitial {
    /// The name of its metric.
    pub metric: String,
    /// Why.
    pub reject: Reject,
}
