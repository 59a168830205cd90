//! One reader for each kind of value that both languages have.

use strum::VariantArray;
use toml::Spanned;

use super::setting::{Node, Setting};
use crate::config::diagnostic::quoted;

/// The value of `read`, with its place.
pub(crate) fn spanned<'a, N: Node + 'a, T>(
    read: impl Fn(&Setting<'a, N>) -> Option<T>,
) -> impl Fn(&Setting<'a, N>) -> Option<Spanned<T>> {
    move |setting| Some(Spanned::new(setting.value.span(), read(setting)?))
}

/// Text, which may be empty.
pub(crate) fn text<N: Node>(setting: &Setting<'_, N>) -> Option<String> {
    setting.value.text().map(str::to_owned).or_else(|| setting.must_be("text"))
}

/// Text that is not blank.
pub(crate) fn text_not_empty<N: Node>(setting: &Setting<'_, N>) -> Option<String> {
    match setting.value.text() {
        Some(blank) if blank.trim().is_empty() => {
            setting.fail(format!("{} is empty; write some text or leave the key out", setting.name))
        }
        _ => text(setting),
    }
}

/// `true` or `false`.
pub(crate) fn boolean<N: Node>(setting: &Setting<'_, N>) -> Option<bool> {
    setting.value.boolean().or_else(|| setting.must_be("true or false"))
}

/// One of a few words; an empty word is accepted and not shown.
pub(crate) fn choice<N: Node, T: Clone>(choices: &[(&str, T)]) -> impl Fn(&Setting<'_, N>) -> Option<T> {
    move |setting| {
        let found = setting.value.text().and_then(|text| choices.iter().find(|(word, _)| *word == text));
        match found {
            Some((_, value)) => Some(value.clone()),
            None => setting.must_be(&one_of(choices.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()))),
        }
    }
}

/// One of the variants of `T`, by its word.
pub(crate) fn word<N: Node, T: VariantArray + Copy + Into<&'static str>>(setting: &Setting<'_, N>) -> Option<T> {
    let choices: Vec<(&str, T)> = T::VARIANTS.iter().map(|variant| ((*variant).into(), *variant)).collect();
    choice(&choices)(setting)
}

/// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
fn one_of<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut words: Vec<_> = words.map(|word| format!("{word:?}")).collect();
    match (words.pop(), words.join(", ")) {
        (Some(last), rest) if !rest.is_empty() => format!("{rest} or {last}"),
        (last, _) => last.unwrap_or_default(),
    }
}

/// A number that `is_right`, as `right` describes it.
pub(crate) fn number<N: Node>(setting: &Setting<'_, N>, right: &str, is_right: impl Fn(f64) -> bool) -> Option<f64> {
    setting.value.number().filter(|value| is_right(*value)).or_else(|| setting.must_be(right))
}

/// A factor: finite and not 0.
pub(crate) fn factor<N: Node>(setting: &Setting<'_, N>) -> Option<f64> {
    number(setting, "a finite number other than 0", |value| value.is_finite() && value != 0.0)
}

/// The numbers of the list `name`, each of which `is_right` and larger than the one before it.
pub(crate) fn rising<N: Node>(
    name: &str,
    elements: &[Setting<'_, N>],
    right: &str,
    is_right: impl Fn(f64) -> bool,
) -> Option<Vec<f64>> {
    let mut numbers: Vec<f64> = Vec::with_capacity(elements.len());
    let mut largest: Option<&Setting<'_, N>> = None;
    for element in elements {
        let Some(value) = number(element, right, &is_right) else { continue };
        match (largest, numbers.last()) {
            (Some(largest), Some(last)) if value <= *last => {
                let (low, high) = (element.value.shown(), largest.value.shown());
                element.fail::<()>(format!("{name} must rise, and {low} comes after {high}"));
            }
            _ => {
                numbers.push(value);
                largest = Some(element);
            }
        }
    }
    (numbers.len() == elements.len()).then_some(numbers)
}

/// A table of values that `read` takes; `right` describes it, and `bad` says why a key of a `kind` is wrong.
pub(crate) fn pairs<'a, N: Node, T>(
    setting: &Setting<'a, N>,
    right: &str,
    kind: &str,
    bad: impl Fn(&str) -> Option<String>,
    read: impl Fn(&Setting<'a, N>) -> Option<T>,
) -> Option<Vec<(Spanned<String>, T)>> {
    let Some(entries) = setting.value.table() else {
        return setting.must_be(right);
    };
    let mut pairs = Vec::new();
    for (key, value) in entries {
        let wrong = bad(key.get_ref());
        let is_right = wrong.is_none();
        wrong.into_iter().for_each(|message| setting.problems.error(key.span(), message));
        let value = read(&Setting::new(format!("{kind} {}", quoted(key.get_ref())), value, setting.problems));
        if let (Some(value), true) = (value, is_right) {
            pairs.push((Spanned::new(key.span(), (*key.get_ref()).to_owned()), value));
        }
    }
    Some(pairs)
}

/// The name of a label.
pub(crate) fn label_name<N: Node>(setting: &Setting<'_, N>) -> Option<String> {
    match setting.value.text().and_then(bad_label_name) {
        Some(message) => setting.fail(message),
        None => text(setting),
    }
}

/// Why `name` cannot be the name of a label, if it cannot. Whether `le` and `quantile` can be depends on the type of the
/// metric, so `mapping` checks these.
///
/// Source: <https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels>.
pub(crate) fn bad_label_name(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let quoted = quoted(name);
    if name.is_empty() || !name.chars().all(legal) || name.starts_with(|c: char| c.is_ascii_digit()) {
        Some(format!("{quoted} is not a label name; use letters, digits and _, and no digit first"))
    } else if name.starts_with("__") {
        Some(reserved(name))
    } else {
        None
    }
}

/// The same for a label of every series, whatever the type of its metric.
pub(crate) fn bad_constant_label(name: &str) -> Option<String> {
    bad_label_name(name).or_else(|| is_reserved_label(name).then(|| reserved(name)))
}

fn reserved(name: &str) -> String {
    format!("the label {} is reserved for Prometheus itself; choose another name", quoted(name))
}

/// Whether Prometheus, or an exposition format, reserves the label `name`.
pub(crate) fn is_reserved_label(name: &str) -> bool {
    name == "le" || name == "quantile" || name.starts_with("__")
}
