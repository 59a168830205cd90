//! Regexes with several gaps: parts such as `.*` that may take any length of a name.
//!
//! In `.*a.*b`, the second gap may begin at each `a`. An automaton over many such regexes has a state for each combination
//! of those whose first text has been seen, as for globs with two `*` in a part.

use regex_syntax::hir::{Class, Hir, HirKind};

/// What the expression of a whole regex says about the names that it matches.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// The gap that may still go on.
    open: Option<Gap>,
    is_combinatorial: bool,
    /// The longest text that every name has that matches.
    longest_text: String,
}

/// What a gap may take.
#[derive(Debug)]
enum Gap {
    Anything,
    Class(Class),
}

impl Gap {
    /// Whether the gap may take a character.
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Anything => true,
            Self::Class(Class::Unicode(class)) => class.iter().any(|range| (range.start()..=range.end()).contains(&c)),
            Self::Class(Class::Bytes(class)) => {
                u8::try_from(c).is_ok_and(|b| class.iter().any(|range| (range.start()..=range.end()).contains(&b)))
            }
        }
    }
}

impl Gaps {
    /// Looks at a regex that compiles.
    pub(super) fn of(regex: &str) -> Self {
        let mut gaps = Self::default();
        if let Ok(hir) = regex_syntax::parse(regex) {
            gaps.walk(&hir);
        }
        gaps
    }

    /// Whether a gap may begin at several places of a name, because it follows another gap that may go on.
    pub(super) fn is_combinatorial(&self) -> bool {
        self.is_combinatorial
    }

    /// The longest text that is known to be in every name that matches; it may be empty.
    pub(super) fn longest_text(self) -> String {
        self.longest_text
    }

    fn walk(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.walk(part)),
            HirKind::Capture(capture) => self.walk(&capture.sub),
            HirKind::Literal(literal) => self.text(&String::from_utf8_lossy(&literal.0)),
            // One character of several ends a gap that takes none of them; any other may go on.
            HirKind::Class(class) => {
                if self.open.as_ref().is_some_and(|open| !overlap(open, class)) {
                    self.open = None;
                }
            }
            HirKind::Repetition(repetition) if repetition.max.is_none() => {
                let gap = match inner(&repetition.sub).kind() {
                    HirKind::Class(class) => Gap::Class(class.clone()),
                    _ => Gap::Anything,
                };
                self.is_combinatorial |= self.open.is_some() && gap.is_wide();
                self.open = gap.is_wide().then_some(gap).or(self.open.take());
            }
            // It may take part in a match or not, so a gap before it may go on.
            HirKind::Repetition(_) | HirKind::Alternation(_) => {}
        }
    }

    /// A text that is in every match.
    fn text(&mut self, text: &str) {
        if self.open.as_ref().is_some_and(|open| !text.chars().all(|c| open.takes(c))) {
            self.open = None;
        }
        if text.len() > self.longest_text.len() {
            text.clone_into(&mut self.longest_text);
        }
    }
}

impl Gap {
    /// Whether it takes letters, of which texts between gaps consist; a gap of digits is seldom followed by one.
    fn is_wide(&self) -> bool {
        ('a'..='z').all(|c| self.takes(c))
    }
}

/// Whether a gap takes a character of the class.
fn overlap(gap: &Gap, class: &Class) -> bool {
    match (gap, class) {
        (Gap::Class(Class::Unicode(gap)), Class::Unicode(class)) => {
            let mut both = gap.clone();
            both.intersect(class);
            both.iter().next().is_some()
        }
        _ => true,
    }
}

/// The expression without the captures around it.
fn inner(hir: &Hir) -> &Hir {
    match hir.kind() {
        HirKind::Capture(capture) => inner(&capture.sub),
        _ => hir,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_that_follow_each_other_are_found() {
        for (regex, is_combinatorial, longest_text) in [
            ("a", false, "a"),
            ("a.*", false, "a"),
            (".*", false, ""),
            (".*foo", false, "foo"),
            (".*foo.*", true, "foo"),
            (r"(.*)\.timer\.(.+)", true, ".timer."),
            (r"([a-z]+)\.(\w+)\.op1\.(ok|failed)", false, ".op1."),
            (r"([^.]+)\.jobs\.([^.]+)", false, ".jobs."),
            (r"[^.]*jobs[^.]*", true, "jobs"),
            (r"[^.]*jobs\d+\.x", false, "jobs"),
            (r"\w+_\w+", true, "_"),
            (r"(.*)(x|y)(.*)", true, ""),
            (r"(a.*)+b", false, "b"),
            (r"(?P<x>.*)\d(.*)", true, ""),
            (r"([a-z]*)\d([a-z]*)", false, ""),
            ("a(b)?c{2}d", false, "a"),
        ] {
            let gaps = Gaps::of(&format!(r"\A(?:{regex})\z"));
            assert_eq!((gaps.is_combinatorial(), &*gaps.longest_text()), (is_combinatorial, longest_text), "{regex}");
        }
    }
}
