//! The labels of a series: how the tags of a line become labels, and which of several values for one label counts.

use std::collections::BTreeMap;

use super::names;
use super::template::CaptureTemplate;
use crate::config::{Naming, Prefer};
use crate::parse::tags::{Tag, TagError};
use crate::reject::Reject;

/// The tags of a line as the client sent them, except that their keys are legal.
#[derive(Debug)]
pub(super) struct ClientTags<'a> {
    tags: Vec<KeyedTag<'a>>,
    errors: TagErrors,
    /// Whether the line has more tags than allowed.
    is_too_many: bool,
}

#[derive(Debug)]
struct KeyedTag<'a> {
    /// The key of the label, unless a rule renames it.
    key: String,
    /// Whether Prometheus reserves the key that the client sent.
    is_reserved: bool,
    value: &'a str,
}

impl<'a> ClientTags<'a> {
    /// Reads at most `limit` tags of a line.
    pub(super) fn read(tags: &[Tag<'a>], naming: Naming, limit: usize) -> Self {
        let mut read = Self { tags: Vec::new(), errors: TagErrors::NONE, is_too_many: tags.len() > limit };
        for tag in tags.iter().take(limit) {
            match tag.pair {
                Ok((key, value)) => {
                    let (key, is_reserved) = names::label_key(key, naming);
                    read.tags.push(KeyedTag { key, is_reserved, value });
                }
                Err(error) => read.errors.add(error),
            }
        }
        read
    }

    /// The value of the tag whose label has this key; of several such tags, the last one counts.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.tags.iter().rev().find(|tag| tag.key == key).map(|tag| tag.value)
    }
}

/// How many tags of one line were left out or changed, by error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TagErrors([u8; TagError::ALL.len()]);

impl TagErrors {
    /// No errors.
    pub(crate) const NONE: Self = Self([0; TagError::ALL.len()]);

    /// Whether no tag has an error.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Every error with its count, which may be 0.
    pub(crate) fn iter(self) -> impl Iterator<Item = (TagError, u64)> {
        TagError::ALL.into_iter().zip(self.0).map(|(error, count)| (error, u64::from(count)))
    }

    pub(super) fn add(&mut self, error: TagError) {
        if let Some(count) = self.0.get_mut(error as usize) {
            *count = count.saturating_add(1);
        }
    }
}

/// How a rule turns the tags of a line into labels. The default keeps all tags.
#[derive(Clone, Debug, Default)]
pub(super) struct TagPolicy {
    /// Tags that get another key, each with that key.
    pub renamed: Vec<(String, String)>,
    /// Keys of tags, before they are renamed.
    pub listed: Vec<String>,
    /// Whether only the listed tags are kept; otherwise only the listed tags are dropped.
    pub keeps_listed: bool,
    pub prefer: Prefer,
}

impl TagPolicy {
    /// Whether a tag becomes a label.
    pub(super) fn keeps(&self, key: &str) -> bool {
        self.listed.iter().any(|listed| listed == key) == self.keeps_listed
    }
}

/// The labels of a series. A later value for a key replaces an earlier one.
#[derive(Debug)]
pub(super) struct SeriesLabels(BTreeMap<String, String>);

impl SeriesLabels {
    /// The labels that the tags of a line give by `policy`. Tags that are left out or changed are counted in `errors`.
    pub(super) fn of_tags(tags: &ClientTags<'_>, policy: &TagPolicy, errors: &mut TagErrors) -> Result<Self, Reject> {
        if tags.is_too_many {
            return Err(Reject::TagLimit);
        }
        *errors = tags.errors;
        let mut labels = Self(BTreeMap::new());
        for tag in tags.tags.iter().filter(|tag| policy.keeps(&tag.key)) {
            let renamed = policy.renamed.iter().find(|(from, _)| *from == tag.key);
            if renamed.is_none() && tag.is_reserved {
                errors.add(TagError::ReservedKey);
            }
            if labels.set(renamed.map_or(&tag.key, |(_, to)| to), tag.value.to_owned()) {
                errors.add(TagError::DuplicateKey);
            }
        }
        Ok(labels)
    }

    /// Adds the constants and then the labels of a rule. If the rule prefers tags, its labels do not replace them.
    pub(super) fn add(
        &mut self,
        constants: &[(String, String)],
        rule: &[(String, CaptureTemplate)],
        prefer: Prefer,
        captures: &[&str],
    ) {
        let of_rule: Vec<_> = rule
            .iter()
            .map(|(key, value)| {
                let tag = self.0.get(key).filter(|_| prefer == Prefer::Tag).cloned();
                (key.clone(), tag.unwrap_or_else(|| value.expand(captures)))
            })
            .collect();
        self.0.extend(constants.iter().cloned().chain(of_rule));
    }

    /// Sets a label, and returns whether it was already set.
    pub(super) fn set(&mut self, key: &str, value: String) -> bool {
        self.0.insert(key.to_owned(), value).is_some()
    }

    /// The labels in ascending order of their keys. A label without a value is left out, because Prometheus does not tell
    /// it from a missing one.
    pub(super) fn into_sorted(self) -> Vec<(String, String)> {
        self.0.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

impl From<Vec<(String, String)>> for SeriesLabels {
    fn from(labels: Vec<(String, String)>) -> Self {
        Self(labels.into_iter().collect())
    }
}
