//! One mapping, and the defaults of all, as the file gives them.

use std::ops::Range;
use std::time::Duration;

use super::pattern::{self, Regex};
use super::read::{Item, Section, each};
use super::template::Template;
use crate::config::diagnostic::quoted;

/// Something and where it stands.
pub(super) type At<T> = (T, Range<usize>);

/// What `ms`, `h` and `d` lines become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Observer {
    #[default]
    Summary,
    Histogram,
}

impl Observer {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Histogram => "histogram",
        }
    }
}

/// How the names of a mapping are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum MatchType {
    #[default]
    Glob,
    Regex,
}

/// What a summary or histogram is made with, where the file says it.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) observer: Option<Observer>,
    pub(super) buckets: Option<At<Vec<f64>>>,
    pub(super) quantiles: Option<At<Vec<f64>>>,
    pub(super) max_age: Option<At<Duration>>,
    /// Whether there is a block of options for the one and for the other, and where.
    summary: Option<Range<usize>>,
    histogram: Option<Range<usize>>,
    /// What has no counterpart.
    pub(super) lost: Vec<&'static str>,
}

/// `defaults`.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub(super) options: Options,
    match_type: MatchType,
    /// `glob_disable_ordering`.
    pub(super) is_unordered: bool,
    pub(super) ttl: Option<At<Duration>>,
}

impl Defaults {
    pub(super) fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let options = Options::read(&mut section);
        let match_type = section.get("match_type").and_then(|item| item.choice(&MATCH_TYPES)).unwrap_or_default();
        let is_unordered = section.get("glob_disable_ordering").and_then(|item| item.boolean()).unwrap_or_default();
        let ttl = at(section.get("ttl"), |item| item.duration());
        section.finish();
        Some(Self { options, match_type, is_unordered, ttl })
    }

    pub(super) fn observer(&self) -> Observer {
        self.options.observer.unwrap_or_default()
    }
}

const MATCH_TYPES: [(&str, MatchType); 3] =
    [("", MatchType::Glob), ("glob", MatchType::Glob), ("regex", MatchType::Regex)];

/// What a mapping matches.
#[derive(Debug)]
pub(super) enum Pattern {
    Glob(String),
    Regex(Regex),
}

/// The StatsD lines that a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    All,
    Counters,
    Gauges,
    Observers,
}

/// One of `mappings`.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) pattern: At<Pattern>,
    pub(super) lines: Lines,
    /// `None` where it is dropped.
    pub(super) name: Option<At<Template>>,
    pub(super) labels: Vec<(String, At<Template>)>,
    pub(super) tags_win: Option<Range<usize>>,
    pub(super) options: Options,
    pub(super) help: Option<At<String>>,
    pub(super) scale: Option<At<f64>>,
    pub(super) ttl: Option<At<Duration>>,
}

impl Mapping {
    pub(super) fn read(item: &Item<'_>, defaults: &Defaults) -> Option<Self> {
        let mut section = item.section()?;
        let match_type = section.get("match_type").map_or(Some(defaults.match_type), |item| item.choice(&MATCH_TYPES));
        let pattern = match section.get("match") {
            Some(text) => match_type.and_then(|match_type| pattern(&text, match_type)),
            None => {
                item.fail("\"match\" is missing in this mapping; give the names it is for, as in match: jobs.*.done")
            }
        };
        let lines = section.get("match_metric_type").map_or(Some(Lines::All), |item| item.choice(&LINES));
        let action = section.get("action").and_then(|item| item.choice(&[("map", false), ("drop", true)]));
        let is_dropped = action.unwrap_or_default();
        let name = section.get("name");
        let labels = section.get("labels");
        let tags_win = at(section.get("honor_labels"), |item| item.boolean());
        let options = Options::read(&mut section);
        options.check(defaults, item);
        let help = at(section.get("help"), |item| Some(item.text()?.to_owned()));
        let scale = at(section.get("scale"), factor);
        let ttl = at(section.get("ttl"), |item| item.duration());
        section.finish();

        let labels = labels.map(|labels| label_templates(&labels, pattern.as_ref())).unwrap_or_default();
        let name = match (&pattern, &name) {
            _ if is_dropped => None,
            (None, name) => {
                // Without a reference, it needs no match to be judged.
                name.iter().filter(|name| !name.node.text().unwrap_or("$").contains('$')).for_each(|name| {
                    metric_name(name, &Pattern::Glob(String::new()));
                });
                None
            }
            (Some(pattern), Some(name)) => Some(metric_name(name, &pattern.0)?),
            (Some(_), None) => {
                return item.fail("\"name\" is missing in this mapping; give the metric's name, or action: drop");
            }
        };
        Some(Self {
            pattern: pattern?,
            lines: lines?,
            name,
            labels,
            tags_win: tags_win.and_then(|(wins, span)| wins.then_some(span)),
            options,
            help: help.filter(|(text, _)| !text.trim().is_empty()),
            scale: scale.filter(|(scale, _)| *scale != 1.0),
            ttl,
        })
    }

    /// What becomes of its `ms`, `h` and `d` lines.
    pub(super) fn observer(&self, defaults: &Defaults) -> Observer {
        self.options.observer.unwrap_or(defaults.observer())
    }

    /// What the match as it is written here is, and by how many its groups have moved up.
    pub(super) fn pattern(&self) -> (&'static str, String, usize) {
        match &self.pattern.0 {
            Pattern::Glob(glob) => ("match", glob.clone(), 0),
            Pattern::Regex(regex) => {
                let mut templates =
                    self.name.iter().map(|(name, _)| name).chain(self.labels.iter().map(|(_, at)| &at.0));
                let (whole, shift) = regex.whole(templates.any(Template::uses_whole));
                ("match_regex", whole, shift)
            }
        }
    }
}

const LINES: [(&str, Lines); 5] = [
    ("", Lines::All),
    ("counter", Lines::Counters),
    ("gauge", Lines::Gauges),
    ("observer", Lines::Observers),
    // Its name up to 0.30.
    ("timer", Lines::Observers),
];

/// The value of an optional item, and where it stands.
fn at<T>(item: Option<Item<'_>>, read: impl Fn(&Item<'_>) -> Option<T>) -> Option<At<T>> {
    let item = item?;
    Some((read(&item)?, item.node.span.clone()))
}

fn pattern(item: &Item<'_>, match_type: MatchType) -> Option<At<Pattern>> {
    /// No line is that long.
    const LONGEST: usize = 64 * 1024;
    let text = item.text()?;
    if text.is_empty() || text.len() > LONGEST {
        return item.must_be(&format!("text of 1 to {LONGEST} bytes"));
    }
    let pattern = match match_type {
        MatchType::Glob => pattern::glob(text).map(|_| Pattern::Glob(text.to_owned())),
        MatchType::Regex => Regex::new(text).map(Pattern::Regex),
    };
    let pattern = pattern.map_err(|message| item.fail::<()>(format!("match {}: {message}", quoted(text)))).ok()?;
    Some((pattern, item.node.span.clone()))
}

fn template(text: &str, pattern: &Pattern) -> Template {
    match pattern {
        Pattern::Glob(glob) => Template::of_glob(text, glob.split('.').filter(|part| *part == "*").count()),
        Pattern::Regex(regex) => Template::of_regex(text, regex.captures, &regex.names),
    }
}

fn metric_name(item: &Item<'_>, pattern: &Pattern) -> Option<At<Template>> {
    let text = item.text()?;
    let template = template(text, pattern);
    if !template.is_name()
        && let Some(braced) = braced(text, pattern)
    {
        let why = "without braces, a reference may reach further than is meant";
        return item.fail(format!("name {}: {why}; write {}", quoted(text), quoted(&braced)));
    }
    if template.is_empty() {
        let why = match template.notes.first() {
            Some(note) => format!("is always empty, as {note}"),
            None => "is empty".to_owned(),
        };
        return item.fail(format!("name {} {why}", quoted(text)));
    }
    if !template.is_name() {
        return item.must_be("letters, digits, _ and references such as ${1}, not beginning with a digit");
    }
    Some((template, item.node.span.clone()))
}

/// The name with each number behind a `$` in braces, where that makes it right.
fn braced(text: &str, pattern: &Pattern) -> Option<String> {
    let mut parts = text.split('$');
    let mut braced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_at(part.bytes().take_while(u8::is_ascii_digit).count());
        braced += &if number.is_empty() { format!("${rest}") } else { format!("${{{number}}}{rest}") };
    }
    let template = template(&braced, pattern);
    (braced != text && template.is_name() && template.notes.is_empty()).then_some(braced)
}

/// The labels, of which the names can be judged without a pattern.
fn label_templates(item: &Item<'_>, pattern: Option<&At<Pattern>>) -> Vec<(String, At<Template>)> {
    let mut labels = Vec::new();
    for (key, value) in item.entries().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        let wrong = bad_label_name(name);
        let is_right = wrong.is_none();
        wrong.into_iter().for_each(|message| item.problems.error(&key.span, message));
        let value = Item::new(format!("label {}", quoted(name)), value, item.problems);
        // A value that says nothing is the empty text.
        let text = if value.node.is_null() { Some("") } else { value.text() };
        if let (true, Some(text), Some((pattern, _))) = (is_right, text, pattern) {
            labels.push((name.to_owned(), (template(text, pattern), value.node.span.clone())));
        }
    }
    labels
}

fn bad_label_name(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(legal) || name.starts_with(|c: char| c.is_ascii_digit()) {
        Some(format!("{} is not a label name; use letters, digits and _, and no digit first", quoted(name)))
    } else if name == "le" || name == "quantile" || name.starts_with("__") {
        Some(format!("the label {} is reserved for Prometheus itself; choose another name", quoted(name)))
    } else {
        None
    }
}

fn factor(item: &Item<'_>) -> Option<f64> {
    match item.number()? {
        scale if scale.is_finite() && scale != 0.0 => Some(scale),
        _ => item.must_be("a finite number other than 0"),
    }
}

impl Options {
    /// Reads what stands for mappings and for defaults alike, with the names it had up to 0.30.
    fn read(section: &mut Section<'_>) -> Self {
        let observers = [("", Observer::Summary), ("summary", Observer::Summary), ("histogram", Observer::Histogram)];
        let mut options = Self::default();
        let (new, old) = (section.get("observer_type"), section.get("timer_type"));
        let item = only(new, old, "observer_type").filter(|item| item.node.text() != Some(""));
        options.observer = item.and_then(|item| item.choice(&observers));
        let (mut buckets_of_block, mut quantiles_of_block) = (None, None);
        if let Some(block) = section.get("summary_options") {
            options.summary = Some(block.node.span.clone());
            quantiles_of_block = options.summary_block(&block);
        }
        if let Some(block) = section.get("histogram_options") {
            options.histogram = Some(block.node.span.clone());
            buckets_of_block = options.histogram_block(&block);
        }
        let quantiles = only(quantiles_of_block, section.get("quantiles"), "summary_options");
        options.quantiles = at(quantiles, quantile_values).filter(|(values, _)| !values.is_empty());
        let buckets = only(buckets_of_block, section.get("buckets"), "histogram_options");
        options.buckets = at(buckets, bucket_bounds).filter(|(bounds, _)| !bounds.is_empty());
        options
    }

    fn summary_block<'a>(&mut self, block: &Item<'a>) -> Option<Item<'a>> {
        let mut section = block.section()?;
        let quantiles = section.get("quantiles");
        self.max_age = at(section.get("max_age"), |item| item.duration()).filter(|(age, _)| !age.is_zero());
        for key in ["age_buckets", "buf_cap"] {
            if let Some(item) = section.get(key) {
                item.number();
                self.lost.push(key);
            }
        }
        section.finish();
        quantiles
    }

    fn histogram_block<'a>(&mut self, block: &Item<'a>) -> Option<Item<'a>> {
        let mut section = block.section()?;
        let buckets = section.get("buckets");
        for key in ["native_histogram_bucket_factor", "native_histogram_max_buckets"] {
            if let Some(item) = section.get(key) {
                item.number();
                self.lost.push(key);
            }
        }
        section.finish();
        buckets
    }

    /// A block of options for what the observer is not is an error, once something says what it is.
    fn check(&self, defaults: &Defaults, item: &Item<'_>) {
        let (observer, wrong) = match self.observer.or(defaults.options.observer) {
            Some(Observer::Histogram) => ("histogram", self.summary.as_ref().map(|span| ("summary_options", span))),
            Some(Observer::Summary) => ("summary", self.histogram.as_ref().map(|span| ("histogram_options", span))),
            None => return,
        };
        if let Some((block, span)) = wrong {
            let message = format!("{block:?} does not go with observer_type: {observer}; leave it out");
            item.problems.error(span, message);
        }
    }

    /// Whether it has options for a histogram which nothing says it is.
    pub(super) fn has_idle_buckets(&self) -> bool {
        self.observer.is_none() && (self.buckets.is_some() || self.histogram.is_some())
    }
}

/// The item under its present name or under its old one, but not under both.
fn only<'a>(new: Option<Item<'a>>, old: Option<Item<'a>>, name: &str) -> Option<Item<'a>> {
    if let (Some(_), Some(old)) = (&new, &old) {
        old.fail::<()>(format!("{} is the old way to say what {name} says here too; keep one", old.name));
    }
    new.or(old)
}

fn quantile_values(item: &Item<'_>) -> Option<Vec<f64>> {
    let _ = item.list("a quantile")?; // that it is one
    let quantiles = each(Some(item.clone()), "a quantile", |item| {
        let mut section = item.section()?;
        let quantile = section.get("quantile");
        if let Some(error) = section.get("error") {
            error.number();
        }
        section.finish();
        let Some(quantile) = quantile else {
            return item.fail("\"quantile\" is missing here; give a number from 0 to 1");
        };
        match quantile.number()? {
            value if (0.0..=1.0).contains(&value) => Some(value),
            _ => quantile.must_be("a number from 0 to 1"),
        }
    });
    let mut values: Vec<f64> = quantiles.into_iter().map(|(value, _)| value).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    Some(values)
}

fn bucket_bounds(item: &Item<'_>) -> Option<Vec<f64>> {
    let mut bounds = Vec::new();
    let mut items = item.list("a bucket")?.peekable();
    while let Some(bound) = items.next() {
        let value = bound.number()?;
        match bounds.last() {
            // It is there by itself.
            _ if value == f64::INFINITY && items.peek().is_none() => {}
            _ if !value.is_finite() => return bound.must_be("a finite number"),
            Some(&last) if value <= last => {
                return bound.fail(format!("{} must rise, and {value} comes after {last}", item.name));
            }
            _ => bounds.push(value),
        }
    }
    Some(bounds)
}
