//! Readers of the kinds of values that only config files have.
//!
//! A reader knows the kind of a value, but not its key. Names, globs and templates are text here: `mapping` checks them.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::syntax::{TomlSetting, TomlTable};
use crate::config::address::Address;
use crate::config::diagnostic::quoted;
use crate::config::dialect::{Dialect, Dialects};
use crate::config::http_address::{HttpAddress, parse_http_address};
use crate::config::preset::Preset;
use crate::config::reader::{
    Node, bad_constant_label, bad_label_name, closest, number, pairs, rising, spanned, text, text_not_empty, word,
};
use crate::config::schema::Labels;
use crate::config::units::{parse_duration, parse_mode, parse_size};
use crate::metric::{LEAST_SCHEMA, MOST_SCHEMA, NativeSpec};

/// Text that `parse` takes; `right` describes it, and the error of `parse` does so in more detail.
pub(super) fn parsed<T>(
    setting: &TomlSetting<'_>,
    right: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let Some(text) = setting.value.text() else {
        return setting.must_be(right);
    };
    parse(text).map_err(|message| setting.fail::<()>(format!("{}: {message}", setting.name))).ok()
}

/// A whole number in `range`, which `right` describes.
pub(super) fn whole(range: RangeInclusive<usize>, right: &str) -> impl Fn(&TomlSetting<'_>) -> Option<usize> {
    move |setting| {
        let integer = setting.value.get_ref().as_integer();
        let number = integer.and_then(|integer| usize::from_str_radix(integer.as_str(), integer.radix()).ok());
        number.filter(|number| range.contains(number)).or_else(|| setting.must_be(right))
    }
}

/// A number of bytes in `range`, which `right` describes: a whole number, or text with a unit.
pub(super) fn size(range: RangeInclusive<usize>, right: &str) -> impl Fn(&TomlSetting<'_>) -> Option<usize> {
    move |setting| match setting.value.get_ref() {
        DeValue::Integer(_) => whole(range.clone(), right)(setting),
        _ => {
            let size = parsed(setting, right, parse_size)?;
            if range.contains(&size) { Some(size) } else { setting.must_be(right) }
        }
    }
}

/// A duration.
pub(super) fn duration(setting: &TomlSetting<'_>) -> Option<Duration> {
    parsed(setting, "a duration such as \"1m30s\"", parse_duration)
}

/// A duration of at most 10 ms: senders fill the buffer of a socket in longer ones.
pub(super) fn gather(setting: &TomlSetting<'_>) -> Option<Duration> {
    const RIGHT: &str = "a duration of at most \"10ms\", or \"0\"";
    let duration = parsed(setting, RIGHT, parse_duration)?;
    if duration <= Duration::from_millis(10) { Some(duration) } else { setting.must_be(RIGHT) }
}

/// A duration from one second to a week, rounded up to seconds.
pub(super) fn window(setting: &TomlSetting<'_>) -> Option<u32> {
    const RIGHT: &str = "a duration from \"1s\" to \"7d\"";
    let duration = parsed(setting, RIGHT, parse_duration)?;
    let range = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 60 * 60);
    let seconds = range.contains(&duration).then(|| u32::try_from(duration.as_millis().div_ceil(1000)).ok());
    seconds.flatten().or_else(|| setting.must_be(RIGHT))
}

/// The elements of a list that must not be empty; `right` describes the list.
pub(super) fn elements<'a>(setting: &TomlSetting<'a>, name: &str, right: &str) -> Option<Vec<TomlSetting<'a>>> {
    let elements: Vec<_> = setting.elements(name.to_owned(), right)?.collect();
    if elements.is_empty() {
        return setting.fail(format!("{} is empty; write {right}", setting.name));
    }
    Some(elements)
}

/// All values, or `None` if one of them is wrong. Unlike `collect`, it reads the values after a wrong one too.
fn all<T>(values: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let values: Vec<_> = values.collect();
    values.into_iter().collect()
}

/// Tag dialects, none twice.
pub(super) fn dialects(setting: &TomlSetting<'_>) -> Option<Dialects> {
    let mut seen = HashSet::new();
    let dialects = setting.elements("a dialect", "a list such as [\"dogstatsd\", \"influxdb\"]")?.map(|element| {
        let dialect: Dialect = word(&element)?;
        if !seen.insert(dialect.as_str()) {
            return element.fail(format!("{:?} is in the list twice; keep one", dialect.as_str()));
        }
        Some(dialect)
    });
    Some(all(dialects)?.into_iter().collect())
}

/// The names of presets, none twice.
pub(super) fn presets(setting: &TomlSetting<'_>) -> Option<Vec<&'static str>> {
    let mut seen = HashSet::new();
    let names = setting.elements("a preset", "a list such as [\"gunicorn\", \"envoy\"]")?.map(|element| {
        let name = text(&element)?;
        let Some(preset) = Preset::find(&name) else {
            let known: Vec<_> = Preset::ALL.iter().map(|preset| preset.name).collect();
            let hint = match closest(&name, &known) {
                Some(close) => format!("did you mean {close:?}?"),
                None => "`statsidecar presets` lists them".to_owned(),
            };
            return element.fail(format!("there is no preset {}; {hint}", quoted(&name)));
        };
        if !seen.insert(preset.name) {
            return element.fail(format!("{:?} is in the list twice; keep one", preset.name));
        }
        Some(preset.name)
    });
    all(names)
}

/// The upper bounds of a histogram; none for a native histogram alone.
pub(super) fn buckets(setting: &TomlSetting<'_>) -> Option<Vec<f64>> {
    let bounds = setting.elements("a bucket".to_owned(), "a list of numbers such as [0.1, 1, 10]")?;
    let mut bounds: Vec<_> = bounds.collect();
    let inf = bounds.pop_if(|bound| bound.value.number() == Some(f64::INFINITY));
    let bounds = rising(&setting.name, &bounds, "a finite number", f64::is_finite);
    match inf {
        Some(inf) => inf.fail("leave inf out: the bucket +Inf always exists"),
        None => bounds,
    }
}

/// Reports buckets that are none, unless there is a native histogram in their place.
pub(super) fn require_buckets(table: &TomlTable<'_>, buckets: Option<&[f64]>, native: Option<NativeSpec>) {
    if buckets.is_some_and(<[f64]>::is_empty) && native.is_none() {
        let why = "is empty; write a list of numbers such as [0.1, 1, 10], or add native = true to count in a native \
                   histogram alone";
        table.forbid("buckets", why);
    }
}

/// The quantiles of a summary.
pub(super) fn quantiles(setting: &TomlSetting<'_>) -> Option<Vec<f64>> {
    let quantiles = elements(setting, "a quantile", "a list of numbers such as [0.5, 0.9, 0.99]")?;
    rising(&setting.name, &quantiles, "a number from 0 to 1", |value| (0.0..=1.0).contains(&value))
}

/// Native histograms: whether there are any, or how they divide the numbers.
pub(super) fn native(setting: &TomlSetting<'_>) -> Option<Option<NativeSpec>> {
    let right = "true, false, or a table such as { schema = 3, buckets = 160 }";
    if setting.value.get_ref().as_table().is_none() {
        let is_on = setting.value.boolean().or_else(|| setting.must_be(right))?;
        return Some(is_on.then(NativeSpec::default));
    }
    let mut spec = NativeSpec::default();
    let mut table = setting.table(format!("in {}", setting.name), right)?;
    let (least, most) = (i64::from(LEAST_SCHEMA), i64::from(MOST_SCHEMA));
    table.set("schema", &mut spec.schema, |setting| {
        let integer = setting.value.get_ref().as_integer();
        let number = integer.and_then(|integer| i64::from_str_radix(integer.as_str(), integer.radix()).ok());
        let number = number.filter(|number| (least..=most).contains(number)).map(|number| number as i8);
        number.or_else(|| setting.must_be("a whole number from -4 to 8"))
    });
    let buckets = whole(8..=1024, "a whole number from 8 to 1024");
    table.set("buckets", &mut spec.buckets, |setting| buckets(setting).map(|buckets| buckets as u16));
    table.set("zero_threshold", &mut spec.zero_threshold, |setting| {
        number(setting, "a number of at least 0", |value| value.is_finite() && value >= 0.0)
    });
    table.finish();
    Some(Some(spec))
}

/// The addresses to receive on: no two that overlap, and none that overlaps `http`.
pub(super) fn addresses(setting: &TomlSetting<'_>, http: &HttpAddress) -> Option<Vec<Address>> {
    let right = "a list of addresses such as [\"udp://127.0.0.1:8125\"]";
    let mut listen: Vec<Address> = Vec::new();
    let addresses = elements(setting, "an address", right)?.into_iter().map(|element| {
        let address = address(&element)?;
        let wrong = match listen.iter().find(|other| address.overlaps(other)) {
            _ if http.overlaps(&address) => {
                let shared = http.shared();
                format!("overlaps the address of /metrics, {http}; choose another {shared} here or in [http] listen")
            }
            Some(other) if *other == address => "is in the list twice; keep one".to_owned(),
            Some(other) if address.unix().is_none() => format!("has the port of {other}; keep one of them"),
            Some(other) => format!("has the file of {other}; give each socket a file of its own"),
            None => {
                listen.push(address.clone());
                return Some(address);
            }
        };
        element.fail(format!("{address} {wrong}"))
    });
    all(addresses)
}

/// The permission bits of a file: text, because the numbers of TOML are decimal.
pub(super) fn mode(setting: &TomlSetting<'_>) -> Option<u32> {
    const RIGHT: &str = "the permission bits of a file in octal digits, as text such as \"0660\"";
    setting.value.text().and_then(|text| parse_mode(text).ok()).or_else(|| setting.must_be(RIGHT))
}

/// A user or group, which `right` describes: a name or a number.
pub(super) fn account(right: &str) -> impl Fn(&TomlSetting<'_>) -> Option<String> {
    move |setting| match setting.value.get_ref() {
        DeValue::String(_) => text_not_empty(setting),
        _ => whole(0..=u32::MAX as usize, right)(setting).map(|number| number.to_string()),
    }
}

/// A list of users.
pub(super) fn accounts(setting: &TomlSetting<'_>) -> Option<Vec<String>> {
    let user = account("a user's name or number");
    // Every wrong one is reported, so all are read before the first one ends it.
    let users: Vec<_> =
        elements(setting, "a user", "a list of users such as [\"app\", 1000]")?.iter().map(user).collect();
    users.into_iter().collect()
}

/// An address of any transport.
pub(super) fn address(setting: &TomlSetting<'_>) -> Option<Address> {
    let Some(text) = setting.value.text() else {
        return setting.must_be("text such as \"udp://127.0.0.1:8125\"");
    };
    text.parse().map_err(|message: String| setting.fail::<()>(message)).ok()
}

/// The address of /metrics.
pub(super) fn http_address(setting: &TomlSetting<'_>) -> Option<HttpAddress> {
    parsed(setting, "an address such as \"127.0.0.1:9102\"", parse_http_address)
}

/// The unit of a metric, which becomes a part of a line of the exposition.
pub(super) fn unit(setting: &TomlSetting<'_>) -> Option<String> {
    let unit = text_not_empty(setting)?;
    let is_right = unit.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_right { Some(unit) } else { setting.must_be("letters, digits and _ such as \"seconds\"") }
}

/// Names and values of labels.
pub(super) fn labels(setting: &TomlSetting<'_>) -> Option<Labels> {
    pairs(setting, "a table such as { team = \"data\" }", "label", bad_label_name, spanned(text))
}

/// Names and values of the labels of every series.
pub(super) fn constant_labels(setting: &TomlSetting<'_>) -> Option<Labels> {
    pairs(setting, "a table such as { team = \"data\" }", "label", bad_constant_label, spanned(text))
}

/// Several sets of labels.
pub(super) fn label_sets(setting: &TomlSetting<'_>) -> Option<Vec<Spanned<Labels>>> {
    let sets = setting.elements("a label set", "a list of label sets such as [{ table = \"raw\" }]")?;
    Some(sets.filter_map(|set| spanned(labels)(&set)).collect())
}

/// A table of tags, each with a value that `read` takes. A client may use any key that is not empty.
pub(super) fn by_tag<'a>(
    right: &str,
    read: impl Fn(&TomlSetting<'a>) -> Option<String> + Copy,
) -> impl Fn(&TomlSetting<'a>) -> Option<Labels> {
    let bad = |key: &str| key.is_empty().then(|| "the key of a tag is empty; write the key of a tag".to_owned());
    move |setting| pairs(setting, right, "tag", bad, spanned(read))
}

/// One text, or a list of texts.
pub(super) fn one_or_more(right: &str) -> impl Fn(&TomlSetting<'_>) -> Option<Vec<Spanned<String>>> {
    move |setting| match setting.value.get_ref() {
        DeValue::String(_) => Some(vec![spanned(text)(setting)?]),
        _ => texts(right)(setting),
    }
}

/// A list of texts, at least one and none of them blank.
pub(super) fn texts(right: &str) -> impl Fn(&TomlSetting<'_>) -> Option<Vec<Spanned<String>>> {
    move |setting| {
        all(elements(setting, &format!("an element of {}", setting.name), right)?.iter().map(spanned(text_not_empty)))
    }
}
