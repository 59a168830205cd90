//! The panels of a dashboard, before they are written for Grafana.

use super::catalogue::{CatalogueEntry, Subsystem};
use super::promql::{quantile_of, query_of, selector};
use crate::config::{PanelConfig, PanelType};
use crate::metric::MetricType;

/// The unit of a number without a unit, as Grafana calls it.
const PLAIN: &str = "short";

/// One panel.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) panel_type: PanelType,
    /// As Grafana calls it.
    pub(super) unit: String,
    pub(super) thresholds: Vec<f64>,
    pub(super) targets: Vec<PanelTarget>,
}

/// One query of a panel.
#[derive(Clone, Debug)]
pub(super) struct PanelTarget {
    pub(super) query: String,
    /// The legend; `None` is the labels in which the series differ.
    pub(super) legend: Option<String>,
    /// Whether the range `[5m]` follows the zoom of the dashboard. A query of the config keeps what it says.
    pub(super) is_zoomed: bool,
}

/// The panels of a subsystem: first those about several metrics, then those of its metrics; numbers before curves,
/// because they are smaller.
pub(super) fn panels_of(subsystem: &Subsystem<'_>) -> Vec<Panel> {
    let of_several = subsystem.panels.iter().map(|panel| of_several(panel));
    let mut panels: Vec<Panel> = of_several.chain(subsystem.metrics.iter().flat_map(of_metric)).collect();
    panels.sort_by_key(|panel| !matches!(panel.panel_type, PanelType::Stat | PanelType::Gauge));
    panels
}

fn of_several(config: &PanelConfig) -> Panel {
    let query = config.query.as_ref().map(|query| query.get_ref().trim().to_owned()).unwrap_or_default();
    Panel {
        title: config.title.clone().unwrap_or_default(),
        description: config.description.clone().unwrap_or_default(),
        panel_type: config.panel_type.unwrap_or(PanelType::TimeSeries),
        unit: config.unit.clone().unwrap_or_else(|| PLAIN.to_owned()),
        thresholds: config.thresholds.clone(),
        targets: vec![PanelTarget { query, legend: None, is_zoomed: false }],
    }
}

/// The panels of a metric: one, none, or two for a histogram of which the config says nothing else.
fn of_metric(entry: &CatalogueEntry<'_>) -> Vec<Panel> {
    let config = entry.panel.cloned().unwrap_or_default();
    let is_histogram = entry.metric_type == MetricType::Histogram;
    // The query of a histogram is one figure of it, and its panels show more.
    let of_entry = entry.query.filter(|_| !is_histogram);
    let own = config.query.as_ref().map(|query| query.get_ref().as_str()).or(of_entry).map(str::trim);
    let has_own = own.is_some();
    let panel_type = config.panel_type.unwrap_or(PanelType::TimeSeries);
    let of_type = |panel_type, targets: Vec<PanelTarget>| Panel {
        title: config.title.clone().unwrap_or_else(|| entry.name.clone()),
        description: entry.meaning(),
        panel_type,
        unit: config.unit.clone().unwrap_or_else(|| unit(entry, has_own)),
        thresholds: config.thresholds.clone(),
        targets,
    };
    match (panel_type, own) {
        (PanelType::None, _) => Vec::new(),
        (_, Some(query)) => {
            vec![of_type(panel_type, vec![PanelTarget { query: query.to_owned(), legend: None, is_zoomed: false }])]
        }
        (PanelType::Heatmap, None) if is_histogram => vec![of_type(panel_type, vec![buckets(entry)])],
        (PanelType::TimeSeries, None) if is_histogram => {
            let mut panels = vec![of_type(panel_type, quantiles(entry))];
            if config.panel_type.is_none() && !entry.buckets.is_empty() {
                let heatmap = of_type(PanelType::Heatmap, vec![buckets(entry)]);
                panels.push(Panel { title: format!("{}, distribution", heatmap.title), ..heatmap });
            }
            panels
        }
        (_, None) => {
            let target = PanelTarget { query: query_of(entry), legend: None, is_zoomed: true };
            vec![of_type(panel_type, vec![target])]
        }
    }
}

fn quantiles(entry: &CatalogueEntry<'_>) -> Vec<PanelTarget> {
    let labels: String = entry.labels.iter().map(|(label, _)| format!(" {{{{{label}}}}}")).collect();
    let target = |quantile: f64| PanelTarget {
        query: quantile_of(entry, quantile),
        legend: Some(format!("p{}{labels}", quantile * 100.0)),
        is_zoomed: true,
    };
    [0.5, 0.95, 0.99].map(target).into()
}

fn buckets(entry: &CatalogueEntry<'_>) -> PanelTarget {
    let query = if entry.buckets.is_empty() {
        format!("sum(increase({}[5m]))", selector(&entry.name, ""))
    } else {
        format!("sum by (le) (increase({}[5m]))", selector(&entry.name, "_bucket"))
    };
    PanelTarget { query, legend: Some("{{le}}".to_owned()), is_zoomed: true }
}

/// The unit of what a panel of a metric shows; `has_own` is whether the config says by a query what that is.
fn unit(entry: &CatalogueEntry<'_>, has_own: bool) -> String {
    let is_rate = entry.metric_type == MetricType::Counter;
    let unit = match (entry.unit.as_deref(), is_rate) {
        (Some("bytes"), true) if !has_own => "Bps",
        (None, true) if !has_own => "cps",
        (_, true) => PLAIN,
        (Some("seconds"), false) => "s",
        (Some("bytes"), false) => "bytes",
        (Some("ratio"), false) => "percentunit",
        (Some("percent"), false) => "percent",
        (Some("celsius"), false) => "celsius",
        (_, false) => PLAIN,
    };
    unit.to_owned()
}
