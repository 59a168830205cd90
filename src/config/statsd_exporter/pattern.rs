//! What a mapping matches, in our words.
//!
//! Globs are ours with fewer liberties. Regexes are Go's, which match anywhere in a name; ours match the whole of it.

use std::collections::{BTreeSet, HashMap};

use regex_syntax::ast::{self, AssertionKind, Ast, ClassSetItem, ErrorKind, Flag, GroupKind};

use crate::config::re2;

/// A checked glob: `Err` says what is wrong with it.
pub(super) fn glob(text: &str) -> Result<usize, String> {
    let mut captures = 0;
    for (at, part) in text.split('.').enumerate() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || (at > 0 && is_word(c));
        if part == "*" {
            captures += 1;
        } else if part.contains('*') {
            return Err(
                "in a mapping file, a * in a glob is a whole part between dots; match_type: regex can say more".into(),
            );
        } else if !part.starts_with(starts) || !part.chars().all(is_word) {
            return Err("a glob is made of parts between dots, each of them * or letters, digits, _ and -; it \
                        begins with a letter, _ or *"
                .into());
        }
    }
    Ok(captures)
}

/// What decides which of two globs without an order is tried first: at the first level where only one has a `*`, the
/// other one.
pub(super) fn specificity(glob: &str) -> Vec<bool> {
    glob.split('.').map(|part| part == "*").collect()
}

/// The globs so far, to find those that statsd_exporter never comes to: a glob that begins a longer one before it.
#[derive(Default)]
pub(super) struct Begun {
    /// From a node and a part to the node below; node 0 is the root.
    nodes: HashMap<(usize, String), usize>,
    has_more: Vec<bool>,
}

impl Begun {
    /// Adds a glob; tells whether a longer one before it begins with it.
    pub(super) fn add(&mut self, glob: &str) -> bool {
        let mut node = 0;
        self.has_more.resize(self.has_more.len().max(1), false);
        for part in glob.split('.') {
            if let Some(has_more) = self.has_more.get_mut(node) {
                *has_more = true;
            }
            let next = self.has_more.len();
            node = *self.nodes.entry((node, part.to_owned())).or_insert(next);
            if node == next {
                self.has_more.push(false);
            }
        }
        self.has_more.get(node).copied().unwrap_or_default()
    }
}

/// A regex of Go that was taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct Regex {
    /// It without the anchors at its ends.
    body: String,
    /// Whether it matches at the start of a name only, and at its end.
    ends: (bool, bool),
    /// Whether `body` is a choice, which needs a group before something is put beside it.
    is_choice: bool,
    /// How many groups it captures, and the names of those that have one.
    pub(super) captures: usize,
    pub(super) names: BTreeSet<String>,
}

impl Regex {
    /// Reads a regex; `Err` says what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let text = &re2::in_common(text);
        let ast = ast::parse::ParserBuilder::new().nest_limit(100).build().parse(text).map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::RepetitionMissing
                | ErrorKind::RepetitionCountUnclosed
                | ErrorKind::RepetitionCountDecimalEmpty
                | ErrorKind::DecimalInvalid => "; for a brace itself write \\{",
                _ => "",
            };
            format!("the regex cannot be read: {}{hint}", error.kind())
        })?;
        let Go { captures, names } = ast::visit(&ast, Go::default())?;
        let elements = match &ast {
            Ast::Concat(concat) => concat.asts.as_slice(),
            other => std::slice::from_ref(other),
        };
        let start = elements.first().filter(|element| is_start(element));
        let end = elements.last().filter(|element| is_end(element));
        let from = start.map_or(0, |anchor| anchor.span().end.offset);
        let to = end.map_or(text.len(), |anchor| anchor.span().start.offset);
        let body = text.get(from..to).unwrap_or_default().to_owned();
        let is_choice = matches!(ast, Ast::Alternation(_));
        Ok(Self { body, ends: (start.is_some(), end.is_some()), is_choice, captures, names })
    }

    /// The regex over a whole name that captures the same, and by how many its groups have moved up. What matched, where
    /// it is not the whole name, can only be had as a group.
    pub(super) fn whole(&self, uses_match: bool) -> (String, usize) {
        let start = if self.ends.0 { "" } else { ".*?" };
        let end = if self.ends.1 { "" } else { ".*" };
        let is_part = self.ends != (true, true);
        let (open, close, shift) = match () {
            () if uses_match && is_part => ("(", ")", 1),
            // An empty one would be none at all.
            () if self.body.is_empty() || (self.is_choice && is_part) => ("(?:", ")", 0),
            () => ("", "", 0),
        };
        (format!("{start}{open}{}{close}{end}", self.body), shift)
    }
}

fn is_start(ast: &Ast) -> bool {
    matches!(ast, Ast::Assertion(a) if matches!(a.kind, AssertionKind::StartLine | AssertionKind::StartText))
}

fn is_end(ast: &Ast) -> bool {
    matches!(ast, Ast::Assertion(a) if matches!(a.kind, AssertionKind::EndLine | AssertionKind::EndText))
}

/// Counts the groups, and finds what Go would read in another way. Classes such as `\w` are those of Go in our rules.
#[derive(Default)]
struct Go {
    captures: usize,
    names: BTreeSet<String>,
}

impl Go {
    fn flags(flags: &ast::Flags) -> Result<(), String> {
        let known = [Flag::CaseInsensitive, Flag::MultiLine, Flag::DotMatchesNewLine, Flag::SwapGreed];
        let is_known = |item: &ast::FlagsItem| match &item.kind {
            ast::FlagsItemKind::Negation => true,
            ast::FlagsItemKind::Flag(flag) => known.contains(flag),
        };
        let all = flags.items.iter().all(is_known);
        all.then_some(()).ok_or_else(|| "the regex cannot be read: its flags can be i, m, s and U".to_owned())
    }
}

impl ast::Visitor for Go {
    type Output = Self;
    type Err = String;

    fn finish(self) -> Result<Self, String> {
        Ok(self)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        use AssertionKind::{WordBoundaryEnd, WordBoundaryEndHalf, WordBoundaryStart, WordBoundaryStartHalf};
        match ast {
            Ast::Flags(set) => Self::flags(&set.flags)?,
            Ast::Group(group) => match &group.kind {
                GroupKind::CaptureIndex(_) => self.captures += 1,
                GroupKind::CaptureName { name, .. } => {
                    self.captures += 1;
                    self.names.insert(name.name.clone());
                }
                GroupKind::NonCapturing(flags) => Self::flags(flags)?,
            },
            Ast::Assertion(assertion) => {
                if let WordBoundaryStart | WordBoundaryEnd | WordBoundaryStartHalf | WordBoundaryEndHalf =
                    assertion.kind
                {
                    return Err(r"the regex cannot be read: for a brace behind \b write \{".to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), String> {
        match item {
            ClassSetItem::Bracketed(_) => {
                Err(r"the regex cannot be read: no class has such a name; write [[:alpha:]], or \[ for a bracket"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_those_of_mapping_files() {
        for (text, captures) in
            [("a", 0), ("a.b", 0), ("*", 1), ("*.a.*", 2), ("foo--bar.*", 1), ("a.1b.*", 1), ("_a.b-c", 0), ("A.-", 0)]
        {
            assert_eq!(glob(text), Ok(captures), "{text}");
        }
        for text in ["", "a*", "a.*b", "a..b", "1a.b", "-x", "a.**", "a.", ".a", "a b", "a.é", "a/b"] {
            assert!(glob(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_begins_a_longer_one() {
        let mut begun = Begun::default();
        for (glob, expected) in [
            ("a.b.c", false),
            ("a.b", true),
            ("a.b.c", false),
            ("a.b.c.d", false),
            ("a.b.c", true),
            ("*", false),
            ("a.*", false),
        ] {
            assert_eq!(begun.add(glob), expected, "{glob}");
        }
    }

    #[test]
    fn regexes_over_whole_names() {
        for (text, whole, with_match) in [
            ("foo", ".*?foo.*", ".*?(foo).*"),
            ("^foo$", "foo", "foo"),
            (r"\Afoo\z", "foo", "foo"),
            ("^foo", "foo.*", "(foo).*"),
            ("foo$", ".*?foo", ".*?(foo)"),
            ("a|b", ".*?(?:a|b).*", ".*?(a|b).*"),
            ("^a|b$", ".*?(?:^a|b$).*", ".*?(^a|b$).*"),
            ("^(a|b)$", "(a|b)", "(a|b)"),
            ("^", "(?:).*", "().*"),
            ("^$", "(?:)", "(?:)"),
            ("(?i)^a", ".*?(?i)^a.*", ".*?((?i)^a).*"),
            (r"^\d\.[\w.-]+\b$", r"\d\.[\w.-]+\b", r"\d\.[\w.-]+\b"),
            (r"^a\$", r"a\$.*", r"(a\$).*"),
            (r"^app\.([\w-.]+)\.count$", r"app\.([\w\-.]+)\.count", r"app\.([\w\-.]+)\.count"),
            (r"^\Qa.b\E", r"a\.b.*", r"(a\.b).*"),
        ] {
            let regex = Regex::new(text).unwrap();
            assert_eq!(regex.whole(false).0, whole, "{text}");
            assert_eq!(regex.whole(true).0, with_match, "{text}");
        }
    }

    #[test]
    fn groups_are_counted_and_move() {
        let regex = Regex::new(r"(a)(?:b)(?P<svc>c)(?<d>e)").unwrap();
        assert_eq!((regex.captures, regex.names.iter().map(String::as_str).collect()), (3, vec!["d", "svc"]));
        assert_eq!((regex.whole(false).1, regex.whole(true).1), (0, 1));
    }

    #[test]
    fn what_go_reads_in_another_way_is_an_error() {
        for text in ["(", "a{", "{x}", "[[:x:]]", "[a--b]", "(?x)a b", r"(a)\1", "[z-a]", "(?u:a)", r"\b{start}"] {
            assert!(Regex::new(text).is_err(), "{text}");
        }
    }
}
