//! The two tables as lines of the screen.

use ratatui::style::Style;
use ratatui::text::{Line as TextLine, Span};

use super::model::{Choice, Tab};
use super::number::{duration, grouped, rate};
use super::palette::Palette;
use super::row::{NameRow, ReasonRow, SortKey, names, reasons};
use crate::status::{LineStatus, Status};

/// The columns of numbers, in the order in which a narrow screen keeps them: what is sorted by comes first.
const COLUMNS: [Column; 4] = [Column::PerSecond, Column::Series, Column::Rejects, Column::Lines];

/// The narrowest column of names for which a column of numbers is left out.
const NARROWEST_NAME: usize = 20;

/// A column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    PerSecond,
    Lines,
    Series,
    Rejects,
}

/// A table as lines that can be scrolled, below a head that stays.
pub(super) struct Rendered {
    pub(super) head: Option<TextLine<'static>>,
    pub(super) lines: Vec<TextLine<'static>>,
}

/// How many rows each table has: names, and reasons of rejects.
pub(super) fn counts(status: &Status, filter: &str) -> [usize; 2] {
    [names(status, SortKey::Rate, filter).len(), reasons(status, filter).len()]
}

/// The chosen table for a screen of this width.
pub(super) fn render(status: &Status, choice: &Choice, palette: Palette, width: usize) -> Rendered {
    let table = match choice.tab {
        Tab::Names => render_names(&names(status, choice.sort, &choice.filter), choice.sort, palette, width),
        Tab::Rejects => render_reasons(status, &reasons(status, &choice.filter), palette, width),
    };
    if !table.lines.is_empty() {
        return table;
    }
    let empty = match (choice.tab, choice.filter.as_str()) {
        (Tab::Names, "") => "Nothing has arrived yet.".to_owned(),
        (Tab::Rejects, "") => "Nothing was rejected.".to_owned(),
        (_, filter) => format!("Nothing here contains {filter:?}. Esc clears the filter."),
    };
    let lines = wrapped(&empty, width).into_iter().map(|line| TextLine::styled(line, palette.dim()));
    Rendered { head: None, lines: lines.collect() }
}

// ---- Names ----

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::PerSecond => "LINES/S",
            Self::Lines => "LINES",
            Self::Series => "SERIES",
            Self::Rejects => "REJECTS",
        }
    }

    /// With the blank before it.
    fn width(self) -> usize {
        match self {
            Self::PerSecond => 11,
            Self::Lines => 16,
            Self::Series | Self::Rejects => 9,
        }
    }

    fn is_sorted_by(self, sort: SortKey) -> bool {
        match sort {
            SortKey::Rate => self == Self::PerSecond,
            SortKey::Series => self == Self::Series,
            SortKey::Rejects => self == Self::Rejects,
        }
    }

    fn text(self, row: &NameRow<'_>) -> String {
        let count = |count: Option<u64>| count.map_or("-".to_owned(), grouped);
        match self {
            Self::PerSecond => row.per_second.map_or("-".to_owned(), rate),
            Self::Lines => count(row.lines),
            Self::Series => count(row.series),
            Self::Rejects => grouped(row.rejects),
        }
    }
}

fn render_names(rows: &[NameRow<'_>], sort: SortKey, palette: Palette, width: usize) -> Rendered {
    let columns = columns(sort, width);
    let longest = rows.iter().map(|row| columns_of(row.name)).max().unwrap_or_default();
    // On a wide screen the numbers are beside the names, where the eye finds them.
    let room = width.saturating_sub(columns.iter().map(|column| column.width()).sum());
    let name_width = room.min(NARROWEST_NAME.max(longest + 1));
    let mut head = format!("{:<name_width$}", "NAME");
    for column in &columns {
        let mark = if column.is_sorted_by(sort) { "▼" } else { "" };
        head.push_str(&format!("{:>1$}", format!("{mark}{}", column.title()), column.width()));
    }
    let lines = rows.iter().map(|row| {
        let name = fitted(row.name, name_width.saturating_sub(1));
        let blanks = name_width.saturating_sub(columns_of(&name));
        let style = if row.is_metric { Style::new() } else { palette.dim() };
        let mut spans = vec![Span::styled(name, style), Span::raw(" ".repeat(blanks))];
        spans.extend(columns.iter().map(|column| {
            let is_bad = *column == Column::Rejects && row.rejects > 0;
            let text = format!("{:>1$}", column.text(row), column.width());
            Span::styled(text, if is_bad { palette.bad() } else { Style::new() })
        }));
        TextLine::from(spans)
    });
    Rendered { lines: lines.collect(), head: (!rows.is_empty()).then(|| TextLine::styled(head, palette.strong())) }
}

/// The columns for which there is room, from left to right.
fn columns(sort: SortKey, width: usize) -> Vec<Column> {
    let mut by_weight = COLUMNS;
    by_weight.sort_by_key(|column| !column.is_sorted_by(sort));
    let mut room = width.saturating_sub(NARROWEST_NAME);
    let mut kept = Vec::new();
    for column in by_weight {
        if column.width() <= room {
            room -= column.width();
            kept.push(column);
        }
    }
    let places = [Column::PerSecond, Column::Lines, Column::Series, Column::Rejects];
    kept.sort_by_key(|column| places.iter().position(|place| place == column));
    kept
}

// ---- Reasons of rejects ----

fn render_reasons(status: &Status, rows: &[ReasonRow<'_>], palette: Palette, width: usize) -> Rendered {
    let mut lines = Vec::new();
    for row in rows {
        let mut heading = vec![
            Span::styled(row.reason.to_owned(), palette.bad()),
            Span::raw(format!("  {} samples", grouped(row.samples))),
        ];
        if let Some(line) = row.newest {
            let place = format!("  newest {} ago at {}", duration(line.age_seconds), line.listener);
            heading.push(Span::styled(place, palette.dim()));
        }
        lines.push(TextLine::from(heading));
        lines.extend(row.newest.map(|line| quoted_line(line, palette, width)));
        lines.extend(wrapped(row.remedy, width.saturating_sub(2)).into_iter().map(|line| format!("  {line}").into()));
        lines.push(TextLine::default());
    }
    if !status.quotes.served && !rows.is_empty() {
        let why = format!("No lines are quoted: {}", status.quotes.why);
        lines.extend(wrapped(&why, width).into_iter().map(|line| TextLine::styled(line, palette.dim())));
    }
    Rendered { head: None, lines }
}

/// The line, with the wrong character reversed. It is cut on the left if that character would not be on the screen.
fn quoted_line(line: &LineStatus, palette: Palette, width: usize) -> TextLine<'static> {
    let room = width.saturating_sub(4);
    let chars: Vec<char> = line.text.chars().collect();
    let text = |part: &[char]| part.iter().collect::<String>();
    let wrong = line.wrong_at.and_then(|at| usize::try_from(at).ok()).filter(|&at| at <= chars.len());
    let Some(at) = wrong else { return format!("    {}", fitted(&line.text, room)).into() };
    let cut = if at < room { 0 } else { (at + 1 + room / 4).min(chars.len() + 1).saturating_sub(room).min(at) };
    let (before, rest) = chars.split_at(at);
    let marked = rest.first().copied().unwrap_or(' ');
    let before = before.get(cut..).unwrap_or_default();
    let after = rest.get(1..).unwrap_or_default();
    let after = fitted(&text(after), room.saturating_sub(before.len() + 1));
    let margin = if cut > 0 { "  … " } else { "    " };
    vec![
        Span::raw(margin),
        Span::raw(text(before)),
        Span::styled(marked.to_string(), palette.chosen()),
        Span::raw(after),
    ]
    .into()
}

// ---- Text of limited width ----

/// How many columns of the screen a text takes.
pub(super) fn columns_of(text: &str) -> usize {
    Span::raw(text).width()
}

/// `text`, or its beginning and `…` if it is wider.
pub(super) fn fitted(text: &str, width: usize) -> String {
    if columns_of(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut room = width.saturating_sub(1);
    let mut buffer = [0; 4];
    for c in text.chars() {
        let columns = columns_of(c.encode_utf8(&mut buffer));
        if columns > room {
            break;
        }
        room -= columns;
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// The words of `text`, in lines of this width where words allow it.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if columns_of(line) + 1 + columns_of(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_screen_keeps_the_column_that_it_is_sorted_by() {
        use Column::{Lines, PerSecond, Rejects, Series};
        assert_eq!(columns(SortKey::Rate, 80), [PerSecond, Lines, Series, Rejects]);
        assert_eq!(columns(SortKey::Rate, 60), [PerSecond, Series, Rejects]);
        assert_eq!(columns(SortKey::Rate, 40), [PerSecond, Series]);
        assert_eq!(columns(SortKey::Rejects, 40), [PerSecond, Rejects]);
        assert_eq!(columns(SortKey::Rejects, 30), [Rejects]);
        assert_eq!(columns(SortKey::Rate, 5), []);
    }

    #[test]
    fn texts_are_cut_by_their_width_on_the_screen() {
        assert_eq!(fitted("abc", 3), "abc");
        assert_eq!(fitted("abcd", 3), "ab…");
        assert_eq!(fitted("名前名前", 6), "名前…", "a wide character takes two columns");
        assert_eq!(fitted("abc", 0), "");
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
    }

    #[test]
    fn the_wrong_character_is_always_on_the_screen() {
        for width in 0..40 {
            for at in 0..=100 {
                let text = "x".repeat(100);
                let line = LineStatus { text, wrong_at: Some(at), ..LineStatus::default() };
                let drawn = quoted_line(&line, Palette::new(false), width);
                let end: usize = drawn.spans.iter().take(3).map(|span| span.width()).sum();
                assert!(end <= width.max(5), "{at} of {width}: {drawn}");
            }
        }
    }
}
