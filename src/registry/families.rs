//! Series by the name they share.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::series::{ByName, Parts, Series};
use crate::mapping::{FamilyMetadata, Metric, MetricSpec};
use crate::metric::MetricType;
use crate::reject::Reject;

/// All series, in the order of their names and then of their labels, so that those of a family stand together.
///
/// A family is no more than the series that share its head: with the last of them it is gone, and its name is free.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// The order is kept where a series is made, a few comparisons each time, so that a scrape has nothing to sort and
    /// can go on behind any series.
    series: BTreeSet<ByName>,
    /// The texts of the series that take what is over a limit, by name. The limits do not count them: else they would
    /// keep the place of a series that has gone.
    overflows: BTreeMap<Arc<str>, Arc<str>>,
}

/// What a family says of all its series, which share it.
#[derive(Debug)]
pub struct FamilyHead {
    /// What they are.
    pub metric_type: MetricType,
    /// The help text: that of the first series.
    pub help: Arc<str>,
    /// What they are made with: the buckets or quantiles of the first series hold for all.
    pub(super) spec: MetricSpec,
    /// How many series it has. `Relaxed`: it is written under the lock of the families.
    len: AtomicUsize,
}

/// How many series are copied at a time: the lock is held for some 100 us then.
const CHUNK: usize = 1024;

impl Families {
    /// The head of the family of this name, where there is one.
    fn head(&self, name: &str) -> Option<&Arc<FamilyHead>> {
        let first: &dyn Parts = &(name.as_bytes(), &b""[..]);
        let ByName(series) = self.series.range::<dyn Parts, _>((Bound::Included(first), Bound::Unbounded)).next()?;
        (series.name() == name).then(|| series.head())
    }

    /// Whether a series of `metric` may be made, and then whether its family is new.
    pub fn admits(&self, metric: &Metric) -> Result<bool, Reject> {
        match self.head(&metric.name) {
            Some(head) if head.metric_type == metric.metadata.metric_type() => Ok(false),
            Some(_) => Err(Reject::TypeConflict),
            None if self.collides(metric) => Err(Reject::NameCollision),
            None => Ok(true),
        }
    }

    /// Whether a new family would expose a series that another one does.
    fn collides(&self, metric: &Metric) -> bool {
        let exposes = |metric_type: MetricType, suffix: &&str| metric_type.suffixes().contains(suffix);
        // A histogram has the suffixes of all types.
        MetricType::Histogram.suffixes().iter().any(|suffix| {
            let owner = metric.name.strip_suffix(suffix).and_then(|name| self.head(name));
            owner.is_some_and(|head| exposes(head.metric_type, suffix))
                || exposes(metric.metadata.metric_type(), suffix)
                    && self.head(&format!("{}{suffix}", metric.name)).is_some()
        })
    }

    /// How many series the limit on all of them counts.
    pub fn len(&self) -> usize {
        self.series.len() - self.overflows.len()
    }

    /// How many series of a name the limit on those counts.
    pub fn series_of(&self, name: &str) -> usize {
        let all = self.head(name).map_or(0, |head| head.len.load(Ordering::Relaxed));
        all - usize::from(self.overflows.contains_key(name))
    }

    /// Makes the series of `metric`, with the head of its family.
    pub fn add(&mut self, metric: &Metric, text: String, now: u32) -> Arc<Series> {
        let head = self.head(&metric.name).cloned().unwrap_or_else(|| {
            let FamilyMetadata { help, spec, .. } = (*metric.metadata).clone();
            let metric_type = metric.metadata.metric_type();
            Arc::new(FamilyHead { metric_type, help, spec, len: AtomicUsize::new(0) })
        });
        head.len.fetch_add(1, Ordering::Relaxed);
        let series = Arc::new(Series::new(metric, text, head, now));
        self.series.insert(ByName(Arc::clone(&series)));
        series
    }

    /// Makes the series of `metric` for what is over a limit, whose family exists.
    pub fn add_overflow(&mut self, metric: &Metric, text: String, now: u32) -> Arc<Series> {
        let series = self.add(metric, text, now);
        self.overflows.insert(metric.name.as_str().into(), Arc::clone(series.key()));
        series
    }

    /// Takes a series out; whether its family is gone with it.
    pub fn remove(&mut self, series: &Arc<Series>) -> bool {
        if self.overflows.get(series.name()) == Some(series.key()) {
            self.overflows.remove(series.name());
        }
        self.series.remove(&ByName(Arc::clone(series))) && series.head().len.fetch_sub(1, Ordering::Relaxed) == 1
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
