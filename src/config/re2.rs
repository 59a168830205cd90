//! Translates regexes of RE2 (and of Go, which has the same syntax) into the syntax of the `regex` crate.
//!
//! Most regexes mean the same in both. Three parts need a translation: bracket classes, in which RE2 takes most
//! characters literally while the crate nests classes; octal escapes; and `\Q...\E`.
//!
//! Source: <https://github.com/google/re2/wiki/Syntax>.

use std::str::Chars;

/// `text` in the common syntax of both. A regex that RE2 rejects stays one that the crate rejects.
pub(crate) fn in_common(text: &str) -> String {
    translate(text, |_| None)
}

/// `text` in the syntax of the crate. Classes such as `\d` are ASCII, as in RE2, because the Unicode classes of the crate
/// take a hundred times the memory.
pub(crate) fn for_crate(text: &str) -> String {
    translate(text, |escaped| {
        Some(match escaped {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            's' => r"[\t\n\f\r\x20]",
            'S' => r"[^\t\n\f\r\x20]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            'b' => r"(?-u:\b)",
            'B' => r"(?-u:\B)",
            _ => return None,
        })
    })
}

/// Translates `text`; `class` has the class or the boundary that replaces an escape.
fn translate(text: &str, class: fn(char) -> Option<&'static str>) -> String {
    let mut regex = Translator { out: String::with_capacity(text.len()), rest: text.chars(), class };
    while let Some(c) = regex.rest.next() {
        match c {
            '\\' if regex.take("Q") => regex.quoted(),
            '\\' => regex.escape(),
            '[' => regex.class(),
            c => regex.out.push(c),
        }
    }
    regex.out
}

struct Translator<'t> {
    out: String,
    rest: Chars<'t>,
    class: fn(char) -> Option<&'static str>,
}

impl Translator<'_> {
    /// Skips `text`, if the rest begins with it.
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.as_str().strip_prefix(text);
        rest.inspect(|rest| self.rest = rest.chars()).is_some()
    }

    /// Literal text up to `\E`.
    fn quoted(&mut self) {
        let rest = self.rest.as_str();
        let (text, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
        self.out += &regex_syntax::escape(text);
        self.rest = rest.chars();
    }

    /// The escape after a `\`.
    fn escape(&mut self) {
        let rest = self.rest.as_str();
        let digits = rest.bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
        // A single digit other than 0 would be a backreference, which both reject.
        let octal = rest.get(..digits).filter(|_| digits > 1 || rest.starts_with('0'));
        if let Some(code) = octal.and_then(|octal| u32::from_str_radix(octal, 8).ok()) {
            self.out += &format!("\\x{{{code:02X}}}");
            self.rest = rest.get(digits..).unwrap_or_default().chars();
            return;
        }
        match self.rest.next() {
            // The crate reads `\<` and `\>` as word boundaries, RE2 as the characters.
            Some(c @ ('<' | '>')) => self.out.push(c),
            next => match next.and_then(self.class) {
                Some(class) => self.out += class,
                None => self.out.extend(['\\'].into_iter().chain(next)),
            },
        }
    }

    /// A bracket class, from after its `[` to its `]`.
    fn class(&mut self) {
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut is_first = true;
        while let Some(c) = self.rest.next() {
            match c {
                ']' if !is_first => return self.out.push(']'),
                '[' if self.rest.as_str().starts_with(':') && self.rest.as_str().contains(":]") => {
                    let (name, rest) = self.rest.as_str().split_once(":]").unwrap_or_default();
                    self.out += &format!("[{name}:]");
                    self.rest = rest.chars();
                }
                '\\' if self.rest.as_str().starts_with(['d', 'D', 's', 'S', 'w', 'W', 'p', 'P']) => self.class_escape(),
                c => self.range(c, is_first),
            }
            is_first = false;
        }
    }

    /// `\d`, `\pL` or `\p{Greek}`, from after its `\`.
    fn class_escape(&mut self) {
        self.escape();
        if self.out.ends_with(['p', 'P']) {
            let name = self.rest.by_ref().next();
            self.out.extend(name);
            while name == Some('{') && !self.out.ends_with('}') {
                let Some(c) = self.rest.next() else { return };
                self.out.push(c);
            }
        }
    }

    /// A character of a class that begins with `c`, or a range of characters.
    fn range(&mut self, c: char, is_first: bool) {
        let rest = self.rest.as_str();
        // A `-` at an end of the class is literal in both.
        if c == '-' && (rest.starts_with(']') || is_first && !rest.starts_with('-')) {
            return self.out.push(c);
        }
        self.character(c);
        let after = self.rest.as_str().strip_prefix('-');
        if after.is_some_and(|after| !after.is_empty() && !after.starts_with(']')) {
            self.rest.next();
            self.out.push('-');
            let end = self.rest.next();
            end.into_iter().for_each(|end| self.character(end));
        }
    }

    fn character(&mut self, c: char) {
        match c {
            '\\' => return self.escape(),
            '-' | '[' | ']' => self.out.push('\\'),
            // `&&` and `~~` are operators of the crate.
            '&' | '~' if self.rest.as_str().starts_with(c) => self.out.push('\\'),
            _ => {}
        }
        self.out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regexes_with_one_meaning_are_unchanged() {
        for text in [
            "",
            r"^app\.(\w+)\.[a-z-]$",
            r"[\w.-]+[-a][^-a]",
            r"[^a-z\d]|[[:alpha:]_][[:^digit:]]",
            r"\pL[\p{Greek}\PN]\x{41}\x41",
            r"(?i)(?P<x>a{1,2}?)\b",
            r"[\]\[\-\\]",
            "[é-ü]",
            // Both reject these.
            r"(a)\1",
            "[a",
            "a\\",
            "[\\",
            "[[:x:]]",
            r"\p{",
        ] {
            assert_eq!(in_common(text), text);
        }
    }

    /// A regex, its translation, a text that it matches as a whole, and one that it does not match.
    #[test]
    fn syntax_of_re2_is_translated() {
        for (text, expected, matching, other) in [
            (r"[\w-.]+", r"[\w\-.]+", "a-.", "a/"),
            (r"[a-z-9]+", r"[a-z\-9]+", "q-9", "8"),
            (r"[\pL-z]+", r"[\pL\-z]+", "é-z", "1"),
            (r"[\p{Greek}-z]+", r"[\p{Greek}\-z]+", "α-z", "y"),
            ("[^[]", r"[^\[]", "]", "["),
            ("[[a]+", r"[\[a]+", "[a", "]"),
            ("[]a]+", r"[\]a]+", "]a", "["),
            ("[]-a]+", r"[\]-a]+", "^a", "b"),
            ("[a&&b]+", r"[a\&&b]+", "a&b", "c"),
            ("[+--]+", r"[+-\-]+", "+,-", "."),
            ("[--/]+", r"[\--/]+", "-./", "0"),
            ("[a~~b]+", r"[a\~~b]+", "~", "c"),
            (r"a\056b", r"a\x{2E}b", "a.b", "axb"),
            (r"[\101-\103]+", r"[\x{41}-\x{43}]+", "ABC", "D"),
            (r"\12|\0|\1011", r"\x{0A}|\x{00}|\x{41}1", "A1", "A"),
            (r"\Qa.b\E+", r"a\.b+", "a.bb", "axb"),
            (r"\Q[(", r"\[\(", "[(", "["),
            (r"\<[\>]", "<[>]", "<>", "<"),
        ] {
            assert_eq!(in_common(text), expected);
            let regex = regex::Regex::new(&format!("^(?:{expected})$")).unwrap();
            assert!(regex.is_match(matching) && !regex.is_match(other), "{text}");
        }
    }
}
