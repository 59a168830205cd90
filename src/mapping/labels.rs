//! The labels of a series: how the tags of a line become labels, and which of several values for one label counts.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Ordering;
use std::mem;

use super::metric::Label;
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
    key: Cow<'a, str>,
    /// Whether Prometheus reserves the key that the client sent.
    is_reserved: bool,
    value: &'a str,
}

impl<'a> ClientTags<'a> {
    /// Reads at most `limit` tags of a line.
    pub(super) fn read(tags: &[Tag<'a>], naming: Naming, limit: usize) -> Self {
        let is_too_many = tags.len() > limit;
        let room = Vec::with_capacity(tags.len().min(limit));
        let mut read = Self { tags: room, errors: TagErrors::NONE, is_too_many, by_key: OnceCell::new() };
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
        let key_of = |at: &usize| self.tags.get(*at).map(|tag| &*tag.key);
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
pub struct TagErrors {
    counts: [u16; TagError::ALL.len()],
    /// Their sum.
    total: u16,
}

impl TagErrors {
    /// No errors.
    pub(crate) const NONE: Self = Self { counts: [0; TagError::ALL.len()], total: 0 };

    /// Whether no tag has an error.
    pub(crate) fn is_empty(self) -> bool {
        self.total == 0
    }

    /// Every error with its count, which may be 0.
    pub(crate) fn iter(self) -> impl Iterator<Item = (TagError, u64)> {
        TagError::ALL.into_iter().zip(self.counts).map(|(error, count)| (error, u64::from(count)))
    }

    pub(super) fn add(&mut self, error: TagError) {
        if let Some(count) = self.counts.get_mut(error as usize) {
            *count = count.saturating_add(1);
            self.total = self.total.saturating_add(1);
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

impl<'r> LabelRule<'r> {
    /// The labels of a line for a metric of this type, in ascending order of their keys. Tags that are left out or changed
    /// are counted in `errors`. `container` may be empty.
    ///
    /// A label without a value is left out, because Prometheus does not tell it from a missing one.
    pub(super) fn labels(
        &self,
        tags: &ClientTags<'r>,
        container: &'r str,
        captures: &[&str],
        metric_type: MetricType,
        errors: &mut TagErrors,
    ) -> Result<Vec<Label<'r>>, Reject> {
        if tags.is_too_many {
            return Err(Reject::TagLimit);
        }
        *errors = tags.errors;
        let mut labels = Vec::with_capacity(tags.tags.len() + 1 + self.labels.len() + self.constants.len());
        for tag in tags.tags.iter().filter(|tag| self.policy.keeps(&tag.key)) {
            let renamed = find_in(&self.policy.renamed, &tag.key).map(|to| Cow::Borrowed(to.as_str()));
            if renamed.is_none() && tag.is_reserved {
                errors.add(TagError::ReservedKey);
            }
            labels.extend(self.of_tag(renamed.unwrap_or_else(|| tag.key.clone()), tag.value, errors));
        }
        if !container.is_empty() {
            labels.extend(self.of_tag("container_id".into(), container, errors));
        }
        sort_and_keep_last(&mut labels, errors);
        self.add_own(&mut labels, captures);
        rename_own_of(metric_type, &mut labels);
        labels.retain(|(_, value)| !value.is_empty());
        Ok(labels)
    }

    /// The label of a tag, under the key that the rule and the constants leave for it.
    fn of_tag(&self, key: Cow<'r, str>, value: &'r str, errors: &mut TagErrors) -> Option<Label<'r>> {
        let is_of_rule = find_in(self.labels, &key).is_some();
        let key = match (is_of_rule, self.policy.prefer) {
            (true, Prefer::Rule) => {
                errors.add(TagError::Overridden);
                return None;
            }
            // Prometheus renames a label of a target in this way where it sets the label itself.
            (false, _) if find_in(self.constants, &key).is_some() => format!("exported_{key}").into(),
            _ => key,
        };
        Some((key, value.into()))
    }

    /// Adds the labels of the rule and the constants to those of tags. A label that is there by now is a tag that the rule
    /// prefers.
    fn add_own(&self, labels: &mut Vec<Label<'r>>, captures: &[&str]) {
        let tags = labels.len();
        let is_missing = |labels: &[Label<'r>], key: &str| {
            let tags = labels.get(..tags).unwrap_or_default();
            tags.binary_search_by(|(other, _)| (**other).cmp(key)).is_err()
        };
        for (key, value) in self.labels {
            if is_missing(labels, key) {
                labels.push((key.into(), value.expand(captures).into()));
            }
        }
        for (key, value) in self.constants {
            if find_in(self.labels, key).is_none() && is_missing(labels, key) {
                labels.push((key.into(), value.into()));
            }
        }
        if labels.len() > tags {
            labels.sort_unstable_by(by_key);
        }
    }
}

fn by_key(one: &Label<'_>, other: &Label<'_>) -> Ordering {
    one.0.cmp(&other.0)
}

/// Sorts labels by their keys. Of several labels with one key, the last one is kept; the others are counted.
fn sort_and_keep_last(labels: &mut Vec<Label<'_>>, errors: &mut TagErrors) {
    // It is stable, so the last label of a key is the last of its equals.
    labels.sort_by(by_key);
    labels.dedup_by(|later, kept| {
        let is_same = later.0 == kept.0;
        if is_same {
            mem::swap(later, kept);
            errors.add(TagError::DuplicateKey);
        }
        is_same
    });
}

/// Renames the label that each histogram or summary sets itself, as a tag of a client with that key is renamed. A rule
/// without a type can set it, because lines of other types may match.
fn rename_own_of(metric_type: MetricType, labels: &mut Vec<Label<'_>>) {
    let Some(own) = metric_type.own_label() else { return };
    let Ok(at) = labels.binary_search_by(|(key, _)| (**key).cmp(own)) else { return };
    let (_, value) = labels.remove(at);
    let key = format!("exported_{own}");
    if let Err(at) = labels.binary_search_by(|(other, _)| (**other).cmp(key.as_str())) {
        labels.insert(at, (key.into(), value));
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
