//! The lines before the samples of a family: `# HELP`, `# TYPE` and `# UNIT`.

use memchr::memchr3;

use super::names::NameText;
use super::text::put;

/// The lines of a family: the texts behind the places of the family's name. Families of one rule and type share them.
///
/// `# UNIT` is part of OpenMetrics. Parsers of Prometheus' own text format treat it as a comment.
#[derive(Debug)]
pub(crate) struct Header {
    after_help: Vec<u8>,
    after_type: Vec<u8>,
    after_unit: Option<Vec<u8>>,
}

impl Header {
    /// The lines of families of a type, by its word in the format. OpenMetrics wants quotes escaped.
    pub(crate) fn new(type_word: &str, help: &str, unit: Option<&str>, is_openmetrics: bool) -> Self {
        let line = |text: &str| {
            let mut line = b" ".to_vec();
            escaped(&mut line, text, is_openmetrics);
            line.push(b'\n');
            line
        };
        Self { after_help: line(help), after_type: line(type_word), after_unit: unit.map(line) }
    }

    /// Writes the lines of the family with this name, and its unit if the format takes it.
    pub(crate) fn write(&self, out: &mut Vec<u8>, name: NameText<'_>, with_unit: bool) {
        let quote = if name.is_quoted { "\"" } else { "" };
        let mut line = |keyword: &str, after: &[u8]| {
            put(out, &[keyword, quote, name.text, quote]);
            out.extend_from_slice(after);
        };
        line("# HELP ", &self.after_help);
        line("# TYPE ", &self.after_type);
        if let Some(after) = self.after_unit.as_ref().filter(|_| with_unit) {
            line("# UNIT ", after);
        }
    }
}

/// Writes text in which line breaks, backslashes and, if asked for, quotes are escaped.
fn escaped(out: &mut Vec<u8>, text: &str, with_quotes: bool) {
    let third = if with_quotes { b'"' } else { b'\n' };
    let mut rest = text.as_bytes();
    while let Some((before, [c, after @ ..])) =
        memchr3(b'\\', b'\n', third, rest).and_then(|at| rest.split_at_checked(at))
    {
        out.extend_from_slice(before);
        out.extend_from_slice(match c {
            b'\n' => b"\\n",
            b'"' => b"\\\"",
            _ => b"\\\\",
        });
        rest = after;
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(header: &Header, name: NameText<'_>, with_unit: bool) -> String {
        let mut out = Vec::new();
        header.write(&mut out, name, with_unit);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn help_is_escaped_as_the_format_wants() {
        let header = |is_openmetrics| Header::new("gauge", "one\ntwo \\ \"three\"", None, is_openmetrics);
        let expected = "# HELP a one\\ntwo \\\\ \"three\"\n# TYPE a gauge\n";
        assert_eq!(written(&header(false), NameText::legal("a"), true), expected);
        let expected = "# HELP a one\\ntwo \\\\ \\\"three\\\"\n# TYPE a gauge\n";
        assert_eq!(written(&header(true), NameText::legal("a"), true), expected);
    }

    #[test]
    fn a_unit_follows_the_type() {
        let header = Header::new("histogram", "h", Some("seconds"), false);
        let expected = "# HELP d_seconds h\n# TYPE d_seconds histogram\n# UNIT d_seconds seconds\n";
        assert_eq!(written(&header, NameText::legal("d_seconds"), true), expected);
        let expected = "# HELP \"d.\\\"s\" h\n# TYPE \"d.\\\"s\" histogram\n";
        assert_eq!(written(&header, NameText { text: "d.\\\"s", is_quoted: true }, false), expected);
    }
}
