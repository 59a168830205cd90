//! Makes names and label keys legal for Prometheus. No other file does.
//!
//! Source: <https://prometheus.io/docs/concepts/data_model/>, in the character set of text format 0.0.4.

use super::metric::Ending;
use crate::config::Naming;
use crate::config::reader::is_reserved_label;

/// Whether `name` is a valid name of a metric.
pub(super) fn is_metric_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
    name.bytes().all(legal) && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// Makes the name of a metric, or the key of a label, legal. Each character that is not allowed becomes `_`, and a name
/// with a digit first gets a `_` before it. With [`Naming::Verbatim`], a run of dashes becomes a single `_`.
pub(super) fn escape(text: &str, naming: Naming) -> String {
    join([NamePart::Captured(text)].into_iter(), naming)
}

/// A part of a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum NamePart<'t> {
    /// Text of a rule, which is legal and stays unchanged.
    Literal(&'t str),
    /// Text of a line.
    Captured(&'t str),
}

/// Joins parts to a name, and makes it legal as [`escape`] does. Adjacent captured parts are escaped as one text.
pub(super) fn join<'t>(parts: impl Iterator<Item = NamePart<'t>>, naming: Naming) -> String {
    let mut name = String::new();
    let mut dash = false;
    for part in parts {
        let text = match part {
            NamePart::Literal(text) => {
                name.push_str(text);
                dash = false;
                continue;
            }
            NamePart::Captured(text) => text,
        };
        for c in text.chars() {
            let dashes = dash && c == '-' && naming == Naming::Verbatim;
            dash = c == '-';
            if !dashes {
                name.push(if c.is_ascii_alphanumeric() { c } else { '_' });
            }
        }
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// The label key for the key of a tag, and whether that is reserved. A reserved key becomes `exported_...`, as Prometheus
/// renames labels of a target that it sets itself.
pub(super) fn label_key(key: &str, naming: Naming) -> (String, bool) {
    let key = escape(key, naming);
    if is_reserved_label(&key) { (format!("exported_{key}"), true) } else { (key, false) }
}

/// Adds `_total` to `name`, unless the name ends with it.
pub(super) fn with_total(name: String) -> (String, Ending) {
    if name.ends_with("_total") { (name, Ending::Kept) } else { (name + "_total", Ending::Total) }
}

/// Adds `_seconds` to `name`, unless the name ends with it. A suffix that says milliseconds gives way to it.
pub(super) fn with_seconds(name: String) -> (String, Ending) {
    if name.ends_with("_seconds") {
        return (name, Ending::Kept);
    }
    for (milliseconds, ending) in [
        ("_ms", Ending::SecondsForMs),
        ("_millis", Ending::SecondsForMillis),
        ("_milliseconds", Ending::SecondsForMilliseconds),
    ] {
        if let Some(stem) = name.strip_suffix(milliseconds).filter(|stem| !stem.is_empty()) {
            return (format!("{stem}_seconds"), ending);
        }
    }
    (name + "_seconds", Ending::Seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        for (text, prometheus, verbatim) in [
            ("jobs.done", "jobs_done", "jobs_done"),
            ("a--x---y", "a__x___y", "a_x_y"),
            ("a-_-b", "a___b", "a___b"),
            ("0a", "_0a", "_0a"),
            ("a/x y", "a_x_y", "a_x_y"),
            ("with😱e", "with_e", "with_e"),
            ("A.UP", "A_UP", "A_UP"),
            ("", "", ""),
            ("é", "_", "_"),
        ] {
            assert_eq!(escape(text, Naming::Prometheus), prometheus);
            assert_eq!(escape(text, Naming::Verbatim), verbatim);
        }
    }

    #[test]
    fn text_of_a_rule_stays_unchanged() {
        use NamePart::{Captured, Literal};
        for (parts, prometheus, verbatim) in [
            (&[Literal("job:"), Captured("a:b"), Literal(":rate")][..], "job:a_b:rate", "job:a_b:rate"),
            (&[Captured("a-"), Captured("-b")], "a__b", "a_b"),
            (&[Captured("a-"), Captured(""), Captured("-b")], "a__b", "a_b"),
            (&[Captured("a-"), Literal("_"), Captured("-b")], "a___b", "a___b"),
            (&[Captured("9"), Literal("x")], "_9x", "_9x"),
            (&[Captured(""), Literal("9")], "_9", "_9"),
            (&[Literal("x"), Captured("9")], "x9", "x9"),
            (&[Captured(""), Captured("")], "", ""),
        ] {
            assert_eq!(join(parts.iter().copied(), Naming::Prometheus), prometheus, "{parts:?}");
            assert_eq!(join(parts.iter().copied(), Naming::Verbatim), verbatim, "{parts:?}");
        }
    }

    #[test]
    fn names_get_the_end_that_the_convention_asks_for() {
        for (name, expected, ending) in [
            ("length", "length_seconds", Ending::Seconds),
            ("length_seconds", "length_seconds", Ending::Kept),
            ("length_ms", "length_seconds", Ending::SecondsForMs),
            ("length_millis", "length_seconds", Ending::SecondsForMillis),
            ("length_milliseconds", "length_seconds", Ending::SecondsForMilliseconds),
            ("items", "items_seconds", Ending::Seconds),
            ("ms", "ms_seconds", Ending::Seconds),
            ("_ms", "_ms_seconds", Ending::Seconds),
        ] {
            assert_eq!(with_seconds(name.to_owned()), (expected.to_owned(), ending));
        }
        assert_eq!(with_total("up".to_owned()), ("up_total".to_owned(), Ending::Total));
        assert_eq!(with_total("up_total".to_owned()), ("up_total".to_owned(), Ending::Kept));
    }

    #[test]
    fn reserved_labels_are_renamed() {
        for (key, expected) in
            [("le", "exported_le"), ("quantile", "exported_quantile"), ("__x", "exported___x"), ("--x", "exported___x")]
        {
            assert_eq!(label_key(key, Naming::Prometheus), (expected.to_owned(), true));
        }
        assert_eq!(label_key("table", Naming::Prometheus), ("table".to_owned(), false));
    }
}
