//! The catalogue: what a config declares, by subsystem.

use std::collections::BTreeSet;

use crate::config::{AlertConfig, Config, KeptTags, MetricRule, PanelConfig, RulePattern, Spanned};
use crate::mapping::{MetricSpec, Rules};
use crate::metric::MetricType;

/// The subsystem of what names none.
const NO_SUBSYSTEM: &str = "Metrics";

/// What a config declares.
#[derive(Debug)]
pub(crate) struct Catalogue<'c> {
    pub(crate) config: &'c Config,
    /// In the order in which the file first names them.
    pub(crate) subsystems: Vec<Subsystem<'c>>,
    /// Why some rules declare no metric, one sentence each.
    pub(crate) left_out: Vec<String>,
}

/// A part of the program: a row of the dashboard, a group of the alerts, a chapter of the docs.
#[derive(Debug)]
pub(crate) struct Subsystem<'c> {
    pub(crate) title: &'c str,
    pub(crate) metrics: Vec<CatalogueEntry<'c>>,
    pub(crate) panels: Vec<&'c PanelConfig>,
    pub(crate) alerts: Vec<&'c AlertConfig>,
}

/// A metric. If several rules feed it, the first one that has a key decides.
#[derive(Debug)]
pub(crate) struct CatalogueEntry<'c> {
    pub(crate) name: String,
    pub(crate) metric_type: MetricType,
    pub(crate) help: String,
    /// The base unit, by a rule or by the end of the name.
    pub(crate) unit: Option<String>,
    /// The upper bounds of a histogram; empty for other types.
    pub(crate) buckets: Vec<f64>,
    /// The labels that are known, each with the values that `init` gives.
    pub(crate) labels: Vec<(String, BTreeSet<String>)>,
    /// Whether tags of the lines become further labels.
    pub(crate) keeps_tags: bool,
    /// The patterns of the lines that feed it.
    pub(crate) patterns: Vec<&'c RulePattern>,
    pub(crate) description: Option<&'c str>,
    pub(crate) query: Option<&'c str>,
    pub(crate) panel: Option<&'c PanelConfig>,
    pub(crate) alert: Option<&'c AlertConfig>,
}

impl<'c> Catalogue<'c> {
    /// The catalogue of a config; `rules` are its compiled rules.
    pub(crate) fn new(config: &'c Config, rules: &Rules) -> Self {
        let mut catalogue = Self { config, subsystems: Vec::new(), left_out: Vec::new() };
        for (index, rule) in config.metrics.iter().enumerate() {
            match rules.declared(index) {
                Some(Ok(declared)) => {
                    let entry = CatalogueEntry::new(rule, declared);
                    catalogue.add(entry, rule.subsystem.as_deref().or(rule.preset));
                }
                Some(Err(why)) => {
                    let rule = format!("{} = {}", rule.pattern.key(), rule.pattern.quoted());
                    catalogue.left_out.push(format!("the rule {rule} is left out: {why}"));
                }
                None => {}
            }
        }
        for panel in &config.panels {
            catalogue.subsystem(panel.subsystem.as_deref()).panels.push(panel);
        }
        for alert in &config.alerts {
            catalogue.subsystem(alert.subsystem.as_deref()).alerts.push(alert);
        }
        catalogue
    }

    /// Every metric of every subsystem.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = &CatalogueEntry<'c>> {
        self.subsystems.iter().flat_map(|subsystem| &subsystem.metrics)
    }

    /// Adds a metric, or what this rule says more about it.
    fn add(&mut self, entry: CatalogueEntry<'c>, subsystem: Option<&'c str>) {
        let mut known = self.subsystems.iter_mut().flat_map(|subsystem| &mut subsystem.metrics);
        match known.find(|other| other.name == entry.name) {
            Some(other) => other.merge(entry),
            None => self.subsystem(subsystem).metrics.push(entry),
        }
    }

    /// The subsystem with this title, which exists from then on.
    fn subsystem(&mut self, title: Option<&'c str>) -> &mut Subsystem<'c> {
        let title = title.unwrap_or(NO_SUBSYSTEM);
        let at = self.subsystems.iter().position(|subsystem| subsystem.title == title);
        let at = at.unwrap_or_else(|| {
            self.subsystems.push(Subsystem { title, metrics: Vec::new(), panels: Vec::new(), alerts: Vec::new() });
            self.subsystems.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found there, or has just been added")]
        &mut self.subsystems[at]
    }
}

impl<'c> CatalogueEntry<'c> {
    fn new(rule: &'c MetricRule, declared: crate::mapping::DeclaredMetric) -> Self {
        let metadata = &declared.metadata;
        let buckets = match &metadata.spec {
            MetricSpec::Histogram(bounds, _) => bounds.as_slice().to_vec(),
            _ => Vec::new(),
        };
        let unit = metadata.unit.as_deref().map(str::to_owned).or_else(|| unit_of_name(&declared.name));
        let mut entry = Self {
            metric_type: metadata.metric_type(),
            help: metadata.help.to_string(),
            name: declared.name,
            unit,
            buckets,
            labels: declared.labels.into_iter().map(|label| (label, BTreeSet::new())).collect(),
            keeps_tags: declared.keeps_tags,
            patterns: vec![&rule.pattern],
            description: rule.description.as_deref(),
            query: rule.query.as_ref().map(|query| query.get_ref().as_str()),
            panel: rule.panel.as_ref(),
            alert: rule.alert.as_ref(),
        };
        entry.add_labels(rule);
        entry
    }

    /// Adds the labels that are known from tags and from `init`.
    fn add_labels(&mut self, rule: &'c MetricRule) {
        if let KeptTags::Only(tags) = &rule.tags {
            for tag in tags {
                let is_tag = |(renamed, _): &&(Spanned<String>, _)| renamed.get_ref() == tag.get_ref();
                let renamed = rule.rename_tags.iter().find(is_tag).map(|(_, label)| label.get_ref());
                self.label(renamed.unwrap_or(tag.get_ref()), None);
            }
        }
        for set in &rule.init {
            for (label, value) in set.get_ref() {
                self.label(label.get_ref(), Some(value.get_ref()));
            }
        }
    }

    fn label(&mut self, label: &str, value: Option<&str>) {
        let at = self.labels.iter().position(|(known, _)| known == label);
        if at.is_none() {
            self.labels.push((label.to_owned(), BTreeSet::new()));
        }
        let values = self.labels.iter_mut().find(|(known, _)| known == label).map(|(_, values)| values);
        if let (Some(values), Some(value)) = (values, value) {
            values.insert(value.to_owned());
        }
    }

    fn merge(&mut self, later: Self) {
        for (label, values) in later.labels {
            self.label(&label, None);
            values.iter().for_each(|value| self.label(&label, Some(value)));
        }
        self.keeps_tags |= later.keeps_tags;
        self.patterns.extend(later.patterns);
        self.description = self.description.or(later.description);
        self.query = self.query.or(later.query);
        self.panel = self.panel.or(later.panel);
        self.alert = self.alert.or(later.alert);
    }

    /// What it means: its description, or else its help.
    pub(crate) fn meaning(&self) -> String {
        match self.description {
            Some(description) => format!("{} {description}", self.help),
            None => self.help.clone(),
        }
    }
}

/// The unit that the name of a metric ends in, before the `_total` of a counter.
fn unit_of_name(name: &str) -> Option<String> {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let (_, end) = name.rsplit_once('_')?;
    ["seconds", "bytes", "ratio", "percent", "celsius"].contains(&end).then(|| end.to_owned())
}
