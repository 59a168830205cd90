//! The series that exist, by family: found by workers on a miss of their caches, walked by a scrape.
//!
//! Limits, conflicts of type and collisions of names are decided where a series is made.

mod expiry_queue;
mod family;
mod merged_names;
mod series;

pub use family::Family;
pub use merged_names::MergedName;
pub use series::Series;

use std::hash::BuildHasher;
use std::sync::Arc;

use dashmap::DashMap;
use foldhash::quality::RandomState;

use crate::config::{Limits, Overflow};
use crate::mapping::Metric;
use crate::metric::{MemoryBudget, MetricType};
use crate::reject::Reject;
use crate::sync::{AtomicU64, Mutex, Ordering};
use expiry_queue::ExpiryQueue;
use family::Removal;
use merged_names::MergedNames;

/// Every family, by its name.
#[derive(Debug)]
pub struct Registry {
    families: DashMap<Arc<str>, Arc<Family>, RandomState>,
    /// Held by a thread that adds or removes a series, so that limits and conflicts are decided one after the other. It is taken
    /// before the locks of `families` and of a family, never after.
    population: Mutex<Population>,
    /// How many series have expired. What was decided because of other series may be decided anew when this changes.
    expired: AtomicU64,
    limits: Limits,
    budget: MemoryBudget,
    /// The families as they were in the order of their names when a scrape last asked.
    in_order: Mutex<InOrder>,
    merged_names: Mutex<MergedNames>,
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
    /// A registry without series, which takes as many as `limits` says, and as `budget` has room for.
    pub fn new(limits: Limits, budget: MemoryBudget) -> Self {
        Self {
            families: DashMap::with_hasher(RandomState::default()),
            population: Mutex::default(),
            expired: AtomicU64::new(0),
            limits,
            budget,
            in_order: Mutex::default(),
            merged_names: Mutex::default(),
        }
    }

    /// The series of `metric`, touched at `now`. If it does not exist, it is made with the value 0, unless a conflict or a
    /// limit forbids it.
    pub fn get_or_create(&self, metric: &Metric, now: u32) -> Result<Arc<Series>, Reject> {
        let text = series::text(metric);
        self.admit_length(metric, &text)?;
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
        let len = || family.as_ref().map_or(0, |family| family.len());
        if self.limits.family_series.is_some_and(|limit| len() >= limit) {
            return Err(Reject::FamilySeriesLimit);
        }
        if !self.budget.has_room_for_series() {
            return Err(Reject::MemoryLimit);
        }
        Ok(self.create(&mut population, family, metric, text, false, now))
    }

    /// The series that takes the samples of `metric`'s family that are over a limit, touched at `now`; made if it does not
    /// exist. It has the labels `constants` and `overflow="true"`.
    ///
    /// There is none if the limits say to reject such samples. None is made if the family does not exist, so that there are
    /// never more families than the limit on series allows, or if there is no memory for it.
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
        if !self.budget.has_room_for_series() {
            return None;
        }
        Some(self.create(&mut population, Some(family), &metric, text, true, now))
    }

    /// Why `metric` cannot exist beside the families that do, however much room is left.
    pub fn conflict(&self, metric: &Metric) -> Option<Reject> {
        self.admit(metric).err()
    }

    /// The memory that the series and the routes to them may take.
    pub(crate) fn budget(&self) -> MemoryBudget {
        self.budget
    }

    /// Whether the text of a series is as long as it may be.
    fn admit_length(&self, metric: &Metric, text: &str) -> Result<(), Reject> {
        if metric.labels.iter().any(|(_, value)| value.len() > self.limits.label_value) {
            return Err(Reject::LabelTooLong);
        }
        if text.len() > self.limits.series_length { Err(Reject::SeriesTooLong) } else { Ok(()) }
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
                let Some(family) = self.family(series.name()) else {
                    debug_assert!(false, "a family exists while it has a series");
                    continue;
                };
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
        if self.families.len() * 4 < self.families.capacity() {
            self.families.shrink_to_fit();
        }
        let mut in_order = self.in_order.lock();
        if in_order.generation != self.population.lock().generation {
            // It would keep families that are gone until the next scrape.
            *in_order = InOrder::default();
        }
        drop(in_order);
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

    /// How many names of lines became the name of another metric because characters were replaced.
    pub(crate) fn merged(&self) -> u64 {
        self.merged_names.lock().len() as u64
    }

    /// The newest of these names, the last one first.
    pub(crate) fn merged_names(&self) -> Vec<MergedName> {
        self.merged_names.lock().newest()
    }

    /// The hash of the name as the line has it.
    fn written(&self, metric: &Metric) -> Option<u32> {
        metric.written.as_deref().map(|written| self.families.hasher().hash_one(written) as u32)
    }

    /// The family of this name. The lock of the map is given back before that of the family is taken.
    fn family(&self, name: &str) -> Option<Arc<Family>> {
        self.families.get(name).map(|family| Arc::clone(&family))
    }

    /// The series of `metric` with this text, touched at `now`.
    fn find(&self, metric: &Metric, text: &str, now: u32) -> Result<Option<Arc<Series>>, Reject> {
        let Some(family) = self.family(&metric.name) else { return Ok(None) };
        family.admit(metric)?;
        if family.is_merged(self.written(metric)) {
            let written = metric.written.as_deref().unwrap_or_default();
            self.merged_names.lock().add(written, family.name());
        }
        Ok(family.find(text.get(metric.name.len()..).unwrap_or_default(), now))
    }

    /// The family that a series of `metric` belongs to, `None` if that does not exist yet.
    fn admit(&self, metric: &Metric) -> Result<Option<Arc<Family>>, Reject> {
        match self.family(&metric.name) {
            Some(family) => family.admit(metric).map(|()| Some(family)),
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
        let series = Arc::new(Series::new(metric, text, &metadata.spec, is_overflow, now, self.budget));
        match family {
            Some(family) => family.insert(Arc::clone(&series)),
            None => {
                let family = Family::new(Arc::clone(&name), metric, self.written(metric), Arc::clone(&series));
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::mapping::{Ending, FamilyMetadata, MetricSpec, Rules};
    use crate::metric::Sharing;
    use crate::pipeline::{Pipeline, Worker};
    use crate::telemetry::Listener;

    fn metric_of(spec: MetricSpec, name: &str, n: usize) -> Metric {
        let labels = vec![("n".to_owned(), n.to_string())];
        let metadata = FamilyMetadata { help: "".into(), unit: None, spec };
        Metric {
            name: name.to_owned(),
            labels,
            metadata: metadata.into(),
            ttl: Some(Duration::from_secs(1)),
            ending: Ending::Kept,
            written: None,
        }
    }

    fn metric(name: &str, n: usize) -> Metric {
        metric_of(MetricSpec::Counter, name, n)
    }

    /// The series of a metric or, over a limit, the overflow series, and then the limit.
    fn any(registry: &Registry, metric: &Metric, now: u32) -> Option<Reject> {
        let limit = registry.get_or_create(metric, now).err()?;
        registry.get_or_create_overflow(metric, &[], now).expect("the family exists");
        Some(limit)
    }

    fn sweep(registry: &Registry, now: u32) -> usize {
        registry.remove_due(registry.take_due(now), now).len()
    }

    /// The text of every series, family by family.
    fn texts(registry: &Registry) -> Vec<String> {
        let mut all = Vec::new();
        for family in registry.families().iter() {
            family.copy_after(None, usize::MAX, &mut all, |series| series.text().to_owned());
        }
        all
    }

    #[test]
    fn an_overflow_series_takes_no_place_and_expires_as_others_do() {
        let limits = Limits { family_series: Some(1), overflow: Overflow::Collapse, ..Limits::default() };
        let registry = Registry::new(limits, MemoryBudget::UNLIMITED);
        let over = Some(Reject::FamilySeriesLimit);
        assert_eq!((any(&registry, &metric("a", 1), 0), any(&registry, &metric("a", 2), 0)), (None, over));
        assert_eq!(any(&registry, &metric("a", 2), 9), over);
        assert_eq!(sweep(&registry, 9), 1);
        assert_eq!(texts(&registry), ["a{overflow=\"true\"}"], "the one that a sample has reached is left");
        assert_eq!((any(&registry, &metric("a", 2), 9), any(&registry, &metric("a", 3), 9)), (None, over));
        assert_eq!(texts(&registry), ["a{n=\"2\"}", "a{overflow=\"true\"}"]);
        assert_eq!(sweep(&registry, 99), 2);
        assert!(registry.is_empty() && registry.families().is_empty());
        assert_eq!((any(&registry, &metric("a", 4), 99), any(&registry, &metric("a", 5), 99)), (None, over));
    }

    #[test]
    fn makers_that_meet_at_the_limit_make_one_overflow_series() {
        let limits = Limits { series: 4, overflow: Overflow::Collapse, ..Limits::default() };
        let registry = Registry::new(limits, MemoryBudget::UNLIMITED);
        let collapsed: usize = thread::scope(|scope| {
            let makers: Vec<_> = (0..4)
                .map(|_| {
                    let maker = || (0..1000).filter(|&n| any(&registry, &metric("a", n), 0).is_some());
                    scope.spawn(move || maker().count())
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).sum()
        });
        assert_eq!(collapsed, 4 * 996, "the first four series are their own");
        let counts = registry.counts();
        let counts: [u64; 2] = [counts.series.iter().sum(), counts.families.iter().sum()];
        assert_eq!((registry.len(), counts), (5, [5, 1]));
        assert!(registry.get_or_create_overflow(&metric("b", 1), &[], 0).is_none(), "b has no family");
    }

    #[test]
    fn families_are_in_order_and_an_old_list_of_them_stays_as_it_was() {
        let registry = Registry::new(Limits::default(), MemoryBudget::UNLIMITED);
        for (name, n) in [("ab", 1), ("a", 2), ("b", 1), ("a", 1), ("ab", 0), ("a", 3)] {
            registry.get_or_create(&metric(name, n), 0).expect("there is room");
        }
        let expected = ["a{n=\"1\"}", "a{n=\"2\"}", "a{n=\"3\"}", "ab{n=\"0\"}", "ab{n=\"1\"}", "b{n=\"1\"}"];
        assert_eq!(texts(&registry), expected);
        let old = registry.families();
        let one = registry.get_or_create(&metric("a", 1), 5).expect("it exists");
        assert_eq!(sweep(&registry, 5), 5);
        assert_eq!(texts(&registry), ["a{n=\"1\"}"]);
        let mut left = Vec::new();
        old.iter().for_each(|family| family.copy_after(None, usize::MAX, &mut left, Arc::clone));
        assert!(old.len() == 3 && left.len() == 1 && Arc::ptr_eq(&left[0], &one));
    }

    #[test]
    fn copies_go_on_behind_any_series() {
        let registry = Registry::new(Limits::default(), MemoryBudget::UNLIMITED);
        (0..10).for_each(|n| _ = registry.get_or_create(&metric("a", n), 0).expect("there is room"));
        let family = Arc::clone(&registry.families()[0]);
        let mut copied: Vec<Arc<Series>> = Vec::new();
        while copied.len() < 10 {
            let after = copied.last().cloned();
            family.copy_after(after.as_deref().map(Series::braced_labels), 3, &mut copied, Arc::clone);
        }
        assert!(copied.is_sorted_by(|one, other| one.text() < other.text()) && copied.len() == 10);
        let (before, last) = (copied.len(), copied.last().cloned());
        family.copy_after(last.as_deref().map(Series::braced_labels), 3, &mut copied, Arc::clone);
        assert_eq!(copied.len(), before);
    }

    #[test]
    fn a_name_belongs_to_one_type_until_its_family_is_empty() {
        let registry = Registry::new(Limits::default(), MemoryBudget::UNLIMITED);
        let gauge = metric_of(MetricSpec::Gauge, "a", 1);
        registry.get_or_create(&metric("a", 1), 0).expect("there is room");
        assert_eq!(registry.get_or_create(&gauge, 0).err(), Some(Reject::TypeConflict));
        assert_eq!(sweep(&registry, 2), 1);
        assert!(registry.get_or_create(&gauge, 2).is_ok());
    }

    #[test]
    fn known_lines_take_no_lock_that_others_hold() {
        let (rules, _) = Rules::compile(&Config::default());
        let pipeline = Arc::new(Pipeline::new(&Config::default(), rules));
        let lines = b"a:1|c\na:1|c|@0.3|#k:v\nb:1|g\nb:+1|g\nd:5:6|ms\ne:1|h|@0.5\nf:1|d\ng:1|m\na_total:1|g\nh:x|c";
        let listener = Listener::new("udp://test".to_owned());
        let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::Shared);
        worker.begin(&listener, None).batch().packet(lines);

        let registry = &pipeline.registry;
        let families = registry.families();
        assert_eq!(families.len(), 6);
        let population = registry.population.lock();
        let locked: Vec<_> = families.iter().map(|family| family.lock_for_test()).collect();
        // A shard that is held already counts as held: this thread cannot take it twice.
        let shards: Vec<_> = families.iter().map(|family| registry.families.try_get_mut(&**family.name())).collect();
        assert!(families.iter().all(|family| registry.families.try_get(&**family.name()).is_locked()));

        let (done, is_done) = mpsc::channel();
        let counted = Arc::clone(&listener);
        let thread = thread::spawn(move || {
            for _ in 0..1000 {
                worker.begin(&counted, None).batch().packet(lines);
            }
            done.send(()).expect("the test is waiting");
        });
        let result = is_done.recv_timeout(Duration::from_secs(10));
        drop((shards, locked, population));
        result.expect("it did not wait for the registry");
        thread.join().expect("it has not panicked");
        assert_eq!(pipeline.telemetry.rejected(Reject::TypeConflict), 1001, "routes of rejected lines are known too");
        assert_eq!(listener.lines(), 10 * 1001);
    }
}
