//! `/`: the status page, for people: the listeners, the series, and what is rejected.

use super::state::ServerState;
use crate::metric::MetricType;
use crate::reject::Reject;
use crate::telemetry::{DatagramSnapshot, HeavyHitter, Loss, LostLine, SocketSnapshot};

const HEAD: &str = include_str!("status.html");

pub(super) fn page(state: &ServerState) -> String {
    let snapshot = (state.snapshot)();
    let telemetry = &state.pipeline.telemetry;
    let mut html = HEAD.to_owned();
    let ready = if (state.ready)() { "ready" } else { "not ready: not every listener is read" };
    html.push_str(&format!("<p>Version {}, {ready}.</p>\n", env!("CARGO_PKG_VERSION")));

    let listeners = snapshot.listeners.iter().map(|listener| {
        let figures = match &listener.socket {
            SocketSnapshot::Datagram(DatagramSnapshot { dropped, receive_buffer, .. }) => {
                format!("<td class=n>{dropped}</td><td class=n>{} KiB</td><td></td>", receive_buffer / 1024)
            }
            SocketSnapshot::Stream(stream) => format!("<td></td><td></td><td class=n>{}</td>", stream.open()),
        };
        let (address, packets, lines) = (escape(&listener.address), listener.packets, listener.lines);
        format!("<td>{address}</td><td class=n>{packets}</td><td class=n>{lines}</td>{figures}")
    });
    let columns = ["address", "packets", "lines", "dropped by the kernel", "receive buffer", "connections"];
    table(&mut html, "Listeners", &columns, listeners);

    let types =
        MetricType::ALL.iter().zip(snapshot.families).zip(snapshot.series).map(|((metric_type, families), series)| {
            format!("<td>{}</td><td class=n>{families}</td><td class=n>{series}</td>", metric_type.as_str())
        });
    table(&mut html, "Series", &["type", "names", "series"], types);
    html.push_str(&format!("<p>At most {} series.</p>\n", snapshot.series_limit));

    let counts = Reject::ALL.into_iter().map(|reject| (reject, telemetry.rejected(reject)));
    let rejected = counts.filter(|(_, samples)| *samples > 0).map(|(reject, samples)| {
        format!("<td>{reject}</td><td class=n>{samples}</td><td>{}</td>", escape(reject.remedy()))
    });
    table(&mut html, "Rejected samples", &["reason", "samples", "remedy"], rejected);

    let now = state.pipeline.clock.now();
    let lost = Reject::ALL.into_iter().flat_map(|reject| {
        let lines = telemetry.lost_lines(Loss::Rejected(reject)).into_iter();
        lines.map(move |line| format!("<td>{reject}</td>{}", lost_line(&line, now)))
    });
    table(&mut html, "Newest rejected lines", &["reason", "line", "listener", "seconds ago"], lost);
    if state.pipeline.rules.is_any() {
        let unmapped = telemetry.lost_lines(Loss::Unmapped);
        table(
            &mut html,
            "Newest names without a rule",
            &["name", "listener", "seconds ago"],
            unmapped.iter().map(|line| lost_line(line, now)),
        );
    }

    let conflicts = telemetry.conflicts();
    let names = conflicts.iter().map(|hitter| {
        format!("<td>{}</td><td>{}</td><td class=n>{}</td>", escape(&hitter.name), hitter.limit, samples(hitter))
    });
    table(&mut html, "Names in conflict", &["name in the line", "reason", "samples"], names);

    // The names whose samples hit a limit, whether these were rejected or collapsed.
    let heavy_hitters = telemetry.heavy_hitters();
    let names = heavy_hitters.iter().map(|hitter| {
        format!("<td>{}</td><td>{}</td><td class=n>{}</td>", escape(&hitter.name), hitter.limit, samples(hitter))
    });
    table(&mut html, "Names over a limit", &["name", "limit", "samples"], names);
    if !heavy_hitters.is_empty() {
        html.push_str("<p>The names with the most samples since the start. If many names hit a limit, the numbers are bounds.</p>\n");
    }
    let merged = state.pipeline.registry.merged_names();
    let merged =
        merged.iter().map(|name| format!("<td>{}</td><td>{}</td>", escape(&name.written), escape(&name.family)));
    table(&mut html, "Names that became the name of another metric", &["name in the line", "metric"], merged);
    html.push_str("</main></body></html>\n");
    html
}

/// The samples of a name, or their bounds.
fn samples(HeavyHitter { samples, others, .. }: &HeavyHitter) -> String {
    match others {
        0 => samples.to_string(),
        others => format!("{} to {samples}", samples - others),
    }
}

/// The cells of a line that was lost. A line that was not received whole may be empty.
fn lost_line(LostLine { listener, at, text }: &LostLine, now: u32) -> String {
    let text = if text.is_empty() { "(not kept)" } else { text };
    let (text, listener) = (escape(text), escape(listener));
    format!("<td class=l>{text}</td><td>{listener}</td><td class=n>{}</td>", now.saturating_sub(*at))
}

/// Adds a heading and a table, or says that it has no rows.
fn table(html: &mut String, heading: &str, columns: &[&str], rows: impl Iterator<Item = String>) {
    let rows: String = rows.map(|cells| format!("<tr>{cells}</tr>\n")).collect();
    let table = match rows.is_empty() {
        true => "<p>None.</p>".to_owned(),
        false => format!("<table><tr><th>{}</th></tr>\n{rows}</table>", columns.join("</th><th>")),
    };
    html.push_str(&format!("<h2>{heading}</h2>\n{table}\n"));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
