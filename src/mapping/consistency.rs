//! Whether the names of metrics in rules are valid, and whether rules that feed the same metric agree on it.
//!
//! A name with `$` depends on the line, so only its literal parts are checked.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::agreed::{can_become, settled_type};
use super::{conventions, names};
use crate::config::{Defaults, Diagnostic, MetricRule, Naming, Spanned};
use crate::metric::MetricType;

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
        if let Err(error) = check_name(name, name.get_ref(), self.defaults.naming) {
            return found.push(error);
        }
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
        let mut collided = HashSet::new();
        let typed = |rule: &&'c MetricRule| Some((rule.name.as_ref()?, *rule.metric_type.as_ref()?.get_ref()));
        let mut found = Vec::new();
        for (owner, rules) in &self.rules {
            let Some((typed, metric_type)) = rules.iter().find_map(typed) else { continue };
            for taken in metric_type.suffixes().iter().map(|suffix| format!("{owner}{suffix}")) {
                let others = self.rules.get(taken.as_str()).map_or(&[][..], Vec::as_slice);
                let Some(first) = others.iter().find_map(|rule| rule.name.as_ref()) else { continue };
                collided.insert(first.get_ref().as_str());
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
        if self.defaults.naming == Naming::Prometheus {
            found.extend(self.endings(&collided));
        }
        found
    }

    /// Warns of names that end like a series of a histogram, and have not `collided` with one.
    fn endings(&self, collided: &HashSet<&str>) -> impl Iterator<Item = Diagnostic> {
        let rules = self.rules.iter().filter(|(name, _)| !collided.contains(**name)).flat_map(|(_, rules)| rules);
        rules.filter_map(|rule| {
            let name = rule.name.as_ref()?;
            let settled = settled_type(rule, self.defaults.timer);
            let message = conventions::series_ending(name.get_ref(), name.get_ref(), settled)?;
            Some(Diagnostic::warning(name.span(), message))
        })
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
pub(super) fn check_name(name: &Spanned<String>, example: &str, naming: Naming) -> Result<(), Diagnostic> {
    let text = name.get_ref();
    let message = if !names::is_metric_name(example, naming) && naming == Naming::Utf8 {
        "a metric needs a name; leave it out to keep the name of the line".to_owned()
    } else if !names::is_metric_name(example, naming) {
        format!("name {text:?} is not a metric name; use letters, digits and _, and no digit first")
    // A name with `$` cannot be a reserved name, but it can have the reserved prefix.
    } else if names::is_reserved(text, naming) {
        format!("name {text:?} belongs to the sidecar's own metrics; choose another")
    } else {
        return Ok(());
    };
    Err(Diagnostic::error(name.span(), message))
}
