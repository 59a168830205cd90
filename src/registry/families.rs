//! Series by the name they share.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;

use super::series::{ByName, Series};
use crate::mapping::{Metric, Shape};
use crate::metric::{Bounds, Type};
use crate::reject::Reject;

/// The families, by name, and all their series.
#[derive(Debug, Default)]
pub(super) struct Families {
    by_name: BTreeMap<Arc<str>, Family>,
    /// One order for the series of all families. It is kept where a series is made, a few comparisons each time, so
    /// that a scrape has nothing to sort and can go on behind any series.
    series: BTreeSet<ByName>,
}

#[derive(Debug)]
struct Family {
    head: Arc<FamilyHead>,
    /// The buckets of a histogram: those of its first series hold for all.
    bounds: Option<Bounds>,
    /// How many series it has.
    len: usize,
}

/// What a family says of all its series, which share it.
#[derive(Clone, Debug)]
pub struct FamilyHead {
    /// What they are.
    pub kind: Type,
    /// The help text: that of the first series.
    pub help: Arc<str>,
}

/// How many series are copied at a time: the lock is held for some 100 us then.
const CHUNK: usize = 1024;

/// The series that a histogram exposes beside its name.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

impl Families {
    /// Whether a series of `metric` may be made, and then whether its family is new.
    pub fn admits(&self, metric: &Metric) -> Result<bool, Reject> {
        match self.by_name.get(metric.name.as_str()) {
            Some(family) if family.head.kind == metric.shape.type_of() => Ok(false),
            Some(_) => Err(Reject::TypeConflict),
            None if self.collides(metric) => Err(Reject::NameCollision),
            None => Ok(true),
        }
    }

    /// Whether a new family would expose a series that another one does.
    fn collides(&self, metric: &Metric) -> bool {
        let is_histogram =
            |name: &str| self.by_name.get(name).is_some_and(|family| family.head.kind == Type::Histogram);
        SUFFIXES.iter().any(|suffix| {
            metric.name.strip_suffix(suffix).is_some_and(is_histogram)
                || metric.shape.type_of() == Type::Histogram
                    && self.by_name.contains_key(format!("{}{suffix}", metric.name).as_str())
        })
    }

    /// How many series a name has.
    pub fn series_of(&self, name: &str) -> usize {
        self.by_name.get(name).map_or(0, |family| family.len)
    }

    /// Makes the series of `metric`, and its family where it is the first.
    pub fn add(&mut self, metric: &Metric, text: String) -> Arc<Series> {
        let family = self.by_name.entry(metric.name.as_str().into()).or_insert_with(|| Family {
            head: Arc::new(FamilyHead { kind: metric.shape.type_of(), help: Arc::clone(&metric.help) }),
            bounds: match &metric.shape {
                Shape::Histogram(bounds) => Some(bounds.clone()),
                _ => None,
            },
            len: 0,
        });
        family.len += 1;
        let series = Arc::new(Series::new(metric, text, Arc::clone(&family.head), family.bounds.as_ref()));
        self.series.insert(ByName(Arc::clone(&series)));
        series
    }

    /// Adds the series that follow `after` to `chunk`, as many as are copied at a time.
    pub fn next(&self, after: Option<&ByName>, chunk: &mut Vec<Arc<Series>>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let following = self.series.range::<ByName, _>((from, Bound::Unbounded));
        let following = following.take(CHUNK);
        // To copy a handle is to write to the series, one after the other. Reading them first brings them to the cache
        // many at a time.
        black_box(following.clone().map(|ByName(series)| Arc::strong_count(series)).fold(0, usize::wrapping_add));
        chunk.extend(following.map(|ByName(series)| Arc::clone(series)));
    }
}
