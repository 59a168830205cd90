//! A mapping file of prometheus/statsd_exporter as TOML of ours that means the same.
//!
//! What is read is its format of today and what it read up to 0.30. Where it has a bug, the TOML does what its
//! documentation says, and a comment names the difference. What cannot be said is an error at its place in the file.
//! Nothing here opens a file or knows how the TOML is loaded.
//!
//! Source: <https://github.com/prometheus/statsd_exporter#metric-mapping-and-configuration>.

mod mapping;
mod pattern;
mod read;
mod template;
mod write;
mod yaml;

use std::collections::HashMap;
use std::ops::Range;

use super::diagnostic::Diagnostic;
use mapping::{Defaults, Lines, Mapping, Observer, Pattern};
use pattern::Begun;
use read::Problems;
use template::Template;
use write::Writer;

/// A mapping file in TOML.
#[derive(Debug)]
pub struct Converted {
    /// The text of a config file: of all that is right.
    pub toml: String,
    /// What is wrong with the mapping file. Where it is something, the text must not be used, but more may be found in
    /// it.
    pub found: Vec<Diagnostic>,
    origins: Vec<(usize, Range<usize>)>,
}

impl Converted {
    /// The part of the mapping file that a place in the TOML comes from.
    pub fn origin(&self, offset: usize) -> Range<usize> {
        let next = self.origins.partition_point(|(start, _)| *start <= offset);
        let origin = next.checked_sub(1).and_then(|last| self.origins.get(last));
        origin.map(|(_, origin)| origin.clone()).unwrap_or_default()
    }
}

/// Converts the text of a mapping file; the error is what nothing can be read beyond.
pub fn convert(source: &str) -> Result<Converted, Diagnostic> {
    let document = yaml::read(source)?;
    let problems = Problems::default();
    for Diagnostic { span, message, .. } in &document.problems {
        problems.error(span, message);
    }
    let mut defaults = Defaults::default();
    let mut mappings = Vec::new();
    if let Some(root) = document.root.as_ref().filter(|root| !root.is_null())
        && let Some(mut section) = read::root(root, &problems).section()
    {
        defaults = section.get("defaults").and_then(|item| Defaults::read(&item)).unwrap_or_default();
        let read = |item: &read::Item<'_>| Mapping::read(item, &defaults);
        mappings =
            read::each(section.get("mappings"), "a mapping", read).into_iter().map(|(mapping, _)| mapping).collect();
        section.finish();
    }
    let mut file = File { defaults, writer: Writer::default(), lines: LineStarts::new(source), taken: HashMap::new() };
    file.head(&mappings, document.has_more);
    file.mappings(mappings);
    let (toml, origins) = file.writer.finish();
    Ok(Converted { toml, found: problems.into_found(), origins })
}

/// The longest window of a summary, in seconds.
const WEEK: u128 = 7 * 24 * 60 * 60;

/// Where the lines of the mapping file begin, for comments that name one.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn new(source: &str) -> Self {
        Self(source.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.0.partition_point(|start| *start <= span.start) + 1
    }
}

/// Counters, gauges and observers: which of them something is about.
type Kinds = [bool; 3];

/// The TOML while it is written.
struct File {
    defaults: Defaults,
    writer: Writer,
    lines: LineStarts,
    /// What each match takes of the lines, by what is written so far, and the line of the first such mapping.
    taken: HashMap<(&'static str, String), (Kinds, usize)>,
}

impl File {
    fn head(&mut self, mappings: &[Mapping], has_more: bool) {
        let Self { defaults, writer, lines, .. } = self;
        let nowhere = &(0..0);
        writer.comment("A mapping file of statsd_exporter, by `statsidecar convert`.");
        if has_more {
            writer.comment("What follows the second --- in it is left out: statsd_exporter does not read it.");
        }
        writer.gap();
        writer.header("[tags]", nowhere);
        writer.comment(
            "statsd_exporter takes Graphite's tags for a part of the name. Add \"graphite\" to have them read.",
        );
        writer.key("dialects", "[\"dogstatsd\", \"influxdb\", \"librato\", \"signalfx\"]", nowhere);
        writer.gap();
        writer.header("[defaults]", nowhere);
        writer.key("naming", "\"verbatim\"", nowhere);
        writer.key("timer", &write::text(defaults.observer().as_str()), nowhere);
        if let Some((buckets, span)) = &defaults.options.buckets {
            writer.key("buckets", &write::numbers(buckets), span);
        }
        if let Some((quantiles, span)) = &defaults.options.quantiles {
            writer.comment("How exact a quantile is cannot be chosen: see the README.");
            writer.key("quantiles", &write::numbers(quantiles), span);
        }
        if let Some((max_age, span)) = &defaults.options.max_age {
            let window = max_age.as_millis().div_ceil(1000).clamp(1, WEEK);
            if window * 1000 != max_age.as_millis() {
                writer.comment("The max_age, but in whole seconds and of at most a week.");
            }
            writer.key("summary_window", &format!("\"{window}s\""), span);
        }
        lost(writer, &defaults.options);
        if let Some((ttl, span)) = defaults.ttl.as_ref().filter(|(ttl, _)| !ttl.is_zero()) {
            writer.key("ttl", &write::duration(*ttl), span);
        }
        writer.comment("statsd_exporter always makes a label of the container. Take this out to have fewer series.");
        writer.key("container_label", "true", nowhere);
        order(writer, defaults, mappings, lines);
    }

    /// All mappings, in the order in which statsd_exporter tries them.
    fn mappings(&mut self, mappings: Vec<Mapping>) {
        let (mut globs, regexes): (Vec<_>, Vec<_>) =
            mappings.into_iter().partition(|mapping| matches!(mapping.pattern.0, Pattern::Glob(_)));
        if self.defaults.is_unordered {
            // Their order stays where neither is the more specific one.
            globs.sort_by_cached_key(|mapping| specificity(&mapping.pattern.0));
        }
        let mut begun = Begun::default();
        for mapping in &globs {
            let is_lost =
                matches!(&mapping.pattern.0, Pattern::Glob(glob) if begun.add(glob)) && !self.defaults.is_unordered;
            self.mapping(mapping, is_lost);
        }
        for mapping in &regexes {
            self.mapping(mapping, false);
        }
    }

    fn mapping(&mut self, mapping: &Mapping, is_lost: bool) {
        let line = self.lines.line(&mapping.pattern.1);
        let (key, pattern, shift) = mapping.pattern();
        let wanted: Kinds = match mapping.lines {
            Lines::All => [true; 3],
            Lines::Counters => [true, false, false],
            Lines::Gauges => [false, true, false],
            Lines::Observers => [false, false, true],
        };
        let (taken, first) = self.taken.entry((key, pattern.clone())).or_insert(([false; 3], line));
        let mut mine = wanted;
        for (mine, taken) in mine.iter_mut().zip(taken) {
            *mine &= !*taken;
            *taken |= *mine;
        }
        self.writer.gap();
        if mine == [false; 3] {
            let first = *first;
            return self.writer.comment(&format!(
                "Line {line} is left out: its lines go to the same match on line {first}, as the first one wins."
            ));
        }
        self.writer.comment(&format!("Line {line}."));
        if is_lost {
            self.writer
                .comment("statsd_exporter has a bug by which it never uses this: a longer match before it begins so.");
        }
        let observer = mapping.observer(&self.defaults);
        let rule = Rule { mapping, key, pattern, shift, defaults: &self.defaults };
        rule.notes(&mut self.writer);
        let [counters, gauges, observers] = mine;
        if observers && observer != self.defaults.observer() && mapping.name.is_some() {
            // A type declared for all lines would turn the counters and gauges away.
            rule.write(&mut self.writer, Some(Lines::Observers), Some(observer), true);
            if counters || gauges {
                self.writer.gap();
                rule.write(&mut self.writer, None, None, false);
            }
        } else {
            let lines = Some(mapping.lines).filter(|lines| *lines != Lines::All);
            rule.write(&mut self.writer, lines, None, observers);
        }
    }
}

fn specificity(pattern: &Pattern) -> Vec<bool> {
    match pattern {
        Pattern::Glob(glob) => pattern::specificity(glob),
        Pattern::Regex(_) => Vec::new(),
    }
}

/// Says where the order of the rules is not that of the mappings.
fn order(writer: &mut Writer, defaults: &Defaults, mappings: &[Mapping], lines: &LineStarts) {
    let is_glob = |mapping: &&Mapping| matches!(mapping.pattern.0, Pattern::Glob(_));
    let regex = mappings.iter().position(|mapping| !is_glob(&mapping));
    let glob = mappings.iter().rposition(|mapping| is_glob(&mapping));
    if regex < glob
        && let Some(regex) = regex.and_then(|at| mappings.get(at))
    {
        writer.gap();
        let line = lines.line(&regex.pattern.1);
        writer.comment(&format!(
            "All globs stand before all regexes (the first is on line {line}), as statsd_exporter tries"
        ));
        writer.comment("them in this order. Here the first rule that matches wins, whatever it is.");
    }
    if defaults.is_unordered && mappings.iter().filter(is_glob).count() > 1 {
        writer.gap();
        writer.comment("The globs are sorted, for glob_disable_ordering: a word goes before a * at the same place.");
        writer.comment("statsd_exporter has bugs there by which it misses some that match; here each is tried.");
    }
}

/// Names the options of a summary or histogram that have no counterpart.
fn lost(writer: &mut Writer, options: &mapping::Options) {
    if !options.lost.is_empty() {
        writer.comment(&format!("Without a counterpart, and left out: {}.", options.lost.join(", ")));
    }
}

/// One mapping on its way into one rule, or two.
struct Rule<'a> {
    mapping: &'a Mapping,
    key: &'static str,
    pattern: String,
    /// By how much the groups of the match have moved up.
    shift: usize,
    defaults: &'a Defaults,
}

impl Rule<'_> {
    /// Says what is not as it was.
    fn notes(&self, writer: &mut Writer) {
        let Mapping { name, labels, options, .. } = self.mapping;
        for note in name.iter().flat_map(|(name, _)| &name.notes) {
            writer.comment(&format!("In the name, {note}."));
        }
        for (label, (value, _)) in labels {
            for note in &value.notes {
                writer.comment(&format!("In the label {label}, {note}."));
            }
        }
        if self.mapping.name.is_none() {
            return;
        }
        if options.has_idle_buckets() && self.mapping.observer(self.defaults) == Observer::Summary {
            writer.comment("It has options for a histogram, but no observer_type: statsd_exporter makes it a summary.");
        }
        lost(writer, options);
        if options.max_age.is_some() {
            writer.comment("Its max_age is left out: [defaults] summary_window holds for all summaries.");
        }
        if self.has_default_ttl() && self.mapping.ttl.as_ref().is_some_and(|(ttl, _)| ttl.is_zero()) {
            writer.comment("statsd_exporter has a bug by which ttl: 0 does not win over the default.");
        }
    }

    /// Writes it for these lines, as this type, with the options of a summary or histogram or without.
    fn write(&self, writer: &mut Writer, lines: Option<Lines>, kind: Option<Observer>, has_options: bool) {
        let Mapping { pattern: (_, at), name, labels, tags_win, options, help, scale, ttl, .. } = self.mapping;
        writer.header("[[metric]]", at);
        writer.key(self.key, &write::text(&self.pattern), at);
        if let Some(types) = lines.and_then(types) {
            writer.key("match_type", types, at);
        }
        let Some((name, at)) = name else {
            return writer.key("drop", "true", at);
        };
        writer.key("name", &write::text(&name.render(self.shift)), at);
        if let Some(kind) = kind {
            writer.key("type", &write::text(kind.as_str()), at);
        }
        if let Some((help, at)) = help {
            writer.key("help", &write::text(help), at);
        }
        if let Some((_, (_, at))) = labels.first() {
            let render = |(key, (value, _)): &(String, (Template, _))| (key.clone(), value.render(self.shift));
            writer.key("labels", &write::table(labels.iter().map(render)), at);
            if let Some(at) = tags_win {
                writer.key("prefer", "\"tag\"", at);
            }
        }
        match self.mapping.observer(self.defaults) {
            Observer::Histogram if has_options => {
                if let Some((buckets, at)) = &options.buckets {
                    writer.key("buckets", &write::numbers(buckets), at);
                }
            }
            Observer::Summary if has_options => {
                if let Some((quantiles, at)) = &options.quantiles {
                    writer.key("quantiles", &write::numbers(quantiles), at);
                }
            }
            _ => {}
        }
        if let Some((scale, at)) = scale {
            writer.key("scale", &write::number(*scale), at);
        }
        if let Some((ttl, at)) = ttl.as_ref().filter(|(ttl, _)| !ttl.is_zero() || self.has_default_ttl()) {
            writer.key("ttl", &write::duration(*ttl), at);
        }
    }

    fn has_default_ttl(&self) -> bool {
        self.defaults.ttl.as_ref().is_some_and(|(ttl, _)| !ttl.is_zero())
    }
}

/// The lines of a rule, where it is not for all.
fn types(lines: Lines) -> Option<&'static str> {
    match lines {
        Lines::All => None,
        Lines::Counters => Some("\"c\""),
        Lines::Gauges => Some("\"g\""),
        Lines::Observers => Some("[\"ms\", \"h\", \"d\"]"),
    }
}
