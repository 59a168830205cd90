//! A family: what its series share, and the series.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::series::Series;
use crate::mapping::{Ending, FamilyMetadata, Metric};
use crate::prefetch::prefetch_shared;
use crate::reject::Reject;
use crate::sync::Mutex;

/// The series of one name.
///
/// Its lock is held for one lookup, insertion or removal, or while a scrape copies some handles. A worker that looks a
/// series up touches it under this lock, and the sweeper removes a series under it only if it is still idle: so either
/// the worker finds the series and it stays, or the worker does not find it and makes a new one.
#[derive(Debug)]
pub struct Family {
    name: Arc<str>,
    metadata: Arc<FamilyMetadata>,
    /// What the naming convention did to the end of the name.
    ending: Ending,
    /// The hash of the name as lines have it; `None`: a rule gives the name.
    written: Option<u32>,
    members: Mutex<Members>,
}

#[derive(Debug)]
struct Members {
    series: SeriesSet,
    /// Whether one of them is the overflow series.
    has_overflow: bool,
}

/// Series in the order of their labels. Most families have one series, which needs no tree.
#[derive(Debug)]
enum SeriesSet {
    One(Arc<Series>),
    #[expect(clippy::box_collection, reason = "one word instead of three, which families of one series need not have")]
    Many(Box<BTreeSet<ByLabels>>),
}

/// How many handles are copied while the lock is held for a walk over all series.
const AT_ONCE: usize = 256;

/// How many series are asked for ahead of their use, so that their cache misses overlap.
const AHEAD: usize = 16;

impl Family {
    /// The family of `metric`, with its first series. The metadata holds for all series to come. `written` is the hash of
    /// the metric's name as the line has it.
    pub(super) fn new(name: Arc<str>, metric: &Metric<'_>, written: Option<u32>, first: Arc<Series>) -> Self {
        let members = Members { has_overflow: first.is_overflow(), series: SeriesSet::One(first) };
        let metadata = Arc::clone(&metric.metadata);
        Self { name, metadata, ending: metric.ending, written, members: Mutex::new(members) }
    }

    /// Whether `metric`, which has the name of the family, is one of its series; otherwise why not.
    pub(super) fn admit(&self, metric: &Metric<'_>) -> Result<(), Reject> {
        if self.metadata.metric_type() != metric.metadata.metric_type() {
            return Err(Reject::TypeConflict);
        }
        // The names of the lines differ, and the convention made them the same. Adding both up would count twice what some
        // emitters send under both names.
        if self.ending != metric.ending { Err(Reject::NameCollision) } else { Ok(()) }
    }

    /// Whether a name of lines, by its hash, is another than the one that the family was made for.
    pub(super) fn is_merged(&self, written: Option<u32>) -> bool {
        self.written.is_some() && written.is_some() && self.written != written
    }

    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What its series share.
    pub(crate) fn metadata(&self) -> &Arc<FamilyMetadata> {
        &self.metadata
    }

    /// How many series it has, the overflow series not counted.
    pub(crate) fn len(&self) -> usize {
        let members = self.members.lock();
        let all = match &members.series {
            SeriesSet::One(_) => 1,
            SeriesSet::Many(many) => many.len(),
        };
        all - usize::from(members.has_overflow)
    }

    /// The series with these labels, touched at `now`.
    pub(super) fn find(&self, braced_labels: &str, now: u32) -> Option<Arc<Series>> {
        let members = self.members.lock();
        let found = match &members.series {
            SeriesSet::One(only) => Some(only).filter(|only| only.braced_labels() == braced_labels),
            SeriesSet::Many(many) => many.get(braced_labels).map(|ByLabels(series)| series),
        };
        found.inspect(|series| series.touch(now)).cloned()
    }

    /// Adds a series with labels that no other has.
    pub(super) fn insert(&self, series: Arc<Series>) {
        let mut members = self.members.lock();
        members.has_overflow |= series.is_overflow();
        match &mut members.series {
            SeriesSet::Many(many) => _ = many.insert(ByLabels(series)),
            SeriesSet::One(only) => {
                let both = [Arc::clone(only), series].map(ByLabels);
                members.series = SeriesSet::Many(Box::new(BTreeSet::from(both)));
            }
        }
    }

    /// What the naming convention did to the end of its name.
    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    /// Adds a series in place of the one that has the same labels, which is given back.
    pub(super) fn replace(&self, series: &Arc<Series>) -> Option<Arc<Series>> {
        let mut members = self.members.lock();
        let series = Arc::clone(series);
        members.has_overflow |= series.is_overflow();
        match &mut members.series {
            SeriesSet::Many(many) => many.replace(ByLabels(series)).map(|ByLabels(replaced)| replaced),
            SeriesSet::One(only) if only.braced_labels() == series.braced_labels() => {
                Some(std::mem::replace(only, series))
            }
            SeriesSet::One(only) => {
                let both = [Arc::clone(only), series].map(ByLabels);
                members.series = SeriesSet::Many(Box::new(BTreeSet::from(both)));
                None
            }
        }
    }

    /// Removes a series if its time to live is over at `now`.
    pub(super) fn remove_due(&self, series: &Series, now: u32) -> Removal {
        let mut members = self.members.lock();
        if !series.is_due(now) {
            return Removal::Kept;
        }
        members.has_overflow &= !series.is_overflow();
        match &mut members.series {
            // The sweeper knows this series from its family, so it is the only one.
            SeriesSet::One(_) => members.series = SeriesSet::Many(Box::default()),
            SeriesSet::Many(many) => _ = many.remove(series.braced_labels()),
        }
        match &members.series {
            SeriesSet::Many(many) if many.is_empty() => Removal::LastRemoved,
            _ => Removal::Removed,
        }
    }

    #[cfg(test)]
    pub(super) fn lock_for_test(&self) -> impl Sized {
        self.members.lock()
    }

    /// Copies up to `most` series that follow the labels `after`, with braces, in the order of the labels to the end of
    /// `into`; all of them from the first if `after` is `None`.
    pub(crate) fn copy_after<T>(
        &self,
        after: Option<&str>,
        most: usize,
        into: &mut Vec<T>,
        copy: impl Fn(&Arc<Series>) -> T,
    ) {
        match &self.members.lock().series {
            SeriesSet::One(only) if after.is_none_or(|after| after < only.braced_labels()) => {
                into.push(copy(only));
            }
            SeriesSet::One(_) => {}
            SeriesSet::Many(many) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let following = many.range::<str, _>((from, Bound::Unbounded)).take(most);
                let mut ahead = following.clone().inspect(|ByLabels(series)| prefetch_shared(series));
                ahead.by_ref().take(AHEAD).for_each(drop);
                into.extend(following.map(|ByLabels(series)| {
                    ahead.next();
                    copy(series)
                }));
            }
        }
    }

    /// Gives `take` all series, some at a time, in the order of their labels. The lock is held only while some handles are
    /// copied. A series that is made meanwhile may be missing.
    pub(crate) fn try_each<E>(&self, mut take: impl FnMut(&Arc<Series>) -> Result<(), E>) -> Result<(), E> {
        let (mut some, mut after) = (Vec::new(), None::<Arc<Series>>);
        loop {
            some.clear();
            self.copy_after(after.as_deref().map(Series::braced_labels), AT_ONCE, &mut some, Arc::clone);
            some.iter().try_for_each(&mut take)?;
            after = match some.pop() {
                Some(last) => Some(last),
                None => return Ok(()),
            };
        }
    }

    /// Asks for the memory of the series that will be copied, if there is only one.
    pub(crate) fn prefetch_only(&self) {
        if let SeriesSet::One(only) = &self.members.lock().series {
            prefetch_shared(only);
        }
    }
}

/// What became of a series that was to expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// A sample arrived in the meantime.
    Kept,
    Removed,
    /// It was the last one, so the family is empty.
    LastRemoved,
}

/// A series in the order of its labels.
#[derive(Debug)]
struct ByLabels(Arc<Series>);

impl Borrow<str> for ByLabels {
    fn borrow(&self) -> &str {
        self.0.braced_labels()
    }
}

impl Ord for ByLabels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.braced_labels().cmp(other.0.braced_labels())
    }
}

impl PartialOrd for ByLabels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByLabels {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByLabels {}
