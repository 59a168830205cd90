//! The dashboard, as JSON that Grafana imports.
//!
//! The data source, the job and the instance are variables, so that one file fits every Grafana. Names and values are
//! those of Grafana's own schema of dashboards (version 39, Grafana 10 and newer).

use serde_json::{Value, json};

use super::catalogue::Catalogue;
use super::health;
use super::panel::{Panel, PanelTarget, panels_of};
use super::promql::with_matchers;
use crate::config::{OWN_SUBSYSTEM, PanelType};
use crate::telemetry::OwnMetric;

/// The matchers that the variables give each metric.
const MATCHERS: &str = r#"job=~"$job",instance=~"$instance""#;

/// The width of the grid.
const GRID: u64 = 24;

/// The dashboard of a catalogue, with a row for each subsystem and one for the sidecar itself.
pub(crate) fn dashboard(catalogue: &Catalogue<'_>, title: &str) -> String {
    let rows = catalogue.subsystems.iter().map(|subsystem| (subsystem.title, panels_of(subsystem)));
    let rows = rows.chain([(OWN_SUBSYSTEM, health::panels(catalogue.config))]);
    let is_known = |name: &str| is_known(catalogue, name);
    let mut grid = PanelGrid::default();
    for (title, panels) in rows.filter(|(_, panels)| !panels.is_empty()) {
        grid.row(title);
        for panel in panels {
            grid.add(&panel, &is_known);
        }
    }
    let dashboard = json!({
        "uid": uid(title),
        "title": title,
        "description": "Made by `statsidecar generate dashboard`: change the config and make it again.",
        "tags": ["statsidecar"],
        "schemaVersion": 39,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "timezone": "browser",
        "templating": { "list": variables() },
        "annotations": { "list": [] },
        "links": [],
        "panels": grid.panels,
    });
    format!("{dashboard:#}\n")
}

/// Whether the metric, or the series of a histogram or summary, is one that this sidecar exposes.
fn is_known(catalogue: &Catalogue<'_>, name: &str) -> bool {
    let is_base = |base: &str| {
        OwnMetric::ALL.iter().any(|own| own.name == base) || catalogue.metrics().any(|metric| metric.name == base)
    };
    let series = ["_bucket", "_sum", "_count"].iter().filter_map(|suffix| name.strip_suffix(suffix));
    is_base(name) || series.into_iter().any(is_base)
}

/// The identity of the dashboard: an import replaces the dashboard that has it.
fn uid(title: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    title.chars().map(legal).take(40).collect()
}

fn variables() -> Value {
    let label = |name: &str, title: &str, series: &str| {
        json!({
            "name": name,
            "label": title,
            "type": "query",
            "datasource": data_source(),
            "query": { "query": format!("label_values({series}, {name})"), "refId": name },
            "includeAll": true,
            "multi": true,
            "allValue": ".*",
            "current": { "text": ["All"], "value": ["$__all"] },
            "refresh": 2,
            "sort": 1,
        })
    };
    json!([
        { "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1 },
        label("job", "Job", "statsidecar_build_info"),
        label("instance", "Instance", r#"statsidecar_build_info{job=~"$job"}"#),
    ])
}

fn data_source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Panels from left to right and from the top down.
#[derive(Default)]
struct PanelGrid {
    panels: Vec<Value>,
    x: u64,
    y: u64,
    /// The height of the line that is being filled.
    height: u64,
}

impl PanelGrid {
    fn row(&mut self, title: &str) {
        self.next_line();
        let id = self.panels.len() + 1;
        self.panels.push(json!({
            "id": id,
            "type": "row",
            "title": title,
            "collapsed": false,
            "gridPos": { "x": 0, "y": self.y, "w": GRID, "h": 1 },
            "panels": [],
        }));
        self.y += 1;
    }

    fn add(&mut self, panel: &Panel, is_known: &impl Fn(&str) -> bool) {
        let (width, height) = match panel.panel_type {
            PanelType::Stat | PanelType::Gauge => (6, 5),
            _ => (12, 8),
        };
        if self.x + width > GRID || (self.height != 0 && self.height != height) {
            self.next_line();
        }
        let id = self.panels.len() + 1;
        let position = json!({ "x": self.x, "y": self.y, "w": width, "h": height });
        self.panels.push(written(panel, id, position, is_known));
        self.x += width;
        self.height = height;
    }

    fn next_line(&mut self) {
        self.y += self.height;
        (self.x, self.height) = (0, 0);
    }
}

fn written(panel: &Panel, id: usize, position: Value, is_known: &impl Fn(&str) -> bool) -> Value {
    let targets = panel.targets.iter().zip('A'..).map(|(target, letter)| target_of(panel, target, letter, is_known));
    json!({
        "id": id,
        "type": <&str>::from(panel.panel_type),
        "title": panel.title,
        "description": panel.description,
        "datasource": data_source(),
        "gridPos": position,
        "targets": targets.collect::<Vec<_>>(),
        "fieldConfig": { "defaults": field(panel), "overrides": [] },
        "options": options(panel),
    })
}

fn target_of(panel: &Panel, target: &PanelTarget, letter: char, is_known: &impl Fn(&str) -> bool) -> Value {
    let mut query = with_matchers(&target.query, MATCHERS, is_known);
    if target.is_zoomed {
        query = query.replace("[5m]", "[$__rate_interval]");
    }
    // A number shows the newest value alone, so Prometheus need not compute all others.
    let is_instant = matches!(panel.panel_type, PanelType::Stat | PanelType::Gauge);
    json!({
        "refId": letter.to_string(),
        "datasource": data_source(),
        "editorMode": "code",
        "expr": query,
        "legendFormat": target.legend.as_deref().unwrap_or("__auto"),
        "format": if panel.panel_type == PanelType::Heatmap { "heatmap" } else { "time_series" },
        "instant": is_instant,
        "range": !is_instant,
    })
}

/// The unit, the ends of the scale and the colours.
fn field(panel: &Panel) -> Value {
    let colours = match panel.thresholds.len() {
        1 => &["red"][..],
        _ => &["yellow", "red"],
    };
    let steps = panel.thresholds.iter().zip(colours).map(|(value, colour)| json!({ "value": value, "color": colour }));
    let steps: Vec<Value> = [json!({ "value": null, "color": "green" })].into_iter().chain(steps).collect();
    let mut field = json!({
        "unit": panel.unit,
        "thresholds": { "mode": "absolute", "steps": steps },
    });
    let highest = match panel.unit.as_str() {
        "percent" => Some(100),
        "percentunit" => Some(1),
        _ => None,
    };
    match panel.panel_type {
        PanelType::Gauge => {
            field["min"] = json!(0);
            field["max"] = json!(highest);
            field["color"] = json!({ "mode": "thresholds" });
        }
        PanelType::Stat => field["color"] = json!({ "mode": "thresholds" }),
        PanelType::TimeSeries => {
            field["color"] = json!({ "mode": "palette-classic" });
            field["custom"] = json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 10,
                "showPoints": "auto",
                "thresholdsStyle": { "mode": if panel.thresholds.is_empty() { "off" } else { "line" } },
            });
        }
        PanelType::Heatmap | PanelType::None => {}
    }
    field
}

fn options(panel: &Panel) -> Value {
    let newest = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
    match panel.panel_type {
        PanelType::Stat => json!({
            "reduceOptions": newest,
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
        }),
        PanelType::Gauge => json!({
            "reduceOptions": newest,
            "orientation": "auto",
            "showThresholdLabels": false,
            "showThresholdMarkers": true,
        }),
        PanelType::Heatmap => json!({
            "calculate": false,
            "cellGap": 1,
            "color": { "mode": "scheme", "scheme": "Spectral", "steps": 64, "reverse": false },
            "yAxis": { "axisPlacement": "left", "unit": panel.unit },
            "tooltip": { "mode": "single", "showColorScale": false, "yHistogram": false },
            "legend": { "show": true },
        }),
        PanelType::TimeSeries | PanelType::None => json!({
            "legend": { "showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": [] },
            "tooltip": { "mode": "multi", "sort": "desc" },
        }),
    }
}
