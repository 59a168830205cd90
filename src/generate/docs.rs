//! METRICS.md: what each metric means, how it is asked for, and what to do when it moves.

use super::alert::{Alert, alerts_of, duration, of_metric};
use super::catalogue::{Catalogue, CatalogueEntry, Subsystem};
use super::own_alerts;
use super::promql::{query_of, selector};
use crate::metric::MetricType;
use crate::reject::Reject;
use crate::telemetry::OwnMetric;

/// The text of METRICS.md.
pub(crate) fn docs(catalogue: &Catalogue<'_>, title: &str) -> String {
    let mut out = format!(
        "# {title}\n\nMade by `statsidecar generate docs`: change the config and make it again. The program sends StatsD, \
         and the sidecar turns each line into one of these metrics.\n"
    );
    overview(&mut out, catalogue);
    for subsystem in &catalogue.subsystems {
        chapter(&mut out, subsystem);
    }
    own(&mut out, catalogue);
    troubleshooting(&mut out);
    out
}

fn overview(out: &mut String, catalogue: &Catalogue<'_>) {
    if catalogue.metrics().next().is_none() {
        return out.push_str("\nThe config declares no metric: each line is exposed under its own name.\n");
    }
    out.push_str("\n| metric | type | meaning |\n|---|---|---|\n");
    for entry in catalogue.metrics() {
        let (name, metric_type) = (&entry.name, entry.metric_type.as_str());
        out.push_str(&format!("| [`{name}`](#{name}) | {metric_type} | {} |\n", cell(&entry.help)));
    }
}

fn chapter(out: &mut String, subsystem: &Subsystem<'_>) {
    out.push_str(&format!("\n## {}\n", subsystem.title));
    subsystem.metrics.iter().for_each(|entry| metric(out, entry));
    for panel in &subsystem.panels {
        out.push_str(&format!("\n### {}\n", panel.title.as_deref().unwrap_or_default()));
        if let Some(description) = &panel.description {
            out.push_str(&format!("\n{description}\n"));
        }
        if let Some(query) = &panel.query {
            code(out, query.get_ref().trim());
        }
    }
    if !subsystem.alerts.is_empty() {
        out.push_str("\n### Alerts on several metrics\n");
        let several = subsystem.alerts.len();
        let alerts = alerts_of(subsystem);
        alerts.iter().rev().take(several).rev().for_each(|alert| describe(out, alert));
    }
}

fn metric(out: &mut String, entry: &CatalogueEntry<'_>) {
    out.push_str(&format!("\n### {}\n\n{}\n\n", entry.name, entry.meaning()));
    let mut type_and_unit = entry.metric_type.as_str().to_owned();
    if let Some(unit) = &entry.unit {
        type_and_unit += &format!(", in {unit}");
    }
    out.push_str(&format!("- Type: {type_and_unit}\n"));
    if !entry.buckets.is_empty() {
        let bounds: Vec<String> = entry.buckets.iter().map(f64::to_string).collect();
        out.push_str(&format!("- Buckets up to: {}, +Inf\n", bounds.join(", ")));
    } else if entry.metric_type == MetricType::Histogram {
        out.push_str("- Buckets: those of a native histogram\n");
    }
    out.push_str(&format!("- Labels: {}\n", labels(entry)));
    let lines: Vec<String> = entry.patterns.iter().map(|pattern| format!("`{}`", pattern.text())).collect();
    out.push_str(&format!("- Lines: {}\n", lines.join(", ")));
    code(out, &queries(entry));
    if let Some(config) = entry.alert {
        describe(out, &of_metric(entry, config));
    }
}

fn labels(entry: &CatalogueEntry<'_>) -> String {
    let known = entry.labels.iter().map(|(label, values)| {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        if values.is_empty() { format!("`{label}`") } else { format!("`{label}` ({})", values.join(", ")) }
    });
    let tags = entry.keeps_tags.then(|| "further tags that the program sends".to_owned());
    known.chain(tags).collect::<Vec<_>>().join(", ")
}

/// The queries that fit the type, those of the config first.
fn queries(entry: &CatalogueEntry<'_>) -> String {
    let of = |suffix| selector(&entry.name, suffix);
    let mut queries = vec![query_of(entry)];
    if let Some(query) = entry.panel.and_then(|panel| panel.query.as_ref()) {
        queries.push(query.get_ref().trim().to_owned());
    }
    match entry.metric_type {
        MetricType::Counter => queries.extend([format!("increase({}[1h])", of(""))]),
        MetricType::Histogram if entry.buckets.is_empty() => {
            let rate = format!("(rate({}[5m]))", of(""));
            queries.extend([format!("histogram_sum{rate} / histogram_count{rate}"), format!("histogram_count{rate}")]);
        }
        MetricType::Histogram => {
            let (sum, count) = (of("_sum"), of("_count"));
            queries.extend([format!("rate({sum}[5m]) / rate({count}[5m])"), format!("rate({count}[5m])")]);
        }
        MetricType::Gauge | MetricType::Set => queries.extend([format!("max_over_time({}[1h])", of(""))]),
        MetricType::Summary => queries.extend([format!("rate({}[5m]) / rate({}[5m])", of("_sum"), of("_count"))]),
    }
    let mut seen = Vec::new();
    queries.retain(|query| {
        let is_new = !seen.contains(query);
        seen.push(query.clone());
        is_new
    });
    queries.join("\n")
}

fn describe(out: &mut String, alert: &Alert) {
    let Alert { name, expression, hold, severity, action, .. } = alert;
    let hold = if hold.is_zero() { String::new() } else { format!(" for {}", duration(*hold)) };
    let severity: &str = severity.into();
    out.push_str(&format!("\nThe alert `{name}` ({severity}) fires when this holds{hold}:\n"));
    code(out, expression);
    if let Some(action) = action {
        out.push_str(&format!("\nWhat to do: {action}\n"));
    }
}

fn own(out: &mut String, catalogue: &Catalogue<'_>) {
    out.push_str("\n## The sidecar itself\n\n| metric | type | meaning |\n|---|---|---|\n");
    for own in OwnMetric::ALL {
        out.push_str(&format!("| `{}` | {} | {} |\n", own.name, own.metric_type.as_str(), cell(own.help)));
    }
    out.push_str("\n| alert | fires when | what to do |\n|---|---|---|\n");
    for alert in own_alerts::alerts(catalogue.config) {
        let hold = if alert.hold.is_zero() { String::new() } else { format!(" for {}", duration(alert.hold)) };
        let action = alert.action.as_deref().unwrap_or_default();
        out.push_str(&format!("| `{}` | `{}`{hold} | {} |\n", alert.name, cell(&alert.expression), cell(action)));
    }
}

fn troubleshooting(out: &mut String) {
    out.push_str(
        "\n## Troubleshooting\n\n\
         **A metric is missing, or stays at 0.** Look at `statsidecar_lines_total`. If it stands still, no line arrives: \
         does the program send to a listener of the sidecar? If it rises, print what a line becomes:\n\n\
         ```sh\nstatsidecar explain --config FILE 'NAME:1|c'\n```\n\n\
         **The value is too low.** Compare with `statsidecar_kernel_dropped_packets_total` (packets that were lost before \
         they could be read) and with `statsidecar_rejected_samples_total`:\n\n\
         | reason | what to do |\n|---|---|\n",
    );
    for reject in Reject::ALL {
        out.push_str(&format!("| `{}` | {} |\n", reject.reason(), cell(reject.remedy())));
    }
    out.push_str(
        "\n**A rate misses the first event.** `rate()` needs a sample before it: declare the label sets with `init`.\n\n\
         **A counter falls to 0.** The sidecar has started anew without `[state]`; `rate()` and `increase()` know that.\n\n\
         **A quantile is the highest bucket.** Some values are above it: add larger `buckets`.\n\n\
         **A share is NaN.** Nothing happened in its range, and 0 / 0 is not a number.\n",
    );
}

fn code(out: &mut String, code: &str) {
    out.push_str(&format!("\n```promql\n{code}\n```\n"));
}

/// Text in the cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
