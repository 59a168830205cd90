//! Whether the buckets of a histogram can hold values of its unit.
//!
//! `ms` lines become seconds. Buckets from 100 to 60000 are then a mistake: every value falls into the first of them. The
//! default buckets end at 10 and are meant for seconds, so values in bytes fall behind the last of them.

use super::agreed::settled_type;
use super::conventions::OtherUnit;
use crate::config::{Defaults, Diagnostic, MetricRule, Spanned, looks_like_milliseconds};
use crate::metric::MetricType;

/// Buckets up to here are too small for bytes.
const SMALL_FOR_BYTES: f64 = 256.0;

/// Buckets up to here are too small for milliseconds.
const SMALL_FOR_MILLISECONDS: f64 = 20.0;

/// Warns of the buckets of a rule that cannot hold its values.
pub(super) fn check(rule: &MetricRule, defaults: &Defaults, found: &mut Vec<Diagnostic>) {
    match &rule.buckets {
        Some(own) => found.extend(too_large(rule, own)),
        None => found.extend(too_small(rule, defaults)),
    }
}

/// Warns of buckets that look like milliseconds in a rule that `ms` lines can match. A `scale` says that the author has
/// converted the values.
fn too_large(rule: &MetricRule, buckets: &Spanned<Vec<f64>>) -> Option<Diagnostic> {
    let takes_ms = rule.match_type.is_empty() || rule.match_type.iter().any(|word| word.get_ref() == "ms");
    let unit = unit(rule);
    let is_time =
        unit.is_none_or(|unit| unit == "seconds" || OtherUnit::find(unit).is_some_and(|unit| unit.base == "seconds"));
    // Another unit of a rule that takes `ms` lines among others is of the others.
    if !takes_ms
        || rule.scale.is_some()
        || !is_time
        || !looks_like_milliseconds(buckets.get_ref(), unit == Some("seconds"))
    {
        return None;
    }
    let (first, last) = (buckets.get_ref().first()?, buckets.get_ref().last()?);
    let message = format!(
        "\"buckets\" from {first} to {last} look like milliseconds, but ms lines become seconds: write {} to {}, or add a \
         match_type without \"ms\" if no ms line feeds it",
        first / 1000.0,
        last / 1000.0
    );
    Some(Diagnostic::warning(buckets.span(), message))
}

/// Warns of a histogram in bytes or milliseconds that has the buckets of `[defaults]`, if these end too early.
fn too_small(rule: &MetricRule, defaults: &Defaults) -> Option<Diagnostic> {
    if settled_type(rule, defaults.timer) != Some(MetricType::Histogram) || rule.scale.is_some() {
        return None;
    }
    let last = *defaults.buckets.last()?;
    let takes_ms = rule.match_type.is_empty() || rule.match_type.iter().any(|word| word.get_ref() == "ms");
    let unit = unit(rule)?;
    let is_small = match unit {
        "bytes" => last <= SMALL_FOR_BYTES,
        "ms" | "millis" | "milliseconds" => last <= SMALL_FOR_MILLISECONDS && !takes_ms,
        _ => false,
    };
    let span = rule.unit.as_ref().or(rule.name.as_ref())?.span();
    is_small.then(|| {
        let message = format!(
            "the buckets of [defaults] end at {last} and cannot hold {unit}; give this rule buckets of its own"
        );
        Diagnostic::warning(span, message)
    })
}

/// The unit that the rule or the end of its name says.
fn unit(rule: &MetricRule) -> Option<&str> {
    if let Some(unit) = &rule.unit {
        return Some(unit.get_ref());
    }
    let (_, word) = rule.name.as_ref()?.get_ref().rsplit_once('_')?;
    (matches!(word, "seconds" | "bytes") || OtherUnit::find(word).is_some()).then_some(word)
}
