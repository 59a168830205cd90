//! Whether the names of metrics in rules are valid, and whether rules that feed the same metric agree on it.
//!
//! A name with `$` depends on the line, so only its literal parts are checked.

use std::collections::{BTreeMap, HashMap};

use super::agreed::can_become;
use super::names;
use crate::config::{Defaults, Diagnostic, MetricRule, Spanned};
use crate::metric::MetricType;
use crate::telemetry;

/// The names without `$` so far, each with its rules in file order. The first rule that sets an option counts.
pub(super) struct Consistency<'c> {
    rules: BTreeMap<&'c str, Vec<&'c MetricRule>>,
    /// The first rule of each name whose lines can become a histogram, and a summary.
    first_of_type: HashMap<(&'c str, MetricType), &'c MetricRule>,
    defaults: Defaults,
}

impl<'c> Consistency<'c> {
    pub(super) fn new(defaults: Defaults) -> Self {
        Self { rules: BTreeMap::new(), first_of_type: HashMap::new(), defaults }
    }

    /// Adds a rule whose `name` has no `$`, and reports where it differs from the rules before it.
    pub(super) fn add(&mut self, rule: &'c MetricRule, name: &'c Spanned<String>, found: &mut Vec<Diagnostic>) {
        if let Err(error) = check_name(name, name.get_ref()) {
            return found.push(error);
        }
        check_conventions(rule, name, found);
        let rules = self.rules.entry(name.get_ref()).or_default();
        compare(rules, rule, name.get_ref(), found);
        let mut earlier = |to| {
            let is_one = can_become(rule, to, self.defaults.timer);
            is_one.then(|| *self.first_of_type.entry((name.get_ref(), to)).or_insert(rule))
        };
        // The rule itself, if it is the first, does not differ from itself.
        if let Some(first) = earlier(MetricType::Histogram) {
            observations("buckets", (&first.buckets, &rule.buckets), &self.defaults.buckets, name, found);
        }
        if let Some(first) = earlier(MetricType::Summary) {
            observations("quantiles", (&first.quantiles, &rule.quantiles), &self.defaults.quantiles, name, found);
        }
        rules.push(rule);
    }

    /// Reports names that collide: a histogram also exposes its name with `_bucket`, `_sum` and `_count`, a summary with
    /// `_sum` and `_count`.
    ///
    /// The metric that exists first keeps the other one out. A collision is an error if one of the two exists before the
    /// first line, and a warning otherwise, because lines for both of them may never arrive.
    pub(super) fn collisions(&self) -> Vec<Diagnostic> {
        let typed = |rule: &&'c MetricRule| Some((rule.name.as_ref()?, *rule.metric_type.as_ref()?.get_ref()));
        let mut found = Vec::new();
        for (owner, rules) in &self.rules {
            let Some((typed, metric_type)) = rules.iter().find_map(typed) else { continue };
            for taken in metric_type.suffixes().iter().map(|suffix| format!("{owner}{suffix}")) {
                let others = self.rules.get(taken.as_str()).map_or(&[][..], Vec::as_slice);
                let Some(first) = others.iter().find_map(|rule| rule.name.as_ref()) else { continue };
                let later = if typed.span().start > first.span().start { typed } else { first };
                let message = format!(
                    "name {:?}: the {} {owner} exposes {taken} itself; rename one of the two",
                    later.get_ref(),
                    metric_type.as_str()
                );
                let is_initial = rules.iter().chain(others).any(|rule| !rule.init.is_empty());
                let diagnostic = if is_initial { Diagnostic::error } else { Diagnostic::warning };
                found.push(diagnostic(later.span(), message));
            }
        }
        found
    }
}

/// Reports where `rule` differs from the `earlier` rules with this name.
fn compare(earlier: &[&MetricRule], rule: &MetricRule, name: &str, found: &mut Vec<Diagnostic>) {
    if let Some((two, one)) = differs(earlier, rule, |rule| &rule.metric_type) {
        let message = format!(
            "type {:?} contradicts an earlier rule, which declares {name} a {}; one name has one type",
            two.get_ref().as_str(),
            one.get_ref().as_str()
        );
        found.push(Diagnostic::error(two.span(), message));
    }
    for (span, what) in [
        (differs(earlier, rule, |rule| &rule.help).map(|(two, _)| two.span()), "another help"),
        (differs(earlier, rule, |rule| &rule.unit).map(|(two, _)| two.span()), "another unit"),
    ] {
        found.extend(span.map(|span| {
            let message = format!(
                "{name} has {what} in an earlier rule, and the first one in the file counts; write the same in both rules"
            );
            Diagnostic::warning(span, message)
        }));
    }
}

/// The buckets or quantiles that a rule itself sets.
type OwnNumbers = Option<Spanned<Vec<f64>>>;

/// Warns of other buckets or quantiles than the earlier rule, in which `None` stands for those of `[defaults]`.
fn observations(
    what: &str,
    (first, this): (&OwnNumbers, &OwnNumbers),
    default: &[f64],
    name: &Spanned<String>,
    found: &mut Vec<Diagnostic>,
) {
    let effective = |own: &OwnNumbers| own.as_ref().map_or(default.to_vec(), |own| own.get_ref().clone());
    if effective(first) != effective(this) {
        let of_defaults = if first.is_none() { ", those of [defaults]" } else { "" };
        let message = format!(
            "{} has other {what} in an earlier rule{of_defaults}, and the first one in the file counts; write the same \
             in both rules",
            name.get_ref()
        );
        found.push(Diagnostic::warning(this.as_ref().map_or(name.span(), Spanned::span), message));
    }
}

/// The values of an option in `rule` and in the first of the `earlier` rules that sets it, if the two differ.
fn differs<'c, T: PartialEq>(
    earlier: &[&'c MetricRule],
    rule: &'c MetricRule,
    option: impl Fn(&'c MetricRule) -> &'c Option<Spanned<T>>,
) -> Option<(&'c Spanned<T>, &'c Spanned<T>)> {
    let this = option(rule).as_ref()?;
    let first = earlier.iter().find_map(|rule| option(rule).as_ref())?;
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
