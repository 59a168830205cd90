//! Compiles the rules of a [`Config`], and reports everything that is wrong with them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::agreed::AgreedOptions;
use super::condition::Conditions;
use super::consistency::Consistency;
use super::conversion::{Conversion, Reading};
use super::costs::costs;
use super::glob::GlobPart;
use super::initial::LabelSources;
use super::labels::{TagPolicy, find_in};
use super::metric::{Ending, Metric, RuleMetadata};
use super::pattern::{Automaton, NamePattern};
use super::relay_filter::RelayFilter;
use super::rules::{CompiledRule, MetricTemplate, Rules};
use super::template::CaptureTemplate;
use super::unreachable::unreachable_rules;
use super::{buckets, cardinality, consistency, conventions, names};
use crate::config::{Config, Diagnostic, KeptTags, Labels, MetricRule, Severity, Spanned, Timer};
use crate::metric::MetricType;
use crate::parse::StatsdType;

impl Rules {
    /// Compiles the rules of `config`. `run`, `check` and `explain` all call this function.
    ///
    /// The diagnostics have their places in the file. If one of them is an error, the rules must not be used. An error
    /// in one rule does not keep the others from being checked, so that one run finds all errors.
    ///
    /// Rules of presets have no place in the file, and the user's rules override them on purpose. So they cause no warnings,
    /// and their errors, which can only be contradictions of the user's rules, have the place of `presets`.
    pub fn compile(config: &Config) -> (Self, Vec<Diagnostic>) {
        let (own, of_presets): (Vec<_>, Vec<_>) =
            config.metrics.iter().cloned().partition(|rule| rule.preset.is_none());
        if of_presets.is_empty() {
            return Self::compile_all(config);
        }
        let (_, mut diagnostics) = Self::compile_all(&Config { metrics: own, ..config.clone() });
        let (rules, all) = Self::compile_all(config);
        let errors = all.into_iter().filter(|found| found.severity == Severity::Error && !diagnostics.contains(found));
        let span = config.presets.as_ref().map(Spanned::span).unwrap_or_default();
        let errors: Vec<_> = errors
            .map(|error| {
                Diagnostic::error(span.clone(), format!("a rule of a preset is wrong here: {}", error.message))
            })
            .collect();
        diagnostics.extend(errors);
        (rules, diagnostics)
    }

    fn compile_all(config: &Config) -> (Self, Vec<Diagnostic>) {
        let mut compiler = Compiler::new(config);
        let rules: Vec<_> = config.metrics.iter().filter_map(|rule| compiler.rule(rule)).collect();
        let relay_filters = RelayFilter::compile(&config.relays, &mut compiler.diagnostics);
        let costs = costs(&rules);
        let automaton = compiler.automaton(&rules);
        let Compiler { mut diagnostics, consistency, metadata, constants, initial, .. } = compiler;
        diagnostics.extend(consistency.collisions());
        if costs.is_empty() {
            diagnostics.extend(unreachable_rules(&rules, &automaton));
        }
        diagnostics.extend(costs);
        let default_metric = MetricTemplate {
            name: None,
            metadata,
            labels: Vec::new(),
            tags: TagPolicy::default(),
            reading: Reading { negative: config.defaults.negative, ..Reading::default() },
            ttl: config.defaults.ttl,
        };
        let rules = Self {
            rules,
            automaton,
            default_metric,
            initial,
            naming: config.defaults.naming,
            timer: config.defaults.timer,
            service_checks: config.defaults.service_checks,
            constants,
            dialects: config.tags.dialects,
            container_label: config.defaults.container_label,
            tag_limit: config.limits.tags,
            relay_filters,
        };
        (rules, diagnostics)
    }
}

/// The results of the rules that are compiled so far.
struct Compiler<'c> {
    config: &'c Config,
    /// The metadata of metrics that no rule matches.
    metadata: RuleMetadata,
    agreed: AgreedOptions<'c>,
    constants: Vec<(String, String)>,
    diagnostics: Vec<Diagnostic>,
    consistency: Consistency<'c>,
    initial: Vec<Metric<'static>>,
    /// The names and labels of `initial`.
    initial_series: HashSet<(String, Vec<(String, String)>)>,
    /// How many of `initial` have each name.
    initial_of_name: HashMap<String, usize>,
}

impl<'c> Compiler<'c> {
    fn new(config: &'c Config) -> Self {
        Self {
            config,
            metadata: RuleMetadata::of_defaults(&config.defaults),
            agreed: AgreedOptions::new(config),
            constants: not_empty(unspanned(&config.labels).collect()),
            diagnostics: Vec::new(),
            consistency: Consistency::new(config.defaults.clone()),
            initial: Vec::new(),
            initial_series: HashSet::new(),
            initial_of_name: HashMap::new(),
        }
    }

    fn error(&mut self, span: Range<usize>, message: String) {
        self.diagnostics.push(Diagnostic::error(span, message));
    }

    fn rule(&mut self, rule: &'c MetricRule) -> Option<CompiledRule> {
        let conditions = self.conditions(rule);
        self.check_options(rule, &conditions);
        self.check_labels(rule, &conditions);
        buckets::check(rule, &self.config.defaults, &mut self.diagnostics);
        let tags = self.tags(rule);
        let pattern = NamePattern::new(&rule.pattern).map_err(|message| self.error(rule.pattern.span(), message)).ok();
        let name = rule.name.as_ref().and_then(|name| self.name(rule, name, pattern.as_ref()));
        let pattern = pattern?;
        let template =
            |(key, value): &(Spanned<String>, _)| Some((key.get_ref().clone(), self.template(value, &pattern)?));
        let mut labels: Vec<_> = rule.labels.iter().filter_map(template).collect();
        labels.sort_by(|(one, _), (other, _)| one.cmp(other));
        let ttl = rule.ttl.as_ref().map(|ttl| *ttl.get_ref()).or(self.config.defaults.ttl);
        let metric = MetricTemplate {
            name,
            metadata: self.metadata.with_rule(&self.agreed.of(rule)),
            labels,
            tags,
            reading: self.reading(rule),
            // Series that `init` declares never expire.
            ttl: ttl.filter(|ttl| !ttl.is_zero() && rule.init.is_empty()),
        };
        let metric = Some(metric).filter(|_| !rule.drop);
        if let Some(metric) = &metric {
            let before = self.diagnostics.len();
            self.initial(rule, metric);
            if self.diagnostics.len() == before {
                self.check_initial(rule, metric, (&pattern, &conditions));
            }
            self.check_limits(rule);
            cardinality::check(rule, metric, &pattern, self.config.limits.family_series, &mut self.diagnostics);
        }
        let written_name = rule.name.as_ref().map(|name| name.get_ref().clone());
        let (written, preset) = (rule.pattern.clone(), rule.preset);
        Some(CompiledRule { written, written_name, preset, pattern, conditions, metric })
    }

    fn reading(&self, rule: &MetricRule) -> Reading {
        Reading {
            scale: rule.scale.as_ref().map_or(1.0, |scale| *scale.get_ref()),
            value: rule.value,
            negative: rule.negative.unwrap_or(self.config.defaults.negative),
        }
    }

    /// The conditions of a rule other than its pattern.
    fn conditions(&mut self, rule: &'c MetricRule) -> Conditions {
        let mut statsd_types = Vec::new();
        for word in &rule.match_type {
            let text = word.get_ref();
            let Some(statsd_type) = StatsdType::ALL.into_iter().find(|statsd_type| statsd_type.as_str() == text) else {
                let known = StatsdType::ALL.map(|statsd_type| format!("{:?}", statsd_type.as_str())).join(", ");
                self.error(word.span(), format!("{text:?} is not a type of lines; match_type takes {known}"));
                continue;
            };
            if let Some(to) = rule.metric_type.as_ref().map(|to| *to.get_ref())
                && Conversion::new(statsd_type, to, self.reading(rule)).is_none()
            {
                let message = format!("match_type {text:?}: such lines cannot feed a {}; leave it out", to.as_str());
                self.error(word.span(), message);
            }
            statsd_types.push(statsd_type);
        }
        statsd_types.sort_unstable();
        statsd_types.dedup();
        let tags = self.by_key("match_tags", &rule.match_tags);
        Conditions { statsd_types, tags: tags.into_iter().map(|(key, value)| (key, GlobPart::new(value))).collect() }
    }

    /// Warns of `buckets` and `quantiles` that have no effect because no line of the rule becomes such a metric.
    ///
    /// If the rule sets a type, the reader of the config has compared the two.
    fn check_options(&mut self, rule: &MetricRule, conditions: &Conditions) {
        if rule.metric_type.is_some() {
            return;
        }
        let observes = |statsd_type: &StatsdType| {
            Conversion::new(*statsd_type, MetricType::Histogram, Reading::default()).is_some()
        };
        let takes_timers = conditions.statsd_types.is_empty() || conditions.statsd_types.iter().any(observes);
        let timer = self.config.defaults.timer;
        for (key, span, own, needs) in [
            ("buckets", rule.buckets.as_ref().map(Spanned::span), Timer::Histogram, "histogram"),
            ("native", rule.native.as_ref().map(Spanned::span), Timer::Histogram, "histogram"),
            ("quantiles", rule.quantiles.as_ref().map(Spanned::span), Timer::Summary, "summary"),
        ] {
            let Some(span) = span else { continue };
            let message = if !takes_timers {
                format!("{key:?} has no effect on the lines of this match_type; leave it out")
            } else if timer != own {
                format!(
                    "{key:?} has no effect, because [defaults] timer makes no {needs}; add type = {needs:?}, or leave it \
                     out"
                )
            } else {
                continue;
            };
            self.diagnostics.push(Diagnostic::warning(span, message));
        }
    }

    /// Reports `le` in a rule whose lines always become a histogram, and `quantile` in one for summaries. Where lines of
    /// other types can match too, the label is renamed on a histogram or summary only.
    fn check_labels(&mut self, rule: &MetricRule, conditions: &Conditions) {
        let observes = |of: &StatsdType| Conversion::new(*of, MetricType::Histogram, Reading::default()).is_some();
        let only_timers = !conditions.statsd_types.is_empty() && conditions.statsd_types.iter().all(observes);
        let timer = only_timers.then_some(match self.config.defaults.timer {
            Timer::Histogram => MetricType::Histogram,
            Timer::Summary => MetricType::Summary,
        });
        let Some(metric_type) = rule.metric_type.as_ref().map(|to| *to.get_ref()).or(timer) else { return };
        let Some(own) = metric_type.own_label() else { return };
        let init = rule.init.iter().flat_map(|set| set.get_ref());
        let keys = rule.labels.iter().chain(init).map(|(key, _)| key).chain(rule.rename_tags.iter().map(|(_, to)| to));
        for key in keys.filter(|key| key.get_ref() == own) {
            let message =
                format!("the label {own:?} belongs to the {} itself; choose another name", metric_type.as_str());
            self.diagnostics.push(Diagnostic::error(key.span(), message));
        }
    }

    fn tags(&mut self, rule: &'c MetricRule) -> TagPolicy {
        let naming = self.config.defaults.naming;
        let (keeps_listed, listed) = match &rule.tags {
            KeptTags::All => (false, &[][..]),
            KeptTags::None => (true, &[][..]),
            KeptTags::Only(only) => (true, only.as_slice()),
            KeptTags::AllBut(all_but) => (false, all_but.as_slice()),
        };
        let mut listed: Vec<_> =
            listed.iter().map(|key| names::label_key(key.get_ref(), naming).0.into_owned()).collect();
        listed.sort_unstable();
        let mut policy = TagPolicy { renamed: Vec::new(), listed, keeps_listed, prefer: rule.prefer };
        // With `tags = "drop"`, the key `rename_tags` is an error of its own.
        for (from, _) in rule.rename_tags.iter().filter(|_| rule.tags != KeptTags::None) {
            if !policy.keeps(&names::label_key(from.get_ref(), naming).0) {
                let message = format!(
                    "the tag {:?} is renamed, but drop_tags or keep_tags drops it; leave it out in one of them",
                    from.get_ref()
                );
                self.error(from.span(), message);
            }
        }
        let renamed = self.by_key("rename_tags", &rule.rename_tags);
        policy.renamed = renamed.into_iter().map(|(from, to)| (from, to.to_owned())).collect();
        policy
    }

    /// Tags by the keys of their labels, in ascending order. Two tags with the same key are an error of `option`.
    fn by_key(&mut self, option: &str, tags: &'c Labels) -> Vec<(String, &'c str)> {
        let mut by_key: BTreeMap<String, (&str, &str)> = BTreeMap::new();
        for (tag, value) in tags {
            let key = names::label_key(tag.get_ref(), self.config.defaults.naming).0.into_owned();
            if let Some((first, _)) = by_key.get(&key) {
                let message =
                    format!("{option}: the tags {first:?} and {:?} both become {key:?}; keep one", tag.get_ref());
                self.error(tag.span(), message);
            } else {
                by_key.insert(key, (tag.get_ref(), value.get_ref()));
            }
        }
        by_key.into_iter().map(|(key, (_, value))| (key, value)).collect()
    }

    /// The automaton over the patterns of all rules.
    fn automaton(&mut self, rules: &[CompiledRule]) -> Automaton {
        let automaton = Automaton::new(rules.iter().map(|rule| &rule.pattern));
        let largest = rules.iter().max_by_key(|rule| (rule.written.key().len(), rule.written.text().len()));
        if let (None, Some(largest)) = (&automaton, largest) {
            let message = "the patterns of all rules together take too much memory when compiled; use fewer rules, or \
                           fewer repetitions in regexes such as this one";
            self.error(largest.written.span(), message.to_owned());
        }
        automaton.unwrap_or_default()
    }

    fn template(&mut self, text: &Spanned<String>, pattern: &NamePattern) -> Option<CaptureTemplate> {
        CaptureTemplate::new(text.get_ref(), pattern).map_err(|message| self.error(text.span(), message)).ok()
    }

    /// The template of the name. A name without `$` is checked even if the pattern is invalid.
    fn name(
        &mut self,
        rule: &'c MetricRule,
        name: &'c Spanned<String>,
        pattern: Option<&NamePattern>,
    ) -> Option<CaptureTemplate> {
        let template = pattern.and_then(|pattern| self.template(name, pattern));
        let before = self.diagnostics.len();
        let is_literal = match &template {
            Some(template) => template.is_literal(),
            None => pattern.is_none() && !name.get_ref().contains('$'),
        };
        if is_literal {
            self.consistency.add(rule, name, &mut self.diagnostics);
        } else if let Some(template) = &template {
            self.diagnostics
                .extend(consistency::check_name(name, &template.example(), self.config.defaults.naming).err());
        }
        let is_valid = self.diagnostics.iter().skip(before).all(|found| found.severity != Severity::Error);
        if let Some(template) = template.as_ref().filter(|_| is_valid) {
            conventions::check(rule, name, template, &self.config.defaults, &mut self.diagnostics);
        }
        template
    }

    /// Adds the series that a rule declares with `init`.
    fn initial(&mut self, rule: &MetricRule, metric: &MetricTemplate) {
        for set in &rule.init {
            let (Some(name), Some(metadata)) =
                (metric.name.as_ref().filter(|name| name.is_literal()), metric.metadata.fixed())
            else {
                let message = "init needs a type and a name without $ in the same rule, because the series exists \
                               before the first line";
                return self.error(set.span(), message.to_owned());
            };
            let name = name.expand(&[]);
            let labels = match self.initial_labels(set.get_ref(), metric) {
                Ok(labels) => not_empty(labels),
                Err(message) => {
                    self.error(set.span(), message);
                    continue;
                }
            };
            if self.initial_series.insert((name.clone(), labels.clone())) {
                let (metadata, ending) = (Arc::clone(metadata), Ending::Kept);
                *self.initial_of_name.entry(name.clone()).or_default() += 1;
                let labels = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
                self.initial.push(Metric { name, labels, metadata, ttl: None, ending, written: None });
            } else {
                self.error(set.span(), format!("init declares this series of {name} twice; remove one of the two"));
            }
        }
    }

    /// Warns of series of `init` that no line feeds.
    fn check_initial(
        &mut self,
        rule: &MetricRule,
        metric: &MetricTemplate,
        (pattern, conditions): (&NamePattern, &Conditions),
    ) {
        let (labels, tags) = (metric.labels.as_slice(), &metric.tags);
        let sources = LabelSources { labels, tags, conditions, pattern, constants: &self.constants };
        sources.check(rule, self.config, &mut self.diagnostics);
    }

    /// The labels of a series that a rule declares; the error says what is wrong with them.
    fn initial_labels(&self, set: &Labels, metric: &MetricTemplate) -> Result<BTreeMap<String, String>, String> {
        let mut labels: BTreeMap<_, _> = self.constants.iter().cloned().collect();
        for (key, value) in unspanned(set) {
            let is_of_rule = find_in(&metric.labels, &key).is_some();
            if !is_of_rule && find_in(&self.constants, &key).is_some() {
                return Err(format!("init sets {key:?}, which [labels] sets on every series; leave it out"));
            }
            labels.insert(key, value);
        }
        let given: HashSet<_> = set.iter().map(|(given, _)| given.get_ref()).collect();
        for (key, value) in &metric.labels {
            let is_given = given.contains(key);
            match (value.is_literal(), is_given) {
                (true, true) => return Err(format!("init sets {key:?}, which the rule's labels set; leave it out")),
                (true, false) => _ = labels.insert(key.clone(), value.expand(&[])),
                (false, true) => {}
                (false, false) => {
                    return Err(format!("init lacks the label {key:?}, which every series of this rule has"));
                }
            }
        }
        Ok(labels)
    }

    /// Reports an `init` whose series, with those of the rules before it, are more than a limit allows.
    fn check_limits(&mut self, rule: &MetricRule) {
        let Some(last) = rule.init.last() else { return };
        let (all, limits) = (self.initial.len(), &self.config.limits);
        let name = rule.name.as_ref().map(|name| name.get_ref().as_str()).unwrap_or_default();
        let of_name = self.initial_of_name.get(name).copied().unwrap_or_default();
        if all > limits.series {
            let limit = limits.series;
            let message = format!("init declares {all} series up to here, and [limits] series is {limit}; raise it");
            self.error(last.span(), message);
        } else if let Some(limit) = limits.family_series.filter(|&limit| of_name > limit) {
            let message = format!(
                "init declares {of_name} series of {name} up to here, and [limits] family_series is {limit}; raise it"
            );
            self.error(last.span(), message);
        }
    }
}

fn unspanned(labels: &Labels) -> impl Iterator<Item = (String, String)> {
    labels.iter().map(|(key, value)| (key.get_ref().clone(), value.get_ref().clone()))
}

/// The labels that have a value, because Prometheus does not tell an empty label from a missing one.
fn not_empty(labels: BTreeMap<String, String>) -> Vec<(String, String)> {
    labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}
