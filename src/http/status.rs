//! `/`: the status page, for people: the listeners, the series, and what is rejected.

use hyper::Response;

use super::answer;
use super::body::Body;
use super::state::ServerState;
use crate::metric::MetricType;
use crate::reject::Reject;
use crate::telemetry::{DatagramSnapshot, HeavyHitter, SocketSnapshot};

const HEAD: &str = include_str!("status.html");

pub(super) fn respond(state: &ServerState) -> Response<Body> {
    let snapshot = (state.snapshot)();
    let telemetry = &state.pipeline.telemetry;
    let mut html = HEAD.to_owned();
    let ready = if (state.ready)() { "ready" } else { "not ready: not every listener is read" };
    html.push_str(&format!("<p>Version {}, {ready}.</p>\n", env!("CARGO_PKG_VERSION")));

    html.push_str("<h2>Listeners</h2>\n<table><tr><th>address</th><th>packets</th><th>lines</th><th>dropped by the kernel</th><th>receive buffer</th><th>connections</th></tr>\n");
    for listener in &snapshot.listeners {
        let figures = match &listener.socket {
            SocketSnapshot::Datagram(DatagramSnapshot { dropped, receive_buffer }) => {
                format!("<td class=n>{dropped}</td><td class=n>{} KiB</td><td></td>", receive_buffer / 1024)
            }
            SocketSnapshot::Stream(stream) => format!("<td></td><td></td><td class=n>{}</td>", stream.open()),
        };
        html.push_str(&format!(
            "<tr><td>{}</td><td class=n>{}</td><td class=n>{}</td>{figures}</tr>\n",
            escape(&listener.address),
            listener.packets,
            listener.lines,
        ));
    }
    html.push_str("</table>\n<h2>Series</h2>\n<table><tr><th>type</th><th>names</th><th>series</th></tr>\n");
    for ((metric_type, families), series) in MetricType::ALL.iter().zip(snapshot.families).zip(snapshot.series) {
        html.push_str(&format!(
            "<tr><td>{}</td><td class=n>{families}</td><td class=n>{series}</td></tr>\n",
            metric_type.as_str()
        ));
    }
    html.push_str(&format!("</table>\n<p>At most {} series.</p>\n", snapshot.series_limit));

    html.push_str("<h2>Rejected samples</h2>\n");
    let rejected: Vec<_> = Reject::ALL.into_iter().filter(|reject| telemetry.rejected(*reject) > 0).collect();
    if rejected.is_empty() {
        html.push_str("<p>None.</p>\n");
    } else {
        html.push_str("<table><tr><th>reason</th><th>samples</th><th>remedy</th></tr>\n");
        for reject in rejected {
            html.push_str(&format!(
                "<tr><td>{reject}</td><td class=n>{}</td><td>{}</td></tr>\n",
                telemetry.rejected(reject),
                escape(reject.remedy())
            ));
        }
        html.push_str("</table>\n");
    }
    over_limits(&mut html, &telemetry.heavy_hitters());
    html.push_str("</main></body></html>\n");
    answer::html(html)
}

/// The names whose samples hit a limit, whether these were rejected or collapsed.
fn over_limits(html: &mut String, heavy_hitters: &[HeavyHitter]) {
    html.push_str("<h2>Names over a limit</h2>\n");
    if heavy_hitters.is_empty() {
        return html.push_str("<p>None.</p>\n");
    }
    html.push_str("<table><tr><th>name</th><th>limit</th><th>samples</th></tr>\n");
    for HeavyHitter { name, limit, samples, others } in heavy_hitters {
        let samples = match others {
            0 => samples.to_string(),
            others => format!("{} to {samples}", samples - others),
        };
        html.push_str(&format!("<tr><td>{}</td><td>{limit}</td><td class=n>{samples}</td></tr>\n", escape(name)));
    }
    html.push_str("</table>\n<p>The names with the most samples since the start. If many names hit a limit, the numbers are bounds.</p>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
