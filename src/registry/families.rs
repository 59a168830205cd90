//! Series by the name they share.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::series::Series;
use crate::mapping::{Metric, Shape};
use crate::metric::{Bounds, Type};
use crate::reject::Reject;

/// The families, by name.
#[derive(Debug, Default)]
pub(super) struct Families(BTreeMap<Arc<str>, Family>);

#[derive(Debug)]
struct Family {
    head: FamilyHead,
    /// The buckets of a histogram: those of its first series hold for all.
    bounds: Option<Bounds>,
    series: Vec<Arc<Series>>,
    /// How many of `series`, from the first, are in the order of their text.
    sorted: usize,
}

/// What a family says of all its series.
#[derive(Clone, Debug)]
pub struct FamilyHead {
    /// What they are.
    pub kind: Type,
    /// The help text: that of the first series.
    pub help: Arc<str>,
}

/// A copy of a family's handles.
#[derive(Debug)]
pub(super) struct Copied {
    pub name: Arc<str>,
    pub head: FamilyHead,
    pub series: Vec<Arc<Series>>,
}

/// How many series a copy holds before it ends with the family that it is in.
const CHUNK: usize = 1024;

/// The series that a histogram exposes beside its name.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

impl Families {
    /// Whether a series of `metric` may be made, and then whether its family is new.
    pub fn admits(&self, metric: &Metric) -> Result<bool, Reject> {
        match self.0.get(metric.name.as_str()) {
            Some(family) if family.head.kind == metric.shape.type_of() => Ok(false),
            Some(_) => Err(Reject::TypeConflict),
            None if self.collides(metric) => Err(Reject::NameCollision),
            None => Ok(true),
        }
    }

    /// Whether a new family would expose a series that another one does.
    fn collides(&self, metric: &Metric) -> bool {
        let is_histogram = |name: &str| self.0.get(name).is_some_and(|family| family.head.kind == Type::Histogram);
        SUFFIXES.iter().any(|suffix| {
            metric.name.strip_suffix(suffix).is_some_and(is_histogram)
                || metric.shape.type_of() == Type::Histogram
                    && self.0.contains_key(format!("{}{suffix}", metric.name).as_str())
        })
    }

    /// How many series a name has.
    pub fn series_of(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, |family| family.series.len())
    }

    /// Makes the series of `metric`, and its family where it is the first.
    pub fn add(&mut self, metric: &Metric, text: String) -> Arc<Series> {
        let family = self.0.entry(metric.name.as_str().into()).or_insert_with(|| Family {
            head: FamilyHead { kind: metric.shape.type_of(), help: Arc::clone(&metric.help) },
            bounds: match &metric.shape {
                Shape::Histogram(bounds) => Some(bounds.clone()),
                _ => None,
            },
            series: Vec::with_capacity(1),
            sorted: 0,
        });
        let series = Arc::new(Series::new(metric, text, family.bounds.as_ref()));
        family.series.push(Arc::clone(&series));
        series
    }

    /// Copies the families behind the name `after`, in order, until they have [`CHUNK`] series together.
    pub fn chunk(&mut self, after: Option<&str>) -> Vec<Copied> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut copied: Vec<Copied> = Vec::new();
        let mut len = 0;
        for (name, family) in self.0.range_mut::<str, _>((from, Bound::Unbounded)) {
            if family.sorted < family.series.len() {
                family.series.sort_by(|a, b| a.text().cmp(b.text()));
                family.sorted = family.series.len();
            }
            len += family.series.len();
            copied.push(Copied { name: Arc::clone(name), head: family.head.clone(), series: family.series.clone() });
            if len >= CHUNK {
                break;
            }
        }
        copied
    }
}
