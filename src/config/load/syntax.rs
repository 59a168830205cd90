//! TOML: its values as [`Node`]s, its syntax errors, and how to read a file in spite of them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeValue, Error};

use crate::config::diagnostic::{Diagnostic, quoted, shortened};
use crate::config::reader::{Node, Setting, Table};

/// A TOML value that is about to be read.
pub(super) type TomlSetting<'a> = Setting<'a, Spanned<DeValue<'a>>>;

/// A TOML table of settings.
pub(super) type TomlTable<'a> = Table<'a, Spanned<DeValue<'a>>>;

/// The table that the file writes with the header `header`.
pub(super) fn table<'a>(setting: &TomlSetting<'a>, header: &str) -> Option<TomlTable<'a>> {
    setting.table(format!("in {header}"), &format!("a table, written {header}"))
}

impl Node for Spanned<DeValue<'_>> {
    fn span(&self) -> Range<usize> {
        Self::span(self)
    }

    fn shown(&self) -> String {
        let number = match self.get_ref() {
            DeValue::String(text) => return quoted(text),
            DeValue::Array(_) => return "a list".to_owned(),
            DeValue::Table(_) => return "a table".to_owned(),
            DeValue::Boolean(boolean) => boolean.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Integer(integer) => integer.to_string(),
            DeValue::Float(float) => float.to_string(),
        };
        shortened(&number).into_owned()
    }

    fn text(&self) -> Option<&str> {
        self.get_ref().as_str()
    }

    fn boolean(&self) -> Option<bool> {
        self.get_ref().as_bool()
    }

    /// The parser accepts a few numbers that are not any, such as `1_000K`: these are `None`.
    fn number(&self) -> Option<f64> {
        match self.get_ref() {
            DeValue::Integer(integer) => {
                i128::from_str_radix(integer.as_str(), integer.radix()).ok().map(|value| value as f64)
            }
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => None,
        }
    }

    fn list(&self) -> Option<impl Iterator<Item = &Self>> {
        self.get_ref().as_array().map(|array| array.iter())
    }

    fn table(&self) -> Option<impl Iterator<Item = (Spanned<&str>, &Self)>> {
        let entries = self.get_ref().as_table()?.iter();
        Some(entries.map(|(key, value)| (Spanned::new(key.span(), key.get_ref().as_ref()), value)))
    }
}

/// The tables that the file writes with the header `header`.
pub(super) fn tables<'a>(setting: &TomlSetting<'a>, header: &str, source: &str) -> Option<Vec<TomlTable<'a>>> {
    let elements = setting
        .elements(format!("an element of {}", setting.name), &format!("a list of tables, each written {header}"))?;
    let elements: Vec<_> = elements.collect();
    let nexts = elements.iter().skip(1).map(|next| next.value.span().start).chain([source.len()]);
    let tables = elements.iter().zip(nexts).filter_map(|(element, next)| {
        let mut table = table(element, header)?;
        let start = element.value.span().start;
        table.whole = start..start + source.get(start..next).map_or(0, until_header);
        Some(table)
    });
    Some(tables.collect())
}

/// The syntax errors of `source`, in the words of a person who edits a file.
pub(super) fn diagnostics(source: &str, errors: &[Error]) -> Vec<Diagnostic> {
    let mut line = None;
    let found = errors.iter().filter_map(|error| {
        // One backslash of a line is enough, because the remedy is the same for all of them.
        let start = line_start(source, span(error).start);
        if is_escape(error) && line.replace(start) == Some(start) {
            return None;
        }
        Some(Diagnostic::error(span(error), message(source, error)))
    });
    found.collect()
}

/// Whether a backslash in double quotes is no escape of TOML.
fn is_escape(error: &Error) -> bool {
    error.message().starts_with("missing escaped value")
}

fn line_start(source: &str, at: usize) -> usize {
    source.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// The text in double quotes that has a wrong escape at `at`, written in single quotes.
fn in_single_quotes(source: &str, at: usize) -> Option<String> {
    let start = line_start(source, at);
    let open = start + source.get(start..at)?.find('"')? + 1;
    let text = source.get(open..)?.lines().next()?;
    let text = text.get(..text.rfind('"')?)?;
    let is_simple = !text.contains(['"', '\'']) && text.len() <= 60;
    is_simple.then(|| format!(", as in '{text}'"))
}

fn span(error: &Error) -> Range<usize> {
    error.span().unwrap_or_default()
}

fn message(source: &str, error: &Error) -> String {
    let text = source.get(span(error)).unwrap_or_default();
    let message = error.message();
    if is_escape(error) {
        let example = in_single_quotes(source, span(error).start).unwrap_or_default();
        format!("in double quotes, this backslash is no escape of TOML; write a regex in single quotes{example}")
    } else if message == "duplicate key" {
        format!("{} is given twice; keep one", quoted(text))
    } else if message.starts_with("string values must be quoted") && text.is_empty() {
        "a value is missing".to_owned()
    } else if message.starts_with("string values must be quoted") {
        format!("text needs quotes: write {}", quoted(text))
    } else {
        format!("not valid TOML: {}", message.strip_suffix(", expected nothing").unwrap_or(message))
    }
}

/// `source` with blanks in place of the lines that mislead the parser; all places stay the same.
///
/// The parser continues after most errors. But it stops at a key without a value, and it assigns the keys below an
/// unclosed table header to the table before.
pub(super) fn mended<'a>(source: &'a str, errors: &[Error]) -> Cow<'a, str> {
    let mut mended = String::new();
    for error in errors {
        // Lines that are blank already are not searched again: this keeps the time linear.
        let Some(lines) = (span(error).start >= mended.len()).then(|| misleading_lines(source, error)).flatten() else {
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

fn misleading_lines(source: &str, error: &Error) -> Option<Range<usize>> {
    let at = span(error).start;
    let (before, after) = (source.get(..at)?, source.get(at..)?);
    let begins = |texts: [&str; 2]| texts.iter().any(|text| error.message().starts_with(text));
    let len = if begins(["key with no value", "missing value for key"]) {
        after.find('\n').unwrap_or(after.len())
    } else if begins(["unclosed table", "unclosed array table"]) {
        until_header(after)
    } else {
        return None;
    };
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Some(start..at + len)
}

/// Adds to `errors` those of `more` that it lacks.
pub(super) fn add_new(errors: &mut Vec<Error>, more: Vec<Error>) {
    let known: HashSet<_> = errors.iter().map(|error| (span(error), error.message().to_owned())).collect();
    errors.extend(more.into_iter().filter(|error| !known.contains(&(span(error), error.message().to_owned()))));
}

/// The length of `text` up to its next line that begins with `[`, which is taken for a table header.
fn until_header(text: &str) -> usize {
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().map_or(0, str::len);
    first + lines.take_while(|line| !line.trim_start().starts_with('[')).map(str::len).sum::<usize>()
}
