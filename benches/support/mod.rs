//! Helpers of the benchmarks.

use std::sync::Arc;

use statsidecar::config::{self, Severity};
use statsidecar::mapping::Rules;
use statsidecar::pipeline::Pipeline;

/// A pipeline with this config and without series.
pub fn pipeline(config: &str) -> Arc<Pipeline> {
    let (config, mut diagnostics) = config::load(config);
    let (rules, more) = Rules::compile(&config);
    diagnostics.extend(more);
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error), "{diagnostics:?}");
    Arc::new(Pipeline::new(&config, rules))
}
