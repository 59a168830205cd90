//! The panels and alerts of the config file, which `statsidecar generate` writes for Grafana and Prometheus.

use std::fmt;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};
use toml::Spanned;

use super::diagnostic::quoted;

/// The subsystem of the sidecar's own metrics, which those of a config must not have.
pub(crate) const OWN_SUBSYSTEM: &str = "statsidecar";

/// `[[panel]]`: a panel of the generated dashboard. In the key `panel` of a `[[metric]]`, everything is optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PanelConfig {
    /// `title`: its title; of the panel of a metric, `None` is the name of the metric.
    pub title: Option<String>,
    /// `subsystem`: its row; `None` is that of the metric.
    pub subsystem: Option<String>,
    /// `description`: what it shows, and what to do when it moves; `None` is that of the metric.
    pub description: Option<String>,
    /// `query`: what it shows, in PromQL; `None` is the query of the metric, or the quantiles of a histogram.
    pub query: Option<Spanned<String>>,
    /// `type`: how it shows that; `None` is by the type of the metric.
    pub panel_type: Option<PanelType>,
    /// `unit`: the unit of the result, as Grafana calls it; `None` is by the name and the unit of the metric.
    pub unit: Option<String>,
    /// `thresholds`: from which values on it is yellow and red, or only red; strictly rising.
    pub thresholds: Vec<f64>,
}

/// `[[panel]] type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum PanelType {
    /// `"timeseries"`: lines over time.
    TimeSeries,
    /// `"stat"`: the newest value as a number.
    Stat,
    /// `"gauge"`: the newest value on a dial.
    Gauge,
    /// `"heatmap"`: the buckets of a histogram over time.
    Heatmap,
    /// `"none"`: the metric has no panel.
    None,
}

/// `[[alert]]`: an alert of the generated rules. In the key `alert` of a `[[metric]]`, only `when` is required.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertConfig {
    /// `name`: the name of the alert; of the alert of a metric, `None` is made from the name of the metric.
    pub name: Option<String>,
    /// `subsystem`: the group of the rule; `None` is that of the metric.
    pub subsystem: Option<String>,
    /// `query`: what is compared, in PromQL; `None` is the query of the metric.
    pub query: Option<Spanned<String>>,
    /// `when`: which results are wrong.
    pub when: Comparison,
    /// `for`: how long they must be wrong.
    pub hold: Option<Duration>,
    /// `severity`: how bad that is.
    pub severity: Urgency,
    /// `summary`: what has happened; `None` is made from the help of the metric.
    pub summary: Option<String>,
    /// `action`: what to do about it.
    pub action: Option<String>,
}

/// `[[alert]] severity`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Urgency {
    /// `"critical"`: somebody must act now.
    Critical,
    /// `"warning"`: somebody must act soon.
    #[default]
    Warning,
    /// `"info"`: it is good to know.
    Info,
}

/// A comparison with a number: `> 5`, `<= 0.1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The operator, as PromQL writes it.
    pub operator: &'static str,
    /// The number on its right.
    pub threshold: f64,
}

impl Comparison {
    /// The operators, the longer ones first, because `>` begins `>=` too.
    const OPERATORS: [&str; 6] = [">=", "<=", "==", "!=", ">", "<"];

    /// Reads an operator and a number. The error says what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let read = |operator: &'static str| {
            let threshold: f64 = text.trim().strip_prefix(operator)?.trim().parse().ok()?;
            threshold.is_finite().then_some(Self { operator, threshold })
        };
        let wrong = || {
            let right = "write >, >=, <, <=, == or != and a number, as in \"> 5\"";
            format!("{} is not a comparison; {right}", quoted(text))
        };
        Self::OPERATORS.into_iter().find_map(read).ok_or_else(wrong)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator, self.threshold)
    }
}

/// Why `query` cannot be PromQL, if that is plain to see: a bracket or a quote that has no partner. The position is that
/// of the character in the text.
///
/// This is no parser of PromQL: `promtool check rules` on the generated rules is. It finds what is cut off or mistyped
/// where the file can still be pointed at.
pub(super) fn bad_query(query: &str) -> Option<String> {
    let mut open: Vec<char> = Vec::new();
    let mut characters = query.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' | '\'' | '`' => {
                let mut is_escaped = false;
                let is_end = |next: char| {
                    let ends = next == character && !is_escaped;
                    is_escaped = next == '\\' && !is_escaped && character != '`';
                    ends
                };
                if !characters.by_ref().any(is_end) {
                    return Some(format!("the quote {character} is not closed"));
                }
            }
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(character) => {
                return Some(format!("the bracket {character} closes none"));
            }
            _ => {}
        }
    }
    open.last().map(|close| format!("the bracket {close} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons() {
        for (text, written) in [("> 5", "> 5"), (">=0.5", ">= 0.5"), (" != -1e3 ", "!= -1000"), ("<1", "< 1")] {
            assert_eq!(Comparison::parse(text).map(|comparison| comparison.to_string()), Ok(written.to_owned()));
        }
        for wrong in ["", "5", "> ", "=> 5", "> x", "> inf", "= 5", "> 5%"] {
            assert!(Comparison::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn brackets_and_quotes_of_queries() {
        for right in ["a", "sum(rate(a{b=\"(\"}[5m]))", r#"a{b="\""}"#, "a{b=`\\`}", "a{b='\"'}"] {
            assert_eq!(bad_query(right), None, "{right}");
        }
        for (wrong, why) in [
            ("sum(a", "the bracket ) is missing"),
            ("a)", "the bracket ) closes none"),
            ("rate(a[5m)]", "the bracket ) closes none"),
            ("a{b=\"c}", "the quote \" is not closed"),
        ] {
            assert_eq!(bad_query(wrong).as_deref(), Some(why), "{wrong}");
        }
    }
}
