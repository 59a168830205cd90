//! One compiled `[[metric]]` table.

use std::time::Duration;

use super::condition::Conditions;
use super::family_metadata::RuleMetadata;
use super::labels::TagPolicy;
use super::pattern::NamePattern;
use super::template::CaptureTemplate;
use crate::config::RulePattern;

/// A rule in the form in which lines are matched and mapped.
#[derive(Clone, Debug)]
pub(super) struct CompiledRule {
    /// The pattern as the file has it.
    pub written: RulePattern,
    pub pattern: NamePattern,
    pub conditions: Conditions,
    /// The name of the metric; `None`: made from the name of the line.
    pub name: Option<CaptureTemplate>,
    pub metadata: RuleMetadata,
    /// The labels that the rule sets.
    pub labels: Vec<(String, CaptureTemplate)>,
    pub tags: TagPolicy,
    /// The factor of every value.
    pub scale: f64,
    pub ttl: Option<Duration>,
    /// Whether the samples are counted and not exposed.
    pub drop: bool,
}
