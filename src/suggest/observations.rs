//! What was seen: the names of lines with their types, values and tags, in bounded memory.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::shortened;
use super::values::Values;
use crate::config::Dialects;
use crate::parse::tags::Tagged;
use crate::parse::{self, Group, Line, StatsdType};
use crate::reject::Reject;

/// How many names are kept, and how many bytes they have.
const NAMES: usize = 100_000;
const NAME_BYTES: usize = 32 << 20;

/// How many dots a name may have.
const PARTS: usize = 40;

/// How many keys of tags a name keeps, and how many values of each.
const KEYS: usize = 32;
const VALUES: usize = 128;

/// The longest line that is read, in bytes.
const LONGEST: usize = 1 << 16;

/// What lines have in them.
#[derive(Debug)]
pub struct Observations {
    dialects: Dialects,
    /// How many lines were read.
    pub(super) lines: u64,
    /// The names, with what each type of line under it has.
    pub(super) names: BTreeMap<String, BTreeMap<StatsdType, SeenLines>>,
    bytes: usize,
    /// How many samples have a name for which there was no room.
    pub(super) left_out: u64,
    /// How many lines or samples cannot be read, and the first of them.
    pub(super) unread: BTreeMap<Reject, (u64, String)>,
}

/// What the lines of one name and type have.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenLines {
    pub values: Values,
    /// The values of tags, by key.
    pub tags: BTreeMap<String, BTreeSet<String>>,
}

impl SeenLines {
    fn tag(&mut self, key: &str, value: &str) {
        if self.tags.len() >= KEYS && !self.tags.contains_key(key) {
            return;
        }
        if !self.tags.contains_key(key) {
            self.tags.insert(key.to_owned(), BTreeSet::new());
        }
        if let Some(values) = self.tags.get_mut(key)
            && values.len() < VALUES
            && !values.contains(value)
        {
            values.insert(shortened(value).into_owned());
        }
    }

    /// Adds what another name of the same metric has.
    pub(super) fn merge(&mut self, other: Self) {
        self.values.merge(&other.values);
        for (key, values) in other.tags {
            let own = self.tags.entry(key).or_default();
            own.extend(values);
            while own.len() > VALUES {
                own.pop_last();
            }
        }
    }
}

/// Whether so many values of a tag or a part were seen that there is no end to them.
pub(super) fn is_endless(values: usize) -> bool {
    values > 100
}

impl Default for Observations {
    fn default() -> Self {
        Self {
            dialects: Dialects::ALL,
            lines: 0,
            names: BTreeMap::new(),
            bytes: 0,
            left_out: 0,
            unread: BTreeMap::new(),
        }
    }
}

impl Observations {
    /// Takes a line, without its line break.
    pub fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        match parse::line(line, self.dialects, LONGEST) {
            Line::TooLong { .. } => self.unread(Reject::LineTooLong, line),
            Line::Event(_) => {}
            Line::Groups(groups) => groups.for_each(|group| match group {
                Ok(group) => self.group(&group, line),
                Err(reject) => self.unread(reject, line),
            }),
        }
    }

    /// How many lines it took.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    fn unread(&mut self, reject: Reject, line: &[u8]) {
        let example = || {
            let beginning = line.get(..400).unwrap_or(line);
            shortened(&String::from_utf8_lossy(beginning)).into_owned()
        };
        self.unread.entry(reject).or_insert_with(|| (0, example())).0 += 1;
    }

    fn group(&mut self, group: &Group<'_>, line: &[u8]) {
        let texts = (std::str::from_utf8(group.name), std::str::from_utf8(group.tags));
        let (Ok(name), Ok(tags)) = texts else { return self.unread(Reject::NotUtf8, line) };
        if group.statsd_type == StatsdType::ServiceCheck {
            return;
        }
        let tagged = Tagged::new(name, tags, self.dialects);
        if tagged.name.is_empty() {
            return self.unread(Reject::EmptyName, line);
        }
        // A part of a pattern must not be one of its own signs.
        let is_plain = !tagged.name.contains(['*', '$']) && tagged.name.matches('.').count() < PARTS;
        if !self.names.contains_key(tagged.name.as_ref()) {
            if self.names.len() >= NAMES || self.bytes + tagged.name.len() > NAME_BYTES || !is_plain {
                self.left_out += 1;
                return;
            }
            self.bytes += tagged.name.len();
            self.names.insert(tagged.name.clone().into_owned(), BTreeMap::new());
        }
        let mut bad = 0;
        if let Some(types) = self.names.get_mut(tagged.name.as_ref()) {
            let seen = types.entry(group.statsd_type).or_default();
            for value in group.samples() {
                match value {
                    Ok(value) => seen.values.add(value),
                    Err(_) => bad += 1,
                }
            }
            tagged.tags.iter().filter_map(|tag| tag.pair.ok()).for_each(|(key, value)| seen.tag(key, value));
        }
        (0..bad).for_each(|_| self.unread(Reject::BadValue, line));
    }
}
