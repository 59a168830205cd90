//! The screen: facts above, one of the tables below, and the keys in the last line.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line as TextLine, Span};
use ratatui::widgets::{Paragraph, RenderDirection, Sparkline};

use super::fact::{Plot, limits, listener, plots, state};
use super::model::{Choice, Model, Tab};
use super::number::{duration, grouped};
use super::palette::Palette;
use super::row::SortKey;
use super::table::{Rendered, columns_of, counts, render, wrapped};
use crate::status::{ListenerStatus, Status};

/// From which height on the first plot has several lines.
const TALL: u16 = 30;

/// From which width on a plot has its peak and its total beside it.
const WIDE: u16 = 100;

/// How many lines there are to say why what is shown is old.
const MOST_TROUBLE: usize = 3;

/// How many slots a plot has.
const SLOTS: u16 = 60;

/// The part of the screen that is still free.
struct Free(Rect);

impl Free {
    /// The next lines from above; fewer if there are fewer.
    fn above(&mut self, height: u16) -> Rect {
        let height = height.min(self.0.height);
        let taken = Rect { height, ..self.0 };
        self.0 = Rect { y: self.0.y + height, height: self.0.height - height, ..self.0 };
        taken
    }

    /// The last line.
    fn below(&mut self) -> Rect {
        let height = self.0.height.min(1);
        self.0.height -= height;
        Rect { y: self.0.y + self.0.height, height, ..self.0 }
    }
}

/// Draws everything, and notes in `model` how far its table can scroll.
pub(super) fn draw(frame: &mut Frame<'_>, model: &mut Model, palette: Palette, now: Instant) {
    let width = usize::from(frame.area().width);
    let is_tall = frame.area().height >= TALL;
    let mut free = Free(frame.area());
    let footer = free.below();
    frame.render_widget(title(model, palette, width), free.above(1));
    if let Some(trouble) = model.trouble(now) {
        for line in wrapped(&trouble, width).into_iter().take(MOST_TROUBLE) {
            frame.render_widget(TextLine::styled(line, palette.bad()), free.above(1));
        }
    }
    let status = &model.status;
    if let Some(trouble) = status.reloads.trouble() {
        for line in wrapped(&trouble, width).into_iter().take(MOST_TROUBLE) {
            frame.render_widget(TextLine::styled(line, palette.bad()), free.above(1));
        }
    }
    for (n, plot) in plots(status, model.choice.is_hour).iter().enumerate() {
        let height = if n == 0 && is_tall { 3 } else { 1 };
        draw_plot(frame, plot, palette, free.above(height));
    }
    let limits = limit_lines(status, palette, width);
    let listeners = listener_lines(status, palette, width, is_tall);
    for line in limits.into_iter().chain(listeners).chain(state_line(status, palette, width)) {
        frame.render_widget(line, free.above(1));
    }
    frame.render_widget(tabs(status, &model.choice, palette, width), free.above(1));
    let table = render(status, &model.choice, palette, width);
    draw_table(frame, table, &mut model.choice, free);
    frame.render_widget(hints(&model.choice, palette, width), footer);
}

fn title(model: &Model, palette: Palette, width: usize) -> TextLine<'static> {
    let status = &model.status;
    let readiness =
        if status.ready { Span::styled("ready", palette.good()) } else { Span::styled("NOT READY", palette.bad()) };
    joined(
        [
            Span::styled(format!("statsidecar {}", status.version), palette.strong()),
            readiness,
            Span::raw(format!("up {}", duration(status.uptime_seconds))),
            Span::raw(model.url.clone()),
            Span::styled(range(model), palette.dim()),
        ],
        width,
    )
}

/// What the plots show.
fn range(model: &Model) -> &'static str {
    match (model.choice.is_hour, model.status.history.hour.accepted.is_empty()) {
        (false, _) => "last minute",
        (true, false) => "last hour",
        (true, true) => "last hour: no minute is over",
    }
}

/// A name, the count of the last second, and a bar for each slot, the newest on the right.
fn draw_plot(frame: &mut Frame<'_>, plot: &Plot, palette: Palette, area: Rect) {
    let style = match plot.label {
        "accepted" => palette.plot(),
        _ if plot.slots.iter().any(|&count| count > 0) => palette.bad(),
        _ => Style::new(),
    };
    let text = format!("{:<8}{:>11} ", plot.label, format!("{}/s", grouped(plot.now)));
    let text_width = columns_of(&text) as u16;
    // The text stands beside the foot of the bars.
    let foot = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
    frame.render_widget(TextLine::styled(text, if plot.now > 0 { style } else { Style::new() }), foot);
    let bars = SLOTS.min(area.width.saturating_sub(text_width));
    let newest: Vec<u64> = plot.slots.iter().rev().take(usize::from(bars)).copied().collect();
    let sparkline = Sparkline::default().data(&newest).direction(RenderDirection::RightToLeft).style(style);
    frame.render_widget(sparkline, Rect { x: area.x + text_width.min(area.width), width: bars, ..area });
    if area.width >= WIDE {
        let x = area.x + text_width + bars;
        let rest = Rect { x, width: area.width - x, ..foot };
        let facts = [format!(" peak {}/s", grouped(plot.peak)), format!("all {}", grouped(plot.total))];
        let facts = facts.map(|fact| Span::styled(fact, palette.dim()));
        frame.render_widget(joined(facts, usize::from(rest.width)), rest);
    }
}

/// Series and memory, on one line if there is room.
fn limit_lines(status: &Status, palette: Palette, width: usize) -> Vec<TextLine<'static>> {
    let usages = limits(status);
    let spans =
        usages.map(|usage| Span::styled(format!("{} {}", usage.label, usage.text), palette.share(usage.percent)));
    let all: usize = spans.iter().map(Span::width).sum();
    if all + 2 <= width {
        return vec![joined(spans, width)];
    }
    spans.into_iter().map(TextLine::from).collect()
}

/// A line for each listener, those without lines last, as far as there is room for them.
fn listener_lines(status: &Status, palette: Palette, width: usize, is_tall: bool) -> Vec<TextLine<'static>> {
    let most = if is_tall { 6 } else { 3 };
    let mut busiest: Vec<&ListenerStatus> = status.listeners.iter().collect();
    busiest.sort_by_key(|listener| listener.lines == 0);
    let shown = if busiest.len() > most { most - 1 } else { most };
    let mut lines: Vec<TextLine<'static>> = Vec::new();
    for one in busiest.iter().take(shown) {
        let style = if one.kernel_dropped.is_some_and(|count| count > 0) { palette.bad() } else { Style::new() };
        let facts = listener(one).into_iter().map(|fact| {
            let is_loss = fact.ends_with("by the kernel");
            Span::styled(fact, if is_loss { style } else { Style::new() })
        });
        lines.push(joined(std::iter::once(Span::raw(one.address.clone())).chain(facts), width));
    }
    if busiest.len() > shown {
        let more = format!("and {} more listeners", busiest.len() - shown);
        lines.push(TextLine::styled(more, palette.dim()));
    }
    lines
}

/// What outlives the process, if anything does.
fn state_line(status: &Status, palette: Palette, width: usize) -> Option<TextLine<'static>> {
    let facts = state(status.state.as_ref()?).into_iter();
    let style = |is_bad| if is_bad { palette.bad() } else { Style::new() };
    let facts = facts.map(|(fact, is_bad)| Span::styled(fact, style(is_bad)));
    Some(joined(std::iter::once(Span::raw("state")).chain(facts), width))
}

/// The names of the tables, and the filter.
fn tabs(status: &Status, choice: &Choice, palette: Palette, width: usize) -> TextLine<'static> {
    let [names, reasons] = counts(status, &choice.filter);
    let tab =
        |label: String, tab| Span::styled(label, if choice.tab == tab { palette.chosen() } else { palette.dim() });
    let mut spans =
        vec![tab(format!(" Names {names} "), Tab::Names), tab(format!(" Rejects {reasons} "), Tab::Rejects)];
    if choice.is_typing || !choice.filter.is_empty() {
        let cursor = if choice.is_typing { "_" } else { "" };
        spans.push(Span::styled(format!("filter: {}{cursor}", choice.filter), palette.warning()));
    }
    joined(spans, width)
}

fn draw_table(frame: &mut Frame<'_>, table: Rendered, choice: &mut Choice, mut free: Free) {
    if let Some(head) = table.head {
        frame.render_widget(head, free.above(1));
    }
    let height = usize::from(free.0.height);
    choice.clamp(table.lines.len(), height);
    let shown: Vec<TextLine<'static>> = table.lines.into_iter().skip(choice.offset).take(height).collect();
    frame.render_widget(Paragraph::new(shown), free.0);
}

/// The keys, the most needed first.
fn hints(choice: &Choice, palette: Palette, width: usize) -> TextLine<'static> {
    if choice.is_typing {
        return joined(
            ["Enter keeps the filter", "Esc clears it"].map(|hint| Span::styled(hint, palette.dim())),
            width,
        );
    }
    let other = if choice.tab == Tab::Names { "Tab rejects" } else { "Tab names" };
    let range = if choice.is_hour { "h minute" } else { "h hour" };
    let pause = if choice.is_paused { "p go on" } else { "p pause" };
    let mut hints = vec![("q quit", false), ("/ filter", false), (other, false)];
    if choice.tab == Tab::Names {
        let sorts = [("r rate", SortKey::Rate), ("n series", SortKey::Series), ("x rejects", SortKey::Rejects)];
        if width < 75 {
            hints.push(("s sort", false));
        } else {
            hints.extend(sorts.map(|(hint, key)| (hint, choice.sort == key)));
        }
    }
    hints.extend([(range, false), (pause, false), ("↑↓ scroll", false)]);
    let style = |is_chosen| if is_chosen { palette.strong() } else { palette.dim() };
    joined(hints.into_iter().map(|(hint, is_chosen)| Span::styled(hint, style(is_chosen))), width)
}

/// The spans with two blanks between them, as many as there is room for. The first is there in any case.
fn joined(spans: impl IntoIterator<Item = Span<'static>>, width: usize) -> TextLine<'static> {
    let mut line = TextLine::default();
    for span in spans {
        if line.spans.is_empty() {
            line.push_span(span);
        } else if line.width() + 2 + span.width() <= width {
            line.push_span("  ");
            line.push_span(span);
        }
    }
    line
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;
    use crate::command::top::row::tests::name;
    use crate::status::{FamilyStatus, HitterStatus, LineStatus, RejectStatus, SlotsStatus, StateStatus};

    /// A state of which every screen has something.
    pub(crate) fn small() -> Status {
        let family = |name: &str, series| FamilyStatus { name: name.to_owned(), metric_type: String::new(), series };
        let long = "page.views.of.a.name.that.is.long";
        let mut status = Status { version: "1.2.3".to_owned(), uptime_seconds: 200, ready: true, ..Status::default() };
        status.quotes.served = true;
        status.history.minute =
            SlotsStatus { slot_seconds: 1, accepted: vec![0, 2, 8, 4], rejected: vec![0, 0, 3, 0], lost: vec![0; 4] };
        status.totals.samples = [("c".to_owned(), 1000), ("g".to_owned(), 234)].into();
        status.totals.rejected = [("bad_value".to_owned(), 3)].into();
        status.listeners = vec![
            ListenerStatus {
                address: "udp://127.0.0.1:8125".to_owned(),
                lines: 1240,
                packets: 620,
                kernel_dropped: Some(7),
                receive_buffer_bytes: Some(4 << 20),
                ..ListenerStatus::default()
            },
            ListenerStatus {
                address: "tcp://127.0.0.1:8125".to_owned(),
                connections: Some(2),
                ..ListenerStatus::default()
            },
        ];
        status.limits.series = 90;
        status.limits.series_limit = 100;
        status.limits.memory_bytes = 3 << 19;
        status.limits.memory_limit_bytes = Some(256 << 20);
        status.state = Some(StateStatus {
            arena_bytes: 192 << 10,
            arena_series: 80,
            outside_arena_series: 3,
            restored_series: 70,
            saved: 9,
            last_save_age_seconds: Some(4),
            ..StateStatus::default()
        });
        status.names.busiest = vec![name("http_requests_total", true, 1000, 3.5), name(long, false, 234, 0.5)];
        status.families.largest = vec![family("http_requests_total", 80), family("queue_size", 10)];
        status.conflicts =
            vec![HitterStatus { name: long.to_owned(), reason: "type_conflict".to_owned(), samples: 2, others: 0 }];
        status.rejects = vec![RejectStatus {
            reason: "bad_value".to_owned(),
            samples: 3,
            remedy: "Send a number, as in name:1|c.".to_owned(),
            lines: vec![LineStatus {
                listener: "udp://127.0.0.1:8125".to_owned(),
                age_seconds: 5,
                text: "size:a\\u{1b}b|g".to_owned(),
                wrong_at: Some(5),
            }],
        }];
        status
    }

    /// The screen after these keys and so many seconds without an answer, without blanks at the ends of lines.
    fn screen(width: u16, height: u16, keys: &str, seconds: u64) -> String {
        let start = Instant::now();
        let mut model = Model::new("http://127.0.0.1:9102", Box::new(small()), Duration::from_secs(1), start);
        for key in keys.chars() {
            let code = if key == '\t' { KeyCode::Tab } else { KeyCode::Char(key) };
            assert!(model.key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let now = start + Duration::from_secs(seconds);
        terminal.draw(|frame| draw(frame, &mut model, Palette::new(false), now)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let lines = buffer.content().chunks(usize::from(width)).map(|cells| {
            let line: String = cells.iter().map(|cell| cell.symbol()).collect();
            format!("{}\n", line.trim_end())
        });
        lines.collect()
    }

    #[test]
    fn names_on_80_columns() {
        let expected = "\
statsidecar 1.2.3  ready  up 3m 20s  http://127.0.0.1:9102  last minute
accepted        4/s                                                          ▂█▄
rejected        0/s                                                           █
dropped         0/s
series 90 of 100 (90 %)  memory 1.5 MiB of 256 MiB (0 %)
udp://127.0.0.1:8125  1,240 lines  7 dropped by the kernel  620 packets
tcp://127.0.0.1:8125  0 lines  2 connections
state  3 series outside the arena  snapshot 4s old  80 series in the arena
 Names 3    Rejects 1
NAME                                 ▼LINES/S           LINES   SERIES  REJECTS
http_requests_total                       3.5           1,000       80        0
page.views.of.a.name.that.is.long         0.5             234        -        2
queue_size                                  -               -       10        0

q quit  / filter  Tab rejects  r rate  n series  x rejects  h hour  p pause
";
        assert_eq!(screen(80, 15, "", 0), expected);
    }

    #[test]
    fn names_on_40_columns_sorted_by_rejects_without_an_answer() {
        let expected = "\
statsidecar 1.2.3  ready  up 3m 20s
WAITING for an answer, the data are 9 s
old
accepted        4/s                  ▂█▄
rejected        0/s                   █
dropped         0/s
series 90 of 100 (90 %)
memory 1.5 MiB of 256 MiB (0 %)
udp://127.0.0.1:8125  1,240 lines
tcp://127.0.0.1:8125  0 lines
state  3 series outside the arena
 Names 3    Rejects 1
NAME                    LINES/S ▼REJECTS
page.views.of.a.na…         0.5        2
q quit  / filter  Tab rejects  s sort
";
        assert_eq!(screen(40, 15, "x", 9), expected);
    }

    #[test]
    fn rejects_on_60_columns_with_a_filter() {
        let expected = "\
statsidecar 1.2.3  ready  up 3m 20s  http://127.0.0.1:9102
accepted        4/s                                      ▂█▄
rejected        0/s                                       █
dropped         0/s
series 90 of 100 (90 %)  memory 1.5 MiB of 256 MiB (0 %)
udp://127.0.0.1:8125  1,240 lines  7 dropped by the kernel
tcp://127.0.0.1:8125  0 lines  2 connections
state  3 series outside the arena  snapshot 4s old
 Names 0    Rejects 1   filter: bad_
bad_value  3 samples  newest 5s ago at udp://127.0.0.1:8125
    size:a\\u{1b}b|g
  Send a number, as in name:1|c.
Enter keeps the filter  Esc clears it
";
        assert_eq!(screen(60, 13, "\t/bad", 0), expected);
    }

    #[test]
    fn every_size_can_be_drawn() {
        for width in [1, 2, 3, 7, 12, 19, 20, 21, 33, 59, 99, 100, 200] {
            for height in [1, 2, 3, 4, 7, 9, 13, 29, 30, 50] {
                for keys in ["xh", "\t", "\t/none"] {
                    screen(width, height, keys, 9);
                }
            }
        }
    }
}
