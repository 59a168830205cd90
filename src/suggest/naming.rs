//! The names of metrics and labels.

use super::pattern::{Pattern, Token, VaryingPart};
use super::words;

/// The name of the label for a part that varies. `parts` are those before it, unless they vary too: the noun before a
/// measure, and the part itself.
pub(super) fn label(token: &Token, values: &[String], parts: [Option<&str>; 2], is_behind_method: bool) -> String {
    let values: Vec<&String> =
        values.iter().filter(|value| value.contains(|c: char| c.is_ascii_alphanumeric())).collect();
    let all = |is: fn(&str) -> bool| !values.is_empty() && values.iter().all(|value| is(value));
    let is_status = |value: &str| value.len() == 3 && matches!(value.as_bytes(), [b'1'..=b'5', ..]);
    if let Token::Prefix(prefix) = token {
        return legal(words::singular(&legal(prefix).to_ascii_lowercase()));
    }
    let [before, parent] = parts.map(Option::unwrap_or_default);
    let is_address =
        |value: &str| value.split(['_', '-']).count() == 4 && value.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let first_word = || parent.split(['_', '-']).next().unwrap_or_default();
    let label = match () {
        () if all(words::is_method_word) => "method",
        () if all(is_status) || all(words::is_outcome) => "status",
        () if all(is_address) => "host",
        () if words::is_key(parent) => parent,
        () if words::is_entity(before) => return legal(words::singular(&words::last_word(before))),
        () if words::is_entity(parent) => return legal(words::singular(&words::last_word(parent))),
        () if is_behind_method => "route",
        () if words::is_measure(parent) && words::is_entity(first_word()) => first_word(),
        () if ["error", "errors", "failures", "exceptions"].contains(&parent) => "reason",
        () => "name",
    };
    legal(&label.to_ascii_lowercase())
}

/// A text with `_` for each character that neither a metric nor a label may have, without `_` at its ends.
fn legal(text: &str) -> String {
    let replaced: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let trimmed = replaced.trim_matches('_');
    match trimmed.bytes().next() {
        None => "name".to_owned(),
        Some(b'0'..=b'9') => format!("_{trimmed}"),
        Some(_) => trimmed.to_owned(),
    }
}

/// The labels of a pattern: for each part that varies its label, or `None` if it makes none. Each label is there once.
pub(super) fn labels(pattern: &Pattern, is_taken: impl Fn(&str) -> bool) -> Vec<(Option<String>, &VaryingPart)> {
    let mut labels: Vec<(Option<String>, &VaryingPart)> = Vec::new();
    for variable in pattern.parts.iter().filter_map(|(_, variable)| variable.as_ref()) {
        let wish = match variable.label.as_str() {
            // Prometheus and the formats give these a meaning of their own.
            reserved @ ("job" | "instance" | "le" | "quantile") => format!("{reserved}_name"),
            other => other.to_owned(),
        };
        let is_used = |label: &str| is_taken(label) || labels.iter().any(|(used, _)| used.as_deref() == Some(label));
        let numbered = (2..).map(|number| format!("{wish}_{number}"));
        let label = std::iter::once(wish.clone()).chain(numbered).find(|label| !is_used(label));
        labels.push((label.filter(|_| !variable.is_endless), variable));
    }
    labels
}

/// The name of a metric, without an ending for its type: the parts that do not vary.
pub(super) fn stem(pattern: &Pattern) -> String {
    let is_varied = |at: usize| pattern.parts.get(at).is_some_and(|(_, variable)| variable.is_some());
    let is_key = |at: usize, part: &str| words::is_key(part) && is_varied(at + 1);
    let is_of_measure = |at: usize| match at.checked_sub(1).and_then(|at| pattern.parts.get(at)) {
        Some((Token::Literal(part), _)) => words::is_measure(part),
        _ => false,
    };
    let literals = pattern.parts.iter().enumerate().filter_map(|(at, (token, _))| match token {
        Token::Literal(part) if !part.bytes().any(|b| b.is_ascii_alphanumeric()) => None,
        Token::Literal(part) => Some((at, part.as_str())),
        // The word before a number says of what it is, unless it is the host at the beginning.
        Token::Prefix(prefix) if at > 0 && prefix.len() > 3 => Some((at, prefix.as_str())),
        _ => None,
    });
    let literals: Vec<_> = literals.collect();
    // In `method.get.status.200` the nouns only name the labels.
    let keys = literals.iter().filter(|(at, part)| is_key(*at, part)).count();
    let is_pairs = keys >= 2 && keys < literals.len();
    let named = literals.iter().filter(|(at, part)| !is_key(*at, part) || !(is_pairs || is_of_measure(*at)));
    let parts: Vec<String> = named.map(|(_, part)| legal(part)).collect();
    let joined = parts.join("_");
    if joined.is_empty() { "metric".to_owned() } else { joined }
}
