//! The patterns of rules, globs and regexes, and one automaton over the patterns of all rules.

use memchr::memmem::Finder;
use regex::bytes::{RegexSet, RegexSetBuilder};
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

use super::gaps::Gaps;
use super::glob::Glob;
use crate::config::{self, re2};

/// The most memory of one compiled regex, in bytes: enough for any name, and little enough for 1,000 rules.
const REGEX_SIZE: usize = 256 * 1024;

/// The most memory of the automaton over all patterns, in bytes. A glob takes about 1 KiB.
const ALL_SIZE: usize = 32 * 1024 * 1024;

/// The memory for the states of the lazy DFA, in bytes: for each rule, and the least and the most for all of them. Each
/// worker has such a cache. If the cache is too small, a name takes up to a thousand times as long.
const STATES_SIZE: usize = 16 * 1024;
const STATES: (usize, usize) = (2 * 1024 * 1024, 32 * 1024 * 1024);

/// A compiled `match` or `match_regex`.
#[derive(Clone, Debug)]
pub(super) enum NamePattern {
    /// `match`.
    Glob(Glob),
    /// `match_regex`, anchored at both ends.
    Regex(Regex),
}

impl NamePattern {
    /// Compiles a pattern. The error says what is wrong, and how to correct it.
    pub(super) fn new(pattern: &config::RulePattern) -> Result<Self, String> {
        match pattern {
            config::RulePattern::Glob(text) => Glob::new(text.get_ref()).map(Self::Glob),
            config::RulePattern::Regex(text) => regex(text.get_ref()).map(Self::Regex),
        }
    }

    /// Matches a whole name. The captures are the name itself as `$0`, then the text of each `*` or group. A group that
    /// takes no part in the match captures an empty text.
    pub(super) fn captures<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        match self {
            Self::Glob(glob) => glob.matches(name),
            Self::Regex(regex) => {
                let captures = regex.captures(name)?;
                Some(captures.iter().map(|group| group.map_or("", |group| group.as_str())).collect())
            }
        }
    }

    /// The number of captures without `$0`.
    pub(super) fn groups(&self) -> usize {
        match self {
            Self::Glob(glob) => glob.captures(),
            Self::Regex(regex) => regex.captures_len() - 1,
        }
    }

    /// The number of the capture `$name`.
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        if name.bytes().all(|b| b.is_ascii_digit()) {
            return name.parse().ok().filter(|number| *number <= self.groups());
        }
        match self {
            Self::Glob(_) => None,
            Self::Regex(regex) => regex.capture_names().position(|group| group == Some(name)),
        }
    }

    /// The name of a capture, if it has one.
    pub(super) fn group_name(&self, number: usize) -> Option<&str> {
        match self {
            Self::Glob(_) => None,
            Self::Regex(regex) => regex.capture_names().nth(number).flatten(),
        }
    }

    /// A regex that matches every text of a capture, and maybe others.
    pub(super) fn capture_regex(&self, number: usize) -> String {
        const ANY: &str = "(?s:.*)";
        match self {
            Self::Glob(glob) if number > 0 && !glob.is_rest(number) => "[^.]*".to_owned(),
            Self::Glob(_) => ANY.to_owned(),
            Self::Regex(regex) => group_regex(regex.as_str(), number).unwrap_or_else(|| ANY.to_owned()),
        }
    }

    /// Whether it is a glob with two `*` in a part, or a regex with [gaps](Gaps) of this kind.
    pub(super) fn is_combinatorial(&self) -> bool {
        match self {
            Self::Glob(glob) => glob.is_combinatorial(),
            // Most have one repetition at most, and need not be read again.
            Self::Regex(regex) => {
                let repetitions = regex.as_str().bytes().filter(|b| matches!(b, b'*' | b'+' | b'{')).count();
                repetitions > 1 && Gaps::of(regex.as_str()).is_combinatorial()
            }
        }
    }

    /// The longest text that is known to be in every name that matches.
    fn longest_text(&self) -> String {
        match self {
            Self::Glob(glob) => glob.longest_text().to_owned(),
            Self::Regex(regex) => Gaps::of(regex.as_str()).longest_text(),
        }
    }

    /// Whether it matches a whole name. `captures` is scratch memory.
    fn is_match<'n>(&self, name: &'n str, captures: &mut Vec<&'n str>) -> bool {
        match self {
            Self::Glob(glob) => {
                captures.clear();
                glob.capture(name, captures).is_some()
            }
            Self::Regex(regex) => regex.is_match(name),
        }
    }

    /// Whether the pattern is known to match every name.
    pub(super) fn matches_all(&self) -> bool {
        match self {
            Self::Glob(glob) => glob.matches_all(),
            Self::Regex(regex) => {
                matches!(regex.as_str(), r"\A(?:.*)\z" | r"\A(?:.+)\z" | r"\A(?:(.*))\z" | r"\A(?:(.+))\z")
            }
        }
    }

    /// The pattern as a regex that matches nothing but valid UTF-8.
    pub(super) fn to_text_regex(&self) -> String {
        match self {
            Self::Glob(glob) => glob.to_text_regex(),
            Self::Regex(regex) => regex.as_str().to_owned(),
        }
    }

    fn to_regex(&self) -> String {
        match self {
            Self::Glob(glob) => glob.to_regex(),
            Self::Regex(regex) => regex.as_str().to_owned(),
        }
    }
}

/// One automaton over many patterns, which reads a name once to match it against all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Automaton {
    set: RegexSet,
    /// The patterns that are matched one by one.
    apart: Vec<ApartPattern>,
}

#[derive(Clone, Debug)]
struct ApartPattern {
    index: usize,
    pattern: NamePattern,
    /// Finds the longest text of the pattern, without which no name matches.
    text: Finder<'static>,
}

impl ApartPattern {
    fn new((index, pattern): (usize, &NamePattern)) -> Self {
        let text = Finder::new(&pattern.longest_text()).into_owned();
        Self { index, pattern: pattern.clone(), text }
    }
}

/// So many combinatorial patterns are cheap in the automaton.
const FEW_COMBINATORIAL: usize = 4;

/// Matches no name; in the place of a pattern that is matched by itself.
const NOTHING: &str = "[a&&b]";

impl Automaton {
    /// The automaton over `patterns`; `None`: it would be too large.
    pub(super) fn new<'p>(patterns: impl ExactSizeIterator<Item = &'p NamePattern>) -> Option<Self> {
        let states = (patterns.len() * STATES_SIZE).clamp(STATES.0, STATES.1);
        let patterns: Vec<_> = patterns.collect();
        let combinatorial = patterns.iter().copied().enumerate().filter(|(_, pattern)| pattern.is_combinatorial());
        let mut apart: Vec<_> = combinatorial.map(ApartPattern::new).collect();
        if apart.len() <= FEW_COMBINATORIAL {
            apart.clear();
        }
        let mut regexes: Vec<String> = patterns.iter().map(|pattern| pattern.to_regex()).collect();
        for ApartPattern { index, .. } in &apart {
            regexes.get_mut(*index).into_iter().for_each(|regex| NOTHING.clone_into(regex));
        }
        let mut builder = RegexSetBuilder::new(regexes);
        let set = builder.size_limit(ALL_SIZE).dfa_size_limit(states).build().ok()?;
        Some(Self { set, apart })
    }

    /// Whether at least one pattern matches `name`.
    pub(super) fn is_match(&self, name: &str) -> bool {
        self.set.is_match(name.as_bytes()) || self.apart(name).next().is_some()
    }

    /// The indexes of the patterns that match `name`, in ascending order.
    pub(super) fn matches(&self, name: &str) -> impl Iterator<Item = usize> + use<> {
        let mut apart: Vec<usize> = self.apart(name).collect();
        // Without rules, this would still set the automaton up.
        let set = (!self.set.is_empty()).then(|| self.set.matches(name.as_bytes()));
        let (mut set, mut all) = (set.into_iter().flatten(), Vec::new());
        if !apart.is_empty() {
            all.append(&mut apart);
            all.extend(set.by_ref());
            all.sort_unstable();
        }
        all.into_iter().chain(set)
    }

    /// The indexes of those that match among the patterns that are matched one by one.
    fn apart(&self, name: &str) -> impl Iterator<Item = usize> {
        let mut captures = Vec::new();
        let may_match = |apart: &&ApartPattern| apart.text.find(name.as_bytes()).is_some();
        self.apart.iter().filter(may_match).filter_map(move |ApartPattern { index, pattern, .. }| {
            pattern.is_match(name, &mut captures).then_some(*index)
        })
    }
}

/// The expression of a group, or an empty text, because a group may take no part in a match. `None`: the expression
/// depends on what is around it.
fn group_regex(regex: &str, number: usize) -> Option<String> {
    let hir = regex_syntax::parse(regex).ok().filter(|_| number > 0)?;
    let group = find_group(&hir, number)?;
    group.properties().look_set().is_empty().then(|| format!("(?:{group})?"))
}

fn find_group(hir: &Hir, number: usize) -> Option<&Hir> {
    match hir.kind() {
        HirKind::Capture(capture) if capture.index as usize == number => Some(&capture.sub),
        HirKind::Capture(capture) => find_group(&capture.sub, number),
        HirKind::Repetition(repetition) => find_group(&repetition.sub, number),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().find_map(|part| find_group(part, number)),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => None,
    }
}

/// Compiles a regex over whole names.
fn regex(text: &str) -> Result<Regex, String> {
    if text.is_empty() {
        return Err("the regex is empty and matches no name; write a regex for the whole name".to_owned());
    }
    let build = |text: &str| RegexBuilder::new(text).size_limit(REGEX_SIZE).build();
    let text_of_re2 = re2::for_crate(text);
    // Without the brackets first, because they would make `a)(b` valid.
    let compiled = build(&text_of_re2).and_then(|_| build(&format!(r"\A(?:{text_of_re2})\z")));
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("the regex '{text}' takes more than {} KiB when compiled; use fewer repetitions", REGEX_SIZE / 1024)
        }
        error => {
            // The report has several lines, and the last one says what is wrong.
            let report = error.to_string();
            let why = report.lines().last().unwrap_or_default();
            format!("the regex '{text}' is wrong: {}", why.strip_prefix("error: ").unwrap_or(why))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Spanned;

    fn glob(text: &str) -> NamePattern {
        NamePattern::new(&config::RulePattern::Glob(Spanned::new(0..0, text.to_owned()))).unwrap()
    }

    fn regex(text: &str) -> Result<NamePattern, String> {
        NamePattern::new(&config::RulePattern::Regex(Spanned::new(0..0, text.to_owned())))
    }

    #[test]
    fn regexes_match_whole_names() {
        for (text, name, captures) in [
            ("foo", "foo", Some(vec![])),
            ("foo", "xfoox", None),
            ("a|ab", "ab", Some(vec![])),
            (r"a\.(.*)", "a.b.c", Some(vec!["b.c"])),
            (r"^a\.(.*)$", "a.b", Some(vec!["b"])),
            (r"(a)|(b)", "b", Some(vec!["", "b"])),
            (r"(?P<x>[a-z]+)-(?<y>\d+)", "ab-12", Some(vec!["ab", "12"])),
            ("(?i)jobs", "JOBS", Some(vec![])),
            ("(?i)ü", "Ü", Some(vec![])),
            ("a.c", "aüc", Some(vec![])),
            // ASCII only, as in RE2.
            (r"\w", "ü", None),
            (r"\W", "ü", Some(vec![])),
            (r"\d", "٣", None),
            (r"\D\S", "٣ü", Some(vec![])),
            (r"[\w.-]+\s[^\s\d]+", "a_1.-Z b-", Some(vec![])),
            (r"[^\W]", "a", Some(vec![])),
            (r"\bab\b.*", "ab.c", Some(vec![])),
            (r"a\Bb", "ab", Some(vec![])),
            (r"a\B.*", "a.b", None),
            (r"\\d\<\>", r"\d<>", Some(vec![])),
            (r"[\w-.]+", "a-.", Some(vec![])),
            (r"[^[]", "]", Some(vec![])),
            ("[a&&b]+", "a&b", Some(vec![])),
            (r"\Qa.b\E\056(\d)", "a.b.1", Some(vec!["1"])),
            (r"\Qa.b\E", "axb", None),
        ] {
            let expected = captures.map(|c| [vec![name], c].concat());
            assert_eq!(regex(text).unwrap().captures(name), expected, "{text} on {name}");
        }
    }

    #[test]
    fn groups_have_numbers_and_names() {
        let pattern = regex(r"(?P<svc>[a-z]+)\.(\d+)").unwrap();
        assert_eq!(pattern.groups(), 2);
        for (name, group) in
            [("0", Some(0)), ("1", Some(1)), ("2", Some(2)), ("3", None), ("svc", Some(1)), ("x", None), ("1_x", None)]
        {
            assert_eq!(pattern.group(name), group, "{name}");
        }
        assert_eq!((pattern.group_name(1), pattern.group_name(2), pattern.group_name(9)), (Some("svc"), None, None));
        assert_eq!((glob("*.b").group("1"), glob("*.b").group("2"), glob("*.b").group("svc")), (Some(1), None, None));
    }

    #[test]
    fn invalid_regexes() {
        for (text, expected) in [
            ("", "the regex is empty"),
            ("a(b", "the regex 'a(b' is wrong: unclosed group"),
            ("a)(b", "is wrong: unopened group"),
            ("a{2,1}", "is wrong: invalid repetition count range"),
            (r"(a)\1", "is wrong: backreferences are not supported"),
            ("a\\", "is wrong: incomplete escape sequence"),
            ("((.{99}){99}){99}", "takes more than 256 KiB when compiled"),
        ] {
            let error = regex(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains('\n'));
        }
        assert!(regex(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn the_automaton_finds_every_pattern_that_matches() {
        let patterns = [glob("a.*"), regex("a.*").unwrap(), glob("*.b"), glob("x"), glob("a.**"), glob("é.a*c")];
        let automaton = Automaton::new(patterns.iter()).unwrap();
        for (name, expected) in
            [("a.b", vec![0, 1, 2, 4]), ("ab", vec![1]), ("x", vec![3]), ("é.aüc", vec![5]), ("", vec![])]
        {
            assert_eq!(automaton.matches(name).collect::<Vec<_>>(), expected, "{name}");
        }
        assert_eq!(Automaton::new([].iter()).unwrap().matches("a").count(), 0);
    }

    #[test]
    fn patterns_that_are_matched_one_by_one_are_found_in_their_order() {
        let many: Vec<_> = (0..40).map(|n| glob(&format!("*k{n}*.x"))).collect();
        let patterns = [vec![glob("**")], many, vec![glob("ak7b*.*")]].concat();
        let automaton = Automaton::new(patterns.iter()).unwrap();
        assert_eq!(automaton.apart.len(), 40);
        let regexes = (0..40).map(|n| regex(&format!("(.*)k{n}(.*)x")).unwrap());
        let of_regexes = Automaton::new([glob("**")].into_iter().chain(regexes).collect::<Vec<_>>().iter()).unwrap();
        assert_eq!(of_regexes.apart.len(), 40);
        assert_eq!(of_regexes.matches("ak7bk31.x").collect::<Vec<_>>(), [0, 4, 8, 32]);
        assert_eq!(automaton.matches("ak7bk31.x").collect::<Vec<_>>(), [0, 4, 8, 32, 41]);
        assert_eq!(automaton.matches("k.x").collect::<Vec<_>>(), [0]);
        assert!(automaton.is_match("k0.x"));
    }

    #[test]
    fn examples_of_a_glob_show_which_globs_cover_it() {
        for (wide, narrow, covers) in [
            ("a.*", "a.b", true),
            ("a.*", "a.b*", true),
            ("a.*", "a.*", true),
            ("a.b*", "a.*", false),
            ("a*c", "a*bc", true),
            ("a*x*c", "ax*c", true),
            ("a.*", "a.**", false),
            ("a.*.*", "a.**", false),
            ("a.**", "a.**", true),
            ("a.**", "a.b.**", true),
            ("a.b.**", "a.**", false),
            ("**", "a.**", true),
            ("**", "**", true),
            ("*", "**", false),
            ("*.*", "a.b.c", false),
        ] {
            let examples = match glob(narrow) {
                NamePattern::Glob(glob) => glob.examples(),
                NamePattern::Regex(_) => unreachable!(),
            };
            let found = examples.iter().all(|example| glob(wide).captures(example).is_some());
            assert_eq!(found, covers, "{wide} over {narrow}");
        }
    }
}
