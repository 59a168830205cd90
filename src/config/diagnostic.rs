//! What is wrong with a file, and where: one line a finding, as editors and people read it.
//!
//! A finding knows the bytes it is about and nothing of lines, so that it can be made wherever a span is at hand.
//! Lines and columns are counted once, when everything is rendered. Nothing here reads a file or prints.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

/// One thing to tell the owner of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file can still be used.
    pub severity: Severity,
    /// The bytes of the source that it is about.
    pub span: Range<usize>,
    /// What is wrong and what would be right.
    pub message: String,
}

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but does not say what its owner is likely to mean.
    Warning,
}

impl Diagnostic {
    /// The file cannot be used.
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span, message: message.into() }
    }

    /// The file can be used, but somebody should look at this.
    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, span, message: message.into() }
    }
}

/// The `diagnostics` of `source` as `FILE:LINE:COLUMN: MESSAGE`, one a line, in the order of their positions.
///
/// Lines and columns start at 1; a column is a character, not a byte.
pub fn render(file: &str, source: &str, diagnostics: &[Diagnostic]) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| diagnostic.span.start);

    let mut position = Position::new(source);
    let mut text = String::new();
    for Diagnostic { severity, span, message } in sorted {
        position.advance(span.start);
        let kind = match severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{file}:{}:{}: {kind}", position.line, position.column);
        push_on_one_line(&mut text, message);
        text.push('\n');
    }
    text
}

/// Adds `message`; what would break the line or steer a terminal is written out.
///
/// A message may quote a file that anybody wrote.
fn push_on_one_line(text: &mut String, message: &str) {
    for c in message.chars() {
        if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
    }
}

/// `text` in quotes, on one line and not longer than one: how a message shows what somebody wrote.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// The start of `text`, as much as a message bears.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// A place in a source that only moves forward, so that any number of findings costs one pass.
struct Position<'a> {
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    line: usize,
    column: usize,
}

impl<'a> Position<'a> {
    fn new(source: &'a str) -> Self {
        Self { rest: source.char_indices().peekable(), line: 1, column: 1 }
    }

    /// Moves to the byte `offset`, or to the end.
    fn advance(&mut self, offset: usize) {
        while let Some((_, c)) = self.rest.next_if(|(at, _)| *at < offset) {
            match c {
                '\n' => (self.line, self.column) = (self.line + 1, 1),
                // A byte order mark has no width in an editor.
                '\u{feff}' => {}
                _ => self.column += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_are_sorted() {
        let source = "a = 1\nµ = \"ü\" x\n";
        let x = source.find('x').unwrap_or_default();
        let found = [Diagnostic::warning(x..x + 1, "late"), Diagnostic::error(0..1, "early")];
        assert_eq!(render("f", source, &found), "f:1:1: early\nf:2:9: warning: late\n");
    }

    #[test]
    fn any_span_and_any_text_give_one_line() {
        let found = [Diagnostic::error(1..2, "in a character"), Diagnostic::error(99..100, "be\nyond\u{1b}[2J")];
        assert_eq!(render("f", "ü", &found), "f:1:2: in a character\nf:1:2: be\\nyond\\u{1b}[2J\n");
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        assert_eq!(render("f", "\u{feff}a", &[Diagnostic::error(3..4, "here")]), "f:1:1: here\n");
    }
}
