//! The TOML that is written, and of which part of the mapping file each line of it speaks.

use std::ops::Range;
use std::time::Duration;

use toml_writer::{ToTomlValue, TomlStringBuilder};

/// TOML text that remembers where it comes from.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    /// Where a line begins, and what of the mapping file it is about.
    origins: Vec<(usize, Range<usize>)>,
}

impl Writer {
    /// A line that the reader of the file is told something by.
    pub(super) fn comment(&mut self, text: &str) {
        self.text += "# ";
        // No control character may stand in a comment, and a line end would end it.
        for c in text.chars() {
            if c.is_control() { self.text.extend(c.escape_default()) } else { self.text.push(c) }
        }
        self.text.push('\n');
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// The header of a table.
    pub(super) fn header(&mut self, header: &str, origin: &Range<usize>) {
        self.origins.push((self.text.len(), origin.clone()));
        self.text += &format!("{header}\n");
    }

    /// A key with a value that is TOML already.
    pub(super) fn key(&mut self, key: &str, value: &str, origin: &Range<usize>) {
        self.origins.push((self.text.len(), origin.clone()));
        self.text += &format!("{key} = {value}\n");
    }

    pub(super) fn finish(self) -> (String, Vec<(usize, Range<usize>)>) {
        (self.text, self.origins)
    }
}

/// Text in quotes.
pub(super) fn text(text: &str) -> String {
    let builder = TomlStringBuilder::new(text);
    // A regex is easier to read without a second backslash for each.
    let literal = if text.contains(['\\', '"']) { builder.as_literal() } else { None };
    literal.unwrap_or_else(|| builder.as_basic()).to_toml_value()
}

/// A finite number.
pub(super) fn number(value: f64) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT { format!("{value}") } else { format!("{value:?}") }
}

/// A list of finite numbers.
pub(super) fn numbers(values: &[f64]) -> String {
    let values: Vec<_> = values.iter().copied().map(number).collect();
    format!("[{}]", values.join(", "))
}

/// A table on one line; its keys are names.
pub(super) fn table(entries: impl Iterator<Item = (String, String)>) -> String {
    let entries: Vec<_> = entries.map(|(key, value)| format!("{key} = {}", text(&value))).collect();
    format!("{{ {} }}", entries.join(", "))
}

/// A time, to the millisecond above, and at most the hundred years that can be said.
pub(super) fn duration(time: Duration) -> String {
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
    fn texts_come_back() {
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
    fn numbers_and_times() {
        assert_eq!(numbers(&[1.0, 0.005, -2.5, 1e300, 1e-7, 0.0]), "[1, 0.005, -2.5, 1e300, 1e-7, 0]");
        for (milliseconds, written) in
            [(0, "0"), (1, "1ms"), (80_000, "1m20s"), (3_600_500, "1h500ms"), (90_000_000, "25h")]
        {
            assert_eq!(duration(Duration::from_millis(milliseconds)), format!("{written:?}"));
        }
        assert_eq!(duration(Duration::from_nanos(1)), "\"1ms\"");
        assert_eq!(duration(Duration::MAX), "\"876000h\"");
    }

    #[test]
    fn a_comment_stays_on_its_line() {
        let mut writer = Writer::default();
        writer.comment("a\nb = 1\u{0}");
        assert_eq!(writer.finish().0, "# a\\nb = 1\\u{0}\n");
    }
}
