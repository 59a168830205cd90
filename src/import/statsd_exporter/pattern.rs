//! The matches of mappings, and their translation into the patterns of rules.
//!
//! Every glob of a mapping file is also a glob of a rule. A regex of Go matches anywhere in a name; that of a rule
//! matches the whole name.

use std::collections::{BTreeSet, HashMap, HashSet};

use regex_syntax::ast::{self, AssertionKind, Ast, ClassSetItem, ErrorKind, Flag, GroupKind};

use super::template::ExporterTemplate;
use crate::config::re2;

/// What a mapping matches.
#[derive(Debug, PartialEq)]
pub(super) enum Match {
    Glob(String),
    Regex(MatchRegex),
}

impl Match {
    /// Checks a glob. The error says what is wrong with it.
    pub(super) fn glob(text: &str) -> Result<Self, String> {
        for (at, part) in text.split('.').enumerate() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || (at > 0 && is_word(c));
            if part != "*" && part.contains('*') {
                return Err(
                    "in a mapping file, the * of a glob is a whole part between dots; use match_type: regex for \
                            anything else"
                        .into(),
                );
            } else if part != "*" && !(part.starts_with(starts) && part.chars().all(is_word)) {
                return Err(
                    "a glob has parts between dots, each of them * or letters, digits, _ and -; it begins with \
                            a letter, _ or *"
                        .into(),
                );
            }
        }
        Ok(Self::Glob(text.to_owned()))
    }

    /// Parses a template for the name or a label of this match.
    pub(super) fn template(&self, text: &str) -> ExporterTemplate {
        match self {
            Self::Glob(glob) => ExporterTemplate::of_glob(text, glob.split('.').filter(|part| *part == "*").count()),
            Self::Regex(regex) => ExporterTemplate::of_regex(text, regex.captures, &regex.names),
        }
    }

    /// The sort key of globs without an order. At the first part where only one of two globs has a `*`, the other one
    /// is tried first. Regexes are not sorted.
    pub(super) fn specificity(&self) -> Vec<bool> {
        match self {
            Self::Glob(glob) => glob.split('.').map(|part| part == "*").collect(),
            Self::Regex(_) => Vec::new(),
        }
    }
}

/// A prefix tree of globs. It finds globs that statsd_exporter never reaches: those that begin a longer, earlier one.
#[derive(Default)]
pub(super) struct PrefixTree {
    /// The child of a node for a part; node 0 is the root.
    nodes: HashMap<(usize, String), usize>,
    parents: HashSet<usize>,
}

impl PrefixTree {
    /// Adds a glob. Returns whether a longer, earlier one begins with it.
    pub(super) fn add(&mut self, glob: &str) -> bool {
        let mut node = 0;
        for part in glob.split('.') {
            self.parents.insert(node);
            let new = self.nodes.len() + 1;
            node = *self.nodes.entry((node, part.to_owned())).or_insert(new);
        }
        self.parents.contains(&node)
    }
}

/// A parsed regex of Go.
#[derive(Debug, PartialEq)]
pub(super) struct MatchRegex {
    /// The regex without the anchors at its ends.
    body: String,
    /// Whether it is anchored at the start of a name, and at its end.
    ends: (bool, bool),
    /// Whether `body` is an alternation, which needs a group before anything is added beside it.
    is_choice: bool,
    /// The number of its capture groups, and the names of those that have one.
    pub(super) captures: usize,
    pub(super) names: BTreeSet<String>,
}

impl MatchRegex {
    /// Parses a regex. The error says what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let text = &re2::in_common(text);
        let ast = ast::parse::ParserBuilder::new().nest_limit(100).build().parse(text).map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::RepetitionMissing
                | ErrorKind::RepetitionCountUnclosed
                | ErrorKind::RepetitionCountDecimalEmpty
                | ErrorKind::DecimalInvalid => "; for a literal brace write \\{",
                _ => "",
            };
            format!("the regex cannot be read: {}{hint}", error.kind())
        })?;
        let GoVisitor { captures, names } = ast::visit(&ast, GoVisitor::default())?;
        let elements = match &ast {
            Ast::Concat(concat) => concat.asts.as_slice(),
            other => std::slice::from_ref(other),
        };
        let is = |ast: &Ast, kinds: [AssertionKind; 2]| matches!(ast, Ast::Assertion(a) if kinds.contains(&a.kind));
        let start = elements.first().filter(|ast| is(ast, [AssertionKind::StartLine, AssertionKind::StartText]));
        let end = elements.last().filter(|ast| is(ast, [AssertionKind::EndLine, AssertionKind::EndText]));
        let from = start.map_or(0, |anchor| anchor.span().end.offset);
        let to = end.map_or(text.len(), |anchor| anchor.span().start.offset);
        let body = text.get(from..to).unwrap_or_default().to_owned();
        let is_choice = matches!(ast, Ast::Alternation(_));
        Ok(Self { body, ends: (start.is_some(), end.is_some()), is_choice, captures, names })
    }

    /// The regex over a whole name with the same captures, and the number of groups before its own ones. If a template
    /// refers to the match, and that is not the whole name, the match becomes a group.
    pub(super) fn whole(&self, uses_match: bool) -> (String, usize) {
        let start = if self.ends.0 { "" } else { ".*?" };
        let end = if self.ends.1 { "" } else { ".*" };
        let is_part = self.ends != (true, true);
        let (open, close, shift) = match () {
            () if uses_match && is_part => ("(", ")", 1),
            // A rule must not have an empty regex.
            () if self.body.is_empty() || (self.is_choice && is_part) => ("(?:", ")", 0),
            () => ("", "", 0),
        };
        (format!("{start}{open}{}{close}{end}", self.body), shift)
    }
}

/// Counts the groups, and finds syntax that Go reads differently. Classes such as `\w` have the meaning of Go in
/// rules.
#[derive(Default)]
struct GoVisitor {
    captures: usize,
    names: BTreeSet<String>,
}

impl GoVisitor {
    fn flags(flags: &ast::Flags) -> Result<(), String> {
        let known = [Flag::CaseInsensitive, Flag::MultiLine, Flag::DotMatchesNewLine, Flag::SwapGreed];
        let known = known.map(ast::FlagsItemKind::Flag);
        let is_known = |item: &ast::FlagsItem| item.kind.is_negation() || known.contains(&item.kind);
        let message = "the regex cannot be read: its flags can be i, m, s and U";
        if flags.items.iter().all(is_known) { Ok(()) } else { Err(message.to_owned()) }
    }
}

impl ast::Visitor for GoVisitor {
    type Output = Self;
    type Err = String;

    fn finish(self) -> Result<Self, String> {
        Ok(self)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        use AssertionKind::{WordBoundaryEnd, WordBoundaryEndHalf, WordBoundaryStart, WordBoundaryStartHalf};
        let word_ends = [WordBoundaryStart, WordBoundaryEnd, WordBoundaryStartHalf, WordBoundaryEndHalf];
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
            Ast::Assertion(assertion) if word_ends.contains(&assertion.kind) => {
                return Err(r"the regex cannot be read: for a brace after \b write \{".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), String> {
        let message =
            r"the regex cannot be read: there is no class of this name; write [[:alpha:]], or \[ for a bracket";
        if matches!(item, ClassSetItem::Bracketed(_)) { Err(message.to_owned()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_have_the_syntax_of_mapping_files() {
        for text in ["a", "a.b", "*", "*.a.*", "foo--bar.*", "a.1b.*", "_a.b-c", "A.-"] {
            assert_eq!(Match::glob(text), Ok(Match::Glob(text.to_owned())), "{text}");
        }
        for text in ["", "a*", "a.*b", "a..b", "1a.b", "-x", "a.**", "a.", ".a", "a b", "a.é", "a/b"] {
            assert!(Match::glob(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_glob_that_begins_an_earlier_one_is_found() {
        let mut tree = PrefixTree::default();
        for (glob, expected) in [
            ("a.b.c", false),
            ("a.b", true),
            ("a.b.c", false),
            ("a.b.c.d", false),
            ("a.b.c", true),
            ("*", false),
            ("a.*", false),
        ] {
            assert_eq!(tree.add(glob), expected, "{glob}");
        }
    }

    #[test]
    fn regexes_match_whole_names_in_rules() {
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
            let regex = MatchRegex::new(text).unwrap();
            assert_eq!(regex.whole(false).0, whole, "{text}");
            assert_eq!(regex.whole(true).0, with_match, "{text}");
        }
    }

    #[test]
    fn groups_are_counted_and_get_new_numbers() {
        let regex = MatchRegex::new(r"(a)(?:b)(?P<svc>c)(?<d>e)").unwrap();
        assert_eq!((regex.captures, regex.names.iter().map(String::as_str).collect()), (3, vec!["d", "svc"]));
        assert_eq!((regex.whole(false).1, regex.whole(true).1), (0, 1));
    }

    #[test]
    fn syntax_that_go_reads_in_another_way_is_an_error() {
        for text in ["(", "a{", "{x}", "[[:x:]]", "[a--b]", "(?x)a b", r"(a)\1", "[z-a]", "(?u:a)", r"\b{start}"] {
            assert!(MatchRegex::new(text).is_err(), "{text}");
        }
    }
}
