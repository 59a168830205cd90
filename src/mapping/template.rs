//! Templates with captures such as `$1`, for names and label values.

use super::names::{self, NamePart};
use super::pattern::NamePattern;
use crate::config::Naming;

/// A compiled template.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CaptureTemplate(Vec<TemplatePart>);

#[derive(Clone, Debug, PartialEq)]
enum TemplatePart {
    Text(String),
    /// The text of a `*` or a group, by its number; 0 is the whole name.
    Capture(usize),
}

impl CaptureTemplate {
    /// Compiles `text`. `$1` and `${1}` mean the first capture of `pattern`, `$0` the whole name, `$name` and `${name}` a
    /// named group, and `$$` a dollar sign. The error says how to correct the text.
    pub(super) fn new(text: &str, pattern: &NamePattern) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            push_text(&mut pieces, before);
            if let Some(after) = after.strip_prefix('$') {
                push_text(&mut pieces, "$");
                rest = after;
                continue;
            }
            let (name, after) = reference(after, pattern).ok_or_else(|| match pattern {
                NamePattern::Glob(_) => {
                    format!("in {text:?}, a $ needs a number after it, as in $1 or ${{1}}; write $$ for a dollar sign")
                }
                NamePattern::Regex(_) => format!(
                    "in {text:?}, a $ needs a number or a name after it, as in $1, ${{1}} or $name; write $$ for a \
                     dollar sign"
                ),
            })?;
            match pattern.group(name) {
                Some(number) => pieces.push(TemplatePart::Capture(number)),
                None => return Err(format!("in {text:?}, {}", no_group(name, pattern))),
            }
            rest = after;
        }
        push_text(&mut pieces, rest);
        Ok(Self(pieces))
    }

    /// Whether the text is the same for every match.
    pub(super) fn is_literal(&self) -> bool {
        !self.0.iter().any(|piece| matches!(piece, TemplatePart::Capture(_)))
    }

    /// The text with a letter for each capture. It is a valid name if the literal parts are valid.
    pub(super) fn example(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            TemplatePart::Text(text) => text.as_str(),
            TemplatePart::Capture(_) => "x",
        });
        pieces.collect()
    }

    /// The literal text behind the last capture.
    pub(super) fn literal_end(&self) -> &str {
        match self.0.last() {
            Some(TemplatePart::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether a literal part contains `c`.
    pub(super) fn has_literal(&self, c: char) -> bool {
        self.0.iter().any(|piece| matches!(piece, TemplatePart::Text(text) if text.contains(c)))
    }

    /// A regex for the whole text; `capture` gives one for each capture.
    pub(super) fn to_regex(&self, capture: impl Fn(usize) -> String) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            TemplatePart::Text(text) => regex::escape(text),
            TemplatePart::Capture(number) => format!("(?:{})", capture(*number)),
        });
        format!(r"\A{}\z", pieces.collect::<String>())
    }

    /// The name of the metric for one match. Captured text is made legal.
    pub(super) fn name(&self, captures: &[&str], naming: Naming) -> String {
        names::join(self.parts(captures), naming)
    }

    /// The text for one match. `captures` begins with the whole name.
    pub(super) fn expand(&self, captures: &[&str]) -> String {
        self.parts(captures).map(|(NamePart::Literal(text) | NamePart::Captured(text))| text).collect()
    }

    fn parts<'t>(&'t self, captures: &'t [&str]) -> impl Iterator<Item = NamePart<'t>> {
        self.0.iter().map(|piece| match piece {
            TemplatePart::Text(text) => NamePart::Literal(text),
            TemplatePart::Capture(number) => NamePart::Captured(captures.get(*number).copied().unwrap_or_default()),
        })
    }
}

/// Adds literal text, and merges it with a literal text before it.
fn push_text(pieces: &mut Vec<TemplatePart>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(TemplatePart::Text(last)) => last.push_str(text),
        _ => pieces.push(TemplatePart::Text(text.to_owned())),
    }
}

/// Reads the reference after a `$`: a number or, for a regex, a name. Returns it with the rest of the text. Without
/// braces, a name is as long as possible, as in the regex crate.
fn reference<'t>(text: &'t str, pattern: &NamePattern) -> Option<(&'t str, &'t str)> {
    let is_part = |b: &u8| match pattern {
        NamePattern::Glob(_) => b.is_ascii_digit(),
        NamePattern::Regex(_) => b.is_ascii_alphanumeric() || *b == b'_',
    };
    let (name, after) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => text.split_at_checked(text.bytes().take_while(|b| is_part(b)).count())?,
    };
    (!name.is_empty() && name.bytes().all(|b| is_part(&b))).then_some((name, after))
}

/// Why `$name` is not a capture of the pattern.
fn no_group(name: &str, pattern: &NamePattern) -> String {
    let behind = name.trim_start_matches(|c: char| c.is_ascii_digit());
    match name.strip_suffix(behind) {
        _ if behind.is_empty() => {
            format!("${name} does not exist: the number of captures is {}", pattern.groups())
        }
        Some(number) if !number.is_empty() => {
            format!(
                "${name} is the group {name}, which the regex lacks; write ${{{number}}}{behind} for group {number}"
            )
        }
        _ => {
            format!(
                "${name} is the group {name}, which the regex lacks; write a shorter name in braces, as in ${{name}}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Spanned};

    fn glob() -> NamePattern {
        NamePattern::new(&config::RulePattern::Glob(Spanned::new(0..0, "a.*.*".to_owned()))).unwrap()
    }

    fn regex() -> NamePattern {
        NamePattern::new(&config::RulePattern::Regex(Spanned::new(0..0, r"a\.(?P<svc>.*)\.(.*)".to_owned()))).unwrap()
    }

    #[test]
    fn templates_expand() {
        let captures = ["a.b.c", "b", "c"];
        for (template, expected) in [
            ("x", "x"),
            ("$1", "b"),
            ("${1}_x", "b_x"),
            ("$1$2", "bc"),
            ("$1-$2", "b-c"),
            ("$0", "a.b.c"),
            ("100%$$", "100%$"),
            ("$$1", "$1"),
            ("", ""),
        ] {
            for pattern in [glob(), regex()] {
                let compiled = CaptureTemplate::new(template, &pattern).unwrap();
                assert_eq!(compiled.expand(&captures), expected, "{template}");
                assert_eq!(compiled.is_literal(), template.replace("$$", "").find('$').is_none(), "{template}");
            }
        }
        assert_eq!(CaptureTemplate::new("$1_x", &glob()).unwrap().expand(&captures), "b_x");
        assert_eq!(CaptureTemplate::new("$svc-${svc}_$2", &regex()).unwrap().expand(&captures), "b-b_c");
    }

    #[test]
    fn invalid_templates() {
        for bad in ["$", "${1", "${}", "${x}", "$x", "$3", "$99999999999999999999", "${-1}", "${1 }", "$é"] {
            for pattern in [glob(), regex()] {
                assert!(CaptureTemplate::new(bad, &pattern).is_err(), "{bad}");
            }
        }
        assert!(CaptureTemplate::new("$svc", &glob()).is_err());
        for (bad, expected) in [
            ("$1_x", "in \"$1_x\", $1_x is the group 1_x, which the regex lacks; write ${1}_x for group 1"),
            ("$3", "in \"$3\", $3 does not exist: the number of captures is 2"),
            (
                "$svc_x",
                "in \"$svc_x\", $svc_x is the group svc_x, which the regex lacks; write a shorter name in braces, as \
                 in ${name}",
            ),
            (
                "$",
                "in \"$\", a $ needs a number or a name after it, as in $1, ${1} or $name; write $$ for a dollar sign",
            ),
        ] {
            assert_eq!(CaptureTemplate::new(bad, &regex()).unwrap_err(), expected);
        }
    }
}
