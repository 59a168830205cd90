//! Whether the name and the unit of a rule keep to the conventions of Prometheus and OpenMetrics.
//!
//! Only what is certain is reported: of a name with `$`, the literal text at its end. With `naming = "verbatim"` or `"utf8"`
//! the file asks for names as they are, so only what makes a name wrong is reported there. A `scale` says that the author has
//! chosen the unit.
//!
//! Source: <https://prometheus.io/docs/practices/naming/>.

use super::agreed::settled_type;
use super::template::CaptureTemplate;
use crate::config::{Defaults, Diagnostic, MetricRule, Naming, Spanned};
use crate::metric::MetricType;

/// Words for a unit that is not a base unit, the base unit, and how much of it one of them is. Where two meanings are
/// usual, there is no number.
const UNITS: [(&[&str], &str, &str); 15] = [
    (&["ns", "nanos", "nsec", "nsecs", "nanosecond", "nanoseconds"], "seconds", "0.000000001"),
    (&["us", "micros", "usec", "usecs", "microsecond", "microseconds"], "seconds", "0.000001"),
    (&["ms", "millis", "msec", "msecs", "millisecond", "milliseconds"], "seconds", "0.001"),
    (&["minutes"], "seconds", "60"),
    (&["hours"], "seconds", "3600"),
    (&["days"], "seconds", "86400"),
    (&["weeks"], "seconds", "604800"),
    (&["bits"], "bytes", "0.125"),
    (&["kb", "kilobytes"], "bytes", ""),
    (&["kib", "kibibytes"], "bytes", "1024"),
    (&["mb", "megabytes"], "bytes", ""),
    (&["mib", "mebibytes"], "bytes", "1048576"),
    (&["gb", "gigabytes"], "bytes", ""),
    (&["gib", "gibibytes"], "bytes", "1073741824"),
    (&["tb", "terabytes"], "bytes", ""),
];

/// Words that mean something else too, a country for instance. They count as units of what observes values.
const AMBIGUOUS: [&str; 4] = ["us", "ns", "gb", "tb"];

/// Endings that a histogram or summary gives to its own series.
const SERIES_ENDINGS: [&str; 3] = ["_bucket", "_count", "_sum"];

/// A unit that is not a base unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct OtherUnit {
    pub base: &'static str,
    /// The factor to the base unit, or empty.
    factor: &'static str,
}

impl OtherUnit {
    /// The unit that `word` names, unless it is a base unit or no unit at all.
    pub(super) fn find(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let found = UNITS.iter().find(|(words, ..)| words.contains(&word.as_str()))?;
        Some(Self { base: found.1, factor: found.2 })
    }

    /// How to change a rule whose values have this unit.
    fn remedy(self) -> String {
        match self.factor {
            "" => "a scale in the rule converts the values".to_owned(),
            factor => format!("scale = {factor} converts the values"),
        }
    }
}

/// Warns of a name, and of a unit, that breaks a convention.
pub(super) fn check(
    rule: &MetricRule,
    name: &Spanned<String>,
    template: &CaptureTemplate,
    defaults: &Defaults,
    found: &mut Vec<Diagnostic>,
) {
    let settled = settled_type(rule, defaults.timer);
    let is_free = defaults.naming == Naming::Prometheus;
    let end = template.literal_end();
    let stem = end.strip_suffix("_total").unwrap_or(end);
    let text = name.get_ref();
    let mut warn = |span: &Spanned<String>, message: String| found.push(Diagnostic::warning(span.span(), message));
    if is_free && let Some(message) = wrong_ending(text, end, settled, template.is_literal()) {
        warn(name, message);
    }
    if is_free && template.has_literal(':') {
        warn(name, format!("name {text:?}: by convention only recording rules of Prometheus make names with a colon"));
    }
    if let Some(unit) = &rule.unit {
        if let Some(message) = wrong_unit(rule, unit.get_ref(), settled) {
            warn(unit, message);
        } else if template.is_literal() && !stem.ends_with(&format!("_{}", unit.get_ref())) {
            warn(name, format!("name {text:?}: by convention it ends in its unit, _{}", unit.get_ref()));
        }
    } else if let Some(message) = wrong_unit_in_name(rule, text, stem, settled, is_free) {
        warn(name, message);
    }
}

/// What is wrong with the ending of a name. If its end is not literal, the line decides it.
fn wrong_ending(text: &str, end: &str, settled: Option<MetricType>, is_literal: bool) -> Option<String> {
    let is_total = end.ends_with("_total");
    let is_known = is_literal || !end.is_empty();
    if settled == Some(MetricType::Counter) && !is_total && is_known {
        return Some(format!("name {text:?}: the name of a counter ends in _total by convention"));
    }
    if settled.is_some_and(|settled| settled != MetricType::Counter) && is_total {
        return Some(format!("name {text:?}: by convention only the name of a counter ends in _total"));
    }
    // A literal name is compared with those of all rules first.
    if is_literal { None } else { series_ending(text, end, settled) }
}

/// What is wrong with a name that ends like a series of a histogram or summary.
pub(super) fn series_ending(text: &str, end: &str, settled: Option<MetricType>) -> Option<String> {
    let ending = SERIES_ENDINGS.iter().find(|ending| end.ends_with(**ending))?;
    let why = match settled {
        Some(MetricType::Histogram | MetricType::Summary) => "which the metric adds to its name itself; leave it out",
        _ => "which by convention is of the series of a histogram or summary; choose another name",
    };
    Some(format!("name {text:?} ends in {ending}, {why}"))
}

/// Whether all lines that feed the rule have values in seconds, because they are `ms` lines.
fn is_in_seconds(rule: &MetricRule) -> bool {
    !rule.match_type.is_empty() && rule.match_type.iter().all(|word| word.get_ref() == "ms")
}

fn wrong_unit(rule: &MetricRule, unit: &str, settled: Option<MetricType>) -> Option<String> {
    let other = OtherUnit::find(unit).filter(|_| rule.scale.is_none())?;
    let feeds_time = settled != Some(MetricType::Counter) && other.base == "seconds";
    Some(if feeds_time && is_in_seconds(rule) {
        format!("\"unit\" is {unit:?}, but ms lines become seconds; write \"seconds\"")
    } else {
        format!("\"unit\" is {unit:?}: by convention it is {:?}, and {}", other.base, other.remedy())
    })
}

/// What is wrong with the unit in which a name ends. A name that says milliseconds of values in seconds is wrong, and
/// not only unconventional.
fn wrong_unit_in_name(
    rule: &MetricRule,
    text: &str,
    stem: &str,
    settled: Option<MetricType>,
    is_free: bool,
) -> Option<String> {
    let (_, word) = stem.rsplit_once('_')?;
    let other = OtherUnit::find(word).filter(|_| rule.scale.is_none())?;
    let observes = matches!(settled, Some(MetricType::Histogram | MetricType::Summary));
    if AMBIGUOUS.contains(&word.to_ascii_lowercase().as_str()) && !observes {
        return None;
    }
    if settled != Some(MetricType::Counter) && other.base == "seconds" && is_in_seconds(rule) {
        return Some(format!("name {text:?} ends in _{word}, but ms lines become seconds; end it in _seconds"));
    }
    is_free.then(|| {
        let base = other.base;
        format!("name {text:?} ends in _{word}: by convention it ends in _{base}, and {}", other.remedy())
    })
}
