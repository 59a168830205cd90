//! `[[panel]]` and `[[alert]]`, and the keys `panel` and `alert` of a `[[metric]]`.

use super::syntax::{TomlSetting, TomlTable, tables};
use super::value::{duration, elements, parsed};
use crate::config::monitoring::{AlertConfig, Comparison, OWN_SUBSYSTEM, PanelConfig, PanelType, bad_query};
use crate::config::reader::{rising, spanned, text_not_empty, word};

/// Every `[[panel]]` that can be read.
pub(super) fn panels(setting: &TomlSetting<'_>, source: &str) -> Option<Vec<PanelConfig>> {
    Some(tables(setting, "[[panel]]", source)?.into_iter().map(panel_of_several).collect())
}

fn panel_of_several(mut table: TomlTable<'_>) -> PanelConfig {
    let panel = PanelConfig {
        subsystem: table.read("subsystem", subsystem),
        description: table.read("description", text_not_empty),
        ..panel(&mut table)
    };
    if panel.panel_type == Some(PanelType::None) {
        table.forbid("type", "= \"none\" is for the panel of a [[metric]]; leave this [[panel]] out");
    }
    table.require("title", "say what the panel shows, as in title = \"Failed operations\"");
    table.require("query", "say what the panel shows, as in query = \"sum(rate(app_errors_total[5m]))\"");
    table.finish();
    panel
}

/// The `panel` of a metric.
pub(super) fn panel_of_metric(setting: &TomlSetting<'_>) -> Option<PanelConfig> {
    let mut table = setting.table("in \"panel\"", "a table such as { title = \"Writes\", type = \"stat\" }")?;
    let panel = panel(&mut table);
    if panel.panel_type == Some(PanelType::None) {
        table.forbid_but(&["type"], "has no effect with type = \"none\"; leave it out");
    }
    table.finish();
    Some(panel)
}

/// The keys that both have.
fn panel(table: &mut TomlTable<'_>) -> PanelConfig {
    PanelConfig {
        title: table.read("title", text_not_empty),
        subsystem: None,
        description: None,
        query: table.read("query", spanned(query)),
        panel_type: table.read("type", word),
        unit: table.read("unit", text_not_empty),
        thresholds: table.read("thresholds", thresholds).unwrap_or_default(),
    }
}

/// Every `[[alert]]` that can be read.
pub(super) fn alerts(setting: &TomlSetting<'_>, source: &str) -> Option<Vec<AlertConfig>> {
    Some(tables(setting, "[[alert]]", source)?.into_iter().filter_map(alert_of_several).collect())
}

fn alert_of_several(mut table: TomlTable<'_>) -> Option<AlertConfig> {
    let subsystem = table.read("subsystem", subsystem);
    let alert = alert(&mut table);
    table.require("name", "name the alert, as in name = \"OperationsFail\"");
    table.require("query", "say what is compared, as in query = \"sum(rate(app_errors_total[5m]))\"");
    table.finish();
    Some(AlertConfig { subsystem, ..alert? })
}

/// The `alert` of a metric.
pub(super) fn alert_of_metric(setting: &TomlSetting<'_>) -> Option<AlertConfig> {
    let mut table = setting.table("in \"alert\"", "a table such as { when = \"> 0\", for = \"10m\" }")?;
    let alert = alert(&mut table);
    table.finish();
    alert
}

/// The keys that both have; `None` without a comparison.
fn alert(table: &mut TomlTable<'_>) -> Option<AlertConfig> {
    let name = table.read("name", alert_name);
    let query = table.read("query", spanned(query));
    let when = table.read("when", comparison);
    let alert = AlertConfig {
        name,
        subsystem: None,
        query,
        when: Comparison { operator: ">", threshold: 0.0 },
        hold: table.read("for", duration),
        severity: table.read("severity", word).unwrap_or_default(),
        summary: table.read("summary", text_not_empty),
        action: table.read("action", text_not_empty),
    };
    table.require("when", "say which results are wrong, as in when = \"> 0\"");
    Some(AlertConfig { when: when?, ..alert })
}

/// PromQL, as far as it can be checked here.
pub(super) fn query(setting: &TomlSetting<'_>) -> Option<String> {
    let query = text_not_empty(setting)?;
    match bad_query(&query) {
        Some(why) => setting.fail(format!("{} is not PromQL: {why}", setting.name)),
        None => Some(query),
    }
}

/// The title of a subsystem.
pub(super) fn subsystem(setting: &TomlSetting<'_>) -> Option<String> {
    let title = text_not_empty(setting)?;
    if title == OWN_SUBSYSTEM {
        setting.fail(format!("{title:?} is the row of the sidecar itself; choose another title"))
    } else {
        Some(title)
    }
}

/// The name of an alert, which becomes the value of a label.
fn alert_name(setting: &TomlSetting<'_>) -> Option<String> {
    let name = text_not_empty(setting)?;
    let is_right = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_right { Some(name) } else { setting.must_be("letters, digits and _ such as \"OperationsFail\"") }
}

fn comparison(setting: &TomlSetting<'_>) -> Option<Comparison> {
    parsed(setting, "a comparison such as \"> 5\"", Comparison::parse)
}

/// One or two values: red, or yellow and red.
fn thresholds(setting: &TomlSetting<'_>) -> Option<Vec<f64>> {
    const RIGHT: &str = "a list of one or two numbers such as [1, 5]";
    let thresholds = elements(setting, "a threshold", RIGHT)?;
    if thresholds.len() > 2 {
        return setting.fail(format!("{} has more than two values; write {RIGHT}", setting.name));
    }
    rising(&setting.name, &thresholds, "a finite number", f64::is_finite)
}
