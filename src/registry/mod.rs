//! The series that exist, by family: found by workers on a miss of their caches, walked by a scrape.
//!
//! Limits, conflicts of type and collisions of names are decided where a series is made.

mod expiry_queue;
mod family;
mod family_head;
mod family_map;
mod line_key;
mod merged_names;
mod new_series;
mod overflow;
mod restore;
mod saved;
mod series;
mod takeover;

pub use family::Family;
pub(crate) use family_head::{Adoption, FamilyHead};
pub use line_key::LineKey;
pub use merged_names::MergedName;
pub(crate) use overflow::overflow_metric;
pub use saved::{NotRestored, SavedSeries, SavedValues, layout};
pub(crate) use series::InArena;
pub use series::Series;
pub(crate) use series::text as series_text;

use std::borrow::Cow;
use std::sync::Arc;

use crate::config::{Limits, Overflow};
use crate::expose::names::is_legal;
use crate::mapping::{FamilyMetadata, Metric};
use crate::metric::{MemoryBudget, MetricType};
use crate::reject::Reject;
use crate::state::Arena;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use expiry_queue::ExpiryQueue;
use family::Removal;
use family_map::{FamilyMap, HashedName};
use merged_names::MergedNames;
use new_series::New;

/// Every family, by its name.
#[derive(Debug)]
pub struct Registry {
    families: FamilyMap,
    /// Held by a thread that adds or removes a series, so that limits and conflicts are decided one after the other. It is taken
    /// before the locks of `families` and of a family, never after.
    population: Mutex<Population>,
    /// How often a series was added or removed: see [`look_up`](Self::look_up). A thread with the lock of `population` adds
    /// to it when the change is done.
    changes: AtomicU64,
    /// How many series have expired. What was decided because of other series may be decided anew when this changes.
    expired: AtomicU64,
    limits: Limits,
    budget: MemoryBudget,
    /// Where the values of new series are, so that they outlive the process.
    arena: Option<Arc<Arena>>,
    /// The families as they were in the order of their names when a scrape last asked.
    in_order: Mutex<InOrder>,
    /// Shared with the registries that this one was taken over from.
    merged_names: Arc<Mutex<MergedNames>>,
}

/// What is known of all series together.
#[derive(Debug, Default)]
struct Population {
    counts: Counts,
    /// How many overflow series there are. The limits do not count them.
    overflows: usize,
    expiry: ExpiryQueue,
    /// How many series should be in the arena and are not.
    outside_arena: u64,
    /// The series that were made since somebody asked, if a reload does.
    new_series: Option<Vec<Arc<Series>>>,
    /// Changes whenever a family is added or removed.
    generation: u64,
    /// Whether a family has had a name that some clients do not take.
    has_other_names: bool,
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

/// How many series the sweeper removes before it gives others a chance at the lock: about a millisecond.
const REMOVED_AT_ONCE: usize = 256;

impl Registry {
    /// A registry without series, which takes as many as `limits` says, and as `budget` has room for.
    pub fn new(limits: Limits, budget: MemoryBudget) -> Self {
        Self {
            families: FamilyMap::default(),
            population: Mutex::default(),
            changes: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            limits,
            budget,
            arena: None,
            in_order: Mutex::default(),
            merged_names: Arc::default(),
        }
    }

    /// The same with the values of new series in an arena.
    pub(crate) fn with_arena(self, arena: Option<Arc<Arena>>) -> Self {
        Self { arena, ..self }
    }

    /// Whether the values of series may be in an arena.
    pub(crate) fn has_arena(&self) -> bool {
        self.arena.is_some()
    }

    /// How many series have values of a fixed number that are not in the arena, because it was full.
    pub(crate) fn outside_arena(&self) -> u64 {
        self.population.lock().outside_arena
    }

    /// A registry without series under the same limits.
    pub(crate) fn without_series(&self) -> Self {
        Self::new(self.limits.clone(), self.budget)
    }

    /// How long a line's labels may be, and how many series there may be.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The series of `metric`, touched at `now`. If it does not exist, it is made with the value 0, unless a conflict or a
    /// limit forbids it. `line` is the key of the line that feeds it, unless the rules declare the series.
    pub fn get_or_create(
        &self,
        metric: &Metric<'_>,
        line: Option<LineKey<'_>>,
        now: u32,
    ) -> Result<Arc<Series>, Reject> {
        let text = series::text(metric);
        admit_length(&self.limits, metric, &text)?;
        let name = self.families.hashed(&metric.name);
        let (mut population, family) = match self.look_up(metric, name, &text, now)? {
            Lookup::Found(series) => return Ok(series),
            Lookup::Missing(population, family) => (population, family),
        };
        if family.is_none() && self.collides(metric) {
            return Err(Reject::NameCollision);
        }
        self.admit_one_more(&population, family.as_deref())?;
        let place = SeriesPlace { name, family, text, line };
        Ok(self.create(&mut population, place, metric, New::at(now)))
    }

    /// Whether the limits have room for a series of this family.
    fn admit_one_more(&self, population: &Population, family: Option<&Family>) -> Result<(), Reject> {
        if population.counts.series.iter().sum::<u64>() as usize - population.overflows >= self.limits.series {
            return Err(Reject::SeriesLimit);
        }
        let len = || family.map_or(0, Family::len);
        if self.limits.family_series.is_some_and(|limit| len() >= limit) {
            return Err(Reject::FamilySeriesLimit);
        }
        if self.budget.has_room_for_series() { Ok(()) } else { Err(Reject::MemoryLimit) }
    }

    /// The series that takes the samples of `metric`'s family that are over a limit, touched at `now`; made if it does not
    /// exist. It has the labels `constants` and `overflow="true"`.
    ///
    /// There is none if the limits say to reject such samples. None is made if the family does not exist, so that there are
    /// never more families than the limit on series allows, or if there is no memory for it.
    pub fn get_or_create_overflow(
        &self,
        metric: &Metric<'_>,
        line: Option<LineKey<'_>>,
        constants: &[(String, String)],
        now: u32,
    ) -> Option<Arc<Series>> {
        if self.limits.overflow != Overflow::Collapse {
            return None;
        }
        let metric = &overflow_metric(metric, constants);
        let text = series::text(metric);
        let name = self.families.hashed(&metric.name);
        match self.look_up(metric, name, &text, now).ok()? {
            Lookup::Found(series) => Some(series),
            Lookup::Missing(mut population, family) => {
                if family.is_none() || !self.budget.has_room_for_series() {
                    return None;
                }
                let place = SeriesPlace { name, family, text, line };
                Some(self.create(&mut population, place, metric, New { is_overflow: true, ..New::at(now) }))
            }
        }
    }

    /// Why `metric` cannot exist beside the families that do, however much room is left.
    pub fn conflict(&self, metric: &Metric<'_>) -> Option<Reject> {
        match self.families.get(self.families.hashed(&metric.name)) {
            Some(family) => family.admit(metric).err(),
            None => self.collides(metric).then_some(Reject::NameCollision),
        }
    }

    /// The memory that the series and the routes to them may take.
    pub(crate) fn budget(&self) -> MemoryBudget {
        self.budget
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
                let name = self.families.hashed(series.name());
                let Some(family) = self.families.get(name) else {
                    debug_assert!(false, "a family exists while it has a series");
                    continue;
                };
                let removal = family.remove_due(series, now);
                if removal == Removal::Kept {
                    population.expiry.add(series);
                    continue;
                }
                series.withdraw();
                let metric_type = series.cells.type_of() as usize;
                population.counts.series[metric_type] -= 1;
                population.overflows -= usize::from(series.is_overflow());
                population.outside_arena -= u64::from(self.is_outside_arena(series, family.metadata()));
                if removal == Removal::LastRemoved {
                    self.families.remove(name);
                    population.counts.families[metric_type] -= 1;
                    population.generation += 1;
                }
                self.note_change();
                removed.push(Arc::clone(series));
                // `Release`: a worker that sees the new number finds the place free.
                self.expired.fetch_add(1, Ordering::Release);
            }
        }
        self.families.give_back();
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
            let mut families = self.families.all();
            families.sort_unstable_by(|one, other| one.name().cmp(other.name()));
            *in_order = InOrder { generation, families: families.into() };
        }
        Arc::clone(&in_order.families)
    }

    /// Whether all clients take the names of all families.
    pub(crate) fn are_names_legal(&self) -> bool {
        !self.population.lock().has_other_names
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
    pub(crate) fn written(&self, metric: &Metric<'_>) -> Option<u32> {
        metric.written.map(|written| self.families.hash(written) as u32)
    }

    /// The series of `metric`, which has this name and this text, touched at `now`. If it does not exist, the lock is given
    /// under which it can be made, and its family as it is under that lock.
    fn look_up(&self, metric: &Metric<'_>, name: HashedName<'_>, text: &str, now: u32) -> Result<Lookup<'_>, Reject> {
        let glance = self.glance(name);
        match self.find(glance.family.as_deref(), metric, text, now)? {
            Some(series) => Ok(Lookup::Found(series)),
            None => self.look_up_locked(glance, metric, name, text, now),
        }
    }

    /// What there is of a family before the lock is taken.
    fn glance(&self, name: HashedName<'_>) -> Glance {
        // The number is read first, so that a change during the look is seen.
        let changes = self.changes.load(Ordering::Acquire);
        Glance { changes, family: self.families.get(name) }
    }

    /// Looks for a series that was not in its family after the glance. Under the lock nobody else adds or removes series, so
    /// the caller decides for good.
    ///
    /// If `changes` is what it was at the glance, the series cannot have been made since: each change is counted after it is
    /// done, by a thread that held this lock before.
    fn look_up_locked(
        &self,
        glance: Glance,
        metric: &Metric<'_>,
        name: HashedName<'_>,
        text: &str,
        now: u32,
    ) -> Result<Lookup<'_>, Reject> {
        let population = self.population.lock();
        if self.changes.load(Ordering::Acquire) == glance.changes {
            return Ok(Lookup::Missing(population, glance.family));
        }
        let family = self.families.get(name);
        match self.find(family.as_deref(), metric, text, now)? {
            Some(series) => Ok(Lookup::Found(series)),
            None => Ok(Lookup::Missing(population, family)),
        }
    }

    /// The series of `metric` with this text in its family, touched at `now`.
    fn find(
        &self,
        family: Option<&Family>,
        metric: &Metric<'_>,
        text: &str,
        now: u32,
    ) -> Result<Option<Arc<Series>>, Reject> {
        let Some(family) = family else { return Ok(None) };
        family.admit(metric)?;
        if family.is_merged(self.written(metric)) {
            let written = metric.written.unwrap_or_default();
            self.merged_names.lock().add(written, family.name());
        }
        Ok(family.find(text.get(metric.name.len()..).unwrap_or_default(), now))
    }

    /// Whether a series of a family should be in the arena, and is not.
    fn is_outside_arena(&self, series: &Series, metadata: &FamilyMetadata) -> bool {
        !series.is_in_arena() && self.arena.is_some() && saved::fits_arena(&metadata.spec)
    }

    /// Counts a change that is done. The caller holds the lock of `population`, so no count is lost.
    fn note_change(&self) {
        // `Release`: a worker that sees the new number also finds the change.
        self.changes.store(self.changes.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Whether a new family would expose a series that another one does.
    fn collides(&self, metric: &Metric<'_>) -> bool {
        let own = metric.metadata.metric_type().suffixes();
        let mut exposed = String::new();
        // A histogram has the suffixes of all types.
        MetricType::Histogram.suffixes().iter().any(|suffix| {
            let owner = metric.name.strip_suffix(suffix).and_then(|name| self.families.get(self.families.hashed(name)));
            owner.is_some_and(|owner| owner.metadata().metric_type().suffixes().contains(suffix))
                || own.contains(suffix) && {
                    exposed.clear();
                    exposed.reserve(metric.name.len() + suffix.len());
                    exposed.push_str(&metric.name);
                    exposed.push_str(suffix);
                    self.families.contains(&exposed)
                }
        })
    }

    /// Makes a series, and its family unless that exists.
    fn create(
        &self,
        population: &mut Population,
        place: SeriesPlace<'_>,
        metric: &Metric<'_>,
        New { is_overflow, moments, slot }: New,
    ) -> Arc<Series> {
        let SeriesPlace { name: hashed, family, text, line } = place;
        let metadata = family.as_ref().map_or(&metric.metadata, |family| family.metadata());
        let metric_type = metadata.metric_type() as usize;
        let name = family.as_ref().map_or_else(|| metric.name.as_str().into(), |family| Arc::clone(family.name()));
        let text = if metric.labels.is_empty() { Arc::clone(&name) } else { text.into() };
        let slot = slot.or_else(|| {
            let arena = self.arena.as_ref()?;
            let spec = saved::spec_id(&metadata.spec);
            saved::slot(arena, &saved::identity(&text, line, is_overflow, spec, moments.created), &metadata.spec)
        });
        let cells = saved::cells(&metadata.spec, slot.as_ref(), self.budget);
        let series = Arc::new(Series::new(metric, line, text, is_overflow, moments, (cells, slot)));
        population.outside_arena += u64::from(self.is_outside_arena(&series, metadata));
        match family {
            Some(family) => family.insert(Arc::clone(&series)),
            None => {
                let family = Family::new(name, metric, self.written(metric), Arc::clone(&series));
                self.families.insert(hashed, Arc::new(family));
                population.counts.families[metric_type] += 1;
                population.generation += 1;
                population.has_other_names |= !is_legal(&metric.name);
            }
        }
        population.add(&series, metric_type);
        population.new_series.iter_mut().for_each(|new| new.push(Arc::clone(&series)));
        self.note_change();
        series
    }
}

impl Population {
    /// Counts a series that its family has now.
    fn add(&mut self, series: &Arc<Series>, metric_type: usize) {
        self.counts.series[metric_type] += 1;
        self.overflows += usize::from(series.is_overflow());
        self.expiry.add(series);
    }
}

/// Whether the text of a series is as long as it may be.
pub(crate) fn admit_length(limits: &Limits, metric: &Metric<'_>, text: &str) -> Result<(), Reject> {
    if metric.labels.iter().any(|(_, value)| value.len() > limits.label_value) {
        return Err(Reject::LabelTooLong);
    }
    if text.len() > limits.series_length { Err(Reject::SeriesTooLong) } else { Ok(()) }
}

/// A family as it was when so many changes were counted.
struct Glance {
    changes: u64,
    family: Option<Arc<Family>>,
}

/// What [`Registry::look_up`] gives.
enum Lookup<'r> {
    Found(Arc<Series>),
    Missing(MutexGuard<'r, Population>, Option<Arc<Family>>),
}

/// Where a new series belongs: its name, the family of that name if it exists, and its text; and the line that it is for.
struct SeriesPlace<'m> {
    name: HashedName<'m>,
    family: Option<Arc<Family>>,
    text: Cow<'m, str>,
    line: Option<LineKey<'m>>,
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

    fn metric_of(spec: MetricSpec, name: &str, n: usize) -> Metric<'static> {
        let labels = vec![("n".into(), n.to_string().into())];
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

    fn metric(name: &str, n: usize) -> Metric<'static> {
        metric_of(MetricSpec::Counter, name, n)
    }

    /// The series of a metric or, over a limit, the overflow series, and then the limit.
    fn any(registry: &Registry, metric: &Metric<'_>, now: u32) -> Option<Reject> {
        let limit = registry.get_or_create(metric, None, now).err()?;
        registry.get_or_create_overflow(metric, None, &[], now).expect("the family exists");
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
        assert!(registry.get_or_create_overflow(&metric("b", 1), None, &[], 0).is_none(), "b has no family");
    }

    /// What the registry has of `metric` under its lock, after a glance and what happens between the two.
    /// If it is not there, how many series its family has.
    fn after_glance(
        registry: &Registry,
        metric: &Metric<'_>,
        between: impl FnOnce(),
    ) -> Result<Arc<Series>, Option<usize>> {
        let name = registry.families.hashed(&metric.name);
        let glance = registry.glance(name);
        between();
        match registry.look_up_locked(glance, metric, name, &series::text(metric), 0).expect("there is no conflict") {
            Lookup::Found(series) => Ok(series),
            Lookup::Missing(_, family) => Err(family.map(|family| family.len())),
        }
    }

    #[test]
    fn what_changes_before_the_lock_is_taken_is_seen_under_it() {
        let registry = Registry::new(Limits::default(), MemoryBudget::UNLIMITED);
        let make = |metric: &Metric<'_>| registry.get_or_create(metric, None, 0).expect("there is room");
        let (a, first, second) = (metric("a", 0), metric("b", 1), metric("b", 2));
        assert_eq!(after_glance(&registry, &a, || ()).err(), Some(None), "nothing has changed");
        for metric in [&a, &first, &second] {
            let series = after_glance(&registry, metric, || _ = make(metric));
            assert!(series.is_ok_and(|series| Arc::ptr_eq(&series, &make(metric))), "{}", metric.name);
        }
        let third = metric("b", 3);
        assert_eq!(after_glance(&registry, &third, || ()).err(), Some(Some(2)), "the family of the glance");
        // A family that is gone must not get another series.
        assert_eq!(after_glance(&registry, &third, || assert_eq!(sweep(&registry, 2), 3)).err(), Some(None));
        assert_eq!(after_glance(&registry, &first, || ()).err(), Some(None));
    }

    #[test]
    fn families_are_in_order_and_an_old_list_of_them_stays_as_it_was() {
        let registry = Registry::new(Limits::default(), MemoryBudget::UNLIMITED);
        for (name, n) in [("ab", 1), ("a", 2), ("b", 1), ("a", 1), ("ab", 0), ("a", 3)] {
            registry.get_or_create(&metric(name, n), None, 0).expect("there is room");
        }
        let expected = ["a{n=\"1\"}", "a{n=\"2\"}", "a{n=\"3\"}", "ab{n=\"0\"}", "ab{n=\"1\"}", "b{n=\"1\"}"];
        assert_eq!(texts(&registry), expected);
        let old = registry.families();
        let one = registry.get_or_create(&metric("a", 1), None, 5).expect("it exists");
        assert_eq!(sweep(&registry, 5), 5);
        assert_eq!(texts(&registry), ["a{n=\"1\"}"]);
        let mut left = Vec::new();
        old.iter().for_each(|family| family.copy_after(None, usize::MAX, &mut left, Arc::clone));
        assert!(old.len() == 3 && left.len() == 1 && Arc::ptr_eq(&left[0], &one));
    }

    #[test]
    fn copies_go_on_behind_any_series() {
        let registry = Registry::new(Limits::default(), MemoryBudget::UNLIMITED);
        (0..10).for_each(|n| _ = registry.get_or_create(&metric("a", n), None, 0).expect("there is room"));
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
        registry.get_or_create(&metric("a", 1), None, 0).expect("there is room");
        assert_eq!(registry.get_or_create(&gauge, None, 0).err(), Some(Reject::TypeConflict));
        assert_eq!(sweep(&registry, 2), 1);
        assert!(registry.get_or_create(&gauge, None, 2).is_ok());
    }

    #[test]
    fn known_lines_take_no_lock_that_others_hold() {
        let (rules, _) = Rules::compile(&Config::default());
        let pipeline = Arc::new(Pipeline::new(&Config::default(), rules));
        let lines = b"a:1|c\na:1|c|@0.3|#k:v\nb:1|g\nb:+1|g\nd:5:6|ms\ne:1|h|@0.5\nf:1|d\ng:1|m\na_total:1|g\nh:x|c";
        let listener = Listener::new("udp://test".to_owned());
        let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::Shared);
        worker.begin(&listener, None).batch().packet(lines);

        let edition = pipeline.current();
        let registry = &edition.registry;
        let families = registry.families();
        assert_eq!(families.len(), 6);
        let population = registry.population.lock();
        let locked: Vec<_> = families.iter().map(|family| family.lock_for_test()).collect();
        // A shard that is held already counts as held: this thread cannot take it twice.
        let shards: Vec<_> = families.iter().map(|family| registry.families.lock_for_test(family.name())).collect();
        assert!(families.iter().all(|family| registry.families.is_locked(family.name())));

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
