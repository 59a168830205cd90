//! `environment`: the environment variables whose values replace `${NAME}` in the values of the file.
//!
//! A variable is replaced only if the file lists it. So no value of a file changes by what its surroundings happen to
//! set, and `${1}` or `${name}` in a template stays a capture.

use toml::Spanned;
use toml::de::DeValue;

use super::syntax::TomlSetting;
use crate::config::diagnostic::quoted;
use crate::config::reader::{Problems, Setting, text_not_empty};

/// Gives the value of an environment variable, if it is set.
pub type Variable<'e> = dyn Fn(&str) -> Option<String> + Sync + 'e;

/// Replaces the variables that the key `environment` of the file lists, and gives their names. Reports those that are not
/// set.
pub(super) fn expand(root: &mut Spanned<DeValue<'_>>, variable: &Variable<'_>, problems: &Problems) -> Vec<String> {
    let list = root.get_ref().as_table().and_then(|top| top.get("environment"));
    let references = list.and_then(|list| references(list, variable, problems)).unwrap_or_default();
    if !references.is_empty() {
        replace(root, &references);
    }
    references.into_iter().map(|reference| reference.name).collect()
}

/// A variable that may be replaced.
struct Reference {
    name: String,
    /// `None` if it is not set.
    value: Option<String>,
}

fn references(list: &Spanned<DeValue<'_>>, variable: &Variable<'_>, problems: &Problems) -> Option<Vec<Reference>> {
    const RIGHT: &str = "a list of environment variables, such as [\"POD_IP\"]";
    let setting = Setting::new("`environment`", list, problems);
    let elements = setting.elements("a variable of `environment`".to_owned(), RIGHT)?;
    let references = elements.filter_map(|element| {
        let name = name(&element)?;
        let value = variable(&name);
        if value.is_none() {
            let message =
                format!("the environment variable {name} is not set; set it, or write its value into the file");
            element.fail::<()>(message);
        }
        Some(Reference { name, value })
    });
    Some(references.collect())
}

fn name(element: &TomlSetting<'_>) -> Option<String> {
    let name = text_not_empty(element)?;
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(is_legal) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(name);
    }
    element.fail(format!("{} is no environment variable; use letters, digits and _, and no digit first", quoted(&name)))
}

/// Replaces each reference in all text of `value`, once: what a variable holds is not searched again.
fn replace(value: &mut Spanned<DeValue<'_>>, references: &[Reference]) {
    match value.get_mut() {
        DeValue::String(text) => {
            if text.contains("${") {
                *text = expanded(text, references).into();
            }
        }
        DeValue::Array(elements) => elements.iter_mut().for_each(|element| replace(element, references)),
        DeValue::Table(table) => table.iter_mut().for_each(|(_, value)| replace(value, references)),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// `text` with the values of its references.
fn expanded(text: &str, references: &[Reference]) -> String {
    let (mut expanded, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        let found = references.iter().find_map(|Reference { name, value }| {
            Some((value.as_ref()?, after.strip_prefix(name.as_str())?.strip_prefix('}')?))
        });
        match found {
            Some((value, after)) => {
                expanded.push_str(value);
                rest = after;
            }
            None => {
                expanded.push_str("${");
                rest = after;
            }
        }
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_variables_are_replaced_once_and_others_stay() {
        let reference = |name: &str, value: &str| Reference { name: name.to_owned(), value: Some(value.to_owned()) };
        let references = [reference("A", "1${B}"), reference("B", "")];
        for (text, right) in [
            ("${A}", "1${B}"),
            ("udp://${A}:${B}/${C}", "udp://1${B}:/${C}"),
            ("${${A}", "${1${B}"),
            ("$A ${AB} {A}", "$A ${AB} {A}"),
            ("${", "${"),
        ] {
            assert_eq!(expanded(text, &references), right, "{text}");
        }
    }
}
