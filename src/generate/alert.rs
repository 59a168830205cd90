//! The alerts of a config, before they are written for Prometheus.

use std::time::Duration;

use super::catalogue::{CatalogueEntry, Subsystem};
use super::promql::query_of;
use crate::config::{AlertConfig, Comparison, Urgency};

/// One alert.
#[derive(Clone, Debug)]
pub(super) struct Alert {
    pub(super) name: String,
    /// The query and the comparison.
    pub(super) expression: String,
    /// How long the comparison must hold.
    pub(super) hold: Duration,
    pub(super) severity: Urgency,
    /// A template of Prometheus, as `action` is.
    pub(super) summary: String,
    pub(super) description: Option<String>,
    pub(super) action: Option<String>,
}

/// The alerts of the metrics of a subsystem, and those about several metrics.
pub(super) fn alerts_of(subsystem: &Subsystem<'_>) -> Vec<Alert> {
    let of_metrics = subsystem.metrics.iter().filter_map(|entry| Some(of_metric(entry, entry.alert?)));
    of_metrics.chain(subsystem.alerts.iter().map(|config| of_several(config))).collect()
}

/// The alert of a metric.
pub(super) fn of_metric(entry: &CatalogueEntry<'_>, config: &AlertConfig) -> Alert {
    let query = config.query.as_ref().map_or_else(|| query_of(entry), |query| query.get_ref().trim().to_owned());
    let name = config.name.clone().unwrap_or_else(|| default_name(&entry.name, config.when));
    let about = entry.help.trim_end_matches('.');
    alert(config, name, &query, about, Some(entry.meaning()))
}

fn of_several(config: &AlertConfig) -> Alert {
    let query = config.query.as_ref().map_or("", |query| query.get_ref().trim());
    let name = config.name.clone().unwrap_or_default();
    alert(config, name.clone(), query, &name, None)
}

fn alert(config: &AlertConfig, name: String, query: &str, about: &str, description: Option<String>) -> Alert {
    let when = config.when;
    Alert {
        name,
        expression: format!("{} {when}", in_brackets(query)),
        hold: config.hold.unwrap_or_default(),
        severity: config.severity,
        summary: config
            .summary
            .clone()
            .unwrap_or_else(|| format!("{}: {{{{ $value | humanize }}}} {when}", literal(about))),
        description: description.map(|text| literal(&text)),
        action: config.action.clone(),
    }
}

/// The query, in brackets if a comparison after it would take only a part of it.
fn in_brackets(query: &str) -> String {
    let binds_less = [" and ", " or ", " unless ", "<", ">", "==", "!=", "\n", "#"];
    if binds_less.iter().any(|operator| query.contains(operator)) { format!("({query}\n)") } else { query.to_owned() }
}

/// `files_failed_total` that must not be high is `FilesFailedHigh`.
fn default_name(metric: &str, when: Comparison) -> String {
    let words = metric.strip_suffix("_total").unwrap_or(metric).split(|c: char| !c.is_ascii_alphanumeric());
    let mut name = String::new();
    for word in words {
        let mut characters = word.chars();
        name.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(characters.as_str());
    }
    let end = match when.operator {
        ">" | ">=" => "High",
        "<" | "<=" => "Low",
        _ => "Wrong",
    };
    name + end
}

/// Text that is no template, as a template.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// A duration as Prometheus writes it.
pub(super) fn duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut out = String::new();
    for (unit, factor) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if rest >= factor {
            out.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_durations() {
        let when = |operator| Comparison { operator, threshold: 1.0 };
        assert_eq!(default_name("files_failed_total", when(">")), "FilesFailedHigh");
        assert_eq!(default_name("a:b__c", when("<=")), "ABCLow");
        assert_eq!(duration(Duration::from_millis(5_400_001)), "1h30m1ms");
        assert_eq!(duration(Duration::ZERO), "0s");
    }

    #[test]
    fn a_comparison_takes_the_whole_query() {
        assert_eq!(in_brackets("a / b"), "a / b");
        assert_eq!(in_brackets("a or b"), "(a or b\n)");
    }
}
