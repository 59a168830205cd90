//! A value in a file of settings, a setting with the name that messages use, and tables of settings of which every key
//! must be known.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;

use super::problems::Problems;
use crate::config::diagnostic::quoted;

/// A value and its place, in the language of the file.
pub(crate) trait Node: Sized {
    /// The bytes of the file that hold the value.
    fn span(&self) -> Range<usize>;

    /// The value as a message shows it: as it is written, or `a list` or `a table`.
    fn shown(&self) -> String;

    /// Whether the value counts as absent.
    fn is_null(&self) -> bool {
        false
    }

    /// The value as text.
    fn text(&self) -> Option<&str>;

    /// The value as `true` or `false`.
    fn boolean(&self) -> Option<bool>;

    /// The value as a number of any kind, infinities and NaN included.
    fn number(&self) -> Option<f64>;

    /// The elements of a list.
    fn list(&self) -> Option<impl Iterator<Item = &Self>>;

    /// The keys and values of a table, each key once.
    fn table(&self) -> Option<impl Iterator<Item = (Spanned<&str>, &Self)>>;
}

/// A value that is about to be read.
pub(crate) struct Setting<'a, N> {
    /// Its name in messages: `"max_line"`, `label "team"`, `a bucket`.
    pub(crate) name: Cow<'static, str>,
    pub(crate) value: &'a N,
    pub(crate) problems: &'a Problems,
}

impl<'a, N: Node> Setting<'a, N> {
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, value: &'a N, problems: &'a Problems) -> Self {
        Self { name: name.into(), value, problems }
    }

    /// Reports `message` about this value.
    pub(crate) fn fail<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problems.error(self.value.span(), message);
        None
    }

    /// Reports what this value must be.
    pub(crate) fn must_be<T>(&self, right: &str) -> Option<T> {
        self.fail(format!("{} must be {right}, not {}", self.name, self.value.shown()))
    }

    /// The elements of this list, each with the name `name`; `right` describes such a list.
    pub(crate) fn elements<S: Into<Cow<'static, str>>>(
        &self,
        name: S,
        right: &str,
    ) -> Option<impl Iterator<Item = Self> + use<'a, N, S>> {
        let Some(elements) = self.value.list() else {
            return self.must_be(right);
        };
        let (name, problems) = (name.into(), self.problems);
        Some(elements.map(move |value| Self { name: name.clone(), value, problems }))
    }

    /// This table of settings; `place` follows after the name of an unknown key in messages.
    pub(crate) fn table(&self, place: impl Into<String>, right: &str) -> Option<Table<'a, N>> {
        let Some(entries) = self.value.table() else {
            return self.must_be(right);
        };
        let (entries, span) = (entries.collect(), self.value.span());
        Some(Table { entries, place: place.into(), whole: span.clone(), span, problems: self.problems, known: vec![] })
    }
}

/// A table of settings.
pub(crate) struct Table<'a, N> {
    entries: Vec<(Spanned<&'a str>, &'a N)>,
    place: String,
    span: Range<usize>,
    /// The lines of the table, as far as a syntax error in them can hide one of its keys.
    pub(crate) whole: Range<usize>,
    problems: &'a Problems,
    known: Vec<&'static str>,
}

impl<'a, N: Node> Table<'a, N> {
    fn entry(&self, key: &str) -> Option<&(Spanned<&'a str>, &'a N)> {
        self.entries.iter().find(|(name, value)| *name.get_ref() == key && !value.is_null())
    }

    /// The setting `key`, if the table has it.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Setting<'a, N>> {
        self.known.push(key);
        let (_, value) = self.entry(key)?;
        Some(Setting::new(format!("{key:?}"), value, self.problems))
    }

    /// The value of `key`; `None` if the table lacks it or it is wrong.
    pub(crate) fn read<T>(&mut self, key: &'static str, read: impl FnOnce(&Setting<'a, N>) -> Option<T>) -> Option<T> {
        read(&self.get(key)?)
    }

    /// The value of `key`, or `default` if the table lacks it; `None` if it is wrong.
    pub(crate) fn read_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Setting<'a, N>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).map_or(Some(default), |setting| read(&setting))
    }

    /// Sets `target` to the value of `key`, unless the table lacks it or it is wrong.
    pub(crate) fn set<T>(
        &mut self,
        key: &'static str,
        target: &mut T,
        read: impl FnOnce(&Setting<'a, N>) -> Option<T>,
    ) {
        if let Some(value) = self.read(key, read) {
            *target = value;
        }
    }

    /// Whether the table has `key`, right or wrong.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Reports that `key` is missing, if it is; `remedy` says how to add it.
    pub(crate) fn require(&self, key: &str, remedy: &str) {
        if !self.has(key) && !self.problems.is_unparsed(&self.whole) {
            self.problems.error(self.span.clone(), format!("{key:?} is missing {}; {remedy}", self.place));
        }
    }

    /// Reports `key`, if the table has it; `why` says why it must not.
    pub(crate) fn forbid(&self, key: &str, why: &str) {
        if let Some((name, _)) = self.entry(key) {
            self.problems.error(name.span(), format!("{key:?} {why}"));
        }
    }

    /// Reports each known key that is not `allowed`; `why` says why the table must not have it.
    pub(crate) fn forbid_but(&self, allowed: &[&str], why: &str) {
        for key in self.known.iter().filter(|key| !allowed.contains(key)) {
            self.forbid(key, why);
        }
    }

    /// Reports every key that nothing has read.
    pub(crate) fn finish(&self) {
        self.unknown(|key, message| self.problems.error(key, message));
    }

    /// Warns of every key that nothing has read.
    pub(crate) fn finish_leniently(&self) {
        self.unknown(|key, message| self.problems.warning(key, message));
    }

    fn unknown(&self, report: impl Fn(Range<usize>, String)) {
        for (key, _) in self.entries.iter().filter(|(key, _)| !self.known.contains(key.get_ref())) {
            let hint = match closest(key.get_ref(), &self.known) {
                Some(close) => format!("did you mean {close:?}?"),
                None => {
                    let known: Vec<_> = self.known.iter().map(|key| format!("{key:?}")).collect();
                    format!("known are {}", known.join(", "))
                }
            };
            report(key.span(), format!("unknown key {} {}; {hint}", quoted(key.get_ref()), self.place));
        }
    }
}

/// The known key that `key` is probably a misspelling of: at most every third character differs.
pub(crate) fn closest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    // The distance takes quadratic time, and no known key is nearly as long.
    if key.len() > 40 {
        return None;
    }
    let key = key.to_lowercase();
    let distances = known.iter().map(|known| (strsim::damerau_levenshtein(&key, known), *known));
    let close = distances.filter(|(distance, known)| distance * 3 <= known.len().max(key.len()));
    close.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}
