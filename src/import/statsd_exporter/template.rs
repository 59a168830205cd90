//! Texts with references such as `$1`, as statsd_exporter reads them and as rules write them.
//!
//! statsd_exporter has two syntaxes, one for globs and one for regexes. In both, an invalid reference is replaced by
//! nothing. In a rule it would be an error, so it is left out.

use std::collections::BTreeSet;

/// A parsed template.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ExporterTemplate {
    pieces: Vec<ExporterPiece>,
    /// Differences from statsd_exporter, for the comments of the config.
    pub(super) notes: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum ExporterPiece {
    Text(String),
    /// A capture by its number; 0 is the whole match.
    Capture(usize),
    /// A named group of a regex.
    Group(String),
}

impl ExporterTemplate {
    /// Parses a template of a glob with `captures` captures.
    ///
    /// A reference is a `$` and all letters, digits, `_` and `$` after it, in braces or not. If these are not the
    /// number of a capture, the reference is replaced by nothing.
    pub(super) fn of_glob(text: &str, captures: usize) -> Self {
        let mut unbraced = BTreeSet::new();
        let mut template = Self::parse(text, |template, after| {
            let open = after.strip_prefix('{');
            let inner = open.unwrap_or(after);
            let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$').unwrap_or(inner.len());
            let (word, rest) = inner.split_at_checked(end).filter(|(word, _)| !word.is_empty())?;
            match word.parse::<usize>() {
                Ok(number) if number <= captures => {
                    template.pieces.push(ExporterPiece::Capture(number));
                    if number == 0 {
                        template.note("$0 is the whole name; before 0.31, statsd_exporter replaced it by nothing");
                    } else if open.is_none() {
                        unbraced.insert(word);
                    }
                }
                _ => template.leave_out(word),
            }
            Some(rest.strip_prefix('}').unwrap_or(rest))
        });
        // statsd_exporter replaces one reference after the other in the whole text, so `$1` also changes `$10`. If one
        // reference begins another, the two are neighbours in sorted order.
        if unbraced.iter().zip(unbraced.iter().skip(1)).any(|(short, long)| long.starts_with(short)) {
            template.note("statsd_exporter has a bug: it replaces $1 within $10; here they are separate");
        }
        if text.contains('%') && template.pieces.iter().any(|piece| !matches!(piece, ExporterPiece::Text(_))) {
            template.note("statsd_exporter has a bug: a % garbles the text; here it stays a %");
        }
        template
    }

    /// Parses a template of a regex with `captures` groups, some of which have `names`.
    ///
    /// Source: <https://pkg.go.dev/regexp#Regexp.Expand>.
    pub(super) fn of_regex(text: &str, captures: usize, names: &BTreeSet<String>) -> Self {
        Self::parse(text, |template, after| {
            if after.starts_with('$') {
                template.push_text("$");
                return after.get(1..);
            }
            let (word, rest) = regex_reference(after)?;
            match word.parse::<usize>() {
                Ok(number) if number <= captures && (word.len() == 1 || !word.starts_with('0')) => {
                    template.pieces.push(ExporterPiece::Capture(number));
                }
                _ if names.contains(word) => template.pieces.push(ExporterPiece::Group(word.to_owned())),
                _ => template.leave_out(word),
            }
            Some(rest)
        })
    }

    /// Parses a template. `reference` adds the reference after a `$` and returns the text after that; `None` means that
    /// the `$` is literal.
    fn parse<'t>(text: &'t str, mut reference: impl FnMut(&mut Self, &'t str) -> Option<&'t str>) -> Self {
        let mut template = Self::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            template.push_text(before);
            rest = reference(&mut template, after).unwrap_or_else(|| {
                template.push_text("$");
                after
            });
        }
        template.push_text(rest);
        template
    }

    fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(ExporterPiece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(ExporterPiece::Text(text.to_owned())),
        }
    }

    fn note(&mut self, note: &str) {
        // Ten notes are enough for one template.
        if self.notes.len() < 10 && !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// Notes that a reference is left out; a long one is shortened.
    fn leave_out(&mut self, word: &str) {
        let start: String = word.chars().take(20).collect();
        let dots = if start.len() < word.len() { "..." } else { "" };
        self.note(&format!("${{{start}{dots}}} refers to nothing and is left out"));
    }

    /// Whether it refers to the whole match.
    pub(super) fn uses_whole(&self) -> bool {
        self.pieces.contains(&ExporterPiece::Capture(0))
    }

    /// Whether its text is always empty.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether its text can be the name of a metric: letters, digits and `_`, no digit first, and captures.
    pub(super) fn is_name(&self) -> bool {
        let is_text = |piece: &ExporterPiece| match piece {
            ExporterPiece::Text(text) => text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
            _ => true,
        };
        let starts = match self.pieces.first() {
            Some(ExporterPiece::Text(text)) => !text.starts_with(|c: char| c.is_ascii_digit()),
            _ => true,
        };
        starts && !self.is_empty() && self.pieces.iter().all(is_text)
    }

    /// The template in the syntax of rules, with `shift` added to the number of each group.
    pub(super) fn render(&self, shift: usize) -> String {
        let mut text = String::new();
        let mut pieces = self.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            let joins = match pieces.peek() {
                Some(ExporterPiece::Text(next)) => next.starts_with(|c: char| c.is_alphanumeric() || c == '_'),
                _ => false,
            };
            match piece {
                ExporterPiece::Text(literal) => text += &literal.replace('$', "$$"),
                ExporterPiece::Capture(number) if joins => text += &format!("${{{}}}", number + shift),
                ExporterPiece::Capture(number) => text += &format!("${}", number + shift),
                ExporterPiece::Group(name) => text += &format!("${{{name}}}"),
            }
        }
        text
    }
}

/// The reference after a `$` as Go parses it, and the text after that.
fn regex_reference(after: &str) -> Option<(&str, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (word, rest) = match after.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => after.split_at(after.find(|c| !is_word(c)).unwrap_or(after.len())),
    };
    (!word.is_empty() && word.chars().all(is_word)).then_some((word, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_globs_become_templates_of_rules() {
        for (text, expected) in [
            ("t_${3}", "t_$3"),
            ("$1-$2", "$1-$2"),
            ("${1}_x", "${1}_x"),
            ("$1_x", ""),
            ("$1$2", ""),
            ("$b-", "-"),
            ("a${4}b", "ab"),
            ("$0", "$0"),
            ("$1%", "$1%"),
            ("$-", "$$-"),
            ("${}", "$${}"),
            ("5 $", "5 $$"),
            ("$01.", "$1."),
            ("${1}${2}", "$1$2"),
            ("$99999999999999999999", ""),
            ("ü$é", "ü$$é"),
            ("", ""),
        ] {
            assert_eq!(ExporterTemplate::of_glob(text, 3).render(0), expected, "{text}");
        }
    }

    #[test]
    fn templates_of_regexes_become_templates_of_rules() {
        let names = ["svc".to_owned(), "9a".to_owned()].into();
        for (text, expected) in [
            ("$0", "$1"),
            ("${1}_x", "${2}_x"),
            ("$1_x", ""),
            ("$1-$2", "$2-$3"),
            ("$3", ""),
            ("$svc.", "${svc}."),
            ("${svc}x", "${svc}x"),
            ("$svcx", ""),
            ("$$1", "$$1"),
            ("$01", ""),
            ("${1", "$${1"),
            ("${a-b}", "$${a-b}"),
            ("a$", "a$$"),
            ("$-", "$$-"),
            ("100%", "100%"),
        ] {
            assert_eq!(ExporterTemplate::of_regex(text, 2, &names).render(1), expected, "{text}");
        }
    }

    #[test]
    fn differences_from_statsd_exporter_are_noted() {
        for (text, note) in [
            ("$1_x", Some("${1_x} refers to nothing")),
            ("$0", Some("before 0.31")),
            ("$1-$10", Some("within $10")),
            ("${1}-${10}", None),
            ("$2-$10", None),
            ("$1%", Some("a %")),
            ("1%", None),
        ] {
            let notes = ExporterTemplate::of_glob(text, 10).notes;
            assert_eq!(notes.len(), usize::from(note.is_some()), "{text}: {notes:?}");
            assert!(note.is_none_or(|note| notes.iter().any(|said| said.contains(note))), "{text}: {notes:?}");
        }
    }

    #[test]
    fn names_have_letters_digits_and_underscores() {
        for (text, is_name) in [
            ("a_$1", true),
            ("$1", true),
            ("${1}9", true),
            ("9$1", false),
            ("a-b", false),
            ("a:b", false),
            ("$", false),
        ] {
            assert_eq!(ExporterTemplate::of_glob(text, 1).is_name(), is_name, "{text}");
        }
    }
}
