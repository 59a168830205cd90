//! One mapping, and the defaults of all mappings, as the file has them.

use std::time::Duration;

use super::duration::{duration, is_past};
use super::observer::ObserverOptions;
use super::pattern::{Match, MatchRegex};
use super::template::ExporterTemplate;
use super::yaml::{YamlSetting, table};
use crate::config::reader::{Node, bad_label_name, boolean, choice, factor, pairs, spanned, text};
use crate::config::{Spanned, Timer, quoted};

/// The longest match in bytes; no line is longer.
const LONGEST_MATCH: usize = 64 * 1024;

/// The values of `match_type`: whether a match is a regex.
const MATCH_TYPES: [(&str, bool); 3] = [("", false), ("glob", false), ("regex", true)];

/// `defaults`.
#[derive(Debug, Default)]
pub(super) struct MappingDefaults {
    pub(super) options: ObserverOptions,
    is_regex: bool,
    /// `glob_disable_ordering`.
    pub(super) is_unordered: bool,
    pub(super) ttl: Option<Spanned<Duration>>,
}

impl MappingDefaults {
    pub(super) fn read(setting: &YamlSetting<'_>) -> Option<Self> {
        let mut keys = table(setting)?;
        let options = ObserverOptions::read(&mut keys);
        let is_regex = keys.read("match_type", choice(&MATCH_TYPES)).unwrap_or_default();
        let is_unordered = keys.read("glob_disable_ordering", boolean).unwrap_or_default();
        let ttl = keys.read("ttl", spanned(duration)).filter(|ttl| !ttl.get_ref().is_zero());
        keys.finish_leniently();
        Some(Self { options, is_regex, is_unordered, ttl })
    }

    pub(super) fn observer(&self) -> Timer {
        self.options.observer.unwrap_or(Timer::Summary)
    }
}

/// Types of StatsD lines: counters, gauges and observers, each of them or not.
pub(super) type LineTypes = [bool; 3];

pub(super) const ALL: LineTypes = [true; 3];
pub(super) const OBSERVERS: LineTypes = [false, false, true];

/// The values of `match_metric_type`. Up to 0.30, observers had the name `timer`.
const LINE_TYPES: [(&str, LineTypes); 5] = [
    ("", ALL),
    ("counter", [true, false, false]),
    ("gauge", [false, true, false]),
    ("observer", OBSERVERS),
    ("timer", OBSERVERS),
];

/// One of `mappings`.
#[derive(Debug)]
pub(super) struct ExporterMapping {
    pub(super) pattern: Spanned<Match>,
    pub(super) lines: LineTypes,
    /// `None` if its lines are dropped.
    pub(super) name: Option<Spanned<ExporterTemplate>>,
    pub(super) labels: Vec<(String, Spanned<ExporterTemplate>)>,
    /// `honor_labels`, if it is true: tags win over labels.
    pub(super) tags_win: Option<Spanned<bool>>,
    pub(super) options: ObserverOptions,
    pub(super) help: Option<Spanned<String>>,
    pub(super) scale: Option<Spanned<f64>>,
    pub(super) ttl: Option<Spanned<Duration>>,
    /// Why no metric can come from it, although statsd_exporter loads it. Then its lines are dropped.
    pub(super) useless: Option<String>,
}

impl ExporterMapping {
    pub(super) fn read(setting: &YamlSetting<'_>, defaults: &MappingDefaults) -> Option<Self> {
        let mut keys = setting.table("in this mapping", "a table")?;
        let is_regex = keys.read_or("match_type", defaults.is_regex, choice(&MATCH_TYPES));
        let pattern = keys.read("match", spanned(|setting| pattern(setting, is_regex?)));
        keys.require("match", "give the names that it matches, as in match: jobs.*.done");
        let lines = keys.read_or("match_metric_type", ALL, choice(&LINE_TYPES));
        let is_dropped = keys.read("action", choice(&[("map", false), ("drop", true)])).unwrap_or_default();
        let name = keys.get("name");
        if !is_dropped {
            keys.require("name", "give the metric's name, or action: drop");
        }
        let labels =
            keys.read("labels", |labels| pairs(labels, "a table", "label", bad_label_name, spanned(label_text)));
        let tags_win = keys.read("honor_labels", spanned(boolean)).filter(|wins| *wins.get_ref());
        let options = ObserverOptions::read(&mut keys);
        options.check(defaults.options.observer, &keys);
        let help = keys.read("help", spanned(text)).filter(|help| !help.get_ref().trim().is_empty());
        let mut useless = Useless::default();
        let scale =
            keys.get("scale").filter(|scale| !useless.is(scale, scale.value.number() == Some(0.0), "the scale is"));
        let scale = scale.and_then(|scale| spanned(factor)(&scale)).filter(|scale| *scale.get_ref() != 1.0);
        let ttl = keys.get("ttl").filter(|ttl| !useless.is(ttl, is_past(ttl), "no series lives for the ttl"));
        let ttl = ttl.and_then(|ttl| spanned(duration)(&ttl));
        keys.finish_leniently();

        let name = match (name, &pattern) {
            _ if is_dropped => None,
            (Some(name), Some(pattern)) if is_empty_name(&name, pattern.get_ref()) => {
                useless.is(&name, true, "the name is always empty:");
                None
            }
            (Some(name), Some(pattern)) => Some(spanned(|name| metric_name(name, pattern.get_ref()))(&name)?),
            (Some(name), None) => {
                // A name without references can be checked without a match.
                if name.value.text().is_some_and(|text| !text.contains('$')) {
                    metric_name(&name, &Match::Glob(String::new()));
                }
                return None;
            }
            (None, _) => return None,
        };
        let pattern = pattern?;
        let template = |text: Spanned<String>| Spanned::new(text.span(), pattern.get_ref().template(text.get_ref()));
        let labels = labels.unwrap_or_default().into_iter();
        let labels = labels.map(|(label, text)| (label.into_inner(), template(text))).collect();
        let useless = useless.0.filter(|_| !is_dropped);
        let name = name.filter(|_| useless.is_none());
        Some(Self { pattern, lines: lines?, name, labels, tags_win, options, help, scale, ttl, useless })
    }

    /// The metric type of its `ms`, `h` and `d` lines.
    pub(super) fn observer(&self, defaults: &MappingDefaults) -> Timer {
        self.options.observer.unwrap_or(defaults.observer())
    }

    /// The key and the text of its match in a rule, and how many groups come before its own groups.
    pub(super) fn rule_pattern(&self) -> (&'static str, String, usize) {
        match self.pattern.get_ref() {
            Match::Glob(glob) => ("match", glob.clone(), 0),
            Match::Regex(regex) => {
                let mut templates = self.name.iter().chain(self.labels.iter().map(|(_, value)| value));
                let (whole, shift) = regex.whole(templates.any(|template| template.get_ref().uses_whole()));
                ("match_regex", whole, shift)
            }
        }
    }
}

/// Why a mapping is useless, if it is.
#[derive(Default)]
struct Useless(Option<String>);

impl Useless {
    /// Gives `is_so`. If it is true, the mapping is useless because of this setting, which gets a warning.
    fn is(&mut self, setting: &YamlSetting<'_>, is_so: bool, why: &str) -> bool {
        if is_so {
            let why = format!("{why} {}", setting.value.shown());
            let effect = "statsd_exporter makes nothing useful of this mapping, so its lines are dropped";
            setting.problems.warning(setting.value.span(), format!("{why}; {effect}"));
            self.0.get_or_insert(why);
        }
        is_so
    }
}

/// Whether a name has references only, and all of them refer to nothing.
fn is_empty_name(name: &YamlSetting<'_>, pattern: &Match) -> bool {
    let is_empty = |text: &str| {
        let template = pattern.template(text);
        template.is_empty() && !template.notes.is_empty() && braced(text, pattern).is_none()
    };
    name.value.text().is_some_and(is_empty)
}

fn pattern(setting: &YamlSetting<'_>, is_regex: bool) -> Option<Match> {
    let Some(text) = setting.value.text() else {
        return setting.must_be("text");
    };
    if is_regex && text.is_empty() {
        let what = "an empty regex matches every name";
        setting.problems.warning(setting.value.span(), format!("match \"\": {what}; write .* if that is meant"));
    } else if text.is_empty() || text.len() > LONGEST_MATCH {
        return setting.must_be(&format!("text of 1 to {LONGEST_MATCH} bytes"));
    }
    let pattern = if is_regex { MatchRegex::new(text).map(Match::Regex) } else { Match::glob(text) };
    pattern.map_err(|message| setting.fail::<()>(format!("match {}: {message}", quoted(text)))).ok()
}

/// The text of a label; null is the empty text.
fn label_text(setting: &YamlSetting<'_>) -> Option<String> {
    if setting.value.is_null() { Some(String::new()) } else { text(setting) }
}

fn metric_name(setting: &YamlSetting<'_>, pattern: &Match) -> Option<ExporterTemplate> {
    let Some(text) = setting.value.text() else {
        return setting.must_be("text");
    };
    let template = pattern.template(text);
    if template.is_name() {
        return Some(template);
    }
    if let Some(braced) = braced(text, pattern) {
        let why = "without braces, a reference includes the letters and digits after it";
        return setting.fail(format!("name {}: {why}; write {}", quoted(text), quoted(&braced)));
    }
    match template.notes.first() {
        _ if !template.is_empty() => {
            setting.must_be("letters, digits, _ and references such as ${1}, not beginning with a digit")
        }
        Some(note) => setting.fail(format!("name {} is always empty, because {note}", quoted(text))),
        None => setting.fail(format!("name {} is empty", quoted(text))),
    }
}

/// `text` with braces around the number after each `$`, if that makes it a name.
fn braced(text: &str, pattern: &Match) -> Option<String> {
    let mut parts = text.split('$');
    let mut braced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_at(part.bytes().take_while(u8::is_ascii_digit).count());
        braced += &if number.is_empty() { format!("${rest}") } else { format!("${{{number}}}{rest}") };
    }
    let template = pattern.template(&braced);
    (braced != text && template.is_name() && template.notes.is_empty()).then_some(braced)
}
