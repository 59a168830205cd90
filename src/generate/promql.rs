//! Queries in PromQL: the usual one for each type of metric, and queries that a dashboard narrows down to some targets.

use super::catalogue::CatalogueEntry;
use crate::expose::names::{is_legal, quotable};
use crate::metric::MetricType;

/// How a metric is asked for: as the config says, or by its type.
pub(super) fn query_of(entry: &CatalogueEntry<'_>) -> String {
    let name = &entry.name;
    match (entry.query, entry.metric_type) {
        (Some(query), _) => query.trim().to_owned(),
        (None, MetricType::Counter) => format!("rate({}[5m])", selector(name, "")),
        (None, MetricType::Histogram) => quantile_of(entry, 0.95),
        (None, MetricType::Gauge | MetricType::Set | MetricType::Summary) => selector(name, ""),
    }
}

/// The series of a metric: its name with a suffix, or in braces and quotes if it is not made of letters, digits, `_` and
/// `:`.
pub(super) fn selector(name: &str, suffix: &str) -> String {
    if is_legal(name) { format!("{name}{suffix}") } else { format!("{{\"{}{suffix}\"}}", quotable(name)) }
}

/// A quantile of a histogram over five minutes: of its buckets, or of the native histogram if it has none.
pub(super) fn quantile_of(entry: &CatalogueEntry<'_>, quantile: f64) -> String {
    let suffix = if entry.buckets.is_empty() { "" } else { "_bucket" };
    format!("histogram_quantile({quantile}, rate({}[5m]))", selector(&entry.name, suffix))
}

/// The query with `matchers` at each metric that `is_known`.
///
/// Only metrics of this sidecar are narrowed down, because those of other targets have other jobs. The names of functions
/// and labels are no metrics: a `(` follows a function, and labels are in braces or behind `by`, `on` and their like.
pub(super) fn with_matchers(query: &str, matchers: &str, is_known: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(query.len() * 2);
    let mut rest = query;
    let mut are_labels = false;
    while let Some(first) = rest.chars().next() {
        let (text, after) = rest.split_at(token(rest, first));
        out.push_str(text);
        rest = after;
        match text {
            "by" | "without" | "on" | "ignoring" | "group_left" | "group_right" => {
                are_labels = rest.trim_start().starts_with('(');
            }
            "{" => {
                are_labels = true;
                // A quoted name is the first in its braces.
                let quoted = rest.get(..rest.chars().next().map_or(0, |first| token(rest, first))).unwrap_or_default();
                let name = quoted.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
                if name.is_some_and(|name| is_known(&name.replace("\\\"", "\"").replace("\\\\", "\\"))) {
                    out.push_str(&format!("{quoted},{matchers}"));
                    rest = rest.get(quoted.len()..).unwrap_or_default();
                }
            }
            ")" | "}" => are_labels = false,
            _ if are_labels || !is_known(text) => {}
            _ => match rest.strip_prefix('{') {
                Some(inside) => {
                    let comma = if inside.trim_start().starts_with('}') { "" } else { "," };
                    out.push_str(&format!("{{{matchers}{comma}"));
                    rest = inside;
                    are_labels = true;
                }
                None => out.push_str(&format!("{{{matchers}}}")),
            },
        }
    }
    out
}

/// The length of the token that `text` starts with: a name, a quoted text, the inside of braces, or one character.
fn token(text: &str, first: char) -> usize {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '.';
    match first {
        '"' | '\'' | '`' => {
            let mut is_escaped = false;
            let is_end = |c: char| {
                let ends = c == first && !is_escaped;
                is_escaped = c == '\\' && !is_escaped && first != '`';
                ends
            };
            text.get(1..).and_then(|inside| inside.find(is_end)).map_or(text.len(), |end| end + 2)
        }
        _ if is_name(first) => text.find(|c| !is_name(c)).unwrap_or(text.len()),
        _ => first.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_go_to_known_metrics_alone() {
        let is_known = |name: &str| ["a_total", "b", "b_bucket", "table", "a.b"].contains(&name);
        for (query, expected) in [
            ("b", "b{J}"),
            ("rate(a_total[5m])", "rate(a_total{J}[5m])"),
            (
                "sum by (table, b) (b{table=\"b\"}) / on (table) up",
                "sum by (table, b) (b{J,table=\"b\"}) / on (table) up",
            ),
            ("b{} + 'b' + \"\\\"b\" + c", "b{J} + 'b' + \"\\\"b\" + c"),
            (
                "histogram_quantile(0.5, sum(rate(b_bucket[5m])) by (le))",
                "histogram_quantile(0.5, sum(rate(b_bucket{J}[5m])) by (le))",
            ),
            ("b offset 5m > 1e3", "b{J} offset 5m > 1e3"),
            ("sum(b) by(table)", "sum(b{J}) by(table)"),
            ("rate({\"a.b\"}[5m]) / {\"a.b\",c=\"b\"}", "rate({\"a.b\",J}[5m]) / {\"a.b\",J,c=\"b\"}"),
            ("{\"a.c\"} + {c=\"b\"}", "{\"a.c\"} + {c=\"b\"}"),
        ] {
            assert_eq!(with_matchers(query, "J", is_known), expected);
        }
    }
}
