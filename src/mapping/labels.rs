//! The labels of a series: how the tags of a line become labels, and which of several values for one label counts.

use std::collections::BTreeMap;

use super::names;
use super::template::CaptureTemplate;
use crate::config::{Naming, Prefer};
use crate::metric::MetricType;
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

/// How many tags of one line were left out or changed, by error. A line has fewer than 65,536 tags, because it is not
/// much longer than that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TagErrors([u16; TagError::ALL.len()]);

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

/// Where the labels of a series come from beside the tags of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelRule<'r> {
    /// The constant labels of every series.
    pub constants: &'r [(String, String)],
    /// The labels of the rule, which replace constants of the same key.
    pub labels: &'r [(String, CaptureTemplate)],
    pub policy: &'r TagPolicy,
}

impl LabelRule<'_> {
    /// The labels of a line. Tags that are left out or changed are counted in `errors`. `container` may be empty.
    pub(super) fn labels(
        &self,
        tags: &ClientTags<'_>,
        container: &str,
        captures: &[&str],
        errors: &mut TagErrors,
    ) -> Result<SeriesLabels, Reject> {
        if tags.is_too_many {
            return Err(Reject::TagLimit);
        }
        *errors = tags.errors;
        let mut labels = SeriesLabels(BTreeMap::new());
        for tag in tags.tags.iter().filter(|tag| self.policy.keeps(&tag.key)) {
            let renamed = self.policy.renamed.iter().find(|(from, _)| *from == tag.key);
            if renamed.is_none() && tag.is_reserved {
                errors.add(TagError::ReservedKey);
            }
            self.add_tag(&mut labels, renamed.map_or(&tag.key, |(_, to)| to), tag.value, errors);
        }
        if !container.is_empty() {
            self.add_tag(&mut labels, "container_id", container, errors);
        }
        // A label that is there by now is a tag that the rule prefers.
        for (key, value) in self.labels {
            labels.0.entry(key.clone()).or_insert_with(|| value.expand(captures));
        }
        for (key, value) in self.constants {
            labels.0.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Ok(labels)
    }

    /// Adds a tag under the key that the rule and the constants leave for it.
    fn add_tag(&self, labels: &mut SeriesLabels, key: &str, value: &str, errors: &mut TagErrors) {
        let is_of_rule = self.labels.iter().any(|(of_rule, _)| of_rule == key);
        let is_constant = self.constants.iter().any(|(constant, _)| constant == key);
        let key = match (is_of_rule, self.policy.prefer) {
            (true, Prefer::Rule) => return errors.add(TagError::Overridden),
            // Prometheus renames a label of a target in this way where it sets the label itself.
            (false, _) if is_constant => format!("exported_{key}"),
            _ => key.to_owned(),
        };
        if labels.set(&key, value.to_owned()) {
            errors.add(TagError::DuplicateKey);
        }
    }
}

/// The labels of a series. A later value for a key replaces an earlier one.
#[derive(Debug)]
pub(super) struct SeriesLabels(BTreeMap<String, String>);

impl SeriesLabels {
    /// Sets a label, and returns whether it was already set.
    pub(super) fn set(&mut self, key: &str, value: String) -> bool {
        self.0.insert(key.to_owned(), value).is_some()
    }

    /// Renames the label that each histogram or summary sets itself, as a tag of a client with that key is renamed. A rule
    /// without a type can set it, because lines of other types may match.
    pub(super) fn without_own_of(mut self, metric_type: MetricType) -> Self {
        if let Some(own) = metric_type.own_label()
            && let Some(value) = self.0.remove(own)
        {
            self.0.entry(format!("exported_{own}")).or_insert(value);
        }
        self
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
