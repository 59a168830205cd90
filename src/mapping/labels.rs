//! The labels of a series: how the tags of a line become labels, and which of several values for one label counts.

use std::cell::OnceCell;
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
    /// The indexes of the tags in ascending order of their keys, once a rule has asked for one of many.
    by_key: OnceCell<Vec<usize>>,
}

/// So many tags are searched one by one, because that is faster than to sort them.
const FEW_TAGS: usize = 16;

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
        let is_too_many = tags.len() > limit;
        let mut read = Self { tags: Vec::new(), errors: TagErrors::NONE, is_too_many, by_key: OnceCell::new() };
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
        if self.tags.len() <= FEW_TAGS {
            return self.tags.iter().rev().find(|tag| tag.key == key).map(|tag| tag.value);
        }
        let key_of = |at: &usize| self.tags.get(*at).map(|tag| tag.key.as_str());
        let by_key = self.by_key.get_or_init(|| {
            let mut by_key: Vec<usize> = (0..self.tags.len()).collect();
            // It is stable, so the last tag of a key is the last of its equals.
            by_key.sort_by_key(key_of);
            by_key
        });
        let end = by_key.partition_point(|at| key_of(at) <= Some(key));
        let last = by_key.get(end.checked_sub(1)?)?;
        self.tags.get(*last).filter(|tag| tag.key == key).map(|tag| tag.value)
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
    /// Tags that get another key, each with that key; in ascending order.
    pub renamed: Vec<(String, String)>,
    /// Keys of tags, before they are renamed; in ascending order.
    pub listed: Vec<String>,
    /// Whether only the listed tags are kept; otherwise only the listed tags are dropped.
    pub keeps_listed: bool,
    pub prefer: Prefer,
}

impl TagPolicy {
    /// Whether a tag becomes a label.
    pub(super) fn keeps(&self, key: &str) -> bool {
        self.listed.binary_search_by(|listed| listed.as_str().cmp(key)).is_ok() == self.keeps_listed
    }
}

/// The value of a key in pairs that are in ascending order of their keys.
pub(super) fn find_in<'p, T>(pairs: &'p [(String, T)], key: &str) -> Option<&'p T> {
    let at = pairs.binary_search_by(|(other, _)| other.as_str().cmp(key)).ok()?;
    pairs.get(at).map(|(_, value)| value)
}

/// Where the labels of a series come from beside the tags of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelRule<'r> {
    /// The constant labels of every series, in ascending order.
    pub constants: &'r [(String, String)],
    /// The labels of the rule, which replace constants of the same key; in ascending order.
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
            let renamed = find_in(&self.policy.renamed, &tag.key);
            if renamed.is_none() && tag.is_reserved {
                errors.add(TagError::ReservedKey);
            }
            self.add_tag(&mut labels, renamed.unwrap_or(&tag.key), tag.value, errors);
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
        let is_of_rule = find_in(self.labels, key).is_some();
        let is_constant = find_in(self.constants, key).is_some();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dialect;

    #[test]
    fn the_last_of_few_or_many_tags_with_a_key_counts() {
        let keys: Vec<_> = (0..100).map(|n| format!("k{}", n * 7 % 40)).collect();
        let values: Vec<_> = (0..100).map(|n| n.to_string()).collect();
        let tag = |(key, value)| Tag { dialect: Dialect::DogStatsD, pair: Ok((key, value)) };
        let tags: Vec<_> = keys.iter().map(String::as_str).zip(values.iter().map(String::as_str)).map(tag).collect();
        for len in [0, 1, FEW_TAGS, FEW_TAGS + 1, 100] {
            let read = ClientTags::read(&tags[..len], Naming::Prometheus, 100);
            for key in (0..41).map(|n| format!("k{n}")) {
                let last = tags[..len].iter().rev().find_map(|tag| tag.pair.ok().filter(|(of, _)| *of == key));
                assert_eq!(read.get(&key), last.map(|(_, value)| value), "{key} of {len}");
            }
            assert_eq!((read.get(""), read.get("z")), (None, None));
        }
    }
}
