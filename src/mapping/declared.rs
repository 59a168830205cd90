//! The metrics that rules declare: those whose name and type are known before the first line.

use std::sync::Arc;

use super::metric::FamilyMetadata;
use super::rules::{Context, MetricTemplate, Rules};
use crate::config::RulePattern;
use crate::metric::MetricType;
use crate::parse::StatsdType;

/// A metric that a rule declares.
#[derive(Debug)]
pub(crate) struct DeclaredMetric {
    pub(crate) name: String,
    pub(crate) metadata: Arc<FamilyMetadata>,
    /// The labels that every series of the rule has, sorted.
    pub(crate) labels: Vec<String>,
    /// Whether tags of the lines become further labels.
    pub(crate) keeps_tags: bool,
}

impl Rules {
    /// The metric that the rule at `index` declares. The error says what of it depends on the lines; a rule that drops its
    /// lines declares none.
    pub(crate) fn declared(&self, index: usize) -> Option<Result<DeclaredMetric, &'static str>> {
        let rule = self.rules.get(index)?;
        let template = rule.metric.as_ref()?;
        let types = if rule.conditions.statsd_types.is_empty() {
            StatsdType::ALL.as_slice()
        } else {
            &rule.conditions.statsd_types
        };
        Some(self.known(template, &rule.written, types))
    }

    fn known(
        &self,
        template: &MetricTemplate,
        pattern: &RulePattern,
        types: &[StatsdType],
    ) -> Result<DeclaredMetric, &'static str> {
        let metric_type = self.known_type(template, types).ok_or("its type depends on the line; give it a \"type\"")?;
        let name = match &template.name {
            Some(name) if name.is_literal() => name.name(&[], self.naming),
            Some(_) => return Err("its name depends on the line"),
            None => self.known_name(pattern, metric_type, types).ok_or("it has no \"name\" of its own")?,
        };
        let mut labels: Vec<String> = self.constants.iter().map(|(key, _)| key.clone()).collect();
        labels.extend(template.labels.iter().map(|(key, _)| key.clone()));
        labels.sort();
        labels.dedup();
        let keeps_tags = !template.tags.keeps_listed;
        Ok(DeclaredMetric { name, metadata: Arc::clone(template.metadata.get(metric_type)), labels, keeps_tags })
    }

    /// The type, if no line that matches can become another one.
    fn known_type(&self, template: &MetricTemplate, types: &[StatsdType]) -> Option<MetricType> {
        let mut found =
            types.iter().map(|statsd_type| template.metadata.get(self.default_type(*statsd_type)).metric_type());
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }

    /// The name of lines that match a glob without `*`, if their type cannot change it.
    fn known_name(&self, pattern: &RulePattern, metric_type: MetricType, types: &[StatsdType]) -> Option<String> {
        let RulePattern::Glob(glob) = pattern else { return None };
        let name = glob.get_ref();
        let name = (!name.contains('*')).then_some(name)?;
        let named = |statsd_type: &StatsdType| {
            let context = Context { name, statsd_type: *statsd_type, tags: &[], container: "" };
            self.default_name(context, metric_type).0
        };
        let mut found = types.iter().map(named);
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }
}
