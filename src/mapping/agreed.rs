//! The options that all rules of one name share: the order of the file decides, and not which line is first.

use std::collections::{BTreeSet, HashMap};

use super::conversion::default_type;
use crate::config::{Config, MetricRule, Spanned, Timer};
use crate::metric::{MetricType, NativeSpec};
use crate::parse::StatsdType;

/// The options of a family that a rule sets; `None` is the default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RuleOptions<'c> {
    /// The type that the rule itself sets.
    pub metric_type: Option<MetricType>,
    pub help: Option<&'c Spanned<String>>,
    pub unit: Option<&'c Spanned<String>>,
    pub buckets: Option<&'c Spanned<Vec<f64>>>,
    pub quantiles: Option<&'c Spanned<Vec<f64>>>,
    pub native: Option<&'c Spanned<Option<NativeSpec>>>,
}

impl<'c> RuleOptions<'c> {
    fn new(rule: &'c MetricRule) -> Self {
        Self {
            metric_type: rule.metric_type.as_ref().map(|metric_type| *metric_type.get_ref()),
            help: rule.help.as_ref(),
            unit: rule.unit.as_ref(),
            buckets: rule.buckets.as_ref(),
            quantiles: rule.quantiles.as_ref(),
            native: rule.native.as_ref(),
        }
    }
}

/// For each name without `$`: the first help and unit in file order, and the buckets, the native histogram and the quantiles
/// of the first rule that makes a histogram or summary of this name.
#[derive(Debug)]
pub(super) struct AgreedOptions<'c>(HashMap<&'c str, RuleOptions<'c>>);

impl<'c> AgreedOptions<'c> {
    pub(super) fn new(config: &'c Config) -> Self {
        let mut names: HashMap<&'c str, Vec<&'c MetricRule>> = HashMap::new();
        for rule in config.metrics.iter().filter(|rule| !rule.drop) {
            if let Some(name) = literal_name(rule) {
                names.entry(name).or_default().push(rule);
            }
        }
        let timer = config.defaults.timer;
        Self(names.into_iter().map(|(name, rules)| (name, agreed(&rules, timer))).collect())
    }

    /// The options of the family that `rule` feeds.
    pub(super) fn of(&self, rule: &'c MetricRule) -> RuleOptions<'c> {
        let own = RuleOptions::new(rule);
        let agreed = literal_name(rule).and_then(|name| self.0.get(name));
        agreed.map_or(own, |agreed| RuleOptions { metric_type: own.metric_type, ..*agreed })
    }
}

fn agreed<'c>(rules: &[&'c MetricRule], timer: Timer) -> RuleOptions<'c> {
    let first = |to| rules.iter().find(|rule| can_become(rule, to, timer)).copied();
    RuleOptions {
        metric_type: None,
        help: rules.iter().find_map(|rule| rule.help.as_ref()),
        unit: rules.iter().find_map(|rule| rule.unit.as_ref()),
        buckets: first(MetricType::Histogram).and_then(|rule| rule.buckets.as_ref()),
        quantiles: first(MetricType::Summary).and_then(|rule| rule.quantiles.as_ref()),
        native: first(MetricType::Histogram).and_then(|rule| rule.native.as_ref()),
    }
}

/// Whether a line that matches `rule` can become a metric of the type `to`, which is a histogram or a summary.
pub(super) fn can_become(rule: &MetricRule, to: MetricType, timer: Timer) -> bool {
    let by_default = match timer {
        Timer::Histogram => MetricType::Histogram,
        Timer::Summary => MetricType::Summary,
    };
    let takes_timers = |word: &Spanned<String>| matches!(word.get_ref().as_str(), "ms" | "h" | "d" | "a");
    match &rule.metric_type {
        Some(metric_type) => *metric_type.get_ref() == to,
        None => by_default == to && (rule.match_type.is_empty() || rule.match_type.iter().any(takes_timers)),
    }
}

/// The type of every metric of `rule`, if all of its lines become the same.
pub(super) fn settled_type(rule: &MetricRule, timer: Timer) -> Option<MetricType> {
    if let Some(metric_type) = &rule.metric_type {
        return Some(*metric_type.get_ref());
    }
    let types = rule.match_type.iter().map(|word| {
        let statsd_type = StatsdType::ALL.into_iter().find(|statsd_type| statsd_type.as_str() == word.get_ref())?;
        Some(default_type(statsd_type, timer))
    });
    let types: BTreeSet<Option<MetricType>> = types.collect();
    if types.len() == 1 { types.into_iter().next().flatten() } else { None }
}

fn literal_name(rule: &MetricRule) -> Option<&str> {
    rule.name.as_ref().map(|name| name.get_ref().as_str()).filter(|name| !name.contains('$'))
}
