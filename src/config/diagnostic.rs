//! Errors and warnings about a file, each with its place, and their text: one line each, as editors parse it.
//!
//! A diagnostic has the byte range of its place. Lines and columns are counted once, when all of them are rendered.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

/// An error or a warning about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file can be used in spite of it.
    pub severity: Severity,
    /// Its place: a range of bytes of the file.
    pub span: Range<usize>,
    /// What is wrong and what would be right.
    pub message: String,
}

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but its author probably means something else.
    Warning,
}

impl Diagnostic {
    /// An error at `span`.
    pub(crate) fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span, message: message.into() }
    }

    /// A warning at `span`.
    pub(crate) fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, span, message: message.into() }
    }
}

/// The diagnostics of `source` as lines `FILE:LINE:COLUMN: MESSAGE`, sorted by place.
///
/// Lines and columns start at 1. A column counts characters, not bytes.
pub fn render(file: &str, source: &str, diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for_each(file, source, diagnostics, |line, _, _| text.push_str(line));
    text
}

/// Calls `each` with the line of each diagnostic, sorted by place, and the number of the line of its place.
pub(super) fn for_each(
    file: &str,
    source: &str,
    diagnostics: &[Diagnostic],
    mut each: impl FnMut(&str, usize, &Diagnostic),
) {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| diagnostic.span.start);

    // The place only moves forward, so all diagnostics together take one pass.
    let mut rest = source.char_indices().peekable();
    let (mut line, mut column) = (1, 1);
    for diagnostic in sorted {
        let Diagnostic { severity, span, message } = diagnostic;
        while let Some((_, c)) = rest.next_if(|(at, _)| *at < span.start) {
            match c {
                '\n' => (line, column) = (line + 1, 1),
                // A byte order mark has no width in an editor.
                '\u{feff}' => {}
                _ => column += 1,
            }
        }
        let kind = match severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        escape_hidden(&mut text, file);
        let _ = write!(text, ":{line}:{column}: {kind}");
        escape_hidden(&mut text, message);
        text.push('\n');
        each(&text, line, diagnostic);
    }
}

/// Adds `message` to `text` on one line, with every [hidden](is_hidden) character escaped. The message may quote bytes
/// that somebody else wrote.
pub(crate) fn escape_hidden(text: &mut String, message: &str) {
    for c in message.chars() {
        if is_hidden(c) { text.extend(c.escape_default()) } else { text.push(c) }
    }
}

/// Whether a terminal acts on `c` and does not show it: control characters, line separators, and the characters that
/// turn the direction of text.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` in quotes, escaped and shortened: how a message shows a text of the file.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// The first characters of `text`, followed by `...` if there are more.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_are_sorted() {
        let source = "a = 1\nµ = \"ü\" x\n";
        let x = source.find('x').unwrap_or_default();
        let found = [Diagnostic::warning(x..x + 1, "late"), Diagnostic::error(0..1, "early")];
        assert_eq!(render("f", source, &found), "f:1:1: early\nf:2:9: warning: late\n");
    }

    #[test]
    fn every_diagnostic_is_one_line_whatever_its_place_and_text() {
        let found = [Diagnostic::error(1..2, "in a character"), Diagnostic::error(99..100, "be\nyond\u{1b}[2J")];
        assert_eq!(render("f", "ü", &found), "f:1:2: in a character\nf:1:2: be\\nyond\\u{1b}[2J\n");
    }

    #[test]
    fn a_byte_order_mark_has_no_column() {
        assert_eq!(render("f", "\u{feff}a", &[Diagnostic::error(3..4, "here")]), "f:1:1: here\n");
    }
}
