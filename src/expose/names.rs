//! Names of metrics as a client takes them.
//!
//! Source: <https://prometheus.io/docs/instrumenting/escaping_schemes/>.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::format::Escaping;

/// Whether a format without quotes can have `name`: it has letters, digits, `_` and `:` alone, and no digit first.
pub(crate) fn is_legal(name: &str) -> bool {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
    name.bytes().all(is_legal) && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// The name under this scheme. A digit at the beginning is a character that is not allowed.
pub(crate) fn escape(name: &str, escaping: Escaping) -> Cow<'_, str> {
    if escaping == Escaping::Utf8 || escaping != Escaping::Dots && is_legal(name) {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 8);
    if escaping == Escaping::Values {
        out.push_str("U__");
    }
    for (at, c) in name.char_indices() {
        let is_legal = c.is_ascii_alphabetic() || c == ':' || c.is_ascii_digit() && at > 0;
        match (escaping, c) {
            (Escaping::Dots | Escaping::Values, '_') => out.push_str("__"),
            (Escaping::Dots, '.') => out.push_str("_dot_"),
            _ if is_legal => out.push(c),
            (Escaping::Values, _) => {
                let _ = write!(out, "_{:x}_", u32::from(c)); // a string takes all text
            }
            _ => out.push('_'),
        }
    }
    Cow::Owned(out)
}

/// A name in a text format: legal, or the inside of a quoted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameText<'n> {
    pub(crate) text: &'n str,
    pub(crate) is_quoted: bool,
}

impl<'n> NameText<'n> {
    /// A legal name.
    pub(crate) fn legal(text: &'n str) -> Self {
        Self { text, is_quoted: false }
    }
}

/// The text between the quotes of a quoted name.
pub(crate) fn quotable(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_by_each_scheme() {
        for (name, underscores, dots, values) in [
            ("jobs_done", "jobs_done", "jobs__done", "jobs_done"),
            ("a:b", "a:b", "a:b", "a:b"),
            ("jobs.done", "jobs_done", "jobs_dot_done", "U__jobs_2e_done"),
            ("jobs.done_total", "jobs_done_total", "jobs_dot_done__total", "U__jobs_2e_done__total"),
            (
                "metric.name/with/slashes",
                "metric_name_with_slashes",
                "metric_dot_name_with_slashes",
                "U__metric_2e_name_2f_with_2f_slashes",
            ),
            ("9a9", "_a9", "_a9", "U___39_a9"),
            ("é😱", "__", "__", "U___e9__1f631_"),
            ("a\"b\\c\nd", "a_b_c_d", "a_b_c_d", "U__a_22_b_5c_c_a_d"),
        ] {
            let escaped = Escaping::ALL.map(|escaping| escape(name, escaping).into_owned());
            assert_eq!(escaped, [name, underscores, dots, values]);
            assert!(escaped[1..].iter().all(|name| is_legal(name)), "{escaped:?}");
        }
        assert!(!is_legal("") && !is_legal("a.b") && !is_legal("9") && is_legal("_9") && is_legal(":a"));
    }

    #[test]
    fn quoted_names_have_no_loose_quote() {
        assert_eq!(quotable("a\"b\\c\nd.é"), "a\\\"b\\\\c\\nd.é");
    }
}
