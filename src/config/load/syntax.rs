//! The TOML layer: the file as a table, as far as it can be read, and what is wrong with its TOML.
//!
//! A file with a broken line is still judged: the rest of it is read and checked as if that line said nothing. What
//! a key means is none of this module's business.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use toml::de::Error;

use crate::config::diagnostic::{Diagnostic, quoted};

/// The errors in the TOML of `source`, in the words of somebody who edits a file.
pub(super) fn diagnostics(source: &str, errors: &[Error]) -> Vec<Diagnostic> {
    errors.iter().map(|error| Diagnostic::error(span(error), message(source, error))).collect()
}

fn span(error: &Error) -> Range<usize> {
    error.span().unwrap_or_default()
}

fn message(source: &str, error: &Error) -> String {
    let text = source.get(span(error)).unwrap_or_default();
    let said = error.message();
    if said == "duplicate key" {
        format!("{} is given twice; keep one", quoted(text))
    } else if said.starts_with("string values must be quoted") && text.is_empty() {
        "a value is missing".to_owned()
    } else if said.starts_with("string values must be quoted") {
        format!("text needs quotes: write {}", quoted(text))
    } else {
        format!("not valid TOML: {}", said.strip_suffix(", expected nothing").unwrap_or(said))
    }
}

/// `source` with blanks in place of what makes the TOML reader lose its way; spans stay as they are.
///
/// The reader goes on after most errors, but stops for good at a key without a value, and takes the keys below an
/// unclosed table header for the header's own.
pub(super) fn mended<'a>(source: &'a str, errors: &[Error]) -> Cow<'a, str> {
    let mut mended = String::new();
    for error in errors {
        // What lies in the lines of the last one is gone already; looking again would take its time for each.
        let Some(lines) = (span(error).start >= mended.len()).then(|| lost_lines(source, error)).flatten() else {
            continue;
        };
        mended.push_str(source.get(mended.len()..lines.start).unwrap_or_default());
        let lost = source.get(mended.len()..lines.end).unwrap_or_default();
        mended.extend(lost.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    }
    if mended.is_empty() {
        return Cow::Borrowed(source);
    }
    mended.push_str(source.get(mended.len()..).unwrap_or_default());
    Cow::Owned(mended)
}

/// The lines that cannot be judged because of `error`.
fn lost_lines(source: &str, error: &Error) -> Option<Range<usize>> {
    let at = span(error).start;
    let (before, after) = (source.get(..at)?, source.get(at..)?);
    let said = error.message();
    let len = if said.starts_with("key with no value") || said.starts_with("missing value for key") {
        after.find('\n').unwrap_or(after.len())
    } else if said.starts_with("unclosed table") || said.starts_with("unclosed array table") {
        until_header(after)
    } else {
        return None;
    };
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Some(start..at + len)
}

/// Adds to `errors` those of a second reading that the first one did not come to.
pub(super) fn add_new(errors: &mut Vec<Error>, more: Vec<Error>) {
    let known: HashSet<_> = errors.iter().map(|error| (span(error), error.message().to_owned())).collect();
    errors.extend(more.into_iter().filter(|error| !known.contains(&(span(error), error.message().to_owned()))));
}

/// How much of `text` stands before the next line that is a table header, or looks so much like one that nobody is
/// misled.
pub(super) fn until_header(text: &str) -> usize {
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().map_or(0, str::len);
    first + lines.take_while(|line| !line.trim_start().starts_with('[')).map(str::len).sum::<usize>()
}

/// The parts of a file whose TOML is wrong, in order and without overlaps.
pub(super) struct Broken(Vec<Range<usize>>);

impl Broken {
    pub(super) fn new(errors: &[Error]) -> Self {
        let mut spans: Vec<_> = errors.iter().map(span).collect();
        spans.sort_by_key(|span| span.start);
        spans.dedup_by(|next, last| {
            let joined = next.start <= last.end;
            if joined {
                last.end = last.end.max(next.end);
            }
            joined
        });
        Self(spans)
    }

    /// Whether some of it lies in `span` or directly beside it.
    pub(super) fn touches(&self, span: &Range<usize>) -> bool {
        let first = self.0.partition_point(|broken| broken.end < span.start);
        self.0.get(first).is_some_and(|broken| broken.start <= span.end)
    }
}
