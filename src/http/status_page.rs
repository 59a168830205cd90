//! `/`: the status page, for people. A browser with scripts makes it from `/api/v1/status`, again and again; without them
//! it shows tables of the moment.

use crate::status::{HitterStatus, LineStatus, ListenerStatus, Status};

const HEAD: &str = include_str!("assets/head.html");
const TAIL: &str = include_str!("assets/tail.html");

/// The page.
pub(super) fn page(status: &Status) -> String {
    let mut html = HEAD.to_owned();
    html.push_str("<noscript>\n");
    let ready = if status.ready { "ready" } else { "not ready: not every listener is read" };
    html.push_str(&format!("<p>Version {}, {ready}.</p>\n", escape(&status.version)));
    if let Some(trouble) = status.reloads.trouble() {
        html.push_str(&format!("<p>{}.</p>\n", escape(&trouble)));
    }
    listeners(&mut html, status);
    series(&mut html, status);
    rejects(&mut html, status);
    names(&mut html, status);
    rules(&mut html, status);
    state(&mut html, status);
    html.push_str("</noscript>\n");
    html.push_str(TAIL);
    html
}

fn listeners(html: &mut String, status: &Status) {
    let rows = status.listeners.iter().map(|listener| {
        let ListenerStatus { packets, lines, .. } = listener;
        let cell =
            |text: Option<String>| text.map_or("<td></td>".to_owned(), |text| format!("<td class=n>{text}</td>"));
        let number = |number: Option<u64>| cell(number.map(|number| number.to_string()));
        let buffer = cell(listener.receive_buffer_bytes.map(|bytes| format!("{} KiB", bytes / 1024)));
        let (dropped, connections) = (number(listener.kernel_dropped), number(listener.connections));
        format!(
            "<td>{}</td><td class=n>{packets}</td><td class=n>{lines}</td>{dropped}{buffer}{connections}",
            escape(&listener.address)
        )
    });
    let columns = ["address", "packets", "lines", "dropped by the kernel", "receive buffer", "connections"];
    table(html, "Listeners", &columns, rows);
}

fn series(html: &mut String, status: &Status) {
    let types = status.series.iter().map(|of_type| {
        let (families, series) = (of_type.families, of_type.series);
        format!("<td>{}</td><td class=n>{families}</td><td class=n>{series}</td>", escape(&of_type.metric_type))
    });
    table(html, "Series", &["type", "names", "series"], types);
    html.push_str(&format!("<p>At most {} series.</p>\n", status.limits.series_limit));
    let families = status.families.largest.iter().map(|family| {
        let (name, series) = (escape(&family.name), family.series);
        format!("<td class=l>{name}</td><td>{}</td><td class=n>{series}</td>", escape(&family.metric_type))
    });
    table(html, "Metrics with the most series", &["metric", "type", "series"], families);
    html.push_str(&format!("<p>{} more.</p>\n", status.families.left_out));
    let busiest = status.names.busiest.iter().map(|name| {
        format!(
            "<td class=l>{}</td><td class=n>{}</td><td class=n>{:.1}</td>",
            escape(&name.name),
            name.lines,
            name.per_second
        )
    });
    table(html, "Busiest names, estimated", &["name", "lines", "lines a second"], busiest);
}

fn rejects(html: &mut String, status: &Status) {
    let rejected = status.rejects.iter().map(|reject| {
        let (reason, remedy) = (escape(&reject.reason), escape(&reject.remedy));
        format!("<td>{reason}</td><td class=n>{}</td><td>{remedy}</td>", reject.samples)
    });
    table(html, "Rejected samples", &["reason", "samples", "remedy"], rejected);
    if !status.quotes.served {
        html.push_str(&format!("<p>No line and no rejected name is shown: {}.</p>\n", escape(&status.quotes.why)));
    }
    let newest = status.rejects.iter().flat_map(|reject| {
        reject.lines.iter().map(|line| format!("<td>{}</td>{}", escape(&reject.reason), lost_line(line)))
    });
    table(html, "Newest rejected lines", &["reason", "line", "listener", "seconds ago"], newest);
    if !status.rules.rules.is_empty() {
        let unmapped = status.unmapped.iter().map(lost_line);
        table(html, "Newest names without a rule", &["name", "listener", "seconds ago"], unmapped);
    }
}

fn names(html: &mut String, status: &Status) {
    let row = |hitter: &HitterStatus| {
        let (name, reason) = (escape(&hitter.name), escape(&hitter.reason));
        format!("<td>{name}</td><td>{reason}</td><td class=n>{}</td>", samples(hitter))
    };
    table(html, "Names in conflict", &["name in the line", "reason", "samples"], status.conflicts.iter().map(row));
    table(html, "Names over a limit", &["name", "limit", "samples"], status.over_limit.iter().map(row));
    let merged = status.merged.newest.iter();
    let merged = merged.map(|name| format!("<td>{}</td><td>{}</td>", escape(&name.written), escape(&name.metric)));
    table(html, "Names that became the name of another metric", &["name in the line", "metric"], merged);
}

fn rules(html: &mut String, status: &Status) {
    let rows = status.rules.rules.iter().map(|rule| {
        let matched = match rule.resolved {
            0 => "never".to_owned(),
            _ => format!("{} lines, estimated", rule.lines),
        };
        let (key, pattern) = (escape(&rule.key), escape(&rule.pattern));
        format!("<td class=n>{}</td><td>{key}</td><td class=l>{pattern}</td><td>{matched}</td>", rule.number)
    });
    table(html, "Rules", &["rule", "key", "pattern", "matched"], rows);
}

fn state(html: &mut String, status: &Status) {
    let Some(state) = &status.state else { return };
    let count = |what: &str, n: u64| format!("<td>{what}</td><td class=n>{n}</td>");
    let age = state.last_save_age_seconds.map(|age| count("seconds since the last snapshot", age));
    let rows = [
        count("series that a kill leaves", state.arena_series),
        count("series outside the full arena", state.outside_arena_series),
        count("series restored at the start", state.restored_series),
        count("bytes of the arena", state.arena_bytes),
        count("snapshots", state.saved),
        count("snapshots that failed", state.failed),
    ];
    table(html, "State", &["what", "number"], rows.into_iter().chain(age));
}

/// The samples of a name, or their bounds.
fn samples(HitterStatus { samples, others, .. }: &HitterStatus) -> String {
    match others {
        0 => samples.to_string(),
        others => format!("{} to {samples}", samples - others),
    }
}

/// The cells of a line that was lost. A line that was not received whole may be empty.
fn lost_line(line: &LineStatus) -> String {
    let text = if line.text.is_empty() { "(not kept)" } else { &line.text };
    let (text, listener) = (escape(text), escape(&line.listener));
    format!("<td class=l>{text}</td><td>{listener}</td><td class=n>{}</td>", line.age_seconds)
}

/// Adds a heading and a table, or says that it has no rows.
fn table(html: &mut String, heading: &str, columns: &[&str], rows: impl Iterator<Item = String>) {
    let rows: String = rows.map(|cells| format!("<tr>{cells}</tr>\n")).collect();
    let table = match rows.is_empty() {
        true => "<p>None.</p>".to_owned(),
        false => format!("<table><tr><th>{}</th></tr>\n{rows}</table>", columns.join("</th><th>")),
    };
    html.push_str(&format!("<section><h2>{heading}</h2>\n{table}\n</section>\n"));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
