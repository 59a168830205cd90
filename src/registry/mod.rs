//! The series that exist: found without a lock that others wait for, made under one that only makers take.
//!
//! Limits, conflicts of type and collisions of names are decided where a series is made, and only there.

mod expiry;
mod families;
mod presence;
mod series;

pub use families::FamilyHead;
pub use presence::Presence;
pub use series::Series;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use foldhash::quality::RandomState;

use crate::config::{Limits, Overflow};
use crate::mapping::Metric;
use crate::metric::MetricType;
use crate::reject::Reject;
use expiry::Expiry;
use families::Families;
use presence::Generations;
use series::ByName;

/// Every series, by its text.
#[derive(Debug)]
pub struct Registry {
    /// What a worker asks on a miss of its own route table.
    series: DashMap<Arc<str>, Arc<Series>, RandomState>,
    /// The same series by family, for those who make one and for a scrape. Makers are few, and a scrape holds it only
    /// to copy some handles.
    families: Mutex<Families>,
    /// Those that have a time to live. Its lock is taken with that of the families held, never the other way round.
    expiry: Mutex<Expiry>,
    generations: Generations,
    limits: Limits,
    counts: [Counts; MetricType::ALL.len()],
    expired: AtomicU64,
}

/// The label of the series that take what is over a limit.
const OVERFLOW: &str = "overflow";

/// How many there are of one type. `Relaxed`: they are written under the lock of the families and read as numbers.
#[derive(Debug, Default)]
struct Counts {
    series: AtomicU64,
    families: AtomicU64,
}

impl Registry {
    /// A registry without series, which takes as many as `limits` says.
    pub fn new(limits: Limits) -> Self {
        Self {
            series: DashMap::with_hasher(RandomState::default()),
            families: Mutex::default(),
            expiry: Mutex::default(),
            generations: Generations::default(),
            limits,
            counts: Default::default(),
            expired: AtomicU64::new(0),
        }
    }

    /// The series of `metric` for a sample that comes at `now`, made at 0 where it is not there yet, or why there can be
    /// none.
    pub fn get_or_create(&self, metric: &Metric, now: u32) -> Result<Arc<Series>, Reject> {
        let text = series::text(metric);
        if let Some(series) = self.find(&text, metric, now)? {
            return Ok(series);
        }
        let mut families = self.families();
        // Another worker may have made it meanwhile.
        if let Some(series) = self.find(&text, metric, now)? {
            return Ok(series);
        }
        let is_new = families.admits(metric)?;
        if families.len() >= self.limits.series {
            return Err(Reject::SeriesLimit);
        }
        if self.limits.family_series.is_some_and(|limit| families.series_of(&metric.name) >= limit) {
            return Err(Reject::FamilySeriesLimit);
        }
        let series = families.add(metric, text, now);
        self.show(&series, is_new);
        Ok(series)
    }

    /// Why there can be no series of `metric` beside those that there are, however much room is left.
    pub fn conflict(&self, metric: &Metric) -> Option<Reject> {
        self.families().admits(metric).err()
    }

    /// As [`get_or_create`](Self::get_or_create), but that a metric over a limit gets its family's one series for such,
    /// where the owner wants that, with the limit. The series has the labels `constants` and `overflow="true"`.
    pub fn get_or_collapse(
        &self,
        metric: &Metric,
        constants: &[(String, String)],
        now: u32,
    ) -> Result<(Arc<Series>, Option<Reject>), Reject> {
        match self.get_or_create(metric, now) {
            Err(limit @ (Reject::SeriesLimit | Reject::FamilySeriesLimit))
                if self.limits.overflow == Overflow::Collapse =>
            {
                self.overflow(metric, constants, now).map_or(Err(limit), |series| Ok((series, Some(limit))))
            }
            made => made.map(|series| (series, None)),
        }
    }

    /// The series for what is over a limit, made even there: there is one a family at most. A family that does not exist
    /// gets none, so that there are no more families than series may be.
    fn overflow(&self, metric: &Metric, constants: &[(String, String)], now: u32) -> Option<Arc<Series>> {
        let constants = constants.iter().filter(|(key, _)| key != OVERFLOW).cloned();
        let mut labels: Vec<_> = constants.chain([(OVERFLOW.to_owned(), "true".to_owned())]).collect();
        labels.sort_unstable();
        let metric = Metric { labels, ..metric.clone() };
        let text = series::text(&metric);
        if let Some(series) = self.find(&text, &metric, now).ok()? {
            return Some(series);
        }
        let mut families = self.families();
        match self.find(&text, &metric, now).ok()? {
            None if families.admits(&metric) == Ok(false) => {
                let series = families.add_overflow(&metric, text, now);
                self.show(&series, false);
                Some(series)
            }
            found => found,
        }
    }

    /// Counts a new series, and shows it to those who look for it.
    fn show(&self, series: &Arc<Series>, is_new_family: bool) {
        let counts = &self.counts[series.cells.type_of() as usize];
        counts.series.fetch_add(1, Ordering::Relaxed);
        counts.families.fetch_add(u64::from(is_new_family), Ordering::Relaxed);
        self.series.insert(Arc::clone(series.key()), Arc::clone(series));
        self.watch(series);
    }

    /// Puts the series that follow `after` into `chunk`, which is emptied first: about a thousand, in the order of
    /// their names and then of their labels; none where `after` is the last. No lock is held from one call to the next.
    pub fn next(&self, after: Option<Arc<Series>>, chunk: &mut Vec<Arc<Series>>) {
        let after = after.map(ByName);
        chunk.clear();
        self.families().next(after.as_ref(), chunk);
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// A worker that is going to have routes to series.
    pub fn join(&self) -> Arc<Presence> {
        self.generations.join()
    }

    /// Says that a worker begins to apply. `review` is called where series are about to leave: the worker gives up its
    /// routes to those that [are](Series::is_leaving), and to nowhere.
    #[inline]
    pub fn enter(&self, worker: &Presence, review: impl FnOnce()) {
        self.generations.enter(worker, review);
    }

    /// Says that a worker has applied all it had.
    #[inline]
    pub fn leave(&self, worker: &Presence) {
        self.generations.leave(worker);
    }

    /// How many series have expired.
    pub fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    /// How many series there may be.
    pub fn limit(&self) -> usize {
        self.limits.series
    }

    /// Series and families by type, in the order of [`MetricType::ALL`].
    pub fn counts(&self) -> ([u64; MetricType::ALL.len()], [u64; MetricType::ALL.len()]) {
        let read = |count: fn(&Counts) -> &AtomicU64| {
            MetricType::ALL.map(|t| count(&self.counts[t as usize]).load(Ordering::Relaxed))
        };
        (read(|c| &c.series), read(|c| &c.families))
    }

    fn find(&self, text: &str, metric: &Metric, now: u32) -> Result<Option<Arc<Series>>, Reject> {
        match self.series.get(text) {
            Some(series) if series.cells.type_of() == metric.metadata.metric_type() => {
                // Before the lock is given back: who would take it out sees that it is met.
                series.touch(now);
                series.set_leaving(false);
                Ok(Some(Arc::clone(&series)))
            }
            Some(_) => Err(Reject::TypeConflict),
            None => Ok(None),
        }
    }

    fn families(&self) -> MutexGuard<'_, Families> {
        // What it guards is whole between any two statements, so a panic elsewhere spoils nothing.
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::mapping::{FamilyMetadata, MetricSpec, Rules};
    use crate::pipeline::{Pipeline, Worker};
    use crate::telemetry::Listener;

    fn metric(name: &str, n: usize) -> Metric {
        let labels = vec![("n".to_owned(), n.to_string())];
        let ttl = Some(Duration::from_secs(1));
        let metadata = FamilyMetadata { help: "".into(), unit: None, spec: MetricSpec::Counter }.into();
        Metric { name: name.to_owned(), labels, metadata, ttl }
    }

    /// The series for what is over a limit takes no place of others, and leaves as they do.
    #[test]
    fn a_place_that_becomes_free_is_taken_by_a_series_of_its_own() {
        let limits = Limits { family_series: Some(1), overflow: Overflow::Collapse, ..Limits::default() };
        let registry = Registry::new(limits);
        let limit_of = |n, now| registry.get_or_collapse(&metric("a", n), &[], now).unwrap().1;
        assert_eq!((limit_of(1, 0), limit_of(2, 0)), (None, Some(Reject::FamilySeriesLimit)));
        assert_eq!(limit_of(2, 9), Some(Reject::FamilySeriesLimit));
        while registry.sweep(9).is_some() {}
        assert_eq!(registry.len(), 1, "the one that a sample came for is left");
        assert_eq!((limit_of(2, 9), limit_of(3, 9)), (None, Some(Reject::FamilySeriesLimit)));
        assert_eq!(registry.len(), 2);
        while registry.sweep(99).is_some() {}
        assert!(registry.is_empty() && registry.families().len() == 0);
        assert_eq!((limit_of(4, 99), limit_of(5, 99)), (None, Some(Reject::FamilySeriesLimit)));
    }

    #[test]
    fn makers_who_meet_at_the_limit_make_one_series_for_what_is_over_it() {
        let limits = Limits { series: 4, overflow: Overflow::Collapse, ..Limits::default() };
        let registry = Registry::new(limits);
        let collapsed: usize = thread::scope(|scope| {
            let makers: Vec<_> = (0..4)
                .map(|_| {
                    let maker = || {
                        (0..1000).filter(|&n| registry.get_or_collapse(&metric("a", n), &[], 0).unwrap().1.is_some())
                    };
                    scope.spawn(move || maker().count())
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).sum()
        });
        assert_eq!(collapsed, 4 * 996, "those of the first four series have their own");
        let (series, families) = registry.counts();
        assert_eq!((registry.len(), series.iter().sum(), families.iter().sum()), (5, 5_u64, 1_u64));
        assert_eq!(registry.get_or_collapse(&metric("b", 1), &[], 0).err(), Some(Reject::SeriesLimit));
    }

    #[test]
    fn known_lines_take_no_lock() {
        let (rules, _) = Rules::compile(&Config::default());
        let pipeline = Arc::new(Pipeline::new(&Config::default(), rules));
        let lines = b"a:1|c\na:1|c|@0.3|#k:v\nb:1|g\nb:+1|g\nd:5:6|ms\ne:1|h|@0.5\nf:1|d\ng:1|m\na_total:1|g\nh:x|c";
        let listener = Listener::new("udp://test".to_owned());
        let mut worker = Worker::new(Arc::clone(&pipeline));
        worker.packet(lines);
        worker.flush(&listener);

        let registry = &pipeline.registry;
        let families = registry.families();
        let mut texts = Vec::new();
        for series in registry.series.iter() {
            texts.push(Arc::clone(series.key()));
        }
        // A shard that is held already counts as held: this thread cannot take it twice.
        let guards: Vec<_> = texts.iter().map(|text| registry.series.try_get_mut(text)).collect();
        assert_eq!(guards.len(), 7);
        assert!(texts.iter().all(|text| registry.series.try_get(text).is_locked()), "every shard in use is held");

        let (done, is_done) = mpsc::channel();
        let its_listener = Arc::clone(&listener);
        let thread = thread::spawn(move || {
            for _ in 0..1000 {
                worker.packet(lines);
                worker.flush(&its_listener);
            }
            done.send(()).expect("the test is waiting");
        });
        let result = is_done.recv_timeout(Duration::from_secs(10));
        drop((guards, families));
        result.expect("it did not wait for the registry");
        thread.join().expect("it has not panicked");
        assert_eq!(pipeline.telemetry.rejected(Reject::TypeConflict), 1001, "routes of rejected lines are known too");
        assert_eq!(listener.lines(), 10 * 1001);
    }
}
