//! Texts with `$1` in them: what statsd_exporter takes them for, in our words.
//!
//! It reads them in two ways, one for globs and one for regexes. Ours knows `${1}` and `${name}`, and wants to be told
//! of every `$` that is none: what stands for nothing here is left out.

use std::collections::BTreeSet;

/// A template that was taken apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    /// What somebody who compares the two programs should know of it.
    pub(super) notes: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    /// What was captured; 0 is all that matched.
    Capture(usize),
    /// A named group of a regex.
    Group(String),
}

impl Template {
    /// Reads a template of a glob that captures `captures` texts.
    ///
    /// A reference is a `$` and all the letters, digits, `_` and `$` behind it, in braces or not: where that is no
    /// number of a capture, it stands for nothing.
    pub(super) fn of_glob(text: &str, captures: usize) -> Self {
        let mut template = Self::default();
        let mut unbraced = BTreeSet::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            template.push_text(before);
            let open = after.strip_prefix('{');
            let inner = open.unwrap_or(after);
            let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$').unwrap_or(inner.len());
            let (word, behind) = inner.split_at(end);
            if word.is_empty() {
                template.push_text("$");
                rest = after;
                continue;
            }
            rest = behind.strip_prefix('}').unwrap_or(behind);
            match word.parse::<usize>() {
                Ok(0) => {
                    template.pieces.push(Piece::Capture(0));
                    template.note("$0 is the whole name; before 0.31, statsd_exporter made nothing of it");
                }
                Ok(number) if number <= captures => {
                    template.pieces.push(Piece::Capture(number));
                    if open.is_none() {
                        unbraced.insert(word);
                    }
                }
                _ => template.note(&format!("{} stands for nothing and is left out", reference(word))),
            }
        }
        template.push_text(rest);
        // It replaces them one after the other, each wherever it stands. What begins with a text sorts right behind it.
        if unbraced.iter().zip(unbraced.iter().skip(1)).any(|(short, long)| long.starts_with(short)) {
            template.note("statsd_exporter has a bug by which $1 is replaced within $10; here each stands for itself");
        }
        if text.contains('%') && template.pieces.iter().any(|piece| !matches!(piece, Piece::Text(_))) {
            template.note("statsd_exporter has a bug by which a % spoils the text; here it is a %");
        }
        template
    }

    /// Reads a template of a regex with `captures` groups, of which some have `names`.
    ///
    /// Source: <https://pkg.go.dev/regexp#Regexp.Expand>.
    pub(super) fn of_regex(text: &str, captures: usize, names: &BTreeSet<String>) -> Self {
        let mut template = Self::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            template.push_text(before);
            if let Some(after) = after.strip_prefix('$') {
                template.push_text("$");
                rest = after;
                continue;
            }
            let Some((word, behind)) = regex_reference(after) else {
                template.push_text("$");
                rest = after;
                continue;
            };
            rest = behind;
            match word.parse::<usize>() {
                Ok(number) if number <= captures && (word.len() == 1 || !word.starts_with('0')) => {
                    template.pieces.push(Piece::Capture(number));
                }
                _ if names.contains(word) => template.pieces.push(Piece::Group(word.to_owned())),
                _ => template.note(&format!("{} stands for nothing and is left out", reference(word))),
            }
        }
        template.push_text(rest);
        template
    }

    fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    fn note(&mut self, note: &str) {
        // Who has ten to read needs no more of them.
        if self.notes.len() < 10 && !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// Whether it uses all that matched.
    pub(super) fn uses_whole(&self) -> bool {
        self.pieces.contains(&Piece::Capture(0))
    }

    /// Whether it is empty whatever matched.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether it can be a metric's name: what is not captured is letters, digits and `_`, with no digit first.
    pub(super) fn is_name(&self) -> bool {
        let is_text = |piece: &Piece| match piece {
            Piece::Text(text) => text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
            _ => true,
        };
        let starts = match self.pieces.first() {
            Some(Piece::Text(text)) => !text.starts_with(|c: char| c.is_ascii_digit()),
            _ => true,
        };
        starts && !self.is_empty() && self.pieces.iter().all(is_text)
    }

    /// It as our templates are written, where all groups have moved up by `shift`.
    pub(super) fn render(&self, shift: usize) -> String {
        let mut text = String::new();
        let mut pieces = self.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            let joins = match pieces.peek() {
                Some(Piece::Text(next)) => next.starts_with(|c: char| c.is_alphanumeric() || c == '_'),
                _ => false,
            };
            match piece {
                Piece::Text(literal) => text += &literal.replace('$', "$$"),
                Piece::Capture(number) if joins => text += &format!("${{{}}}", number + shift),
                Piece::Capture(number) => text += &format!("${}", number + shift),
                Piece::Group(name) => text += &format!("${{{name}}}"),
            }
        }
        text
    }
}

/// The word after a `$` as Go reads it, and what follows it.
fn regex_reference(after: &str) -> Option<(&str, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (word, rest) = match after.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => after.split_at(after.find(|c| !is_word(c)).unwrap_or(after.len())),
    };
    (!word.is_empty() && word.chars().all(is_word)).then_some((word, rest))
}

/// A reference as a note shows it.
fn reference(word: &str) -> String {
    const LONGEST: usize = 20;
    let start: String = word.chars().take(LONGEST).collect();
    if start.len() < word.len() { format!("${{{start}...}}") } else { format!("${{{word}}}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_globs() {
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
            assert_eq!(Template::of_glob(text, 3).render(0), expected, "{text}");
        }
    }

    #[test]
    fn templates_of_regexes() {
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
            assert_eq!(Template::of_regex(text, 2, &names).render(1), expected, "{text}");
        }
    }

    #[test]
    fn what_differs_is_noted() {
        for (text, note) in [
            ("$1_x", Some("${1_x} stands for nothing")),
            ("$0", Some("before 0.31")),
            ("$1-$10", Some("within $10")),
            ("${1}-${10}", None),
            ("$2-$10", None),
            ("$1%", Some("a %")),
            ("1%", None),
        ] {
            let notes = Template::of_glob(text, 10).notes;
            assert_eq!(notes.len(), usize::from(note.is_some()), "{text}: {notes:?}");
            assert!(note.is_none_or(|note| notes.iter().any(|said| said.contains(note))), "{text}: {notes:?}");
        }
    }

    #[test]
    fn names() {
        for (text, is_name) in [
            ("a_$1", true),
            ("$1", true),
            ("${1}9", true),
            ("9$1", false),
            ("a-b", false),
            ("a:b", false),
            ("$", false),
        ] {
            assert_eq!(Template::of_glob(text, 1).is_name(), is_name, "{text}");
        }
    }
}
