//! What all series of a metric name share.

use std::sync::Arc;

use crate::config::{Defaults, MetricRule, Spanned};
use crate::metric::{Bounds, MetricType, Quantiles, Window};

/// Help, unit and type of a metric. The rules make it once for each rule, and all metrics of the rule share it.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyMetadata {
    /// The text of `# HELP`.
    pub help: Arc<str>,
    /// The base unit of the values, if a rule names one: `seconds`, `bytes`.
    pub unit: Option<Arc<str>>,
    /// The type, with what a new series of it needs.
    pub spec: MetricSpec,
}

/// A metric type with what a new series of that type needs.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricSpec {
    /// A counter.
    Counter,
    /// A gauge.
    Gauge,
    /// A histogram with the upper bounds of its buckets.
    Histogram(Bounds),
    /// A set that counts the members of this window of time.
    Set(Window),
    /// A summary with its quantiles, over the observations of this window of time.
    Summary(Quantiles, Window),
}

impl FamilyMetadata {
    /// The type of the metric.
    pub(crate) fn metric_type(&self) -> MetricType {
        match self.spec {
            MetricSpec::Counter => MetricType::Counter,
            MetricSpec::Gauge => MetricType::Gauge,
            MetricSpec::Histogram(_) => MetricType::Histogram,
            MetricSpec::Set(_) => MetricType::Set,
            MetricSpec::Summary(..) => MetricType::Summary,
        }
    }

    /// The metadata of metrics that no rule matches. The help is the same for all metrics of a type, because it must
    /// not depend on which line is first.
    ///
    /// Bounds and quantiles that are invalid count as none, because the reader of the config has reported them.
    fn default_of(metric_type: MetricType, defaults: &Defaults) -> Self {
        let bounds = || Bounds::new(&defaults.buckets).unwrap_or_default();
        let quantiles = || Quantiles::new(&defaults.quantiles).unwrap_or_default();
        let (what, spec) = match metric_type {
            MetricType::Counter => ("Counter fed", MetricSpec::Counter),
            MetricType::Gauge => ("Gauge fed", MetricSpec::Gauge),
            MetricType::Histogram => ("Histogram fed", MetricSpec::Histogram(bounds())),
            MetricType::Set => ("Different members seen", MetricSpec::Set(Window::new(defaults.set_window))),
            MetricType::Summary => {
                ("Summary fed", MetricSpec::Summary(quantiles(), Window::new(defaults.summary_window)))
            }
        };
        Self { help: format!("{what} by StatsD; no rule gives it a help text.").into(), unit: None, spec }
    }

    /// The metadata of the metrics of `rule`; `self` fills in what the rule does not set.
    fn with_rule(&self, rule: &MetricRule) -> Self {
        let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| Arc::from(text.get_ref().as_str()));
        let spec = match &self.spec {
            MetricSpec::Histogram(default) => {
                let own = rule.buckets.as_ref().and_then(|buckets| Bounds::new(buckets.get_ref()));
                MetricSpec::Histogram(own.unwrap_or_else(|| default.clone()))
            }
            MetricSpec::Summary(default, window) => {
                let own = rule.quantiles.as_ref().and_then(|quantiles| Quantiles::new(quantiles.get_ref()));
                MetricSpec::Summary(own.unwrap_or_else(|| default.clone()), *window)
            }
            other => other.clone(),
        };
        Self { help: text(&rule.help).unwrap_or_else(|| Arc::clone(&self.help)), unit: text(&rule.unit), spec }
    }
}

/// The metadata of metrics whose type depends on the line.
#[derive(Clone, Debug)]
pub(super) struct MetadataByType([Arc<FamilyMetadata>; MetricType::ALL.len()]);

impl MetadataByType {
    /// The metadata of metrics that no rule matches.
    pub(super) fn of_defaults(defaults: &Defaults) -> Self {
        Self(MetricType::ALL.map(|metric_type| FamilyMetadata::default_of(metric_type, defaults).into()))
    }

    pub(super) fn get(&self, metric_type: MetricType) -> &Arc<FamilyMetadata> {
        // In the order of `MetricType::ALL`.
        let [counter, gauge, histogram, set, summary] = &self.0;
        match metric_type {
            MetricType::Counter => counter,
            MetricType::Gauge => gauge,
            MetricType::Histogram => histogram,
            MetricType::Set => set,
            MetricType::Summary => summary,
        }
    }
}

/// The metadata of the metrics of one rule.
#[derive(Clone, Debug)]
pub(super) enum RuleMetadata {
    /// The rule sets the type.
    Fixed(Arc<FamilyMetadata>),
    /// The type of the line sets the type.
    ByType(MetadataByType),
}

impl RuleMetadata {
    pub(super) fn new(rule: &MetricRule, defaults: &MetadataByType) -> Self {
        match &rule.metric_type {
            Some(metric_type) => Self::Fixed(defaults.get(*metric_type.get_ref()).with_rule(rule).into()),
            None => Self::ByType(MetadataByType(defaults.0.each_ref().map(|default| default.with_rule(rule).into()))),
        }
    }
}
