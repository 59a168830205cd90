//! Configs that must be right, and pipelines of them.

use std::sync::Arc;

use statsidecar::config::{self, Config, Severity};
use statsidecar::mapping::Rules;
use statsidecar::pipeline::Pipeline;

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
