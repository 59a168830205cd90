//! As what each family is written in a format that cannot have all families as they are.
//!
//! Three things make a difference. A client may not take names with other characters than letters, digits, `_` and `:`, and
//! two names can become the same when they are escaped. OpenMetrics wants `_total` behind the name of a counter's family,
//! and reserves names that no family here uses: `x_total` and `x_created` for a counter `x`, so that a gauge `x` beside it
//! is an error. And it has no sums of negative numbers.
//!
//! A sample has the same name in all formats, because queries should not depend on what was negotiated. So what
//! OpenMetrics cannot have as a counter, a histogram or a summary, it has as `unknown`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use crate::expose::names::{escape, is_legal};
use crate::expose::{Escaping, Format};
use crate::mapping::MetricSpec;
use crate::metric::MetricType;
use crate::registry::Family;
use crate::telemetry::OwnMetric;

/// A family in an exposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exposure {
    /// Its index among the families, or among the sidecar's own metrics.
    pub(super) family: usize,
    /// `None`: its own name.
    pub(super) name: Option<Box<str>>,
    pub(super) shape: Shape,
}

impl Exposure {
    /// The name under which one of `families` is written.
    fn name_in<'e>(&'e self, families: &'e [Arc<Family>]) -> &'e str {
        let own = || families.get(self.family).map_or("", |family| family.name());
        self.name.as_deref().unwrap_or_else(own)
    }
}

/// Which samples of a family are written, and as what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// All of them, with the type of the metric.
    #[default]
    Whole,
    /// All of them, without a type.
    Unknown,
    /// The buckets of a histogram or the quantiles of a summary alone, without a type.
    Parts,
    /// The sums alone, without a type.
    Sums,
    /// The counts alone, without a type.
    Counts,
}

/// As what all families are written.
#[derive(Debug, Default)]
pub(super) struct Exposures {
    /// Of the sidecar's own metrics, in the order of their table.
    pub(super) own: Vec<Exposure>,
    /// Of the others, in the order of the names under which they are written. A family may be there in several parts.
    pub(super) others: Vec<Exposure>,
}

impl Exposures {
    /// As what `families` are written; `None`: all as they are. `are_legal` says that no name has other characters than all
    /// formats can have.
    pub(super) fn new(families: &[Arc<Family>], format: Format, are_legal: bool) -> Option<Self> {
        let is_openmetrics = format.syntax.is_openmetrics();
        let escaping = if format.syntax.has_escaping() { format.escaping } else { Escaping::Underscores };
        let is_as_it_is = match escaping {
            Escaping::Utf8 => true,
            Escaping::Underscores | Escaping::Values => are_legal,
            Escaping::Dots => false,
        };
        if is_as_it_is && !is_openmetrics {
            return None;
        }
        let own: Vec<ShownFamily<'_>> = OwnMetric::ALL.iter().map(ShownFamily::of_own).collect();
        let others: Vec<ShownFamily<'_>> = families.iter().map(|family| ShownFamily::of(family)).collect();
        let mut names = Names { escaping, taken: HashSet::with_capacity(2 * families.len()) };
        let own_names = names.all(&own);
        let other_names = names.all(&others);
        let mut shaped = |entries: &[ShownFamily<'_>], written: Vec<Cow<'_, str>>| {
            let mut exposures = Vec::with_capacity(entries.len());
            for (family, (entry, name)) in entries.iter().zip(written).enumerate() {
                let shapes = if is_openmetrics { names.shapes(entry, &name) } else { &[Shape::Whole] };
                let name = (name != entry.name).then(|| Box::from(&*name));
                exposures.extend(shapes.iter().map(|shape| Exposure { family, name: name.clone(), shape: *shape }));
            }
            exposures
        };
        let own = shaped(&own, own_names);
        let mut exposed = Self { own, others: shaped(&others, other_names) };
        if !is_as_it_is {
            exposed.others.sort_by(|one, other| one.name_in(families).cmp(other.name_in(families)));
        }
        Some(exposed)
    }

    /// As what one of the sidecar's own metrics is written; `None`: not at all.
    pub(super) fn own_of(&self, name: &str) -> Option<&Exposure> {
        self.own.iter().find(|exposure| OwnMetric::ALL.get(exposure.family).is_some_and(|own| own.name == name))
    }
}

/// What decides how a family is written.
struct ShownFamily<'f> {
    name: &'f str,
    metric_type: MetricType,
    has_negative_bounds: bool,
}

impl<'f> ShownFamily<'f> {
    fn of(family: &'f Family) -> Self {
        let metadata = family.metadata();
        let has_negative_bounds = match &metadata.spec {
            MetricSpec::Histogram(bounds, _) => bounds.as_slice().first().is_some_and(|first| *first < 0.0),
            _ => false,
        };
        Self { name: family.name(), metric_type: metadata.metric_type(), has_negative_bounds }
    }

    fn of_own(own: &'f OwnMetric) -> Self {
        Self { name: own.name, metric_type: own.metric_type, has_negative_bounds: false }
    }
}

/// The names of an exposition.
struct Names {
    escaping: Escaping,
    /// Of families, and of all their samples.
    taken: HashSet<String>,
}

impl Names {
    /// The names under which these families are written. Legal names come first: they stay different when they are escaped.
    fn all<'f>(&mut self, entries: &[ShownFamily<'f>]) -> Vec<Cow<'f, str>> {
        for entry in entries.iter().filter(|entry| self.escaping == Escaping::Utf8 || is_legal(entry.name)) {
            let name = escape(entry.name, self.escaping);
            self.taken.extend(samples(&name, entry.metric_type));
        }
        let escaped = |entry: &ShownFamily<'f>| match is_legal(entry.name) || self.escaping == Escaping::Utf8 {
            true => escape(entry.name, self.escaping),
            false => self.free(entry).into(),
        };
        entries.iter().map(escaped).collect()
    }

    /// A name for a family whose own is not legal, which no other family or sample has: by the scheme, or if that is taken
    /// by `values`, which keeps names apart.
    fn free(&mut self, entry: &ShownFamily<'_>) -> String {
        let mut name = escape(entry.name, self.escaping).into_owned();
        if !self.take(samples(&name, entry.metric_type)) {
            name = escape(entry.name, Escaping::Values).into_owned();
            // Somebody may send names that look like escaped ones.
            while !self.take(samples(&name, entry.metric_type)) {
                name.push('_');
            }
        }
        name
    }

    /// As what OpenMetrics has a family.
    fn shapes(&mut self, entry: &ShownFamily<'_>, name: &str) -> &'static [Shape] {
        let can_have_type = match entry.metric_type {
            MetricType::Gauge | MetricType::Set => true,
            MetricType::Counter => {
                let stem = name.strip_suffix("_total").filter(|stem| !stem.is_empty());
                stem.is_some_and(|stem| self.take([stem.to_owned(), format!("{stem}_created")].into_iter()))
            }
            MetricType::Histogram | MetricType::Summary => {
                !entry.has_negative_bounds && self.take([format!("{name}_created")].into_iter())
            }
        };
        match entry.metric_type {
            _ if can_have_type => &[Shape::Whole],
            MetricType::Histogram | MetricType::Summary => &[Shape::Parts, Shape::Sums, Shape::Counts],
            _ => &[Shape::Unknown],
        }
    }

    /// Takes these names if none of them is taken.
    fn take(&mut self, names: impl Iterator<Item = String>) -> bool {
        let names: Vec<String> = names.collect();
        let are_free = !names.iter().any(|name| self.taken.contains(name));
        if are_free {
            self.taken.extend(names);
        }
        are_free
    }
}

/// The name of a family and those of its samples.
fn samples(name: &str, metric_type: MetricType) -> impl Iterator<Item = String> {
    [""].iter().chain(metric_type.suffixes()).map(move |suffix| format!("{name}{suffix}"))
}
