//! What a key of a mapping file may be set to: one reader for each kind of value.
//!
//! A reader gives `None` once it has reported what is wrong, so that the rest is judged too.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::yaml::{Entry, Node, Value};
use crate::config::diagnostic::{Diagnostic, quoted};

/// More findings than this help nobody, and a hostile file could ask for millions.
const MOST_PROBLEMS: usize = 1000;

/// What was found so far: start, end and message. It is a set, as what an alias repeats is wrong once.
#[derive(Default)]
pub(super) struct Problems(RefCell<BTreeSet<(usize, usize, String)>>);

impl Problems {
    pub(super) fn error(&self, span: &Range<usize>, message: impl Into<String>) {
        let mut found = self.0.borrow_mut();
        if found.len() < MOST_PROBLEMS {
            found.insert((span.start, span.end, message.into()));
        }
    }

    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        self.0.into_inner().into_iter().map(|(start, end, message)| Diagnostic::error(start..end, message)).collect()
    }
}

/// A value that somebody asked for.
#[derive(Clone)]
pub(super) struct Item<'a> {
    /// What messages call it: `"ttl"`, `label "team"`, `a bucket`.
    pub(super) name: String,
    pub(super) node: &'a Node,
    pub(super) problems: &'a Problems,
}

impl<'a> Item<'a> {
    pub(super) fn new(name: impl Into<String>, node: &'a Node, problems: &'a Problems) -> Self {
        Self { name: name.into(), node, problems }
    }

    /// Reports `message` about this value.
    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problems.error(&self.node.span, message);
        None
    }

    /// Reports that this should have been `right`.
    pub(super) fn must_be<T>(&self, right: &str) -> Option<T> {
        let found = match &self.node.value {
            Value::Scalar { text, plain: true } => quoted(text).trim_matches('"').to_owned(),
            Value::Scalar { text, .. } => quoted(text),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        };
        self.fail(format!("{} must be {right}, not {found}", self.name))
    }

    /// Text of any kind: a number is text too where text is asked for.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.node.text().or_else(|| self.must_be("text"))
    }

    /// Text that is no quoted text.
    fn plain(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.plain().map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "yes" | "on" | "y") => Some(true),
            Some("false" | "no" | "off" | "n") => Some(false),
            _ => self.must_be("true or false"),
        }
    }

    /// A number, which may be infinite or none.
    pub(super) fn number(&self) -> Option<f64> {
        self.plain().and_then(number).or_else(|| self.must_be("a number"))
    }

    /// One of a few words; nothing is the first of them.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()).collect();
            self.must_be(&words.join(" or "))
        })
    }

    /// A time as Go writes it, `1m20s`. A number without a unit is nanoseconds, which nobody means; but 0 is 0.
    pub(super) fn duration(&self) -> Option<Duration> {
        let text = self.text()?;
        if self.plain().and_then(number).is_some_and(|number| number != 0.0) {
            return self
                .fail(format!("{} has no unit, so it would be nanoseconds; write {text}s for seconds", self.name));
        }
        duration(text).or_else(|| self.must_be("a time such as 1m20s, with the units h, m, s, ms, us and ns"))
    }

    /// The elements of a list, each called `name`.
    pub(super) fn list(&self, name: &'a str) -> Option<impl Iterator<Item = Item<'a>> + use<'a>> {
        let problems = self.problems;
        match &self.node.value {
            Value::List(nodes) => Some(nodes.iter().map(move |node| Item::new(name, node, problems))),
            _ => self.must_be("a list"),
        }
    }

    /// The entries of a table.
    pub(super) fn entries(&self) -> Option<&'a [Entry]> {
        match &self.node.value {
            Value::Table(entries) => Some(entries),
            _ => self.must_be("a table"),
        }
    }

    /// A table of which every key must be known.
    pub(super) fn section(&self) -> Option<Section<'a>> {
        let entries = self.entries()?;
        Some(Section { entries, title: self.name.clone(), problems: self.problems, known: Vec::new() })
    }
}

/// A table of which every key must be known.
pub(super) struct Section<'a> {
    entries: &'a [Entry],
    title: String,
    problems: &'a Problems,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The value of `key`; `None` where it is not there or says nothing.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.known.push(key);
        let (_, node) = self.entries.iter().find(|(name, _)| name.text() == Some(key))?;
        (!node.is_null()).then(|| Item::new(format!("{key:?}"), node, self.problems))
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&self) {
        for (key, _) in self.entries {
            if let Some(name) = key.text().filter(|name| !self.known.contains(name)) {
                let known = self.known.join(", ");
                self.problems
                    .error(&key.span, format!("unknown key {} in {}; known are {known}", quoted(name), self.title));
            }
        }
    }
}

/// The elements of an optional list, each as `read` takes it; those that are wrong are left out.
pub(super) fn each<T>(
    list: Option<Item<'_>>,
    name: &'static str,
    read: impl Fn(&Item<'_>) -> Option<T>,
) -> Vec<(T, Range<usize>)> {
    let items = list.as_ref().and_then(|list| list.list(name)).into_iter().flatten();
    items.filter_map(|item| Some((read(&item)?, item.node.span.clone()))).collect()
}

/// The root of a file as an item.
pub(super) fn root<'a>(root: &'a Rc<Node>, problems: &'a Problems) -> Item<'a> {
    Item::new("a mapping file", root, problems)
}

/// A number as YAML 1.1 writes it.
fn number(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let digits = unsigned.replace('_', "");
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return u64::from_str_radix(hexadecimal, 16).ok().map(|value| sign * value as f64);
    }
    // What the parser of Rust takes beyond this is a word: `inf`, `nan`, `infinity`.
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.len() - unsigned.len() <= 1;
    is_number.then(|| digits.parse::<f64>().ok().map(|value| sign * value)).flatten()
}

/// A time as Go writes it: numbers with units, one after the other. It is not negative.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanoseconds: u64 = 0;
    while !rest.is_empty() {
        let number = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        rest = rest.get(number.len()..)?;
        let unit = rest.split(|c: char| c.is_ascii_digit() || c == '.').next()?;
        rest = rest.get(unit.len()..)?;
        let unit: f64 = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        // The longest time that Go knows is 2^63 nanoseconds; to the nanosecond they are not of interest.
        let part = number.parse::<f64>().ok()? * unit;
        nanoseconds = nanoseconds.checked_add((part < 9.2e18).then_some(part as u64)?)?;
    }
    text.ends_with(|c: char| c.is_alphabetic()).then_some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_yaml() {
        for (text, expected) in [
            ("5", Some(5.0)),
            ("-5", Some(-5.0)),
            ("+.5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1_000", Some(1000.0)),
            ("1e-6", Some(1e-6)),
            ("0x10", Some(16.0)),
            (".inf", Some(f64::INFINITY)),
            ("-.Inf", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("nan", None),
            ("--1", None),
            ("1s", None),
            ("", None),
            (".", None),
            ("0x", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
        assert!(number(".nan").is_some_and(f64::is_nan));
    }

    #[test]
    fn durations_are_those_of_go() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("1m20s", 80_000),
            ("+1h", 3_600_000),
            ("1.5s", 1500),
            (".5s", 500),
            ("1500us", 1),
            ("2µs", 0),
        ] {
            assert_eq!(duration(text).map(|time| time.as_millis()), Some(milliseconds), "{text}");
        }
        for text in ["", "+", "1", "1d", "-1s", "s", "1 s", "1s ", "1..5s", ".s", "1e3s", "9999999999h", "1S"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
