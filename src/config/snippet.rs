//! The piece of a file that a diagnostic is about, underlined.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Severity, for_each, is_hidden};

/// How many bytes of a line are looked at before a place and behind it. A file can be one long line, with many places.
const AROUND: usize = 400;

/// Keys whose values must not be in a log.
const SECRET_KEYS: [&str; 1] = ["users"];

/// The diagnostics of `source` as [`super::diagnostic::render`] gives them, each with its place underlined below it. A
/// terminal obeys nothing of what is shown of the file.
pub(crate) fn render_underlined(file: &str, source: &str, diagnostics: &[Diagnostic], is_coloured: bool) -> String {
    let underliner = Underliner::new(source, is_coloured);
    let mut text = String::new();
    for_each(file, source, diagnostics, |line, number, diagnostic| {
        text.push_str(line);
        if let Some(underlined) = underliner.underline(diagnostic.severity, number, &diagnostic.span) {
            text.push_str(&underlined);
            text.push('\n');
        }
    });
    text
}

/// Draws pieces of one file.
struct Underliner<'s> {
    source: &'s str,
    renderer: Renderer,
    /// Parts of the file that are not shown, in ascending order.
    secret: Vec<Range<usize>>,
}

impl<'s> Underliner<'s> {
    fn new(source: &'s str, is_coloured: bool) -> Self {
        let renderer = if is_coloured { Renderer::styled() } else { Renderer::plain() };
        Self { source, renderer: renderer.decor_style(DecorStyle::Ascii), secret: secret_parts(source) }
    }

    /// The line at the start of `span`, with its number, and a line that underlines the span as far as it is on that line.
    /// Nothing if there is no such line, or if it must not be shown.
    fn underline(&self, severity: Severity, line: usize, span: &Range<usize>) -> Option<String> {
        let is_secret = self.secret.iter().any(|secret| secret.start <= span.end && span.start < secret.end);
        let piece = SourcePiece::new(self.source, span).filter(|_| !is_secret)?;
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let place = AnnotationKind::Primary.span(piece.place);
        let snippet = Snippet::source(piece.text).line_start(line).annotation(place);
        Some(self.renderer.render(&[Group::with_level(level).element(snippet)]))
    }
}

/// A piece of a line without hidden characters.
#[derive(Debug, PartialEq, Eq)]
struct SourcePiece {
    text: String,
    /// The place in `text`.
    place: Range<usize>,
}

impl SourcePiece {
    fn new(source: &str, span: &Range<usize>) -> Option<Self> {
        let start = floor(source, span.start);
        let first = floor(source, start.saturating_sub(AROUND));
        let end = floor(source, start.saturating_add(AROUND));
        let before = source.get(first..start)?.rsplit('\n').next()?;
        let behind = source.get(start..end)?.split(['\n', '\r']).next()?;
        let length = floor(source, span.end).saturating_sub(start).min(behind.len());
        if before.is_empty() && behind.is_empty() {
            return None;
        }
        let mut text = shown(before);
        let at = text.len();
        text.push_str(&shown(behind.get(..length)?));
        let place = at..text.len();
        text.push_str(&shown(behind.get(length..)?));
        Some(Self { text, place })
    }
}

/// The last boundary of a character that is not behind `at`.
fn floor(source: &str, at: usize) -> usize {
    let at = at.min(source.len());
    (0..=at).rev().find(|at| source.is_char_boundary(*at)).unwrap_or_default()
}

/// `text` with a sign in the place of each character that a terminal would obey. A tab stays, and a byte order mark goes.
fn shown(text: &str) -> String {
    let shown = text.chars().filter(|c| *c != '\u{feff}');
    shown.map(|c| if is_hidden(c) && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// From each line that sets or begins a secret key to the next header of a table. A file with syntax errors has no tables
/// to ask, so this goes by lines, and rather hides too much.
fn secret_parts(source: &str) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let (mut at, mut is_open) = (0, false);
    for line in source.split_inclusive('\n') {
        let text = line.trim_start();
        let words = || text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        is_open = words().any(|word| SECRET_KEYS.contains(&word)) || (is_open && !text.starts_with('['));
        match parts.last_mut() {
            Some(last) if is_open && last.end == at => last.end = at + line.len(),
            _ if is_open => parts.push(at..at + line.len()),
            _ => {}
        }
        at += line.len();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(source: &str, span: Range<usize>) -> Option<String> {
        Underliner::new(source, false).underline(Severity::Error, 7, &span)
    }

    #[test]
    fn a_place_is_underlined_as_far_as_its_line_goes() {
        for (source, span, expected) in [
            ("a = 1\nb = 2\r\n", 6..7, Some("  |\n7 | b = 2\n  | ^")),
            ("a = 1\nb = 2\n", 4..7, Some("  |\n7 | a = 1\n  |     ^")),
            ("é = \"日本\" # x", 5..13, Some("  |\n7 | é = \"日本\" # x\n  |     ^^^^^^")),
            ("\u{feff}a = 1", 3..4, Some("  |\n7 | a = 1\n  | ^")),
            ("a\t= 1", 2..3, Some("  |\n7 | a    = 1\n  |      ^")),
            ("a = 1", 5..5, Some("  |\n7 | a = 1\n  |      ^")),
            ("a = \u{1b}[2J\u{202e}x", 4..12, Some("  |\n7 | a = \u{fffd}[2J\u{fffd}x\n  |     ^^^^^^")),
            ("", 0..0, None),
            ("a\n\nb", 2..2, None),
            ("ü", 1..1, Some("  |\n7 | ü\n  | ^")),
            ("a", 99..100, Some("  |\n7 | a\n  |  ^")),
        ] {
            assert_eq!(plain(source, span.clone()).as_deref(), expected, "{source:?} {span:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let source = format!("{}abc{}", "x".repeat(50_000), "y".repeat(50_000));
        let drawn = plain(&source, 50_000..50_003).unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(
            lines.len() == 3 && lines[1].contains("xxabcyy") && lines.iter().all(|line| line.len() < 160),
            "{drawn}"
        );
        assert_eq!(lines[2].find("^^^"), lines[1].find("abc"));
    }

    #[test]
    fn passwords_are_not_shown() {
        let source =
            "[http]\nlisten = 1\nusers = { a = \"hunter2\n}\nb = 1\n[limits]\nseries = 0\n[http.users]\na = \"x\"\n";
        let shown = |text: &str| {
            let at = source.find(text).unwrap();
            plain(source, at..at + 1).is_some()
        };
        assert!(shown("listen") && shown("series") && shown("[limits]"));
        assert!(!shown("users") && !shown("hunter2") && !shown("b = 1") && !shown("a = \"x\""));
        // A place that reaches into a secret is a secret.
        assert_eq!(plain(source, 0..60), None);
    }
}
