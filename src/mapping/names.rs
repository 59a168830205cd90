//! The only place where names become legal for Prometheus.
//!
//! Source: <https://prometheus.io/docs/concepts/data_model/>, in the character set of text format 0.0.4.

use std::borrow::Cow;

use crate::config::Naming;

/// Whether `name` can stand as a metric's name as it is. `_total` alone cannot: parsers take it off the name of a
/// counter, and find no name.
pub fn is_metric_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
    name.bytes().all(legal) && name.bytes().next().is_some_and(|b| !b.is_ascii_digit()) && name != "_total"
}

/// Whether Prometheus, or an exposition format, keeps the label `key` for itself.
pub fn is_reserved_label(key: &str) -> bool {
    key == "le" || key == "quantile" || key.starts_with("__")
}

/// Makes a metric's name, or a label's key, legal: each character that is not allowed becomes `_`, and a leading
/// digit gets `_` in front. Under [`Naming::Verbatim`] a run of dashes becomes a single `_`.
pub fn escape(text: &str, naming: Naming) -> String {
    join([NamePart::Found(text)].into_iter(), naming)
}

/// A piece of a name.
#[derive(Clone, Copy, Debug)]
pub enum NamePart<'t> {
    /// What a rule says. It is legal, and stays as it is.
    Said(&'t str),
    /// What a line has.
    Found(&'t str),
}

/// A name of several parts, made legal as [`escape`] does: what stands side by side is one text.
pub fn join<'t>(parts: impl Iterator<Item = NamePart<'t>>, naming: Naming) -> String {
    let mut name = String::new();
    let mut dash = false;
    for part in parts {
        let text = match part {
            NamePart::Said(text) => {
                name.push_str(text);
                dash = false;
                continue;
            }
            NamePart::Found(text) => text,
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

/// A client's label key: legal, and renamed `exported_...` where it is reserved (`true`), as Prometheus does with the
/// labels of a target that it sets itself.
pub fn label_key(key: &str, naming: Naming) -> (String, bool) {
    let key = escape(key, naming);
    if is_reserved_label(&key) { (format!("exported_{key}"), true) } else { (key, false) }
}

/// `name` with `suffix`, where it does not end in it.
pub fn with_suffix<'n>(name: &'n str, suffix: &str) -> Cow<'n, str> {
    if name.ends_with(suffix) { Cow::Borrowed(name) } else { Cow::Owned(format!("{name}{suffix}")) }
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
    fn what_a_rule_says_stays_as_it_is() {
        use NamePart::{Found, Said};
        for (parts, prometheus, verbatim) in [
            (&[Said("job:"), Found("a:b"), Said(":rate")][..], "job:a_b:rate", "job:a_b:rate"),
            (&[Found("a-"), Found("-b")], "a__b", "a_b"),
            (&[Found("a-"), Found(""), Found("-b")], "a__b", "a_b"),
            (&[Found("a-"), Said("_"), Found("-b")], "a___b", "a___b"),
            (&[Found("9"), Said("x")], "_9x", "_9x"),
            (&[Found(""), Said("9")], "_9", "_9"),
            (&[Said("x"), Found("9")], "x9", "x9"),
            (&[Found(""), Found("")], "", ""),
        ] {
            assert_eq!(join(parts.iter().copied(), Naming::Prometheus), prometheus, "{parts:?}");
            assert_eq!(join(parts.iter().copied(), Naming::Verbatim), verbatim, "{parts:?}");
        }
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
