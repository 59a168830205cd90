//! What each rule matched.

use std::sync::atomic::{AtomicU64, Ordering};

/// What each rule of an edition matched, in the order of the rules.
#[derive(Debug)]
pub(crate) struct RuleMatches(Box<[RuleCounts]>);

/// What a rule matched. The counts are `Relaxed`: each is a number of its own.
#[derive(Debug, Default)]
struct RuleCounts {
    /// How often a worker resolved a series by it.
    resolved: AtomicU64,
    /// Its lines, estimated.
    lines: AtomicU64,
}

impl RuleMatches {
    /// Counts at 0, for so many rules.
    pub(crate) fn new(rules: usize) -> Self {
        Self((0..rules).map(|_| RuleCounts::default()).collect())
    }

    /// Counts that a series was resolved by a rule.
    pub(crate) fn resolved(&self, rule: usize) {
        self.0.get(rule).inspect(|rule| _ = rule.resolved.fetch_add(1, Ordering::Relaxed));
    }

    /// Counts lines that a rule matched.
    pub(super) fn saw_lines(&self, rule: usize, lines: u64) {
        self.0.get(rule).inspect(|rule| _ = rule.lines.fetch_add(lines, Ordering::Relaxed));
    }

    /// How often a series was resolved by a rule, and an estimate of the lines that the rule matched.
    pub(crate) fn matched(&self, rule: usize) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.0.get(rule).map(|rule| (read(&rule.resolved), read(&rule.lines))).unwrap_or_default()
    }
}
