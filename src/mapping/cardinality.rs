//! Labels that would have a value for each request or user, and so a series for each of them.
//!
//! A part of a name is no such label by itself: names with a dotted job or class in them are usual, and the number of names
//! is bounded. Only a rule that matches every name takes whatever a client sends.
//!
//! Source: <https://prometheus.io/docs/practices/naming/#labels>.

use super::pattern::NamePattern;
use super::rules::MetricTemplate;
use super::template::CaptureTemplate;
use crate::config::{Diagnostic, KeptTags, MetricRule, Spanned};

/// Names of labels and tags that have another value for each event.
const PER_EVENT: [&str; 16] = [
    "correlation_id",
    "email",
    "event_id",
    "guid",
    "idempotency_key",
    "message_id",
    "nonce",
    "request_id",
    "session_id",
    "span_id",
    "timestamp",
    "trace_id",
    "transaction_id",
    "user_email",
    "user_id",
    "uuid",
];

/// Warns of labels of a rule that would have too many values. A `ttl`, or `[limits] family_series`, bounds their number.
pub(super) fn check(
    rule: &MetricRule,
    metric: &MetricTemplate,
    pattern: &NamePattern,
    family_series: Option<usize>,
    found: &mut Vec<Diagnostic>,
) {
    if metric.ttl.is_some() || family_series.is_some() {
        return;
    }
    const REMEDY: &str = "and each value is a series that stays; leave it out, or set a ttl or [limits] family_series";
    for (key, value) in &rule.labels {
        let is_of_name = |(of, template): &(String, CaptureTemplate)| of == key.get_ref() && !template.is_literal();
        if !metric.labels.iter().any(is_of_name) {
            continue;
        }
        if is_per_event(key) {
            let message = format!("the label {:?} has another value for each event, {REMEDY}", key.get_ref());
            found.push(Diagnostic::warning(key.span(), message));
        } else if pattern.matches_all() {
            let message = format!("the label {:?} takes the whole name of any line, {REMEDY}", key.get_ref());
            found.push(Diagnostic::warning(value.span(), message));
        }
    }
    let kept = match &rule.tags {
        KeptTags::Only(only) => only.as_slice(),
        _ => &[],
    };
    let renamed = rule.rename_tags.iter().map(|(from, _)| from);
    for tag in kept.iter().chain(renamed).filter(|tag| is_per_event(tag)) {
        let message = format!("the tag {:?} has another value for each event, {REMEDY}", tag.get_ref());
        found.push(Diagnostic::warning(tag.span(), message));
    }
}

/// Whether a name is in the list, in whichever of the usual ways it is written.
fn is_per_event(name: &Spanned<String>) -> bool {
    let name = name.get_ref().to_ascii_lowercase().replace(['-', '.'], "_");
    PER_EVENT.contains(&name.as_str())
}
