//! The rules out of a [`Config`], and everything that is wrong with them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::condition::Conditions;
use super::consistency::Consistency;
use super::conversion::Conversion;
use super::family_metadata::{MetadataByType, RuleMetadata};
use super::glob::GlobPart;
use super::labels::{Kept, SeriesLabels, TagPolicy};
use super::metric::Metric;
use super::pattern::{Automaton, NamePattern};
use super::relay_filter::RelayFilter;
use super::rule::CompiledRule;
use super::rules::Rules;
use super::template::CaptureTemplate;
use super::unreachable::unreachable_rules;
use super::{consistency, names};
use crate::config::{Config, Diagnostic, KeptTags, Labels, MetricRule, Spanned, Timer};
use crate::metric::MetricType;
use crate::parse::StatsdType;

impl Rules {
    /// Compiles the rules of `config`. `run`, `check` and `explain` all come through here.
    ///
    /// What is wrong is reported, each with its place in the file; where an error is among it, the rules must not be
    /// used. The rules that are right are compiled all the same, so that one run finds everything.
    pub fn compile(config: &Config) -> (Self, Vec<Diagnostic>) {
        let mut compiler = Compiler::new(config);
        let compiled: Vec<_> = config.metrics.iter().map(|rule| compiler.rule(rule)).collect();
        let mut constants = plain(&config.labels);
        constants.retain(|(_, value)| !value.is_empty());
        constants.sort_unstable();
        let mut rules = Self {
            rules: Vec::new(),
            automaton: Automaton::default(),
            initial: Vec::new(),
            naming: config.defaults.naming,
            timer: config.defaults.timer,
            metadata: compiler.metadata.clone(),
            service_checks: config.defaults.service_checks,
            ttl: config.defaults.ttl,
            constants,
            dialects: config.tags.dialects,
            container_label: config.defaults.container_label,
            tag_limit: config.limits.tags,
            relay_filters: RelayFilter::compile(&config.relays, &mut compiler.diagnostics),
        };
        for (rule, compiled) in config.metrics.iter().zip(&compiled) {
            let made = compiled.as_ref().map(|compiled| compiler.initial(rule, compiled, &rules));
            rules.initial.extend(made.unwrap_or_default());
            compiler.within_limits(rule, &rules, config);
        }
        rules.rules = compiled.into_iter().flatten().collect();
        rules.automaton = compiler.automaton(&rules.rules);
        compiler.diagnostics.extend(compiler.declared.collisions());
        compiler.diagnostics.extend(unreachable_rules(&rules.rules, &rules.automaton));
        (rules, compiler.diagnostics)
    }
}

/// What has been declared so far, and what is wrong with it.
struct Compiler<'c> {
    config: &'c Config,
    /// The metadata of metrics that no rule matches.
    metadata: MetadataByType,
    diagnostics: Vec<Diagnostic>,
    declared: Consistency<'c>,
    initial: HashMap<(String, Vec<(String, String)>), ()>,
}

impl<'c> Compiler<'c> {
    fn new(config: &'c Config) -> Self {
        Self {
            config,
            metadata: MetadataByType::of_defaults(&config.defaults),
            diagnostics: Vec::new(),
            declared: Consistency::default(),
            initial: HashMap::new(),
        }
    }

    fn error(&mut self, span: Range<usize>, message: String) {
        self.diagnostics.push(Diagnostic::error(span, message));
    }

    fn rule(&mut self, rule: &'c MetricRule) -> Option<CompiledRule> {
        let conditions = self.conditions(rule);
        self.idle_options(rule, &conditions);
        let tags = self.tags(rule);
        let pattern = NamePattern::new(&rule.pattern).map_err(|message| self.error(rule.pattern.span(), message)).ok();
        let name = rule.name.as_ref().and_then(|name| self.name(rule, name, pattern.as_ref()));
        let pattern = pattern?;
        let labels = rule
            .labels
            .iter()
            .filter_map(|(key, value)| Some((key.get_ref().clone(), self.template(value, &pattern)?)))
            .collect();
        let ttl = rule.ttl.as_ref().map(|ttl| *ttl.get_ref()).or(self.config.defaults.ttl);
        Some(CompiledRule {
            written: rule.pattern.clone(),
            pattern,
            conditions,
            name,
            metadata: RuleMetadata::new(rule, &self.metadata),
            labels,
            tags,
            scale: rule.scale.as_ref().map_or(1.0, |scale| *scale.get_ref()),
            // What is declared to be there from the beginning does not go away either.
            ttl: ttl.filter(|ttl| !ttl.is_zero() && rule.init.is_empty()),
            drop: rule.drop,
        })
    }

    /// What the rule asks of a line beside its name.
    fn conditions(&mut self, rule: &'c MetricRule) -> Conditions {
        let mut statsd_types = Vec::new();
        for word in &rule.match_type {
            let text = word.get_ref();
            let Some(statsd_type) = StatsdType::ALL.into_iter().find(|statsd_type| statsd_type.as_str() == text) else {
                let known: Vec<_> =
                    StatsdType::ALL.iter().map(|statsd_type| format!("{:?}", statsd_type.as_str())).collect();
                let message = format!("{text:?} is no type of a line; match_type takes {}", known.join(", "));
                self.error(word.span(), message);
                continue;
            };
            if let Some(to) = rule.metric_type.as_ref().map(|to| *to.get_ref())
                && Conversion::new(statsd_type, to, 1.0).is_none()
            {
                let message = format!("match_type {text:?}: such a line cannot feed a {}; leave it out", to.as_str());
                self.error(word.span(), message);
            }
            statsd_types.push(statsd_type);
        }
        statsd_types.sort_unstable();
        statsd_types.dedup();
        let tags = self.by_key("match_tags", &rule.match_tags);
        Conditions { statsd_types, tags: tags.into_iter().map(|(key, value)| (key, GlobPart::new(value))).collect() }
    }

    /// Warns of `buckets` and `quantiles` in a rule whose metrics are never what has them. Where the rule has a type, it
    /// was asked about that where it was read.
    fn idle_options(&mut self, rule: &MetricRule, conditions: &Conditions) {
        if rule.metric_type.is_some() {
            return;
        }
        let observes = |statsd_type: &StatsdType| Conversion::new(*statsd_type, MetricType::Histogram, 1.0).is_some();
        let takes_timers = conditions.statsd_types.is_empty() || conditions.statsd_types.iter().any(observes);
        let timer = self.config.defaults.timer;
        for (key, span, own, needs) in [
            ("buckets", rule.buckets.as_ref().map(Spanned::span), Timer::Histogram, "histogram"),
            ("quantiles", rule.quantiles.as_ref().map(Spanned::span), Timer::Summary, "summary"),
        ] {
            let Some(span) = span else { continue };
            let message = if !takes_timers {
                format!("{key:?} has no effect on the lines of this match_type; leave it out")
            } else if timer != own {
                format!(
                    "{key:?} has no effect, as [defaults] timer makes no {needs}; add type = {needs:?}, or leave it out"
                )
            } else {
                continue;
            };
            self.diagnostics.push(Diagnostic::warning(span, message));
        }
    }

    /// What the rule makes of a line's tags.
    fn tags(&mut self, rule: &'c MetricRule) -> TagPolicy {
        let naming = self.config.defaults.naming;
        let keys = |keys: &[Spanned<String>]| {
            keys.iter().map(|key| names::label_key(key.get_ref(), naming).0).collect::<Vec<_>>()
        };
        let kept = match &rule.tags {
            KeptTags::All => Kept::All,
            KeptTags::None => Kept::None,
            KeptTags::Only(only) => Kept::Only(keys(only)),
            KeptTags::AllBut(all_but) => Kept::AllBut(keys(all_but)),
        };
        // With tags = "drop", the key itself is an error already.
        for (from, _) in rule.rename_tags.iter().filter(|_| rule.tags != KeptTags::None) {
            if !kept.keeps(&names::label_key(from.get_ref(), naming).0) {
                let message = format!(
                    "the tag {:?} is renamed, but drop_tags or keep_tags drops it; leave it out in one of them",
                    from.get_ref()
                );
                self.error(from.span(), message);
            }
        }
        let renamed = self.by_key("rename_tags", &rule.rename_tags);
        let renamed = renamed.into_iter().map(|(from, to)| (from, to.to_owned())).collect();
        TagPolicy { renamed, kept, prefer: rule.prefer }
    }

    /// Tags under the keys of their labels, sorted; two that share one are an error in `what`.
    fn by_key(&mut self, what: &str, tags: &'c Labels) -> Vec<(String, &'c str)> {
        let mut by_key: BTreeMap<String, (&str, &str)> = BTreeMap::new();
        for (tag, value) in tags {
            let key = names::label_key(tag.get_ref(), self.config.defaults.naming).0;
            match by_key.get(&key) {
                Some((first, _)) => {
                    let message =
                        format!("{what}: the tags {first:?} and {:?} both become {key:?}; keep one", tag.get_ref());
                    self.error(tag.span(), message);
                }
                None => _ = by_key.insert(key, (tag.get_ref(), value.get_ref())),
            }
        }
        by_key.into_iter().map(|(key, (_, value))| (key, value)).collect()
    }

    /// The automaton over all rules.
    fn automaton(&mut self, rules: &[CompiledRule]) -> Automaton {
        let automaton = Automaton::new(rules.iter().map(|rule| &rule.pattern));
        let largest = rules.iter().max_by_key(|rule| (rule.written.key().len(), rule.written.text().len()));
        if let (None, Some(largest)) = (&automaton, largest) {
            let message = "the patterns of all rules together take too much memory when compiled; use fewer rules, or \
                           let regexes such as this one repeat less";
            self.error(largest.written.span(), message.to_owned());
        }
        automaton.unwrap_or_default()
    }

    fn template(&mut self, text: &Spanned<String>, pattern: &NamePattern) -> Option<CaptureTemplate> {
        CaptureTemplate::new(text.get_ref(), pattern).map_err(|message| self.error(text.span(), message)).ok()
    }

    /// The name that a rule gives; without a pattern, one without `$` can be judged all the same.
    fn name(
        &mut self,
        rule: &'c MetricRule,
        name: &'c Spanned<String>,
        pattern: Option<&NamePattern>,
    ) -> Option<CaptureTemplate> {
        let Some(pattern) = pattern else {
            if !name.get_ref().contains('$') {
                self.declared.add(rule, name, &mut self.diagnostics);
            }
            return None;
        };
        let template = self.template(name, pattern)?;
        if template.is_literal() {
            self.declared.add(rule, name, &mut self.diagnostics);
        } else {
            self.diagnostics.extend(consistency::judge(name, &template.specimen()).err());
        }
        Some(template)
    }

    /// The series that a rule declares with `init`.
    fn initial(&mut self, rule: &MetricRule, compiled: &CompiledRule, rules: &Rules) -> Vec<Metric> {
        let mut made = Vec::new();
        for set in &rule.init {
            let (Some(name), RuleMetadata::Fixed(metadata)) =
                (compiled.name.as_ref().filter(|n| n.is_literal()), &compiled.metadata)
            else {
                let message = "init needs a type and a name without $ in the same rule: what exists before the first \
                               line has to be known without one";
                self.error(set.span(), message.to_owned());
                break;
            };
            let Some(labels) = self.initial_labels(set, compiled, rules) else { continue };
            let name = name.expand(&[]);
            if self.initial.insert((name.clone(), labels.clone()), ()).is_some() {
                self.error(set.span(), format!("init declares this series of {name} twice; remove one of the two"));
                continue;
            }
            made.push(Metric { name, labels, metadata: Arc::clone(metadata), ttl: None });
        }
        made
    }

    /// What is declared has to have room.
    fn within_limits(&mut self, rule: &MetricRule, rules: &Rules, config: &Config) {
        let Some(last) = rule.init.last() else { return };
        let (all, limits) = (rules.initial.len(), &config.limits);
        if all > limits.series {
            let message =
                format!("init declares {all} series up to here, and [limits] series is {}; raise it", limits.series);
            return self.error(last.span(), message);
        }
        let name = rule.name.as_ref().map(|name| name.get_ref().as_str()).unwrap_or_default();
        let of_name = rules.initial.iter().filter(|metric| metric.name == name).count();
        if let Some(limit) = limits.family_series.filter(|&limit| of_name > limit) {
            let message = format!(
                "init declares {of_name} series of {name} up to here, and [limits] family_series is {limit}; raise it"
            );
            self.error(last.span(), message);
        }
    }

    fn initial_labels(
        &mut self,
        set: &Spanned<Labels>,
        rule: &CompiledRule,
        rules: &Rules,
    ) -> Option<Vec<(String, String)>> {
        let mut labels = SeriesLabels::from(rules.constants.clone());
        for (key, value) in plain(set.get_ref()) {
            if rules.constants.iter().any(|(constant, _)| *constant == key)
                && !rule.labels.iter().any(|(k, _)| *k == key)
            {
                self.error(set.span(), format!("init sets {key:?}, which [labels] sets on every series; leave it out"));
                return None;
            }
            labels.set(&key, value);
        }
        for (key, value) in &rule.labels {
            let given = set.get_ref().iter().any(|(k, _)| k.get_ref() == key);
            match (value.is_literal(), given) {
                (true, true) => {
                    self.error(
                        set.span(),
                        format!("init sets {key:?}, which the rule's labels set already; leave it out"),
                    );
                    return None;
                }
                (true, false) => {
                    labels.set(key, value.expand(&[]));
                }
                (false, true) => {}
                (false, false) => {
                    self.error(
                        set.span(),
                        format!("init lacks the label {key:?}, which every series of this rule has"),
                    );
                    return None;
                }
            }
        }
        Some(labels.into_sorted())
    }
}

fn plain(labels: &Labels) -> Vec<(String, String)> {
    labels.iter().map(|(key, value)| (key.get_ref().clone(), value.get_ref().clone())).collect()
}
