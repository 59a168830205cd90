//! One table of the file: hands out the keys that are known and reports those that are not.
//!
//! Every reader takes an [`Item`] and gives `None` once it has reported what is wrong, so that the caller keeps the
//! default and goes on: one run shows everything. What a key means is for the callers.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::syntax::{Broken, until_header};
use crate::config::diagnostic::{Diagnostic, quoted};

/// What was found so far.
pub(super) struct Problems {
    found: RefCell<Vec<Diagnostic>>,
    broken: Broken,
}

impl Problems {
    /// Starts with what is wrong with the TOML, and where that is.
    pub(super) fn new(found: Vec<Diagnostic>, broken: Broken) -> Self {
        Self { found: RefCell::new(found), broken }
    }

    /// Adds an error, except at a place where the TOML itself is wrong: it would only follow from that.
    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) {
        if !self.broken.touches(&span) {
            self.found.borrow_mut().push(Diagnostic::error(span, message));
        }
    }

    /// Adds, at `span`, that something is missing, except where it may be in a part of `whole` that cannot be read.
    fn missing(&self, span: Range<usize>, whole: &Range<usize>, message: String) {
        if !self.broken.touches(whole) {
            self.error(span, message);
        }
    }

    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }
}

/// A value on its way into the config.
pub(super) struct Item<'a> {
    /// What messages call it: `"max_line"`, `label "team"`, `a bucket`.
    pub(super) name: String,
    pub(super) value: &'a Spanned<DeValue<'a>>,
    pub(super) problems: &'a Problems,
}

impl<'a> Item<'a> {
    /// A value within this one.
    pub(super) fn inner(&self, name: impl Into<String>, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { name: name.into(), value, problems: self.problems }
    }

    /// Reports `message` about this value.
    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problems.error(self.value.span(), message);
        None
    }

    /// Reports that this should have been `right` and is `found`.
    pub(super) fn must_be<T>(&self, right: &str, found: &str) -> Option<T> {
        self.fail(format!("{} must be {right}, not {found}", self.name))
    }

    /// Reports that this should have been `right` and is not even of that type.
    pub(super) fn wrong_type<T>(&self, right: &str) -> Option<T> {
        self.must_be(
            right,
            match self.value.get_ref() {
                DeValue::String(_) => "text",
                DeValue::Integer(_) => "an integer",
                DeValue::Float(_) => "a float",
                DeValue::Boolean(_) => "a boolean",
                DeValue::Datetime(_) => "a date or time",
                DeValue::Array(_) => "a list",
                DeValue::Table(_) => "a table",
            },
        )
    }

    /// The elements of this list, each called `name`.
    pub(super) fn elements(&self, name: &str, right: &str) -> Option<impl Iterator<Item = Self> + use<'a>> {
        let Some(elements) = self.value.get_ref().as_array() else {
            return self.wrong_type(right);
        };
        let (name, problems) = (name.to_owned(), self.problems);
        Some(elements.iter().map(move |value| Self { name: name.clone(), value, problems }))
    }

    /// The tables of this list as sections `title`, each with the end of its lines in `source`; each is called `name`.
    pub(super) fn tables(&self, name: &str, title: &'static str, source: &str) -> Option<Vec<(Section<'a>, usize)>> {
        let items: Vec<_> = self.elements(name, &format!("a list of tables, each written {title}"))?.collect();
        let nexts = items.iter().skip(1).map(|next| next.value.span().start).chain([source.len()]);
        let sections = items.iter().zip(nexts).filter_map(|(item, next)| {
            let start = item.value.span().start;
            let lines = source.get(start..next).map_or(0, until_header);
            Some((item.section(title)?, start + lines))
        });
        Some(sections.collect())
    }

    /// This table as the section `title`.
    pub(super) fn section(&self, title: &'static str) -> Option<Section<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Some(Section::new(table, Some(title), self.value.span(), self.problems)),
            _ => self.wrong_type(&format!("a table, written {title}")),
        }
    }
}

/// A table of which every key must be known.
pub(super) struct Section<'a> {
    table: &'a DeTable<'a>,
    /// Its header; `None` at the top of the file, where the keys are tables.
    title: Option<&'static str>,
    span: Range<usize>,
    problems: &'a Problems,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The file as a whole.
    pub(super) fn top(table: &'a DeTable<'a>, problems: &'a Problems) -> Self {
        Self::new(table, None, 0..0, problems)
    }

    fn new(table: &'a DeTable<'a>, title: Option<&'static str>, span: Range<usize>, problems: &'a Problems) -> Self {
        Self { table, title, span, problems, known: Vec::new() }
    }

    /// The value of `key` as `read` takes it; `None` if there is none or it is wrong.
    pub(super) fn read<T>(&mut self, key: &'static str, read: impl FnOnce(Item<'a>) -> Option<T>) -> Option<T> {
        self.known.push(key);
        let value = self.table.get(key)?;
        read(Item { name: format!("{key:?}"), value, problems: self.problems })
    }

    /// Whether `key` is there, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reports that `key` is missing, if it is; the section's lines end at `end` at the latest.
    pub(super) fn require(&self, key: &str, end: usize, right: &str) {
        if !self.has(key) {
            let title = self.title.unwrap_or_default();
            let message = format!("{key:?} is missing in {title}; {right}");
            self.problems.missing(self.span.clone(), &(self.span.start..end), message);
        }
    }

    /// Reports `key`, if it is there, and `why` it should not be.
    pub(super) fn forbid(&self, key: &str, why: &str) {
        if let Some((key, _)) = self.table.get_key_value(key) {
            self.problems.error(key.span(), format!("{:?} {why}", key.get_ref()));
        }
    }

    /// Reports each known key that is there and not `allowed`, and `why` it should not be.
    pub(super) fn forbid_but(&self, allowed: &[&str], why: &str) {
        for key in self.known.iter().filter(|key| !allowed.contains(key)) {
            self.forbid(key, why);
        }
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&self) {
        for (key, value) in self.table {
            if !self.known.contains(&key.get_ref().as_ref()) {
                self.problems.error(key.span(), self.unknown(key.get_ref(), value.get_ref()));
            }
        }
    }

    fn unknown(&self, key: &str, value: &DeValue<'_>) -> String {
        let name = quoted(key);
        let what = match self.title {
            Some(title) => format!("unknown key {name} in {title}"),
            None if is_table(value) => format!("unknown table {name}"),
            None => format!("unknown key {name} outside of all tables"),
        };
        match closest(key, &self.known) {
            Some(close) => format!("{what}; did you mean {}?", self.written(close)),
            None => {
                let known: Vec<_> = self.known.iter().map(|key| self.written(key)).collect();
                format!("{what}; known are {}", known.join(", "))
            }
        }
    }

    /// A known key as the owner would write it here.
    fn written(&self, key: &str) -> String {
        match (self.title, key) {
            (Some(_), key) => format!("{key:?}"),
            (None, "metric" | "relay") => format!("[[{key}]]"),
            (None, table) => format!("[{table}]"),
        }
    }
}

fn is_table(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => true,
        DeValue::Array(elements) => elements.iter().any(|element| element.get_ref().is_table()),
        _ => false,
    }
}

/// The known key that `key` is likely to be a slip of: at most every third character differs.
fn closest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    // No known key is nearly as long, and the distance of a hostile one would take its time.
    if key.len() > 40 {
        return None;
    }
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&key.to_lowercase(), known), *known))
        .filter(|(distance, known)| distance * 3 <= known.len().max(key.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
