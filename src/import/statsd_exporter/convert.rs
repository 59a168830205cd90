//! Writes the TOML for a mapping file, with a comment for each difference.

use std::collections::HashMap;

use super::comments::CommentsByMapping;
use super::mapping::{ALL, ExporterMapping, LineTypes, MappingDefaults, OBSERVERS};
use super::observer::ObserverOptions;
use super::pattern::{Match, PrefixTree};
use super::template::ExporterTemplate;
use super::write::{self, TomlWriter};
use super::yaml;
use crate::config::reader::{Node, Problems, Setting};
use crate::config::{Diagnostic, Spanned, Timer};

/// The limit of errors, because a hostile file could cause millions.
const MOST_ERRORS: usize = 1000;

/// Converts the text of a mapping file to a config file, made of everything that is right in it. The config must not be
/// used if there are errors, but it can be searched for more. After the error of an `Err`, nothing can be read.
pub(super) fn convert(source: &str) -> Result<(TomlWriter, Vec<Diagnostic>), Diagnostic> {
    let document = yaml::parse(source)?;
    let problems = Problems::new(document.errors, MOST_ERRORS);
    let (mut defaults, mut mappings, mut starts) = (MappingDefaults::default(), Vec::new(), Vec::new());
    let root = document.root.as_deref().filter(|root| !root.is_null());
    let root = root.map(|root| Setting::new("a mapping file", root, &problems));
    if let Some(mut keys) = root.and_then(|root| root.table("at the top of the file", "a table")) {
        defaults = keys.read("defaults", MappingDefaults::read).unwrap_or_default();
        let elements = keys.read("mappings", |setting| setting.elements("a mapping", "a list")).into_iter().flatten();
        let elements: Vec<_> = elements.collect();
        starts = elements.iter().map(|element| element.value.span().start).collect();
        let read = |(number, element)| Some((number, ExporterMapping::read(element, &defaults)?));
        mappings = elements.iter().enumerate().filter_map(read).collect();
        keys.finish_leniently();
    }
    let lines = source.match_indices('\n').map(|(at, _)| at + 1).collect();
    let comments = CommentsByMapping::new(source, document.comments, &starts);
    let mut file = ConfigFile { defaults, writer: TomlWriter::default(), lines, comments, taken: HashMap::new() };
    file.head(&mappings, document.has_more);
    file.mappings(mappings);
    file.tail();
    Ok((file.writer, problems.into_found()))
}

/// A mapping, and which one of the file it is.
type NumberedMapping = (usize, ExporterMapping);

/// The longest `summary_window`, in seconds.
const WEEK: u128 = 7 * 24 * 60 * 60;

/// The config file that is being written.
struct ConfigFile {
    defaults: MappingDefaults,
    writer: TomlWriter,
    /// The starts of the lines of the mapping file after the first.
    lines: Vec<usize>,
    comments: CommentsByMapping,
    /// For each pattern so far: the line types that mappings have claimed, and the line of the first such mapping.
    taken: HashMap<(&'static str, String), (LineTypes, usize)>,
}

impl ConfigFile {
    fn head(&mut self, mappings: &[NumberedMapping], has_more: bool) {
        let Self { defaults, writer, comments, .. } = self;
        writer.comment("A mapping file of statsd_exporter, by `statsidecar convert`.");
        if has_more {
            writer.comment("The part after the second --- is left out, because statsd_exporter does not read it.");
        }
        if !comments.head.is_empty() {
            writer.gap();
            writer.comments(&comments.head);
        }
        writer.gap();
        writer.comment("statsd_exporter listens on all addresses; 127.0.0.1 is enough for programs on the same host.");
        writer.header("[intake]", 0..0);
        writer.key("listen", "[\"udp://0.0.0.0:9125\", \"tcp://0.0.0.0:9125\"]", 0..0);
        writer.gap();
        writer.header("[http]", 0..0);
        writer.key("listen", "\"0.0.0.0:9102\"", 0..0);
        writer.gap();
        writer.header("[tags]", 0..0);
        writer.comment("statsd_exporter does not parse Graphite tags. Add \"graphite\" to parse them.");
        writer.key("dialects", "[\"dogstatsd\", \"influxdb\", \"librato\", \"signalfx\"]", 0..0);
        writer.gap();
        writer.header("[defaults]", 0..0);
        writer.key("naming", "\"verbatim\"", 0..0);
        writer.key("timer", &write::text(defaults.observer().into()), 0..0);
        writer.set("buckets", defaults.options.buckets.as_ref(), |bounds| write::numbers(bounds));
        if let Some(quantiles) = &defaults.options.quantiles {
            writer.comment("Every quantile is off by 1 % at most; the error of each cannot be set.");
            writer.set("quantiles", Some(quantiles), |values| write::numbers(values));
        }
        if let Some(max_age) = &defaults.options.max_age {
            let milliseconds = max_age.get_ref().as_millis();
            let window = milliseconds.div_ceil(1000).clamp(1, WEEK);
            if window * 1000 != milliseconds {
                writer.comment("This is the max_age, rounded up to seconds and limited to a week.");
            }
            writer.key("summary_window", &format!("\"{window}s\""), max_age.span());
        }
        unsupported(writer, &defaults.options);
        writer.set("ttl", defaults.ttl.as_ref(), write::duration);
        writer.comment("statsd_exporter always adds the label of the container. Remove this to have fewer series.");
        writer.key("container_label", "true", 0..0);
        self.order(mappings);
    }

    /// Explains the order of the rules, if it is not that of the mappings.
    fn order(&mut self, mappings: &[NumberedMapping]) {
        let is_glob = |(_, mapping): &&NumberedMapping| matches!(mapping.pattern.get_ref(), Match::Glob(_));
        let first_regex = mappings.iter().position(|mapping| !is_glob(&mapping));
        let last_glob = mappings.iter().rposition(|mapping| is_glob(&mapping));
        if first_regex < last_glob
            && let Some((_, regex)) = first_regex.and_then(|at| mappings.get(at))
        {
            let line = self.line(regex);
            self.writer.gap();
            self.writer
                .comment(&format!("statsd_exporter tries all globs before all regexes (the first is on line {line})."));
            self.writer.comment("The rules have this order too, because the first one that matches wins.");
        }
        if self.defaults.is_unordered && mappings.iter().filter(is_glob).count() > 1 {
            self.writer.gap();
            self.writer
                .comment("The globs are sorted because of glob_disable_ordering: at each part, words precede a *.");
            self.writer
                .comment("statsd_exporter has bugs here, so it misses some globs that match; a rule is never missed.");
        }
    }

    /// All mappings, in the order in which statsd_exporter tries them.
    fn mappings(&mut self, mut mappings: Vec<NumberedMapping>) {
        let is_unordered = self.defaults.is_unordered;
        // The sort is stable: globs of the same specificity, and regexes, keep their order.
        mappings.sort_by_cached_key(|(_, mapping)| {
            let pattern = mapping.pattern.get_ref();
            (matches!(pattern, Match::Regex(_)), is_unordered.then(|| pattern.specificity()))
        });
        let mut tree = PrefixTree::default();
        for (number, mapping) in &mappings {
            let is_prefix = matches!(mapping.pattern.get_ref(), Match::Glob(glob) if tree.add(glob));
            let comments = self.comments.take(*number);
            self.mapping(mapping, &comments, is_prefix && !is_unordered);
        }
    }

    /// The comments after the last mapping.
    fn tail(&mut self) {
        if !self.comments.tail.is_empty() {
            self.writer.gap();
            self.writer.comments(&self.comments.tail);
        }
    }

    /// The line of the match of a mapping.
    fn line(&self, mapping: &ExporterMapping) -> usize {
        self.lines.partition_point(|start| *start <= mapping.pattern.span().start) + 1
    }

    fn mapping(&mut self, mapping: &ExporterMapping, comments: &[String], is_never_reached: bool) {
        let line = self.line(mapping);
        let (key, pattern, shift) = mapping.rule_pattern();
        let mut types = mapping.lines;
        let (taken, first) = self.taken.entry((key, pattern.clone())).or_insert(([false; 3], line));
        for (is_meant, is_taken) in types.iter_mut().zip(taken) {
            *is_meant &= !*is_taken;
            *is_taken |= *is_meant;
        }
        self.writer.gap();
        self.writer.comments(comments);
        if types == [false; 3] {
            let why = format!("because line {first} has the same match, and the first one wins");
            return self.writer.comment(&format!("Line {line} is left out, {why}."));
        }
        self.writer.comment(&format!("Line {line}."));
        if is_never_reached {
            let why = "because an earlier, longer match begins with it";
            self.writer.comment(&format!("statsd_exporter has a bug: it never uses this mapping, {why}."));
        }
        let observer = mapping.observer(&self.defaults);
        let rule = RuleSource { mapping, key, pattern, shift, defaults: &self.defaults };
        rule.notes(&mut self.writer);
        let [counters, gauges, observers] = types;
        if observers && observer != self.defaults.observer() && mapping.name.is_some() {
            // A rule with a type rejects lines of other types, so counters and gauges get a rule of their own.
            rule.write(&mut self.writer, OBSERVERS, Some(observer), true);
            if counters || gauges {
                self.writer.gap();
                rule.write(&mut self.writer, ALL, None, false);
            }
        } else {
            rule.write(&mut self.writer, mapping.lines, None, observers);
        }
    }
}

/// Names the options of a summary or histogram that have no counterpart.
fn unsupported(writer: &mut TomlWriter, options: &ObserverOptions) {
    if !options.unsupported.is_empty() {
        writer.comment(&format!("Left out, because there is no counterpart: {}.", options.unsupported.join(", ")));
    }
}

/// One mapping, which becomes one rule or two.
struct RuleSource<'a> {
    mapping: &'a ExporterMapping,
    key: &'static str,
    pattern: String,
    /// The number of groups in `pattern` before those of the match.
    shift: usize,
    defaults: &'a MappingDefaults,
}

impl RuleSource<'_> {
    /// Writes the differences as comments.
    fn notes(&self, writer: &mut TomlWriter) {
        let ExporterMapping { name, labels, options, ttl, useless, .. } = self.mapping;
        if let Some(why) = useless {
            writer.comment(&format!(
                "Its lines are dropped, because {why}. statsd_exporter makes nothing useful of them."
            ));
        }
        let Some(name) = name else { return };
        for note in &name.get_ref().notes {
            writer.comment(&format!("In the name, {note}."));
        }
        for (label, value) in labels {
            for note in &value.get_ref().notes {
                writer.comment(&format!("In the label {label}, {note}."));
            }
        }
        if options.has_untyped_buckets() && self.mapping.observer(self.defaults) == Timer::Summary {
            writer.comment("It has options for a histogram, but no observer_type: statsd_exporter makes it a summary.");
        }
        unsupported(writer, options);
        if options.max_age.is_some() {
            writer.comment("Its max_age is left out, because [defaults] summary_window applies to all summaries.");
        }
        if self.defaults.ttl.is_some() && ttl.as_ref().is_some_and(|ttl| ttl.get_ref().is_zero()) {
            writer.comment("statsd_exporter has a bug: ttl: 0 does not override the default.");
        }
    }

    /// Writes the rule for lines of these types, as `observer` if that is not the default, with its options or without.
    fn write(&self, writer: &mut TomlWriter, lines: LineTypes, observer: Option<Timer>, has_options: bool) {
        let ExporterMapping { pattern, name, labels, tags_win, options, help, scale, ttl, .. } = self.mapping;
        writer.header("[[metric]]", pattern.span());
        writer.key(self.key, &write::text(&self.pattern), pattern.span());
        match lines {
            [true, false, false] => writer.key("match_type", "\"c\"", pattern.span()),
            [false, true, false] => writer.key("match_type", "\"g\"", pattern.span()),
            OBSERVERS => writer.key("match_type", "[\"ms\", \"h\", \"d\"]", pattern.span()),
            _ => {}
        }
        let Some(name) = name else {
            return writer.key("drop", "true", pattern.span());
        };
        writer.set("name", Some(name), |name| write::text(&name.render(self.shift)));
        if let Some(observer) = observer {
            writer.key("type", &write::text(observer.into()), name.span());
        }
        writer.set("help", help.as_ref(), |help| write::text(help));
        if let Some((_, first)) = labels.first() {
            let render = |(label, value): &(String, Spanned<ExporterTemplate>)| {
                (label.clone(), value.get_ref().render(self.shift))
            };
            writer.key("labels", &write::table(labels.iter().map(render)), first.span());
            writer.set("prefer", tags_win.as_ref(), |_| write::text("tag"));
        }
        match self.mapping.observer(self.defaults) {
            _ if !has_options => {}
            Timer::Histogram => writer.set("buckets", options.buckets.as_ref(), |bounds| write::numbers(bounds)),
            Timer::Summary => writer.set("quantiles", options.quantiles.as_ref(), |values| write::numbers(values)),
        }
        writer.set("scale", scale.as_ref(), write::number);
        let ttl = ttl.as_ref().filter(|ttl| !ttl.get_ref().is_zero() || self.defaults.ttl.is_some());
        writer.set("ttl", ttl, write::duration);
    }
}
