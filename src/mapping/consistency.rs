//! Whether the names of metrics in rules are valid, and whether rules that feed the same metric agree on it.
//!
//! A name with `$` depends on the line, so only its literal parts are checked.

use std::collections::BTreeMap;
use std::ops::Range;

use super::names;
use crate::config::{Diagnostic, MetricRule, Spanned};
use crate::metric::MetricType;
use crate::telemetry;

/// The names without `$` so far, each with its declaration.
#[derive(Default)]
pub(super) struct Consistency<'c> {
    names: BTreeMap<&'c str, Declaration<'c>>,
}

/// What the rules declare about a name. The first rule that sets an option counts.
struct Declaration<'c> {
    /// The first rule with the name, and the first one with the name and a type.
    first: &'c Spanned<String>,
    typed: Option<&'c Spanned<String>>,
    metric_type: Option<&'c Spanned<MetricType>>,
    help: Option<&'c Spanned<String>>,
    unit: Option<&'c Spanned<String>>,
    buckets: Option<&'c Spanned<Vec<f64>>>,
    quantiles: Option<&'c Spanned<Vec<f64>>>,
    /// Whether a series of it exists before the first line.
    is_initial: bool,
}

impl<'c> Consistency<'c> {
    /// Adds a rule whose `name` has no `$`, and reports where it differs from the rules before it.
    pub(super) fn add(&mut self, rule: &'c MetricRule, name: &'c Spanned<String>, found: &mut Vec<Diagnostic>) {
        if let Err(error) = check_name(name, name.get_ref()) {
            return found.push(error);
        }
        check_conventions(rule, name, found);
        let new = Declaration {
            first: name,
            typed: None,
            metric_type: None,
            help: None,
            unit: None,
            buckets: None,
            quantiles: None,
            is_initial: false,
        };
        let declaration = self.names.entry(name.get_ref()).or_insert(new);
        declaration.merge(rule, name.get_ref(), found);
        declaration.typed = declaration.typed.or(rule.metric_type.as_ref().map(|_| name));
        declaration.is_initial |= !rule.init.is_empty();
    }

    /// Reports names that collide: a histogram also exposes its name with `_bucket`, `_sum` and `_count`, a summary with
    /// `_sum` and `_count`.
    ///
    /// The metric that exists first keeps the other one out. A collision is an error if one of the two exists before the
    /// first line, and a warning otherwise, because lines for both of them may never arrive.
    pub(super) fn collisions(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (owner, declaration) in &self.names {
            let (Some(metric_type), Some(typed)) = (declaration.metric_type, declaration.typed) else { continue };
            let metric_type = *metric_type.get_ref();
            for taken in metric_type.suffixes().iter().map(|suffix| format!("{owner}{suffix}")) {
                let Some(other) = self.names.get(taken.as_str()) else { continue };
                let later = if typed.span().start > other.first.span().start { typed } else { other.first };
                let message = format!(
                    "name {:?}: the {} {owner} exposes {taken} itself; rename one of the two",
                    later.get_ref(),
                    metric_type.as_str()
                );
                let is_wrong = declaration.is_initial || other.is_initial;
                let diagnostic = if is_wrong { Diagnostic::error } else { Diagnostic::warning };
                found.push(diagnostic(later.span(), message));
            }
        }
        found
    }
}

impl<'c> Declaration<'c> {
    /// Adds what a rule declares, and reports where it differs from the rules before it.
    fn merge(&mut self, rule: &'c MetricRule, name: &str, found: &mut Vec<Diagnostic>) {
        if let Some((two, one)) = differs(&mut self.metric_type, rule.metric_type.as_ref()) {
            let message = format!(
                "type {:?} contradicts an earlier rule, which declares {name} a {}; one name has one type",
                two.get_ref().as_str(),
                one.get_ref().as_str()
            );
            found.push(Diagnostic::error(two.span(), message));
        }
        let mut warn = |span: Option<Range<usize>>, what: &str| {
            found.extend(span.map(|span| {
                let message = format!(
                    "{name} has {what} in an earlier rule, and the first series decides; write the same in both rules"
                );
                Diagnostic::warning(span, message)
            }));
        };
        warn(differs(&mut self.help, rule.help.as_ref()).map(|(two, _)| two.span()), "another help");
        warn(differs(&mut self.unit, rule.unit.as_ref()).map(|(two, _)| two.span()), "another unit");
        warn(differs(&mut self.buckets, rule.buckets.as_ref()).map(|(two, _)| two.span()), "other buckets");
        warn(differs(&mut self.quantiles, rule.quantiles.as_ref()).map(|(two, _)| two.span()), "other quantiles");
    }
}

/// The values of an option in this rule and in the first rule that sets it, if the two differ.
fn differs<'c, T: PartialEq>(
    first: &mut Option<&'c Spanned<T>>,
    this: Option<&'c Spanned<T>>,
) -> Option<(&'c Spanned<T>, &'c Spanned<T>)> {
    let this = this?;
    let first = *first.get_or_insert(this);
    (first.get_ref() != this.get_ref()).then_some((this, first))
}

/// Checks the name of a metric; `example` is the name with a letter in place of each capture.
pub(super) fn check_name(name: &Spanned<String>, example: &str) -> Result<(), Diagnostic> {
    let text = name.get_ref();
    let message = if !names::is_metric_name(example) {
        format!("name {text:?} is not a metric name; use letters, digits and _, and no digit first")
    // A name with `$` cannot be a reserved name, but it can have the reserved prefix.
    } else if telemetry::is_reserved(text) {
        format!("name {text:?} belongs to the sidecar's own metrics; choose another")
    } else {
        return Ok(());
    };
    Err(Diagnostic::error(name.span(), message))
}

/// Warns of a name that breaks the conventions of Prometheus and OpenMetrics.
fn check_conventions(rule: &MetricRule, name: &Spanned<String>, found: &mut Vec<Diagnostic>) {
    let text = name.get_ref();
    let mut warn = |message: String| found.push(Diagnostic::warning(name.span(), message));
    let metric_type = rule.metric_type.as_ref().map(|metric_type| *metric_type.get_ref());
    if metric_type == Some(MetricType::Counter) && !text.ends_with("_total") {
        warn(format!("name {text:?}: the name of a counter ends in _total by convention"));
    }
    if metric_type.is_some_and(|metric_type| metric_type != MetricType::Counter) && text.ends_with("_total") {
        warn(format!("name {text:?}: by convention only the name of a counter ends in _total"));
    }
    if let Some(unit) = &rule.unit
        && !text.strip_suffix("_total").unwrap_or(text).ends_with(&format!("_{}", unit.get_ref()))
    {
        warn(format!("name {text:?}: by convention it ends in its unit, _{}", unit.get_ref()));
    }
}
