//! Globs over dotted names: `jobs.*.done`, `jobs.worker-*.done`, `jobs.**`.

/// A compiled glob.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Glob {
    parts: Vec<GlobPart>,
    /// Whether the glob ends in `**`, which matches one or more parts.
    rest: bool,
}

/// A glob for a part of a name, or for the value of a tag. It holds the texts between the `*`: `a*b` is `["a", "b"]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GlobPart(Vec<String>);

/// The most `*` of a glob, and so its most captures.
const MOST_STARS: usize = 64;

impl Glob {
    /// Compiles a glob. The error says what is wrong, and how to correct it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the glob is empty; write the dotted name, with * for a part of it".to_owned());
        }
        // A name may contain blanks and `|`, and the name of a service check also `:`.
        if text.contains('\n') {
            return Err(format!("the glob {text:?} contains a line break, which no name contains; leave it out"));
        }
        let stars = text.matches('*').count();
        if stars > MOST_STARS {
            let start: String = text.chars().take(20).collect();
            return Err(format!(
                "the glob {start:?}... has {stars} *, and {MOST_STARS} are the most; end it in .** or use a regex"
            ));
        }
        let (head, rest) = match text.strip_suffix("**") {
            Some("") => return Ok(Self { parts: Vec::new(), rest: true }),
            Some(head) => match head.strip_suffix('.') {
                Some(head) => (head, true),
                None => return Err(format!("in the glob {text:?}, ** must be a whole part: write a.** or a*")),
            },
            None => (text, false),
        };
        if head.contains("**") {
            return Err(format!("in the glob {text:?}, ** must come last, because it matches the rest of a name"));
        }
        if head.split('.').any(str::is_empty) {
            return Err(format!("the glob {text:?} has an empty part; remove the extra dot, or write * for the part"));
        }
        let parts = head.split('.').map(GlobPart::new).collect();
        Ok(Self { parts, rest })
    }

    /// How many texts a match captures, `$0` not counted.
    pub(super) fn captures(&self) -> usize {
        self.parts.iter().map(|part| part.0.len() - 1).sum::<usize>() + usize::from(self.rest)
    }

    /// Whether the capture with this number is that of `**`.
    pub(super) fn is_rest(&self, number: usize) -> bool {
        self.rest && number == self.captures()
    }

    /// The glob as a regex over UTF-8 bytes.
    pub(super) fn to_regex(&self) -> String {
        // Bytes instead of characters, because the automaton is smaller and both match the same names.
        self.as_regex("(?-u:[^.])*", "(?s-u:.)*")
    }

    /// The glob as a regex over characters.
    pub(super) fn to_text_regex(&self) -> String {
        self.as_regex("[^.]*", "(?s:.)*")
    }

    fn as_regex(&self, star: &str, rest: &str) -> String {
        let parts = self.parts.iter().map(|GlobPart(texts)| {
            let texts: Vec<_> = texts.iter().map(|text| regex::escape(text)).collect();
            texts.join(star)
        });
        let parts: Vec<_> = parts.chain(self.rest.then(|| rest.to_owned())).collect();
        format!(r"\A{}\z", parts.join(r"\."))
    }

    /// Whether the glob matches every name.
    pub(super) fn matches_all(&self) -> bool {
        self.rest && self.parts.is_empty()
    }

    /// Whether a part has two `*` or more. An automaton over many such globs has a state for each combination of those that
    /// have matched so far.
    pub(super) fn is_combinatorial(&self) -> bool {
        self.parts.iter().any(|part| part.0.len() > 2)
    }

    /// The longest text that every name has that matches.
    pub(super) fn longest_text(&self) -> &str {
        let texts = self.parts.iter().flat_map(|GlobPart(texts)| texts);
        texts.max_by_key(|text| text.len()).map_or("", String::as_str)
    }

    /// Names with this property: a glob that matches all of them matches every name that this glob matches.
    ///
    /// They are the glob itself with `*` as text, because no literal part of another glob can match a `*`: only its `*`
    /// does, and that matches any text. `**` is one part in one example and two parts in another.
    pub(super) fn examples(&self) -> Vec<String> {
        let parts: Vec<_> = self.parts.iter().map(|GlobPart(texts)| texts.join("*")).collect();
        let rests: &[&[&str]] = if self.rest { &[&["*"], &["*", "*"]] } else { &[&[]] };
        let example = |rest: &&[&str]| {
            let all: Vec<_> = parts.iter().map(String::as_str).chain(rest.iter().copied()).collect();
            all.join(".")
        };
        rests.iter().map(example).collect()
    }

    /// Matches a whole name. The captures are the name itself as `$0`, then the text of each `*` from left to right.
    pub(super) fn matches<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let mut captures = vec![name];
        self.capture(name, &mut captures).map(|()| captures)
    }

    /// The same, adding the text of each `*` to `captures`.
    pub(super) fn capture<'n>(&self, name: &'n str, captures: &mut Vec<&'n str>) -> Option<()> {
        let mut rest = Some(name);
        for part in &self.parts {
            let (text, after) = rest?.split_once('.').map_or((rest?, None), |(text, after)| (text, Some(after)));
            part.matches(text, captures)?;
            rest = after;
        }
        match (self.rest, rest) {
            (true, Some(rest)) => captures.push(rest),
            (false, None) => {}
            _ => return None,
        }
        Some(())
    }
}

impl GlobPart {
    /// Every text is a valid part. A `*` in it matches any text.
    pub(super) fn new(text: &str) -> Self {
        Self(text.split('*').map(str::to_owned).collect())
    }

    /// Whether the part matches the whole text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.matches(text, &mut Vec::new()).is_some()
    }

    /// Matches the whole text. Each `*` matches as little as possible.
    fn matches<'n>(&self, text: &'n str, captures: &mut Vec<&'n str>) -> Option<()> {
        let (first, others) = self.0.split_first()?;
        let mut rest = text.strip_prefix(first.as_str())?;
        let Some((last, middle)) = others.split_last() else {
            return rest.is_empty().then_some(());
        };
        for literal in middle {
            let (taken, after) = rest.split_once(literal.as_str())?;
            captures.push(taken);
            rest = after;
        }
        captures.push(rest.strip_suffix(last.as_str())?);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (glob, name, captures) in [
            ("a.b", "a.b", Some(vec![])),
            ("a.b", "a.b.c", None),
            ("a.b.c", "a.b", None),
            ("a.*", "a.b", Some(vec!["b"])),
            ("a.*", "a.b.c", None),
            ("a.*", "a", None),
            ("a.*", "a.", Some(vec![""])),
            ("*.*", "a.b", Some(vec!["a", "b"])),
            ("w-*.x", "w-12.x", Some(vec!["12"])),
            ("*-db.x", "main-db.x", Some(vec!["main"])),
            ("a*b.x", "ab.x", Some(vec![""])),
            ("a*b.x", "aXbXb.x", Some(vec!["XbX"])),
            ("a*b*c", "aXbYbZc", Some(vec!["X", "YbZ"])),
            ("a*b*c", "aXc", None),
            ("a*a", "a", None),
            ("**", "a.b.c", Some(vec!["a.b.c"])),
            ("a.**", "a.b.c", Some(vec!["b.c"])),
            ("a.**", "a", None),
            ("a.*.**", "a.b.c.d", Some(vec!["b", "c.d"])),
            ("é.*", "é.ü", Some(vec!["ü"])),
            ("a b.*", "a b.c d", Some(vec!["c d"])),
            ("a|b\t:*", "a|b\t:c", Some(vec!["c"])),
        ] {
            let glob = Glob::new(glob).unwrap();
            let expected = captures.map(|c| [vec![name], c].concat());
            assert_eq!(glob.matches(name), expected, "{glob:?} on {name}");
            if let Some(expected) = expected {
                assert_eq!(glob.captures() + 1, expected.len());
            }
        }
    }

    #[test]
    fn invalid_globs() {
        for bad in ["", "a..b", ".a", "a.", "a.**.b", "a**", "a\n", "a\nb.*", "**.a", "***", &"a*".repeat(65)] {
            assert!(Glob::new(bad).is_err(), "{bad}");
        }
    }
}
