//! The compiled rules, and how they map a line.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use super::condition::Conditions;
use super::conversion::{Conversion, Reading, default_type};
use super::labels::{ClientTags, LabelRule, TagErrors, TagPolicy};
use super::metric::{Ending, Metric, RuleMetadata};
use super::names;
use super::pattern::{Automaton, NamePattern};
use super::relay_filter::RelayFilter;
use super::template::CaptureTemplate;
use crate::config::{Dialects, Naming, RulePattern, Timer};
use crate::metric::MetricType;
use crate::parse::StatsdType;
use crate::parse::tags::Tag;
use crate::reject::Reject;

/// The compiled rules.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) rules: Vec<CompiledRule>,
    /// The patterns of all rules; a pattern has the index of its rule.
    pub(super) automaton: Automaton,
    /// The template of metrics that no rule matches.
    pub(super) default_metric: MetricTemplate,
    pub(super) naming: Naming,
    pub(super) timer: Timer,
    /// How many tags a line may have.
    pub(crate) tag_limit: usize,
    /// The series that exist at 0 before the first line, in file order.
    pub(crate) initial: Vec<Metric<'static>>,
    /// Whether service checks become gauges.
    pub(crate) service_checks: bool,
    /// The constant labels of every series.
    pub(crate) constants: Vec<(String, String)>,
    /// The dialects in which tags are read.
    pub(crate) dialects: Dialects,
    /// Whether the `c:` section is part of the identity of a series.
    pub(crate) container_label: bool,
    /// The targets of the relay, each of them once.
    pub(crate) relay_filters: Vec<RelayFilter>,
}

/// One compiled `[[metric]]` table.
#[derive(Clone, Debug)]
pub(super) struct CompiledRule {
    /// The pattern as the file has it.
    pub written: RulePattern,
    /// The preset that it is of.
    pub preset: Option<&'static str>,
    /// The `name` as the file has it.
    pub written_name: Option<String>,
    pub pattern: NamePattern,
    pub conditions: Conditions,
    /// What the lines become; `None`: the rule drops them.
    pub metric: Option<MetricTemplate>,
}

/// How lines become metrics.
#[derive(Clone, Debug)]
pub(super) struct MetricTemplate {
    /// `None`: the name is made from the name of the line.
    pub name: Option<CaptureTemplate>,
    pub metadata: RuleMetadata,
    pub labels: Vec<(String, CaptureTemplate)>,
    pub tags: TagPolicy,
    pub reading: Reading,
    pub ttl: Option<Duration>,
}

/// A line as the rules see it: all that identifies its series, as text. DogStatsD servers call this the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// The name of the line, without tags.
    pub name: &'a str,
    /// The type of the line.
    pub statsd_type: StatsdType,
    /// The tags of the line, in whichever dialect they are written.
    pub tags: &'a [Tag<'a>],
    /// The `c:` section, or empty.
    pub container: &'a str,
}

/// What the rules make of a [`Context`].
#[derive(Debug)]
pub struct Mapping<'a> {
    /// The rule that matches, by its index in the file, and what its pattern captures; `None` if no rule matches.
    pub rule: Option<(usize, Vec<&'a str>)>,
    /// The tags that were left out or changed.
    pub tag_errors: TagErrors,
    /// What becomes of the samples.
    pub outcome: Result<Outcome<'a>, Reject>,
}

/// What becomes of the samples of a [`Context`].
#[derive(Debug)]
pub enum Outcome<'a> {
    /// They are counted and not exposed, because a rule drops them or because service checks are not exposed.
    Drop,
    /// The conversion turns each sample into an update of the series.
    Feed(Metric<'a>, Conversion),
}

impl Rules {
    /// Whether there is a rule.
    pub(crate) fn is_any(&self) -> bool {
        !self.rules.is_empty()
    }

    /// How many rules there are.
    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    /// The pattern of the rule at `index`, as the file has it.
    pub(crate) fn pattern(&self, index: usize) -> Option<&RulePattern> {
        self.rules.get(index).map(|rule| &rule.written)
    }

    /// The preset that the rule at `index` is of; `None`: the file has it.
    pub(crate) fn preset(&self, index: usize) -> Option<&'static str> {
        self.rules.get(index)?.preset
    }

    /// Whether the rule at `index` drops its lines.
    pub(crate) fn drops(&self, index: usize) -> bool {
        self.rules.get(index).is_some_and(|rule| rule.metric.is_none())
    }

    /// The `name` of the rule at `index`, as the file has it.
    pub(crate) fn name_template(&self, index: usize) -> Option<&str> {
        self.rules.get(index)?.written_name.as_deref()
    }

    /// The name of a capture of the rule at `index`, if its regex gives the capture a name.
    pub(crate) fn capture_name(&self, index: usize, number: usize) -> Option<&str> {
        self.rules.get(index)?.pattern.group_name(number)
    }

    /// Maps a line. The first rule in file order that matches decides.
    pub fn map<'a>(&'a self, context: Context<'a>) -> Mapping<'a> {
        let tags = OnceCell::new();
        let tags = || tags.get_or_init(|| ClientTags::read(context.tags, self.naming, self.tag_limit));
        let found = self.automaton.matches(context.name).find_map(|index| {
            let rule = self.rules.get(index).filter(|rule| rule.conditions.hold(context.statsd_type, tags))?;
            Some((index, rule, rule.pattern.captures(context.name)?))
        });
        let (template, captures) = match &found {
            Some((_, rule, captures)) => (rule.metric.as_ref(), captures.as_slice()),
            None => (Some(&self.default_metric), &[][..]),
        };
        let is_exposed = context.statsd_type != StatsdType::ServiceCheck || self.service_checks;
        let mut tag_errors = TagErrors::default();
        let outcome = match template.filter(|_| is_exposed) {
            Some(template) => self.feed(context, template, captures, tags(), &mut tag_errors),
            None => Ok(Outcome::Drop),
        };
        Mapping { rule: found.map(|(index, _, captures)| (index, captures)), tag_errors, outcome }
    }

    fn feed<'a>(
        &'a self,
        context: Context<'a>,
        template: &'a MetricTemplate,
        captures: &[&str],
        tags: &ClientTags<'a>,
        tag_errors: &mut TagErrors,
    ) -> Result<Outcome<'a>, Reject> {
        let metadata = template.metadata.get(self.default_type(context.statsd_type));
        let metric_type = metadata.metric_type();
        let conversion =
            Conversion::new(context.statsd_type, metric_type, template.reading).ok_or(Reject::TypeConflict)?;
        let (name, ending) = match &template.name {
            Some(name) => (name.name(captures, self.naming), Ending::Kept),
            None => self.default_name(context, metric_type),
        };
        // The name has characters only that the naming allows, but it may be empty.
        if name.is_empty() {
            return Err(Reject::EmptyName);
        }
        if names::is_reserved(&name, self.naming) {
            return Err(Reject::ReservedName);
        }
        let container = if self.container_label { context.container } else { "" };
        let label_rule = LabelRule { constants: &self.constants, labels: &template.labels, policy: &template.tags };
        let labels = label_rule.labels(tags, container, captures, metric_type, tag_errors)?;
        let metric = Metric {
            name,
            labels,
            metadata: Arc::clone(metadata),
            ttl: template.ttl,
            ending,
            written: template.name.is_none().then_some(context.name),
        };
        Ok(Outcome::Feed(metric, conversion))
    }

    /// The type of the metric if no rule sets it.
    pub(super) fn default_type(&self, statsd_type: StatsdType) -> MetricType {
        default_type(statsd_type, self.timer)
    }

    /// The name of the metric if no rule sets it.
    pub(super) fn default_name(&self, context: Context<'_>, metric_type: MetricType) -> (String, Ending) {
        let name = names::escape(context.name, self.naming);
        match (self.naming, metric_type, context.statsd_type) {
            _ if name.is_empty() => (name, Ending::Kept),
            (Naming::Prometheus, MetricType::Counter, _) => names::with_total(name),
            (Naming::Prometheus, MetricType::Histogram | MetricType::Summary, StatsdType::Timer) => {
                names::with_seconds(name)
            }
            _ => (name, Ending::Kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::config::{Config, Diagnostic, Dialect, load};
    use crate::parse::tags::Tag;

    /// Compiles the rules of a config that loads without a diagnostic.
    fn rules(source: &str) -> (Config, Rules, Vec<Diagnostic>) {
        let (config, diagnostics) = load(source);
        assert_eq!(diagnostics, [], "{source}");
        let (rules, diagnostics) = Rules::compile(&config);
        (config, rules, diagnostics)
    }

    #[test]
    fn the_ttl_is_that_of_the_rule_or_the_default() {
        let (_, none, _) = rules("");
        let (_, rules, diagnostics) = rules(
            r#"
            defaults.ttl = "1m"
            metric = [
                { match = "own", ttl = "500ms" },
                { match = "ever", ttl = "0" },
                { match = "init", name = "init", type = "gauge", init = [{}] },
            ]"#,
        );
        assert_eq!(diagnostics, []);
        for (name, expected) in [
            ("own", Some(Duration::from_millis(500))),
            ("ever", None),
            ("init", None),
            ("other", Some(Duration::from_secs(60))),
        ] {
            let mapping = rules.map(Context { name, statsd_type: StatsdType::Gauge, tags: &[], container: "" });
            assert!(matches!(mapping.outcome, Ok(Outcome::Feed(Metric { ttl, .. }, _)) if ttl == expected), "{name}");
        }
        assert!(rules.initial.iter().all(|metric| metric.ttl.is_none()) && !rules.initial.is_empty());
        let mapping = none.map(Context { name: "a", statsd_type: StatsdType::Gauge, tags: &[], container: "" });
        assert!(matches!(mapping.outcome, Ok(Outcome::Feed(Metric { ttl: None, .. }, _))));
    }

    #[test]
    fn names_of_any_characters_need_utf8() {
        let file = |naming: &str, name: &str| {
            format!(
                "defaults.naming = {naming:?}\nmetric = [{{ match = \"jobs.*\", name = '{name}', type = \"gauge\" }}]"
            )
        };
        let (_, kept, diagnostics) = rules(&file("utf8", "jobs.$1/é"));
        assert_eq!(diagnostics, []);
        let mapping = kept.map(Context { name: "jobs.a-b", statsd_type: StatsdType::Gauge, tags: &[], container: "" });
        assert!(matches!(mapping.outcome, Ok(Outcome::Feed(Metric { name, .. }, _)) if name == "jobs.a-b/é"));
        for (naming, name) in [("verbatim", "jobs.x"), ("utf8", ""), ("utf8", "statsidecar.x")] {
            assert_eq!(rules(&file(naming, name)).2.len(), 1, "{naming}: {name}");
        }
    }

    #[test]
    fn two_rules_with_different_units_of_a_metric_are_a_warning() {
        let (_, rules, diagnostics) = rules(
            r#"metric = [
                { match = "a", name = "x_seconds", unit = "seconds" },
                { match = "b", name = "x_seconds", unit = "x_seconds" },
            ]"#,
        );
        assert!(diagnostics.iter().any(|diagnostic| diagnostic.message.starts_with("x_seconds has another unit")));
        let mapping = rules.map(Context { name: "a", statsd_type: StatsdType::Gauge, tags: &[], container: "" });
        let Ok(Outcome::Feed(metric, _)) = mapping.outcome else { panic!("it is a gauge") };
        assert_eq!(metric.metadata.unit.as_deref(), Some("seconds"));
    }

    /// A rule in the form of the file, and a simple test of whether it matches a line.
    #[derive(Clone, Debug)]
    struct Example {
        pattern: (&'static str, String),
        statsd_types: Vec<&'static str>,
        env: Option<&'static str>,
    }

    impl Example {
        fn written(&self) -> String {
            let (key, text) = &self.pattern;
            let statsd_types = if self.statsd_types.is_empty() {
                String::new()
            } else {
                format!("match_type = {:?}\n", self.statsd_types)
            };
            let env = self.env.map(|env| format!("match_tags = {{ env = {env:?} }}\n")).unwrap_or_default();
            format!("[[metric]]\n{key} = '{text}'\n{statsd_types}{env}")
        }

        fn matches(&self, name: &str, statsd_type: StatsdType, env: Option<&str>) -> bool {
            let is_match = match self.pattern.0 {
                "match" => glob_matches(&chars(&self.pattern.1), &chars(name)),
                _ => regex::Regex::new(&format!("^(?:{})$", self.pattern.1)).unwrap().is_match(name),
            };
            let is_type = self.statsd_types.is_empty() || self.statsd_types.contains(&statsd_type.as_str());
            is_match && is_type && self.env.is_none_or(|glob| env.is_some_and(|env| glob == "*" || glob == env))
        }
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    /// Whether a glob matches a name, in the simplest code.
    fn glob_matches(glob: &[char], name: &[char]) -> bool {
        match (glob, name) {
            (['*', '*'], _) => true,
            (['*', rest @ ..], _) if glob_matches(rest, name) => true,
            (['*', ..], [c, name @ ..]) => *c != '.' && glob_matches(glob, name),
            ([one, rest @ ..], [other, name @ ..]) => one == other && glob_matches(rest, name),
            (rest, name) => rest.is_empty() && name.is_empty(),
        }
    }

    fn examples() -> impl Strategy<Value = Vec<Example>> {
        let part = select(vec!["a", "b", "ab", "é", "*", "a*", "*b", "a*b", "*a*", "a*b*é"]);
        let globs =
            (prop::collection::vec(part, 0..4), any::<bool>()).prop_filter_map("an empty glob", |(parts, rest)| {
                let parts: Vec<_> = parts.into_iter().chain(rest.then_some("**")).collect();
                (!parts.is_empty()).then(|| ("match", parts.join(".")))
            });
        let texts = vec!["a|ab", r"a\.(.*)", "(a)|(b)", ".*", r"[ab.]+", r"(?P<x>é)?a*", "a(.)b", r".+\..+", "b"];
        let regexes = select(texts).prop_map(|text| ("match_regex", text.to_owned()));
        let statsd_types = select(vec![vec![], vec![], vec!["c"], vec!["g", "ms"], vec!["g", "c"]]);
        let env = select(vec![None, None, Some("*"), Some("x")]);
        let example = (prop_oneof![2 => globs, 1 => regexes], statsd_types, env);
        prop::collection::vec(
            example.prop_map(|(pattern, statsd_types, env)| Example { pattern, statsd_types, env }),
            0..12,
        )
    }

    proptest! {
        #[test]
        fn prop_the_first_rule_that_matches_wins(
            examples in examples(),
            lines in prop::collection::vec(
                (
                    prop::collection::vec(select(vec!["a", "b", "ab", "aab", "é", "aé", "", "c"]), 1..4),
                    select(StatsdType::ALL.to_vec()),
                    select(vec![None, Some("x"), Some("y")]),
                ),
                1..20,
            ),
        ) {
            let (config, rules, diagnostics) = rules(&examples.iter().map(Example::written).collect::<String>());
            for (parts, statsd_type, env) in lines {
                let name = parts.join(".");
                let tag = env.map(|env| Tag { dialect: Dialect::DogStatsD, pair: Ok(("env", env)) });
                let mapping = rules.map(Context { name: &name, statsd_type, tags: tag.as_slice(), container: "" });
                let expected = examples.iter().position(|example| example.matches(&name, statsd_type, env));
                prop_assert_eq!(mapping.rule.as_ref().map(|(index, _)| *index), expected, "{} {:?}", &name, statsd_type);
                let Some((index, captures)) = mapping.rule else { continue };
                // A rule that matches is not reported as unreachable.
                let span = config.metrics[index].pattern.span();
                prop_assert!(diagnostics.iter().all(|diagnostic| diagnostic.span != span), "{} {:?}", &name, diagnostics);
                if let ("match", glob) = &examples[index].pattern {
                    let mut rebuilt = glob.replace("**", "*");
                    for capture in &captures[1..] {
                        rebuilt = rebuilt.replacen('*', capture, 1);
                    }
                    prop_assert_eq!(&rebuilt, &name);
                }
            }
        }
    }
}
