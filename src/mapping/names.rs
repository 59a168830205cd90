//! Makes names and label keys legal for Prometheus. No other file does; `expose::names` escapes the names that
//! `naming = "utf8"` keeps, for clients that do not take them.
//!
//! Source: <https://prometheus.io/docs/concepts/data_model/>, in the character set of text format 0.0.4.

use std::borrow::Cow;

use super::metric::Ending;
use crate::config::Naming;
use crate::config::reader::is_reserved_label;
use crate::expose::names::is_legal;
use crate::telemetry;

/// Whether `name` is a valid name of a metric.
pub(super) fn is_metric_name(name: &str, naming: Naming) -> bool {
    if naming == Naming::Utf8 { !name.is_empty() } else { is_legal(name) }
}

/// Whether `name` is reserved for the sidecar's own metrics, in any form that a client may get.
pub(super) fn is_reserved(name: &str, naming: Naming) -> bool {
    let is_escaped = naming == Naming::Utf8 && !is_legal(name);
    telemetry::is_reserved(name) || is_escaped && telemetry::is_reserved(&escape(name, Naming::Prometheus))
}

/// Makes the name of a metric, or the key of a label, legal. Each character that is not allowed becomes `_`, and a name
/// with a digit first gets a `_` before it. With [`Naming::Verbatim`], a run of dashes becomes a single `_`. With
/// [`Naming::Utf8`], nothing changes.
pub(super) fn escape(text: &str, naming: Naming) -> String {
    join_into(Vec::with_capacity(text.len() + GROWTH), [NamePart::Captured(text)].into_iter(), naming)
}

/// How much longer a name gets at most: by a `_` before it, and by the end that the convention asks for.
const GROWTH: usize = "__seconds".len();

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
    join_into(Vec::new(), parts, naming)
}

fn join_into<'t>(mut name: Vec<u8>, parts: impl Iterator<Item = NamePart<'t>>, naming: Naming) -> String {
    let mut dash = false;
    for part in parts {
        match part {
            NamePart::Captured(text) if naming == Naming::Utf8 => name.extend_from_slice(text.as_bytes()),
            NamePart::Literal(text) => {
                name.extend_from_slice(text.as_bytes());
                dash = false;
            }
            // Nearly all names. A loop over bytes without branches handles many at once.
            NamePart::Captured(text) if text.is_ascii() && naming == Naming::Prometheus => {
                name.extend(text.bytes().map(|b| if b.is_ascii_alphanumeric() { b } else { b'_' }));
            }
            NamePart::Captured(text) => {
                for c in text.chars() {
                    let dashes = dash && c == '-' && naming == Naming::Verbatim;
                    dash = c == '-';
                    if !dashes {
                        name.push(if c.is_ascii_alphanumeric() { c as u8 } else { b'_' });
                    }
                }
            }
        }
    }
    if naming != Naming::Utf8 && name.first().is_some_and(u8::is_ascii_digit) {
        name.insert(0, b'_');
    }
    String::from_utf8(name).expect("texts and ASCII characters are joined")
}

/// The label key for the key of a tag, and whether that is reserved. It is legal with [`Naming::Utf8`] too. A reserved key becomes `exported_...`, as Prometheus
/// renames labels of a target that it sets itself.
pub(super) fn label_key(key: &str, naming: Naming) -> (Cow<'_, str>, bool) {
    let is_legal =
        key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !key.starts_with(|c: char| c.is_ascii_digit());
    let naming = if naming == Naming::Utf8 { Naming::Prometheus } else { naming };
    let key = if is_legal { Cow::Borrowed(key) } else { Cow::Owned(escape(key, naming)) };
    if is_reserved_label(&key) { (format!("exported_{key}").into(), true) } else { (key, false) }
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
            assert_eq!(escape(text, Naming::Utf8), text);
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
            let unchanged = parts.iter().map(|(Literal(text) | Captured(text))| *text).collect::<String>();
            assert_eq!(join(parts.iter().copied(), Naming::Utf8), unchanged);
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
    fn reserved_names_are_reserved_in_each_form() {
        for name in ["statsidecar_x", "statsidecar.x", "statsidecar--x", "process.open.fds", "statsidecar"] {
            assert!(is_reserved(name, Naming::Utf8), "{name}");
        }
        assert!(!is_reserved("statsidecar.x", Naming::Verbatim), "it is not legal");
        assert!(!is_reserved("jobs.done", Naming::Utf8) && !is_reserved("statsidecars.x", Naming::Utf8));
        assert!(is_metric_name("a.b", Naming::Utf8) && !is_metric_name("a.b", Naming::Verbatim));
        assert!(!is_metric_name("", Naming::Utf8));
    }

    #[test]
    fn reserved_labels_are_renamed() {
        for (key, expected) in
            [("le", "exported_le"), ("quantile", "exported_quantile"), ("__x", "exported___x"), ("--x", "exported___x")]
        {
            assert_eq!(label_key(key, Naming::Prometheus), (expected.into(), true));
            assert_eq!(label_key(key, Naming::Utf8), (expected.into(), true));
        }
        for (key, expected) in [("table", "table"), ("a-b", "a_b"), ("9a", "_9a"), ("a:b", "a_b"), ("ä", "_"), ("", "")]
        {
            assert_eq!(label_key(key, Naming::Prometheus), (expected.into(), false));
        }
    }
}
