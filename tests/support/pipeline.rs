//! Configs that must be right, and pipelines of them.

use std::sync::Arc;

use statsidecar::config::{self, Config, Severity};
use statsidecar::mapping::Rules;
use statsidecar::pipeline::{Edition, Pipeline};
use statsidecar::state::{Arena, OwnPieces};

/// A config and its rules.
pub fn compiled(config: &str) -> (Config, Rules) {
    let (config, mut diagnostics) = config::load(config);
    let (rules, more) = Rules::compile(&config);
    diagnostics.extend(more);
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error), "{diagnostics:?}");
    (config, rules)
}

/// A pipeline without series.
pub fn pipeline(config: &str) -> Arc<Pipeline> {
    let (config, rules) = compiled(config);
    Arc::new(Pipeline::new(&config, rules))
}

/// A pipeline without series, which puts the values of series into an arena.
#[allow(dead_code, reason = "some tests need no arena")]
pub fn pipeline_with_arena(config: &str) -> Arc<Pipeline> {
    let (config, rules) = compiled(config);
    let (arena, _) = Arena::in_own_memory(OwnPieces::default());
    Arc::new(Pipeline::of(Edition::new(&config, rules).with_arena(Arc::new(arena))))
}
