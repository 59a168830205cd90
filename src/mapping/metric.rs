//! A series as the rules describe it, and what all series of a metric name share.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::agreed::RuleOptions;
use crate::config::{Defaults, Spanned};
use crate::metric::{Bounds, MetricType, NativeSpec, Quantiles, Window};

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
    /// A histogram with the upper bounds of its buckets, and with a native one beside them if this says how.
    Histogram(Bounds, Option<NativeSpec>),
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
            MetricSpec::Histogram(..) => MetricType::Histogram,
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
            MetricType::Histogram => ("Histogram fed", MetricSpec::Histogram(bounds(), defaults.native)),
            MetricType::Set => ("Different members seen", MetricSpec::Set(Window::new(defaults.set_window))),
            MetricType::Summary => {
                ("Summary fed", MetricSpec::Summary(quantiles(), Window::new(defaults.summary_window)))
            }
        };
        Self { help: format!("{what} by StatsD; no rule gives it a help text.").into(), unit: None, spec }
    }

    /// The metadata of the metrics of a rule with these options; `self` fills in what they do not set.
    fn with_rule(&self, rule: &RuleOptions<'_>) -> Self {
        let text = |text: Option<&Spanned<String>>| text.map(|text| Arc::from(text.get_ref().as_str()));
        let spec = match &self.spec {
            MetricSpec::Histogram(default, native) => {
                let own = rule.buckets.and_then(|buckets| Bounds::new(buckets.get_ref()));
                let native = rule.native.map_or(*native, |native| *native.get_ref());
                MetricSpec::Histogram(own.unwrap_or_else(|| default.clone()), native)
            }
            MetricSpec::Summary(default, window) => {
                let own = rule.quantiles.and_then(|quantiles| Quantiles::new(quantiles.get_ref()));
                MetricSpec::Summary(own.unwrap_or_else(|| default.clone()), *window)
            }
            other => other.clone(),
        };
        Self { help: text(rule.help).unwrap_or_else(|| Arc::clone(&self.help)), unit: text(rule.unit), spec }
    }
}

/// The metadata of the metrics of one rule, or of those that no rule matches.
#[derive(Clone, Debug)]
pub(super) struct RuleMetadata {
    /// The type that the rule sets; `None`: the type of the line decides.
    metric_type: Option<MetricType>,
    /// By type, in the order of `MetricType::ALL`.
    by_type: [Arc<FamilyMetadata>; MetricType::ALL.len()],
}

impl RuleMetadata {
    /// The metadata of metrics that no rule matches.
    pub(super) fn of_defaults(defaults: &Defaults) -> Self {
        let by_type = MetricType::ALL.map(|metric_type| FamilyMetadata::default_of(metric_type, defaults).into());
        Self { metric_type: None, by_type }
    }

    /// The metadata of the metrics of a rule with these options; `self` fills in what they do not set.
    pub(super) fn with_rule(&self, rule: &RuleOptions<'_>) -> Self {
        let by_type = self.by_type.each_ref().map(|default| default.with_rule(rule).into());
        Self { metric_type: rule.metric_type, by_type }
    }

    /// The metadata, if it is the same for all lines.
    pub(super) fn fixed(&self) -> Option<&Arc<FamilyMetadata>> {
        self.metric_type.map(|metric_type| self.get(metric_type))
    }

    /// The metadata for lines that become `default` unless the rule sets a type.
    pub(super) fn get(&self, default: MetricType) -> &Arc<FamilyMetadata> {
        let [counter, gauge, histogram, set, summary] = &self.by_type;
        match self.metric_type.unwrap_or(default) {
            MetricType::Counter => counter,
            MetricType::Gauge => gauge,
            MetricType::Histogram => histogram,
            MetricType::Set => set,
            MetricType::Summary => summary,
        }
    }
}

/// What the naming convention did to the end of a name. Two names that become the same only by that are two metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Nothing: the name had the right end, a rule gave it, or the convention asks for no end.
    #[default]
    Kept,
    /// `_total` was added.
    Total,
    /// `_seconds` was added.
    Seconds,
    /// `_seconds` replaced `_ms`.
    SecondsForMs,
    /// `_seconds` replaced `_millis`.
    SecondsForMillis,
    /// `_seconds` replaced `_milliseconds`.
    SecondsForMilliseconds,
}

/// The key and the value of a label: of the rule, of the line, or made from both.
pub type Label<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Everything that the registry needs to find or make a series. It borrows what the line and the rules have already.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric<'a> {
    /// The name of the family: legal and not empty.
    pub name: String,
    /// Legal keys in ascending order, each with a value that is not empty.
    pub labels: Vec<Label<'a>>,
    /// Help, unit and type.
    pub metadata: Arc<FamilyMetadata>,
    /// The series expires this long after its last sample; `None`: never.
    pub ttl: Option<Duration>,
    /// What the naming convention did to the end of `name`.
    pub ending: Ending,
    /// The name as the line has it, if `name` is made from it; `None`: a rule gives the name.
    pub written: Option<&'a str>,
}
