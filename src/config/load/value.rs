//! What a key may be set to: one reader for each kind of value.
//!
//! Readers know kinds, not keys. A name, a glob or a template is text here: `mapping` judges it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeFloat, DeInteger, DeValue};

use super::section::Item;
use crate::config::address::{Address, parse_page};
use crate::config::diagnostic::{quoted, shortened};
use crate::config::{Labels, parse_duration, parse_size};

/// `read`, with the place where its value stands.
pub(super) fn spanned<'a, T>(read: impl Fn(Item<'a>) -> Option<T>) -> impl Fn(Item<'a>) -> Option<Spanned<T>> {
    move |item| {
        let span = item.value.span();
        read(item).map(|value| Spanned::new(span, value))
    }
}

/// Text of any kind.
pub(super) fn text(item: Item<'_>) -> Option<String> {
    match item.value.get_ref() {
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => item.wrong_type("text"),
    }
}

/// Text that says something.
pub(super) fn words(item: Item<'_>) -> Option<String> {
    match item.value.get_ref() {
        DeValue::String(text) if text.trim().is_empty() => {
            item.fail(format!("{} is empty; write some text or leave the key out", item.name))
        }
        _ => text(item),
    }
}

/// `true` or `false`.
pub(super) fn boolean(item: Item<'_>) -> Option<bool> {
    match item.value.get_ref() {
        DeValue::Boolean(value) => Some(*value),
        _ => item.wrong_type("true or false"),
    }
}

/// One of a few words.
pub(super) fn choice<T: Clone>(choices: &[(&str, T)]) -> impl Fn(Item<'_>) -> Option<T> {
    move |item| {
        let right = one_of(choices.iter().map(|(word, _)| *word));
        let Some(text) = item.value.get_ref().as_str() else {
            return item.wrong_type(&right);
        };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Some(value.clone()),
            None => item.must_be(&right, &quoted(text)),
        }
    }
}

/// Some of a few words, none twice; each is called `name`.
pub(super) fn choices<T: Copy, const N: usize>(
    name: &str,
    choices: [(&'static str, T); N],
) -> impl Fn(Item<'_>) -> Option<Vec<T>> {
    move |item| {
        let example: Vec<_> = choices.iter().map(|(word, _)| *word).take(2).collect();
        let (mut seen, mut chosen, mut count) = (HashSet::new(), Vec::new(), 0);
        for element in item.elements(name, &format!("a list such as {example:?}"))? {
            count += 1;
            let (value, problems) = (element.value, element.problems);
            let Some(one) = choice(&choices)(element) else { continue };
            match value.get_ref().as_str() {
                Some(word) if !seen.insert(word) => {
                    problems.error(value.span(), format!("{word:?} is in the list twice; keep one"));
                }
                _ => chosen.push(one),
            }
        }
        (chosen.len() == count).then_some(chosen)
    }
}

/// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
fn one_of<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut words: Vec<_> = words.map(|word| format!("{word:?}")).collect();
    match (words.pop(), words.join(", ")) {
        (Some(last), rest) if !rest.is_empty() => format!("{rest} or {last}"),
        (last, _) => last.unwrap_or_default(),
    }
}

/// A whole number in `range`, which `right` describes.
pub(super) fn whole(range: RangeInclusive<usize>, right: &str) -> impl Fn(Item<'_>) -> Option<usize> {
    move |item| match item.value.get_ref() {
        DeValue::Integer(integer) => match to_usize(integer) {
            Some(value) if range.contains(&value) => Some(value),
            _ => item.must_be(right, &shortened(&integer.to_string())),
        },
        _ => item.wrong_type(right),
    }
}

/// A number of bytes in `range`, which `right` describes: a whole number, or text with a unit.
pub(super) fn size(range: RangeInclusive<usize>, right: &str) -> impl Fn(Item<'_>) -> Option<usize> {
    move |item| {
        let Some(text) = item.value.get_ref().as_str() else {
            return whole(range.clone(), right)(item);
        };
        match parse_size(text) {
            Ok(size) if range.contains(&size) => Some(size),
            Ok(_) => item.must_be(right, &quoted(text)),
            Err(message) => item.fail(format!("{}: {message}", item.name)),
        }
    }
}

/// A duration in `range`, in seconds, which `right` describes.
pub(super) fn seconds(range: RangeInclusive<u32>, right: &str) -> impl Fn(Item<'_>) -> Option<u32> {
    move |item| {
        let Some(text) = item.value.get_ref().as_str() else {
            return item.wrong_type(right);
        };
        let least = Duration::from_secs((*range.start()).into());
        let whole = |duration: Duration| u32::try_from(duration.as_millis().div_ceil(1000)).ok();
        match parse_duration(text).map(|duration| whole(duration).filter(|_| duration >= least)) {
            Ok(Some(seconds)) if range.contains(&seconds) => Some(seconds),
            Ok(_) => item.must_be(right, &quoted(text)),
            Err(message) => item.fail(format!("{}: {message}", item.name)),
        }
    }
}

fn to_usize(integer: &DeInteger<'_>) -> Option<usize> {
    usize::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A factor: finite and not 0.
pub(super) fn factor(item: Item<'_>) -> Option<f64> {
    const RIGHT: &str = "a finite number other than 0";
    match number(&item, RIGHT)? {
        (value, _) if value.is_finite() && value != 0.0 => Some(value),
        (_, text) => item.must_be(RIGHT, &text),
    }
}

/// A number of any kind, and how it was written.
fn number(item: &Item<'_>, right: &str) -> Option<(f64, String)> {
    let (value, text) = match item.value.get_ref() {
        DeValue::Integer(integer) => (integer_to_f64(integer), integer.to_string()),
        DeValue::Float(float) => (float_to_f64(float), float.to_string()),
        _ => return item.wrong_type(right),
    };
    let text = shortened(&text).into_owned();
    match value {
        Some(value) => Some((value, text)),
        None => item.must_be(right, &text),
    }
}

/// The TOML reader lets a few things pass as numbers that are none, `1_000K` say: those are `None`.
fn integer_to_f64(integer: &DeInteger<'_>) -> Option<f64> {
    i128::from_str_radix(integer.as_str(), integer.radix()).ok().map(|value| value as f64)
}

fn float_to_f64(float: &DeFloat<'_>) -> Option<f64> {
    float.as_str().parse().ok()
}

/// Upper bounds of a histogram.
pub(super) fn buckets(item: Item<'_>) -> Option<Vec<f64>> {
    let right = Rising {
        one: "a bucket",
        at_least: "at least one upper bound",
        must_be: "a finite number",
        example: "[0.1, 1, 10]",
        no_inf: Some("leave inf out: the bucket +Inf is added by itself"),
    };
    rising(&item, &right, f64::is_finite)
}

/// Quantiles of a summary.
pub(super) fn quantiles(item: Item<'_>) -> Option<Vec<f64>> {
    let right = Rising {
        one: "a quantile",
        at_least: "at least one",
        must_be: "a number from 0 to 1",
        example: "[0.5, 0.9, 0.99]",
        no_inf: None,
    };
    rising(&item, &right, |value| (0.0..=1.0).contains(&value))
}

/// What is right for numbers in a list.
struct Rising {
    one: &'static str,
    at_least: &'static str,
    must_be: &'static str,
    example: &'static str,
    /// What to say of an infinity at the end of the list.
    no_inf: Option<&'static str>,
}

/// Numbers that rise, at least one, each of which `is_right`.
fn rising(item: &Item<'_>, right: &Rising, is_right: impl Fn(f64) -> bool) -> Option<Vec<f64>> {
    let Rising { one, at_least, must_be, example, no_inf } = right;
    let items: Vec<_> = item.elements(one, &format!("a list of numbers such as {example}"))?.collect();
    if items.is_empty() {
        return item.fail(format!("{} is empty; give {at_least}, as in {example}", item.name));
    }
    let (count, mut bounds) = (items.len(), Vec::with_capacity(items.len()));
    let mut last = None;
    for (index, bound) in items.into_iter().enumerate() {
        let Some((value, text)) = number(&bound, must_be) else { continue };
        let no_inf = no_inf.filter(|_| value == f64::INFINITY && text.ends_with("inf") && index + 1 == count);
        match last {
            _ if no_inf.is_some() => _ = bound.fail::<()>(no_inf.unwrap_or_default()),
            _ if !is_right(value) => _ = bound.must_be::<()>(must_be, &text),
            Some((before, ref larger)) if value <= before => {
                bound.fail::<()>(format!("{} must rise, and {text} comes after {larger}", item.name));
            }
            _ => {
                bounds.push(value);
                last = Some((value, text));
            }
        }
    }
    (bounds.len() == count).then_some(bounds)
}

/// Where lines come in: at least one address, none twice, and not where the page is served.
pub(super) fn addresses(item: Item<'_>, page: SocketAddr) -> Option<Vec<Address>> {
    const EXAMPLE: &str = "[\"udp://127.0.0.1:8125\"]";
    let (mut listen, mut count) = (Vec::<Address>::new(), 0);
    for element in item.elements("an address", &format!("a list of addresses such as {EXAMPLE}"))? {
        count += 1;
        let Some(address) = address(&element) else { continue };
        if address.is_in_the_way_of(&Address::Tcp(page)) {
            element.fail::<()>(format!(
                "{address} is in the way of the page, which is served at {page}; choose another port here or in [http] \
                 listen"
            ));
            continue;
        }
        match listen.iter().find(|other| address.is_in_the_way_of(other)) {
            Some(other) if *other == address => {
                element.fail::<()>(format!("{address} is in the list twice; keep one"));
            }
            Some(other) if address.ip().is_some() => {
                element.fail::<()>(format!("{address} has the port of {other}; keep one of them"));
            }
            Some(other) => {
                element.fail::<()>(format!("{address} has the file of {other}; give each socket a file of its own"));
            }
            None => listen.push(address),
        }
    }
    if count == 0 {
        return item.fail(format!("{} is empty; give at least one address, as in {EXAMPLE}", item.name));
    }
    (listen.len() == count).then_some(listen)
}

/// Permission bits of a file: text, for TOML's own numbers are decimal.
pub(super) fn mode(item: Item<'_>) -> Option<u32> {
    const RIGHT: &str = "the permission bits of a file in octal digits, as text such as \"0660\"";
    let Some(text) = item.value.get_ref().as_str() else {
        return item.wrong_type(RIGHT);
    };
    match u32::from_str_radix(text, 8) {
        Ok(mode) if matches!(text.len(), 3 | 4) && mode <= 0o777 && !text.starts_with('+') => Some(mode),
        _ => item.must_be(RIGHT, &quoted(text)),
    }
}

/// A user or group, which `right` describes: a name, or a number.
pub(super) fn account(right: &str) -> impl Fn(Item<'_>) -> Option<String> {
    move |item| match item.value.get_ref() {
        DeValue::Integer(_) => whole(0..=u32::MAX as usize, right)(item).map(|number| number.to_string()),
        DeValue::String(_) => words(item),
        _ => item.wrong_type(right),
    }
}

/// An address of any transport.
pub(super) fn address(item: &Item<'_>) -> Option<Address> {
    let Some(text) = item.value.get_ref().as_str() else {
        return item.wrong_type("text such as \"udp://127.0.0.1:8125\"");
    };
    text.parse().map_err(|message: String| item.fail::<()>(message)).ok()
}

/// Where the page goes out.
pub(super) fn socket(item: Item<'_>) -> Option<SocketAddr> {
    let Some(text) = item.value.get_ref().as_str() else {
        return item.wrong_type("an address such as \"127.0.0.1:9102\"");
    };
    parse_page(text).map_err(|message| item.fail::<()>(format!("{}: {message}", item.name))).ok()
}

/// Names and values of labels.
pub(super) fn labels(item: Item<'_>) -> Option<Labels> {
    pairs(&item, "a table such as { team = \"data\" }", "label", bad_label_name, text)
}

/// Keys of tags, each with what `read` takes; a client may call its tags anything.
pub(super) fn by_tag(
    right: &str,
    read: impl Fn(Item<'_>) -> Option<String> + Copy,
) -> impl Fn(Item<'_>) -> Option<Labels> {
    move |item| pairs(&item, right, "tag", bad_tag_key, read)
}

/// A table of texts, whose keys are no worse than `bad` allows and whose values are each called `name`.
fn pairs(
    item: &Item<'_>,
    right: &str,
    name: &str,
    bad: impl Fn(&str) -> Option<String>,
    read: impl Fn(Item<'_>) -> Option<String> + Copy,
) -> Option<Labels> {
    let DeValue::Table(table) = item.value.get_ref() else {
        return item.wrong_type(right);
    };
    let mut pairs = Labels::with_capacity(table.len());
    for (key, value) in table {
        if let Some(message) = bad(key.get_ref()) {
            item.problems.error(key.span(), message);
        }
        if let Some(value) = spanned(read)(item.inner(format!("{name} {}", quoted(key.get_ref())), value)) {
            pairs.push((Spanned::new(key.span(), key.get_ref().clone().into_owned()), value));
        }
    }
    Some(pairs)
}

/// A label's name, as a value.
pub(super) fn label_name(item: Item<'_>) -> Option<String> {
    let name = text(item.inner(item.name.clone(), item.value))?;
    match bad_label_name(&name) {
        Some(message) => item.fail(message),
        None => Some(name),
    }
}

/// One text, or a list of them.
pub(super) fn one_or_more(right: &str) -> impl Fn(Item<'_>) -> Option<Vec<Spanned<String>>> {
    move |item| match item.value.get_ref() {
        DeValue::String(_) => Some(vec![spanned(text)(item)?]),
        _ => texts(right)(item),
    }
}

/// A list of texts, at least one and none of them empty.
pub(super) fn texts(right: &str) -> impl Fn(Item<'_>) -> Option<Vec<Spanned<String>>> {
    move |item| {
        let elements: Vec<_> = item.elements(&format!("an element of {}", item.name), right)?.collect();
        if elements.is_empty() {
            return item.fail(format!("{} is empty; write {right}", item.name));
        }
        let count = elements.len();
        let texts: Vec<_> = elements.into_iter().filter_map(spanned(words)).collect();
        (texts.len() == count).then_some(texts)
    }
}

/// How long something takes or stays.
pub(super) fn duration(item: Item<'_>) -> Option<Duration> {
    let Some(text) = item.value.get_ref().as_str() else {
        return item.wrong_type("a duration such as \"1m30s\"");
    };
    parse_duration(text).map_err(|message| item.fail::<()>(format!("{}: {message}", item.name))).ok()
}

/// Several sets of labels.
pub(super) fn label_sets(item: Item<'_>) -> Option<Vec<Spanned<Labels>>> {
    let sets = item.elements("a label set", "a list of label sets such as [{ table = \"raw\" }]")?;
    Some(sets.filter_map(spanned(labels)).collect())
}

/// Why `key` cannot be the key of a tag, if it cannot.
fn bad_tag_key(key: &str) -> Option<String> {
    key.is_empty().then(|| "the key of a tag is empty, which no client's is; write the key".to_owned())
}

/// Why `name` cannot be a label, if it cannot.
///
/// Source: <https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels>.
fn bad_label_name(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let quoted = quoted(name);
    if name.is_empty() || !name.chars().all(legal) || name.starts_with(|c: char| c.is_ascii_digit()) {
        Some(format!("{quoted} is not a label name; use letters, digits and _, and no digit first"))
    } else if name == "le" || name == "quantile" || name.starts_with("__") {
        Some(format!("the label {quoted} is reserved for Prometheus itself; choose another name"))
    } else {
        None
    }
}
