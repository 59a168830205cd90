//! The state as plain text, once: for scripts and pipes.

use std::fmt::Write;

use super::fact::{limits, listener, plots, state};
use super::feed::visible;
use super::number::{duration, grouped, rate};
use super::row::{NameRow, SortKey, names, reasons};
use crate::status::{LineStatus, Status};

/// The whole state of the sidecar at `url`.
pub(super) fn text(url: &str, status: &Status) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = write(&mut text, url, status);
    text
}

fn write(out: &mut String, url: &str, status: &Status) -> std::fmt::Result {
    let readiness = if status.ready { "ready" } else { "not ready" };
    let (url, uptime) = (visible(url), duration(status.uptime_seconds));
    writeln!(out, "statsidecar {} at {url}, {readiness}, up {uptime}", status.version)?;
    for plot in plots(status, false) {
        writeln!(out, "{:<9} {}/s, {} in all", plot.label, grouped(plot.now), grouped(plot.total))?;
    }
    for usage in limits(status) {
        writeln!(out, "{:<9} {}", usage.label, usage.text)?;
    }
    for one in &status.listeners {
        writeln!(out, "listener  {}: {}", one.address, listener(one).join(", "))?;
    }
    if let Some(kept) = &status.state {
        let facts: Vec<String> = state(kept).into_iter().map(|(fact, _)| fact).collect();
        writeln!(out, "state     {}", facts.join(", "))?;
    }
    let rows = names(status, SortKey::Rate, "");
    if !rows.is_empty() {
        write_names(out, &rows)?;
    }
    for row in reasons(status, "") {
        writeln!(out, "\n{}: {} samples", row.reason, grouped(row.samples))?;
        if let Some(line) = row.newest {
            write_line(out, line)?;
        }
        writeln!(out, "  {}", row.remedy)?;
    }
    if !status.quotes.served && !status.rejects.is_empty() {
        writeln!(out, "\nNo lines are quoted: {}", status.quotes.why)?;
    }
    Ok(())
}

fn write_names(out: &mut String, rows: &[NameRow<'_>]) -> std::fmt::Result {
    let count = |count: Option<u64>| count.map_or("-".to_owned(), grouped);
    writeln!(out, "\n{:>10} {:>14} {:>10} {:>10}  NAME", "LINES/S", "LINES", "SERIES", "REJECTS")?;
    for row in rows {
        let per_second = row.per_second.map_or("-".to_owned(), rate);
        let (lines, series, rejects) = (count(row.lines), count(row.series), grouped(row.rejects));
        writeln!(out, "{per_second:>10} {lines:>14} {series:>10} {rejects:>10}  {}", row.name)?;
    }
    Ok(())
}

/// The newest line, with a caret below what is wrong.
fn write_line(out: &mut String, line: &LineStatus) -> std::fmt::Result {
    writeln!(out, "  {} ago at {}:", duration(line.age_seconds), line.listener)?;
    writeln!(out, "    {}", line.text)?;
    match line.wrong_at.and_then(|at| usize::try_from(at).ok()) {
        Some(at) if at <= line.text.chars().count() => writeln!(out, "    {:at$}^", ""),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::small;
    use super::*;

    #[test]
    fn the_text_has_everything_without_being_cut() {
        let expected = "\
statsidecar 1.2.3 at http://127.0.0.1:9102, ready, up 3m 20s
accepted  4/s, 1,234 in all
rejected  0/s, 3 in all
dropped   0/s, 7 in all
series    90 of 100 (90 %)
memory    1.5 MiB of 256 MiB (0 %)
listener  udp://127.0.0.1:8125: 1,240 lines, 7 dropped by the kernel, 620 packets, buffer 4 MiB
listener  tcp://127.0.0.1:8125: 0 lines, 2 connections
state     3 series outside the arena, snapshot 4s old, 80 series in the arena, arena 192 KiB, 70 series restored

   LINES/S          LINES     SERIES    REJECTS  NAME
       3.5          1,000         80          0  http_requests_total
       0.5            234          -          2  page.views.of.a.name.that.is.long
         -              -         10          0  queue_size

bad_value: 3 samples
  5s ago at udp://127.0.0.1:8125:
    size:a\\u{1b}b|g
         ^
  Send a number, as in name:1|c.
";
        assert_eq!(text("http://127.0.0.1:9102", &small()), expected);
    }
}
