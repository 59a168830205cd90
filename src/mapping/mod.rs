//! What a line's name, tags and kind mean: rules compiled once, asked once a series and worker.
//!
//! Nothing here knows which series exist: limits and conflicts are the registry's.

#![warn(clippy::indexing_slicing)]

mod compile;
mod glob;
pub mod names;
mod operation;
mod template;

pub use operation::Operation;

use std::sync::Arc;
use std::time::Duration;

use crate::config::Naming;
use crate::metric::{Bounds, Type};
use crate::parse::Kind;
use crate::parse::tags::{self, TagError};
use crate::reject::Reject;
use crate::telemetry;
use glob::Glob;
use template::Template;

/// The compiled rules and what holds where none matches.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    initial: Vec<Metric>,
    naming: Naming,
    bounds: Bounds,
    constants: Vec<(String, String)>,
    container_label: bool,
    tag_limit: usize,
    /// The help of metrics that no rule gives any, by type: one text for however many there are.
    helps: [Arc<str>; Type::ALL.len()],
}

/// One compiled `[[metric]]`.
#[derive(Debug)]
struct Rule {
    pattern: String,
    glob: Glob,
    name: Option<Template>,
    kind: Option<Type>,
    help: Option<Arc<str>>,
    labels: Vec<(String, Template)>,
    bounds: Option<Bounds>,
    scale: f64,
    drop: bool,
}

/// What identifies the series of a line, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The line's name, as it came.
    pub name: &'a str,
    /// The line's type.
    pub kind: Kind,
    /// The `#` sections: see [`Group::tags`](crate::parse::Group::tags).
    pub tags: &'a str,
    /// The `c:` section.
    pub container: &'a str,
}

/// What became of a [`Source`].
#[derive(Debug)]
pub struct Mapping<'a> {
    /// The rule that matched, by its place in the file from 0, and what its glob captured; `None` where none did.
    pub rule: Option<(usize, Vec<&'a str>)>,
    /// The tags that were left out or mended.
    pub tag_errors: TagErrors,
    /// Where the samples go.
    pub outcome: Result<Outcome, Reject>,
}

/// Where the samples of a source go.
#[derive(Debug)]
pub enum Outcome {
    /// Nowhere: a rule says `drop`.
    Drop,
    /// Into a series, each by the operation.
    Feed(Metric, Operation),
}

/// A series by all that makes it: the result of the mapping, and what the registry makes series of.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The family's name, legal and not empty.
    pub name: String,
    /// Legal keys, sorted and unlike, with values that are not empty.
    pub labels: Vec<(String, String)>,
    /// The family's help, where the series is the first of it.
    pub help: Arc<str>,
    /// What it is, and the buckets of a histogram.
    pub shape: Shape,
    /// For how long it stays after its last sample; `None`: for ever.
    pub ttl: Option<Duration>,
}

/// A metric's type with what a series of it needs to be made.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A counter.
    Counter,
    /// A gauge.
    Gauge,
    /// A histogram with these buckets, where the series is the first of its family.
    Histogram(Bounds),
}

impl Shape {
    /// The type alone.
    pub fn type_of(&self) -> Type {
        match self {
            Self::Counter => Type::Counter,
            Self::Gauge => Type::Gauge,
            Self::Histogram(_) => Type::Histogram,
        }
    }
}

/// How many tags of one line were left out or mended, by error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TagErrors([u8; TagError::ALL.len()]);

impl TagErrors {
    /// None at all.
    pub const NONE: Self = Self([0; TagError::ALL.len()]);

    /// Whether there was none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Each error with its count.
    pub fn iter(self) -> impl Iterator<Item = (TagError, u64)> {
        TagError::ALL.into_iter().zip(self.0).map(|(error, count)| (error, u64::from(count)))
    }

    fn add(&mut self, error: TagError) {
        if let Some(count) = self.0.get_mut(error as usize) {
            *count = count.saturating_add(1);
        }
    }
}

impl Rules {
    /// Whether the `c:` section is part of what makes a series.
    pub fn uses_container(&self) -> bool {
        self.container_label
    }

    /// The series that exist at 0 before the first line, in file order.
    pub fn initial(&self) -> &[Metric] {
        &self.initial
    }

    /// The constant labels of every series.
    pub fn constants(&self) -> &[(String, String)] {
        &self.constants
    }

    /// The glob of the rule at `index`.
    pub fn pattern(&self, index: usize) -> Option<&str> {
        self.rules.get(index).map(|rule| rule.pattern.as_str())
    }

    /// Maps a source. The first rule in file order whose glob matches decides.
    pub fn map<'a>(&self, source: Source<'a>) -> Mapping<'a> {
        let found = self
            .rules
            .iter()
            .enumerate()
            .find_map(|(index, rule)| rule.glob.matches(source.name).map(|captures| (index, rule, captures)));
        let mut tag_errors = TagErrors::default();
        let outcome = match &found {
            Some((_, rule, _)) if rule.drop => Ok(Outcome::Drop),
            Some((_, rule, captures)) => self.feed(source, Some((rule, captures)), &mut tag_errors),
            None => self.feed(source, None, &mut tag_errors),
        };
        Mapping { rule: found.map(|(index, _, captures)| (index, captures)), tag_errors, outcome }
    }

    fn feed(
        &self,
        source: Source<'_>,
        rule: Option<(&Rule, &Vec<&str>)>,
        tag_errors: &mut TagErrors,
    ) -> Result<Outcome, Reject> {
        let declared = rule.and_then(|(rule, _)| rule.kind);
        let kind = declared.unwrap_or(match source.kind {
            Kind::Counter | Kind::Meter => Type::Counter,
            Kind::Gauge => Type::Gauge,
            Kind::Timer | Kind::Histogram | Kind::Distribution => Type::Histogram,
        });
        let scale = rule.map_or(1.0, |(rule, _)| rule.scale);
        let operation = Operation::new(source.kind, kind, scale).ok_or(Reject::TypeConflict)?;
        let name = match rule.and_then(|(rule, captures)| Some((rule.name.as_ref()?, captures))) {
            Some((template, captures)) if template.is_literal() => template.expand(captures),
            Some((template, captures)) => names::escape(&template.expand(captures), self.naming),
            None => self.own_name(source, kind),
        };
        // It holds legal characters only, but there may be none.
        if !names::is_metric_name(&name) {
            return Err(Reject::EmptyName);
        }
        if telemetry::is_reserved(&name) {
            return Err(Reject::ReservedName);
        }
        let labels = self.labels(source, rule, tag_errors)?;
        let help = rule.and_then(|(rule, _)| rule.help.clone()).unwrap_or_else(|| self.default_help(kind));
        let bounds = rule.and_then(|(rule, _)| rule.bounds.as_ref()).unwrap_or(&self.bounds);
        Ok(Outcome::Feed(Metric { name, labels, help, shape: shape(kind, bounds), ttl: None }, operation))
    }

    /// The help of a metric that no rule gives any. It says the same for every line of a type, whichever comes first.
    fn default_help(&self, kind: Type) -> Arc<str> {
        self.helps.get(kind as usize).cloned().unwrap_or_default()
    }

    /// The name that a line gets where no rule gives one.
    fn own_name(&self, source: Source<'_>, kind: Type) -> String {
        let name = names::escape(source.name, self.naming);
        match (self.naming, kind, source.kind) {
            _ if name.is_empty() => name,
            (Naming::Prometheus, Type::Counter, _) => names::with_suffix(&name, "_total").into_owned(),
            (Naming::Prometheus, Type::Histogram, Kind::Timer) => names::with_suffix(&name, "_seconds").into_owned(),
            _ => name,
        }
    }

    /// The labels of a series: a tag gives way to a constant label, and both to a label of the rule. A label without
    /// a value is none, as Prometheus has it.
    fn labels(
        &self,
        source: Source<'_>,
        rule: Option<(&Rule, &Vec<&str>)>,
        tag_errors: &mut TagErrors,
    ) -> Result<Vec<(String, String)>, Reject> {
        let mut labels = Vec::new();
        for (at, tag) in tags::dogstatsd(source.tags).enumerate() {
            if at >= self.tag_limit {
                return Err(Reject::TagLimit);
            }
            match tag {
                Ok((key, value)) => {
                    let (key, renamed) = names::label_key(key, self.naming);
                    if renamed {
                        tag_errors.add(TagError::ReservedKey);
                    }
                    if set(&mut labels, key, value.to_owned()) {
                        tag_errors.add(TagError::DuplicateKey);
                    }
                }
                Err(error) => tag_errors.add(error),
            }
        }
        if self.container_label && !source.container.is_empty() {
            set(&mut labels, "container_id".to_owned(), source.container.to_owned());
        }
        for (key, value) in &self.constants {
            set(&mut labels, key.clone(), value.clone());
        }
        for (key, value) in rule.iter().flat_map(|(rule, _)| &rule.labels) {
            let captures = rule.map(|(_, captures)| captures.as_slice()).unwrap_or_default();
            set(&mut labels, key.clone(), value.expand(captures));
        }
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort_unstable();
        Ok(labels)
    }
}

/// Sets a label; tells whether it was set before.
fn set(labels: &mut Vec<(String, String)>, key: String, value: String) -> bool {
    match labels.iter_mut().find(|(k, _)| *k == key) {
        Some((_, old)) => {
            *old = value;
            true
        }
        None => {
            labels.push((key, value));
            false
        }
    }
}

fn shape(kind: Type, bounds: &Bounds) -> Shape {
    match kind {
        Type::Counter => Shape::Counter,
        Type::Gauge => Shape::Gauge,
        Type::Histogram => Shape::Histogram(bounds.clone()),
    }
}
