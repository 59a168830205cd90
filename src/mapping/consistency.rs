//! What rules say of the metrics that they name: whether a name can be one, and whether two rules agree on it.
//!
//! Only a name without `$` is known before the first line; of one with it, what stands around the `$` is.

use std::collections::BTreeMap;
use std::ops::Range;

use super::names;
use crate::config::{Diagnostic, MetricRule, Spanned};
use crate::metric::MetricType;
use crate::telemetry;

/// The literal names so far, with what the rules say of each.
#[derive(Default)]
pub(super) struct Consistency<'c> {
    names: BTreeMap<&'c str, Declaration<'c>>,
}

/// What is said of a name: by the first rule that says it, for each thing.
struct Declaration<'c> {
    /// Where it is named, and where it is named together with its type.
    first: &'c Spanned<String>,
    typed: Option<&'c Spanned<String>>,
    metric_type: Option<&'c Spanned<MetricType>>,
    help: Option<&'c Spanned<String>>,
    buckets: Option<&'c Spanned<Vec<f64>>>,
    quantiles: Option<&'c Spanned<Vec<f64>>>,
    /// Whether it is there from the beginning.
    is_initial: bool,
}

impl<'c> Consistency<'c> {
    /// Takes in that `rule` names its metric `name`, which is literal.
    pub(super) fn add(&mut self, rule: &'c MetricRule, name: &'c Spanned<String>, found: &mut Vec<Diagnostic>) {
        if let Err(error) = judge(name, name.get_ref()) {
            return found.push(error);
        }
        conventions(rule, name, found);
        let new = Declaration {
            first: name,
            typed: None,
            metric_type: None,
            help: None,
            buckets: None,
            quantiles: None,
            is_initial: false,
        };
        let said = self.names.entry(name.get_ref()).or_insert(new);
        said.agrees(rule, name.get_ref(), found);
        said.typed = said.typed.or(rule.metric_type.as_ref().map(|_| name));
        said.is_initial |= !rule.init.is_empty();
    }

    /// The names that one metric has and another exposes beside its own: a histogram owns its name with `_bucket`,
    /// `_sum` and `_count`, a summary with the latter two.
    ///
    /// Whichever comes first shuts out the other. That may never come; but what is there from the beginning does.
    pub(super) fn collisions(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (owner, said) in &self.names {
            let (Some(metric_type), Some(typed)) =
                (said.metric_type.map(|metric_type| *metric_type.get_ref()), said.typed)
            else {
                continue;
            };
            for taken in metric_type.suffixes().iter().map(|suffix| format!("{owner}{suffix}")) {
                let Some(other) = self.names.get(taken.as_str()) else { continue };
                let later = if typed.span().start > other.first.span().start { typed } else { other.first };
                let message = format!(
                    "name {:?}: the {} {owner} exposes {taken} itself; rename one of the two",
                    later.get_ref(),
                    metric_type.as_str()
                );
                let is_wrong = said.is_initial || other.is_initial;
                let diagnostic = if is_wrong { Diagnostic::error } else { Diagnostic::warning };
                found.push(diagnostic(later.span(), message));
            }
        }
        found
    }
}

impl<'c> Declaration<'c> {
    /// Two rules may feed one metric, as long as they do not say different things of it.
    fn agrees(&mut self, rule: &'c MetricRule, name: &str, found: &mut Vec<Diagnostic>) {
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
                    "{name} has {what} in an earlier rule, and the first series made decides; say the same in both"
                );
                Diagnostic::warning(span, message)
            }));
        };
        warn(differs(&mut self.help, rule.help.as_ref()).map(|(two, _)| two.span()), "another help");
        warn(differs(&mut self.buckets, rule.buckets.as_ref()).map(|(two, _)| two.span()), "other buckets");
        warn(differs(&mut self.quantiles, rule.quantiles.as_ref()).map(|(two, _)| two.span()), "other quantiles");
    }
}

/// What a rule says where an earlier one says something else: the two of them. The first to say it is kept.
fn differs<'c, T: PartialEq>(
    first: &mut Option<&'c Spanned<T>>,
    said: Option<&'c Spanned<T>>,
) -> Option<(&'c Spanned<T>, &'c Spanned<T>)> {
    let said = said?;
    let first = *first.get_or_insert(said);
    (first.get_ref() != said.get_ref()).then_some((said, first))
}

/// Whether `name` can be one; `specimen` is it with something legal in place of each `$1`.
pub(super) fn judge(name: &Spanned<String>, specimen: &str) -> Result<(), Diagnostic> {
    let text = name.get_ref();
    let message = if !names::is_metric_name(specimen) {
        format!("name {text:?} is not a metric name; write letters, digits and _, not beginning with a digit")
    // With `$` in it, it is none of those that are reserved, but can begin as they do.
    } else if telemetry::is_reserved(text) {
        format!("name {text:?} belongs to the sidecar's own metrics; choose another")
    } else {
        return Ok(());
    };
    Err(Diagnostic::error(name.span(), message))
}

/// Where a name departs from what Prometheus and OpenMetrics call good.
fn conventions(rule: &MetricRule, name: &Spanned<String>, found: &mut Vec<Diagnostic>) {
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
