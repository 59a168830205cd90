//! `${NAME}` in a value where `environment` does not list the variable, so that the text stays as it is.

use toml::Spanned;
use toml::de::DeValue;

use crate::config::reader::Problems;

/// Warns of every text with a `${NAME}`, apart from the variables in `listed` and from keys that give it a meaning.
pub(super) fn warn(key: &str, value: &Spanned<DeValue<'_>>, listed: &[String], problems: &Problems) {
    match value.get_ref() {
        DeValue::String(text) => {
            if let Some(name) = variable(text, listed) {
                let message = format!(
                    "{key:?} contains ${{{name}}}, which stays as it is; add environment = [\"{name}\"] at the top of the file, or write \
                     the value"
                );
                problems.warning(value.span(), message);
            }
        }
        DeValue::Array(values) => values.iter().for_each(|value| warn(key, value, listed, problems)),
        DeValue::Table(table) => {
            let has_captures = |inner: &str| matches!((key, inner), ("metric", "name" | "labels")) || inner == "query";
            for (inner, value) in table.iter().filter(|(inner, _)| !has_captures(inner.get_ref())) {
                warn(inner.get_ref(), value, listed, problems);
            }
        }
        _ => {}
    }
}

/// The name of the first `${NAME}` in `text` that is not `listed`. `${1}` is a capture and no variable.
fn variable<'t>(text: &'t str, listed: &[String]) -> Option<&'t str> {
    let candidates = text.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    let is_name = |name: &&str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    candidates.into_iter().filter(is_name).find(|name| listed.iter().all(|listed| listed != name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_from_captures() {
        for (text, expected) in [
            ("${TEAM}", Some("TEAM")),
            ("udp://${1}${HOST_2}:8125", Some("HOST_2")),
            ("${LISTED}${TEAM}", Some("TEAM")),
            ("${LISTED}", None),
            ("$TEAM", None),
            ("${1}", None),
            ("${}", None),
            ("${A-b}", None),
            ("${A", None),
            ("a{b}", None),
        ] {
            assert_eq!(variable(text, &["LISTED".to_owned()]), expected, "{text}");
        }
    }
}
