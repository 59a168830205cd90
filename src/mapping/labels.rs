//! The labels of a series: what becomes of a line's tags, and who wins where several set one label.

use super::context::Context;
use super::names;
use super::tag_errors::TagErrors;
use super::template::CaptureTemplate;
use crate::config::{Naming, Prefer};
use crate::parse::tags::TagError;
use crate::reject::Reject;

/// The tags of a line as its client gave them, but for the escaping of their keys.
#[derive(Debug)]
pub struct ClientTags<'a> {
    tags: Vec<KeyedTag<'a>>,
    errors: TagErrors,
    /// There were more of them than a line may carry.
    is_too_many: bool,
}

#[derive(Debug)]
struct KeyedTag<'a> {
    /// The label's key that it becomes, if no rule says otherwise.
    key: String,
    /// The client's key was one that Prometheus keeps for itself.
    is_reserved: bool,
    value: &'a str,
}

impl<'a> ClientTags<'a> {
    /// Reads the tags of a line, up to `limit` of them.
    pub fn read(context: &Context<'a>, naming: Naming, limit: usize) -> Self {
        let mut read = Self { tags: Vec::new(), errors: TagErrors::NONE, is_too_many: false };
        read.is_too_many = context.tags.len() > limit;
        for tag in context.tags.iter().take(limit) {
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

    /// The value of the tag that `key` stands for: the last one, as for labels.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.tags.iter().rev().find(|tag| tag.key == key).map(|tag| tag.value)
    }
}

/// What a rule makes of the tags of a line.
#[derive(Clone, Debug, Default)]
pub struct TagPolicy {
    /// Tags that get another key, sorted by the first.
    pub renamed: Vec<(String, String)>,
    pub kept: Kept,
    pub prefer: Prefer,
}

/// Which tags become labels, by the key that they have before they are renamed.
#[derive(Clone, Debug, Default)]
pub enum Kept {
    #[default]
    All,
    None,
    Only(Vec<String>),
    AllBut(Vec<String>),
}

impl Kept {
    /// Whether a tag becomes a label.
    pub fn keeps(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Only(keys) => keys.iter().any(|kept| kept == key),
            Self::AllBut(keys) => !keys.iter().any(|dropped| dropped == key),
        }
    }
}

/// The labels that a series gets, each set by one who may set those of others before it.
#[derive(Debug)]
pub struct SeriesLabels(Vec<(String, String)>);

impl SeriesLabels {
    /// Those that the line itself gives: its tags, as `policy` has it. What is wrong with them is added to `errors`.
    pub fn of_line(tags: &ClientTags<'_>, policy: &TagPolicy, errors: &mut TagErrors) -> Result<Self, Reject> {
        if tags.is_too_many {
            return Err(Reject::TagLimit);
        }
        *errors = tags.errors;
        let mut labels = Self(Vec::new());
        for tag in tags.tags.iter().filter(|tag| policy.kept.keeps(&tag.key)) {
            let key = match policy.renamed.iter().find(|(from, _)| *from == tag.key) {
                Some((_, to)) => to,
                None if tag.is_reserved => {
                    errors.add(TagError::ReservedKey);
                    &tag.key
                }
                None => &tag.key,
            };
            if labels.set(key, tag.value.to_owned()) {
                errors.add(TagError::DuplicateKey);
            }
        }
        Ok(labels)
    }

    /// Adds the constants and then those of a rule. A tag gives way to both, except to a label of the rule where the
    /// rule prefers the tag.
    pub fn add(
        &mut self,
        constants: &[(String, String)],
        rule: &[(String, CaptureTemplate)],
        prefer: Prefer,
        captures: &[&str],
    ) {
        let values: Vec<_> = rule
            .iter()
            .map(|(key, value)| {
                let tag = self.0.iter().find(|(of_line, _)| prefer == Prefer::Tag && of_line == key);
                tag.map_or_else(|| value.expand(captures), |(_, value)| value.clone())
            })
            .collect();
        for (key, value) in constants {
            self.set(key, value.clone());
        }
        for ((key, _), value) in rule.iter().zip(values) {
            self.set(key, value);
        }
    }

    /// Sets a label; tells whether it was set before.
    pub fn set(&mut self, key: &str, value: String) -> bool {
        match self.0.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => {
                *old = value;
                true
            }
            None => {
                self.0.push((key.to_owned(), value));
                false
            }
        }
    }

    /// The labels in order. One without a value is none, as Prometheus has it.
    pub fn into_sorted(self) -> Vec<(String, String)> {
        let Self(mut labels) = self;
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort_unstable();
        labels
    }
}

impl From<Vec<(String, String)>> for SeriesLabels {
    fn from(labels: Vec<(String, String)>) -> Self {
        Self(labels)
    }
}
