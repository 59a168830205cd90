//! Writes the proposal: rules as TOML, each with its evidence as comments.

use std::collections::BTreeSet;

use toml_writer::{ToTomlValue, TomlStringBuilder};

use super::buckets::{self, quantile};
use super::evidence::{counted, short, shortened, some_of};
use super::naming;
use super::observations::{Observations, is_endless};
use super::pattern::{Leaf, Pattern, Token, VaryingPart};
use super::token::Look;
use super::tree::patterns;
use super::words;
use crate::config::escape_hidden;
use crate::parse::StatsdType;

/// Rules for what was seen, as TOML. `source` says in the first comment where the lines are from.
pub fn propose(observations: Observations, source: &str) -> String {
    let mut text = String::new();
    let (lines, names) = (observations.lines, observations.names.len() as u64);
    let mut notes = Vec::new();
    if observations.left_out > 0 {
        let samples = counted(observations.left_out, "line");
        notes.push(format!(
            "{samples} had names for which there was no room, or with *, $ or very many dots in them: they are left out."
        ));
    }
    for (reject, (count, example)) in &observations.unread {
        notes.push(format!("{} cannot be read: {reject}, such as {example:?}.", counted(*count, "sample")));
    }
    let patterns = patterns(observations);
    let rules: usize = patterns.iter().map(|pattern| pattern.leaf.len()).sum();
    comment(
        &mut text,
        &format!(
            "Proposed from {source}: {}, {}, {}.",
            counted(lines, "line"),
            counted(names, "name"),
            counted(rules as u64, "rule")
        ),
    );
    comment(&mut text, "A guess from what was seen: read it, correct the names, and check the result.");
    notes.iter().for_each(|note| comment(&mut text, note));
    let mut used = BTreeSet::new();
    for pattern in &patterns {
        for (statsd_type, leaf) in &pattern.leaf {
            Rule { pattern, statsd_type: *statsd_type, leaf }.write(&mut text, &mut used);
        }
    }
    text
}

/// A rule that is proposed.
struct Rule<'p> {
    pattern: &'p Pattern,
    statsd_type: StatsdType,
    leaf: &'p Leaf,
}

/// What a rule makes of the values.
struct Meaning {
    name: String,
    metric_type: &'static str,
    unit: Option<&'static str>,
    scale: Option<f64>,
}

impl Rule<'_> {
    fn write(&self, text: &mut String, used: &mut BTreeSet<String>) {
        let Leaf { names, examples, seen } = self.leaf;
        let (kept_tags, dropped_tags): (Vec<_>, Vec<_>) = seen.tags.iter().partition(|(_, values)| !drops(values));
        let is_tag = |label: &str| seen.tags.contains_key(label);
        let labels = naming::labels(self.pattern, is_tag);
        let first_label = labels.iter().find_map(|(label, _)| label.as_deref());
        let Meaning { name, metric_type, unit, scale } = self.meaning(first_label, used);

        text.push('\n');
        let shown: Vec<_> = examples.iter().take(3).map(|name| shortened(name)).collect();
        let more = if *names > shown.len() as u64 { ", ..." } else { "" };
        let lines = counted(seen.values.count, "sample");
        comment(text, &format!("{}, {lines}: {}{more}", counted(*names, "name"), shown.join(", ")));
        for (number, (label, VaryingPart { values, count, .. })) in labels.iter().enumerate() {
            let fate = if label.is_none() { ": without an end, so no label" } else { "" };
            comment(text, &format!("${}: {}{fate}", number + 1, some_of(values, *count)));
        }
        kept_tags
            .iter()
            .for_each(|(key, values)| comment(text, &format!("tag {key}: {}", some_of(values, values.len()))));
        for (key, values) in &dropped_tags {
            comment(text, &format!("tag {key}: {}: without an end, so dropped", some_of(values, values.len())));
        }
        let sorted = seen.values.sorted();
        if let (Some(low), Some(middle), Some(high)) = (sorted.first(), quantile(&sorted, 0.5), sorted.last()) {
            let suffix = if self.statsd_type == StatsdType::Timer && scale.is_none() { " ms" } else { "" };
            let [low, middle, high] = [*low, middle, *high].map(short);
            comment(text, &format!("values {low} to {high}{suffix}, median {middle}"));
        }

        text.push_str("[[metric]]\n");
        key(text, "match", &quoted(&glob(self.pattern)));
        // Buckets of a histogram are in seconds only if it is fed by timers.
        if self.pattern.leaf.len() > 1 || (metric_type == "histogram" && self.statsd_type != StatsdType::Timer) {
            key(text, "match_type", &quoted(self.statsd_type.as_str()));
        }
        key(text, "name", &quoted(&name));
        key(text, "type", &quoted(metric_type));
        if self.is_total(metric_type) {
            comment(text, "The values only rise, as a running total does.");
            key(text, "value", &quoted("total"));
        }
        if metric_type == "gauge" && seen.values.minus > 0 && seen.values.plus == 0 && self.is_set_type() {
            comment(text, "Values with a minus but none with a plus are values, and no steps down.");
            key(text, "negative", &quoted("set"));
        }
        self.write_help(text);
        if let Some(unit) = unit {
            key(text, "unit", &quoted(unit));
        }
        let pairs = labels.iter().enumerate();
        let pairs = pairs.filter_map(|(at, (label, _))| Some(format!("{} = \"${}\"", label.as_ref()?, at + 1)));
        let pairs: Vec<_> = pairs.collect();
        if !pairs.is_empty() {
            key(text, "labels", &format!("{{ {} }}", pairs.join(", ")));
        }
        if !dropped_tags.is_empty() {
            let keys: Vec<_> = dropped_tags.iter().map(|(key, _)| quoted(key)).collect();
            key(text, "drop_tags", &format!("[{}]", keys.join(", ")));
        }
        if let Some(scale) = scale {
            key(text, "scale", &format!("{scale}"));
        }
        if metric_type == "histogram" {
            let factor = scale.unwrap_or(1.0) * if self.statsd_type == StatsdType::Timer { 0.001 } else { 1.0 };
            if let Some(bounds) = buckets::fitting(&sorted, factor) {
                let bounds: Vec<_> = bounds.iter().map(f64::to_string).collect();
                key(text, "buckets", &format!("[{}]", bounds.join(", ")));
            }
        }
    }

    fn write_help(&self, text: &mut String) {
        let pattern: Vec<_> = self.pattern.parts.iter().map(|(token, _)| shown(token)).collect();
        let help = format!("Fed by {} lines of {}.", self.statsd_type.as_str(), shortened(&pattern.join(".")));
        let mut visible = String::new();
        escape_hidden(&mut visible, &help);
        key(text, "help", &quoted(&visible));
    }

    /// Whether the sender computed a statistic, such as a percentile.
    fn is_statistic(&self) -> bool {
        matches!(self.pattern.parts.last(), Some((Token::Literal(part), _)) if words::is_statistic(part))
    }

    fn is_set_type(&self) -> bool {
        self.statsd_type == StatsdType::Gauge
    }

    fn is_total(&self, metric_type: &str) -> bool {
        metric_type == "counter" && self.leaf.seen.values.is_total()
    }

    /// The type, the unit and the name that fit the values and the words.
    fn meaning(&self, label: Option<&str>, used: &mut BTreeSet<String>) -> Meaning {
        let values = &self.leaf.seen.values;
        let metric_type = match self.statsd_type {
            // Only what goes up and down is counted down.
            StatsdType::Counter | StatsdType::Meter if values.minus > 0 => "gauge",
            StatsdType::Counter | StatsdType::Meter => "counter",
            StatsdType::Gauge | StatsdType::KeyValue | StatsdType::ServiceCheck => "gauge",
            StatsdType::Set => "set",
            // The last value of a statistic that the sender computed is all there is to know.
            _ if self.is_statistic() => "gauge",
            _ => "histogram",
        };
        let stem = naming::stem(self.pattern);
        // The ending of a counter follows its unit.
        let without_ending =
            Some(stem.trim_end_matches("_total")).filter(|_| metric_type == "counter").map(str::to_owned);
        let stem = without_ending.unwrap_or(stem);
        let word = words::last_word(&stem);
        const SIZES: [&str; 10] =
            ["size", "bytes", "byte", "count", "length", "rows", "entries", "depth", "items", "percent"];
        let is_timer = self.statsd_type == StatsdType::Timer;
        let is_size = is_timer && SIZES.contains(&word.as_str());
        let (base, factor) = match word.as_str() {
            "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => ("seconds", 0.001),
            "us" | "usec" | "micros" | "microseconds" if metric_type == "histogram" => ("seconds", 1e-6),
            "ns" | "nanos" | "nanoseconds" if metric_type == "histogram" => ("seconds", 1e-9),
            "minutes" => ("seconds", 60.0),
            "hours" => ("seconds", 3600.0),
            "days" => ("seconds", 86400.0),
            "kib" => ("bytes", 1024.0),
            "mib" => ("bytes", 1_048_576.0),
            "gib" => ("bytes", 1_073_741_824.0),
            _ => ("", 1.0),
        };
        let mut stem = stem;
        // The members of a set are counted, whatever they are.
        let (base, word) = if metric_type == "set" && !base.is_empty() {
            stem.push_str("_members");
            ("", String::new())
        } else {
            (base, word)
        };
        let scale = match () {
            // A timer is divided by 1000 to become seconds, and a size is none.
            () if is_size => Some(1000.0),
            () if is_timer => None,
            () => Some(factor).filter(|_| !base.is_empty()),
        };
        if !base.is_empty() {
            let end = stem.len() - word.len().min(stem.len());
            stem = stem.get(..end).unwrap_or_default().trim_end_matches('_').to_owned();
        }
        let is_seconds = (is_timer && !is_size) || base == "seconds";
        let unit = match () {
            () if is_seconds => Some("seconds"),
            () if base == "bytes" || word == "bytes" => Some("bytes"),
            () => None,
        };
        if let Some(unit) = unit {
            let has_unit = stem == unit || stem.ends_with(&format!("_{unit}"));
            stem = if has_unit { stem } else { format!("{stem}_{unit}") };
        }
        let name = unique(ended(stem, metric_type), metric_type, label, used);
        // A counter of seconds is one only if a person says so; its name carries what it counts.
        let unit = unit.filter(|unit| name.trim_end_matches("_total").ends_with(&format!("_{unit}")));
        Meaning { name, metric_type, unit, scale }
    }
}

/// The name with the ending that its type asks for, and without one that would mean something else.
fn ended(stem: String, metric_type: &str) -> String {
    let stem = stem.trim_start_matches('_').to_owned();
    let stem =
        if stem.starts_with(|c: char| c.is_ascii_digit()) || stem.is_empty() { format!("_{stem}") } else { stem };
    let stem = match stem.starts_with("statsidecar_") || stem.starts_with("process_") {
        true => format!("app_{stem}"),
        false => stem,
    };
    const TAKEN: [&str; 9] = ["total", "count", "sum", "bucket", "kb", "mb", "bits", "weeks", "created"];
    match metric_type {
        "counter" if stem.ends_with("_total") => stem,
        "counter" => {
            let is_other_unit = ["kb", "mb", "bits", "weeks"].contains(&words::last_word(&stem).as_str());
            if is_other_unit { format!("{stem}_value_total") } else { format!("{stem}_total") }
        }
        _ if TAKEN.contains(&words::last_word(&stem).as_str()) => format!("{stem}_value"),
        _ => stem,
    }
}

/// A name that no other rule has, nor the series of its histogram.
fn unique(name: String, metric_type: &str, label: Option<&str>, used: &mut BTreeSet<String>) -> String {
    let (stem, ending) = match name.strip_suffix("_total").filter(|_| metric_type == "counter") {
        Some(stem) => (stem.to_owned(), "_total"),
        None => (name.clone(), ""),
    };
    // A unit stays at the end.
    let (stem, unit) = match ["_seconds", "_bytes"].iter().find(|unit| stem.ends_with(**unit)) {
        Some(unit) => (stem.strip_suffix(unit).unwrap_or(&stem).to_owned(), *unit),
        None => (stem, ""),
    };
    let series = |name: &str| -> Vec<String> {
        let endings: &[&str] = if metric_type == "histogram" { &["", "_bucket", "_count", "_sum"] } else { &[""] };
        endings.iter().map(|ending| format!("{name}{ending}")).collect()
    };
    let numbered = (2..).map(|number| format!("{stem}_{number}{unit}{ending}"));
    let labelled = label.map(|label| format!("{stem}_by_{label}{unit}{ending}"));
    let found = std::iter::once(name)
        .chain(labelled)
        .chain(numbered)
        .find(|name| series(name).iter().all(|name| !used.contains(name)));
    let name = found.unwrap_or_default();
    used.extend(series(&name));
    name
}

/// Whether a tag has no end of values.
fn drops(values: &BTreeSet<String>) -> bool {
    let ids = values.iter().filter(|value| matches!(Look::of(value), Look::Endless | Look::EndlessOf(_))).count();
    is_endless(values.len()) || (values.len() >= 2 && ids * 2 > values.len())
}

fn shown(token: &Token) -> String {
    match token {
        Token::Literal(part) => part.clone(),
        Token::Prefix(prefix) => format!("{prefix}*"),
        Token::Any => "*".to_owned(),
    }
}

fn glob(pattern: &Pattern) -> String {
    let parts: Vec<_> = pattern.parts.iter().map(|(token, _)| shown(token)).collect();
    parts.join(".")
}

/// Writes a comment. It may quote bytes that somebody else sent.
fn comment(text: &mut String, comment: &str) {
    text.push_str("# ");
    escape_hidden(text, comment);
    text.push('\n');
}

fn key(text: &mut String, key: &str, value: &str) {
    text.push_str(&format!("{key} = {value}\n"));
}

/// Text in quotes.
fn quoted(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}
