//! The series that exist, by family: found by workers on a miss of their caches, walked by a scrape.
//!
//! Limits, conflicts of type and collisions of names are decided where a series is made, and only there.

mod expiry_queue;
mod family;
mod series;

pub use family::Family;
pub use series::Series;

use std::sync::Arc;

use dashmap::DashMap;
use foldhash::quality::RandomState;

use crate::config::{Limits, Overflow};
use crate::mapping::Metric;
use crate::metric::MetricType;
use crate::reject::Reject;
use crate::sync::{AtomicU64, Mutex, Ordering};
use expiry_queue::ExpiryQueue;
use family::Removal;

/// Every family, by its name.
#[derive(Debug)]
pub struct Registry {
    families: DashMap<Arc<str>, Arc<Family>, RandomState>,
    /// Held by whoever adds or removes a series, so that limits and conflicts are decided one after the other. It is taken
    /// before the locks of `families` and of a family, never after.
    population: Mutex<Population>,
    /// How many series have expired. What was decided because of other series may be decided anew when this changes.
    expired: AtomicU64,
    limits: Limits,
    /// The families as they were in the order of their names when a scrape last asked.
    in_order: Mutex<InOrder>,
}

/// What is known of all series together.
#[derive(Debug, Default)]
struct Population {
    counts: Counts,
    /// How many overflow series there are. The limits do not count them.
    overflows: usize,
    expiry: ExpiryQueue,
    /// Changes whenever a family is added or removed.
    generation: u64,
}

/// How many series and families there are, in the order of [`MetricType::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Series by type.
    pub series: [u64; MetricType::ALL.len()],
    /// Families by type.
    pub families: [u64; MetricType::ALL.len()],
}

/// Families in the order of their names.
pub type Families = Arc<[Arc<Family>]>;

#[derive(Debug, Default)]
struct InOrder {
    /// The [`Population::generation`] at which `families` were collected.
    generation: u64,
    families: Families,
}

/// The label of overflow series.
const OVERFLOW: &str = "overflow";

/// How many series the sweeper removes before it gives others a chance at the lock: about a millisecond.
const REMOVED_AT_ONCE: usize = 256;

impl Registry {
    /// A registry without series, which takes as many as `limits` says.
    pub fn new(limits: Limits) -> Self {
        Self {
            families: DashMap::with_hasher(RandomState::default()),
            population: Mutex::default(),
            expired: AtomicU64::new(0),
            limits,
            in_order: Mutex::default(),
        }
    }

    /// The series of `metric`, touched at `now`; made at 0 if it does not exist, unless a conflict or a limit forbids it.
    pub fn get_or_create(&self, metric: &Metric, now: u32) -> Result<Arc<Series>, Reject> {
        let text = series::text(metric);
        if let Some(series) = self.find(metric, &text, now)? {
            return Ok(series);
        }
        let mut population = self.population.lock();
        // Another worker may have made it in the meantime.
        if let Some(series) = self.find(metric, &text, now)? {
            return Ok(series);
        }
        let family = self.admit(metric)?;
        if population.counts.series.iter().sum::<u64>() as usize - population.overflows >= self.limits.series {
            return Err(Reject::SeriesLimit);
        }
        let family_len = family.as_ref().map_or(0, |family| family.len());
        if self.limits.family_series.is_some_and(|limit| family_len >= limit) {
            return Err(Reject::FamilySeriesLimit);
        }
        Ok(self.create(&mut population, family, metric, text, false, now))
    }

    /// The series that takes the samples of `metric`'s family that are over a limit, touched at `now`; made if it does not
    /// exist. It has the labels `constants` and `overflow="true"`.
    ///
    /// There is none if the limits say to reject such samples. There is none either if the family does not exist, so that
    /// there are never more families than the limit on series allows.
    pub fn get_or_create_overflow(
        &self,
        metric: &Metric,
        constants: &[(String, String)],
        now: u32,
    ) -> Option<Arc<Series>> {
        if self.limits.overflow != Overflow::Collapse {
            return None;
        }
        let constants = constants.iter().filter(|(key, _)| key != OVERFLOW).cloned();
        let mut labels: Vec<_> = constants.chain([(OVERFLOW.to_owned(), "true".to_owned())]).collect();
        labels.sort_unstable();
        let metric = Metric { labels, ..metric.clone() };
        let text = series::text(&metric);
        if let Some(series) = self.find(&metric, &text, now).ok()? {
            return Some(series);
        }
        let mut population = self.population.lock();
        if let Some(series) = self.find(&metric, &text, now).ok()? {
            return Some(series);
        }
        let family = self.admit(&metric).ok()??;
        Some(self.create(&mut population, Some(family), &metric, text, true, now))
    }

    /// Why `metric` cannot exist beside the families that do, however much room is left.
    pub fn conflict(&self, metric: &Metric) -> Option<Reject> {
        self.admit(metric).err()
    }

    /// Whether series may have expired by `now`.
    pub(crate) fn has_due(&self, now: u32) -> bool {
        self.population.lock().expiry.first().is_some_and(|first| first <= now)
    }

    /// Takes the series whose time to live is over at `now` out of the expiry queue. They stay in their families until
    /// they are given to [`remove_due`](Self::remove_due), which must follow.
    pub(crate) fn take_due(&self, now: u32) -> Vec<Arc<Series>> {
        self.population.lock().expiry.take_due(now)
    }

    /// Removes those of `due` that are still idle at `now`, and gives them; the others go back to the queue.
    pub(crate) fn remove_due(&self, due: Vec<Arc<Series>>, now: u32) -> Vec<Arc<Series>> {
        let mut removed = Vec::with_capacity(due.len());
        for chunk in due.chunks(REMOVED_AT_ONCE) {
            let mut population = self.population.lock();
            for series in chunk {
                let Some(family) = self.family(series.name()) else { continue };
                let removal = family.remove_due(series, now);
                if removal == Removal::Kept {
                    population.expiry.add(Arc::clone(series));
                    continue;
                }
                let metric_type = series.cells.type_of() as usize;
                population.counts.series[metric_type] -= 1;
                population.overflows -= usize::from(series.is_overflow());
                if removal == Removal::LastRemoved {
                    self.families.remove(series.name());
                    population.counts.families[metric_type] -= 1;
                    population.generation += 1;
                }
                removed.push(Arc::clone(series));
                // `Release`: a worker that sees the new number finds the place free.
                self.expired.fetch_add(1, Ordering::Release);
            }
        }
        removed
    }

    /// All families in the order of their names.
    ///
    /// They are collected and sorted when the names have changed since the last call. A family that is removed in the
    /// meantime stays with the caller, empty, and one that is made in the meantime is missing.
    pub fn families(&self) -> Families {
        let mut in_order = self.in_order.lock();
        // Read before the families are: a change in between leads to another sort, and never to a missing family.
        let generation = self.population.lock().generation;
        if in_order.generation != generation {
            in_order.families = Families::default();
            let mut families: Vec<_> = self.families.iter().map(|family| Arc::clone(family.value())).collect();
            families.sort_unstable_by(|one, other| one.name().cmp(other.name()));
            *in_order = InOrder { generation, families: families.into() };
        }
        Arc::clone(&in_order.families)
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.counts().series.iter().sum::<u64>() as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many series and families there are, by type.
    pub fn counts(&self) -> Counts {
        self.population.lock().counts
    }

    /// How many series have expired.
    pub fn expired(&self) -> u64 {
        self.expired.load(Ordering::Acquire)
    }

    /// How many series there may be.
    pub fn limit(&self) -> usize {
        self.limits.series
    }

    fn family(&self, name: &str) -> Option<Arc<Family>> {
        self.families.get(name).map(|family| Arc::clone(&family))
    }

    /// The series of `metric` with this text, touched at `now`.
    fn find(&self, metric: &Metric, text: &str, now: u32) -> Result<Option<Arc<Series>>, Reject> {
        match self.families.get(metric.name.as_str()) {
            None => Ok(None),
            Some(family) if family.metadata().metric_type() != metric.metadata.metric_type() => Err(Reject::TypeConflict),
            Some(family) => Ok(family.find(text.get(metric.name.len()..).unwrap_or_default(), now)),
        }
    }

    /// The family that a series of `metric` belongs to, `None` if that does not exist yet.
    fn admit(&self, metric: &Metric) -> Result<Option<Arc<Family>>, Reject> {
        match self.family(&metric.name) {
            Some(family) if family.metadata().metric_type() == metric.metadata.metric_type() => Ok(Some(family)),
            Some(_) => Err(Reject::TypeConflict),
            None if self.collides(metric) => Err(Reject::NameCollision),
            None => Ok(None),
        }
    }

    /// Whether a new family would expose a series that another one does.
    fn collides(&self, metric: &Metric) -> bool {
        let own = metric.metadata.metric_type().suffixes();
        // A histogram has the suffixes of all types.
        MetricType::Histogram.suffixes().iter().any(|suffix| {
            let owner = metric.name.strip_suffix(suffix).and_then(|name| self.family(name));
            owner.is_some_and(|owner| owner.metadata().metric_type().suffixes().contains(suffix))
                || own.contains(suffix) && self.families.contains_key(format!("{}{suffix}", metric.name).as_str())
        })
    }

    /// Makes a series, and its family unless that exists.
    fn create(
        &self,
        population: &mut Population,
        family: Option<Arc<Family>>,
        metric: &Metric,
        text: String,
        is_overflow: bool,
        now: u32,
    ) -> Arc<Series> {
        let metadata = family.as_ref().map_or(&metric.metadata, |family| family.metadata());
        let metric_type = metadata.metric_type() as usize;
        let name = family.as_ref().map_or_else(|| metric.name.as_str().into(), |family| Arc::clone(family.name()));
        let text = if metric.labels.is_empty() { Arc::clone(&name) } else { text.into() };
        let series = Arc::new(Series::new(metric, text, &metadata.spec, is_overflow, now));
        match family {
            Some(family) => family.insert(Arc::clone(&series)),
            None => {
                let family = Family::new(Arc::clone(&name), Arc::clone(metadata), Arc::clone(&series));
                self.families.insert(name, Arc::new(family));
                population.counts.families[metric_type] += 1;
                population.generation += 1;
            }
        }
        population.counts.series[metric_type] += 1;
        population.overflows += usize::from(is_overflow);
        population.expiry.add(Arc::clone(&series));
        series
    }
}
