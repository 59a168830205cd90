//! Writes TOML, and remembers the place in the mapping file that each line comes from.

use std::ops::Range;
use std::time::Duration;

use toml_writer::{ToTomlValue, TomlStringBuilder};

use crate::config::{Spanned, escape_hidden};

/// A TOML file that is being written.
#[derive(Debug, Default)]
pub(super) struct TomlWriter {
    pub(super) text: String,
    /// The start of each line, and its place in the mapping file.
    origins: Vec<(usize, Range<usize>)>,
}

impl TomlWriter {
    /// The place in the mapping file that the TOML at `offset` comes from.
    pub(super) fn origin(&self, offset: usize) -> Range<usize> {
        let next = self.origins.partition_point(|(start, _)| *start <= offset);
        let origin = next.checked_sub(1).and_then(|last| self.origins.get(last));
        origin.map(|(_, origin)| origin.clone()).unwrap_or_default()
    }

    /// Writes a comment.
    pub(super) fn comment(&mut self, text: &str) {
        self.text += "# ";
        // TOML forbids control characters in a comment, and a line end would end it.
        escape_hidden(&mut self.text, text);
        self.text.push('\n');
    }

    /// Writes comments of the mapping file, with the blanks after their `#`.
    pub(super) fn comments(&mut self, comments: &[String]) {
        for text in comments {
            self.text.push('#');
            escape_hidden(&mut self.text, text.trim_end());
            self.text.push('\n');
        }
    }

    /// Writes an empty line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Writes the header of a table.
    pub(super) fn header(&mut self, header: &str, origin: Range<usize>) {
        self.origins.push((self.text.len(), origin));
        self.text += &format!("{header}\n");
    }

    /// Writes a key with a value that is already TOML.
    pub(super) fn key(&mut self, key: &str, value: &str, origin: Range<usize>) {
        self.origins.push((self.text.len(), origin));
        self.text += &format!("{key} = {value}\n");
    }

    /// Writes a key with the value of `setting`, if there is one.
    pub(super) fn set<T>(&mut self, key: &str, setting: Option<&Spanned<T>>, write: impl Fn(&T) -> String) {
        if let Some(setting) = setting {
            self.key(key, &write(setting.get_ref()), setting.span());
        }
    }
}

/// Text in quotes.
pub(super) fn text(text: &str) -> String {
    let builder = TomlStringBuilder::new(text);
    // Single quotes keep a regex readable, because its backslashes are not doubled.
    let literal = if text.contains(['\\', '"']) { builder.as_literal() } else { None };
    literal.unwrap_or_else(|| builder.as_basic()).to_toml_value()
}

/// A finite number.
pub(super) fn number(&value: &f64) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT { format!("{value}") } else { format!("{value:?}") }
}

/// A list of finite numbers.
pub(super) fn numbers(values: &[f64]) -> String {
    let values: Vec<_> = values.iter().map(number).collect();
    format!("[{}]", values.join(", "))
}

/// A table on one line, with keys that need no quotes.
pub(super) fn table(entries: impl Iterator<Item = (String, String)>) -> String {
    let entries: Vec<_> = entries.map(|(key, value)| format!("{key} = {}", text(&value))).collect();
    format!("{{ {} }}", entries.join(", "))
}

/// A duration, rounded up to milliseconds and limited to the longest one of a config, a hundred years.
pub(super) fn duration(time: &Duration) -> String {
    const LONGEST: u128 = 36_500 * 24 * 3_600_000;
    let mut rest = time.as_nanos().div_ceil(1_000_000).min(LONGEST);
    let mut written = String::new();
    for (unit, milliseconds) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if rest >= milliseconds {
            written += &format!("{}{unit}", rest / milliseconds);
            rest %= milliseconds;
        }
    }
    text(if written.is_empty() { "0" } else { &written })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_they_were_written() {
        for original in ["", "a", "\\d+\"", "it's \\d", "\u{0}\u{7f}\u{1b}\n\r\t\"'\\", "é😱", "'''\"\"\"", "#"] {
            let table = toml::de::DeTable::parse(&format!("a = {}", text(original))).map(|_| ()).err();
            assert!(table.is_none(), "{original:?}: {table:?}");
            let written = format!("a = {}", text(original));
            let table = toml::de::DeTable::parse(&written).unwrap();
            let back = table.get_ref().get("a").and_then(|value| value.get_ref().as_str()).map(str::to_owned);
            assert_eq!(back.as_deref(), Some(original));
        }
    }

    #[test]
    fn numbers_and_durations_are_short() {
        assert_eq!(numbers(&[1.0, 0.005, -2.5, 1e300, 1e-7, 0.0]), "[1, 0.005, -2.5, 1e300, 1e-7, 0]");
        for (milliseconds, written) in
            [(0, "0"), (1, "1ms"), (80_000, "1m20s"), (3_600_500, "1h500ms"), (90_000_000, "25h")]
        {
            assert_eq!(duration(&Duration::from_millis(milliseconds)), format!("{written:?}"));
        }
        assert_eq!(duration(&Duration::from_nanos(1)), "\"1ms\"");
        assert_eq!(duration(&Duration::MAX), "\"876000h\"");
    }

    #[test]
    fn a_comment_is_one_line() {
        let mut writer = TomlWriter::default();
        writer.comment("a\nb = 1\u{0}");
        assert_eq!(writer.text, "# a\\nb = 1\\u{0}\n");
    }
}
