//! Series that leave when no sample comes, without losing one that does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use super::Registry;
use super::series::Series;

/// The series that have a time to live.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// By the second before which they are not over: each is looked at once in its time to live, or less often.
    due: BTreeMap<u32, Vec<Arc<Series>>>,
    /// Those whose leaving is announced, by the generation that it began.
    leaving: VecDeque<(u64, Vec<Arc<Series>>)>,
}

/// How many series are taken out at a time: the lock of the families is held for about a millisecond then.
const CHUNK: usize = 256;

impl Registry {
    /// Takes out series whose time to live is over at `now`, and gives them: some at a time, `None` when no more can go.
    ///
    /// What is over is announced first, and goes when no worker has a route to it any more: see
    /// `presence`. A worker that meets it meanwhile keeps it from going.
    pub fn sweep(&self, now: u32) -> Option<Vec<Arc<Series>>> {
        self.announce(now);
        let reached = self.generations.reached();
        let chunk = self.expiry().chunk(reached)?;
        let (mut gone, mut a_family_is_gone) = (Vec::new(), false);
        let mut families = self.families();
        for series in chunk {
            // Who finds it in the registry touches it, and says that it stays, under the same lock of the map. Either alone
            // would not do: its route may have been kept since, and the time that it was touched with may be an old one.
            let over = |_: &Arc<str>, found: &mut Arc<Series>| found.is_leaving() && found.due() <= now;
            if self.series.remove_if_mut(series.key(), over).is_some() {
                let counts = &self.counts[series.head().metric_type as usize];
                counts.series.fetch_sub(1, Ordering::Relaxed);
                self.expired.fetch_add(1, Ordering::Relaxed);
                if families.remove(&series) {
                    counts.families.fetch_sub(1, Ordering::Relaxed);
                    a_family_is_gone = true;
                }
                gone.push(series);
            } else {
                series.set_leaving(false);
                self.expiry().add(series);
            }
        }
        drop(families);
        if self.series.len() * 4 < self.series.capacity() {
            self.series.shrink_to_fit();
        }
        if a_family_is_gone {
            // Its name is free: routes of lines that were rejected because of it are to be given up.
            self.generations.begin();
        }
        Some(gone)
    }

    /// Announces the series that are over, and puts off those that a sample came for.
    fn announce(&self, now: u32) {
        let due = self.expiry().take_due(now);
        let (over, alive): (Vec<_>, Vec<_>) = due.into_iter().partition(|series| series.due() <= now);
        over.iter().for_each(|series| series.set_leaving(true));
        let generation = if over.is_empty() { None } else { Some(self.generations.begin()) };
        let mut expiry = self.expiry();
        alive.into_iter().for_each(|series| expiry.add(series));
        expiry.leaving.extend(generation.map(|generation| (generation, over)));
    }

    /// Puts a new series under watch, where it has a time to live.
    pub(super) fn watch(&self, series: &Arc<Series>) {
        if series.is_mortal() {
            self.expiry().add(Arc::clone(series));
        }
    }

    fn expiry(&self) -> MutexGuard<'_, Expiry> {
        self.expiry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expiry {
    fn add(&mut self, series: Arc<Series>) {
        self.due.entry(series.due()).or_default().push(series);
    }

    fn take_due(&mut self, now: u32) -> Vec<Arc<Series>> {
        let later = self.due.split_off(&now.saturating_add(1));
        std::mem::replace(&mut self.due, later).into_values().flatten().collect()
    }

    /// Some of those that no worker of `reached` has a route to; `None` where there is none.
    fn chunk(&mut self, reached: u64) -> Option<Vec<Arc<Series>>> {
        let (generation, leaving) = self.leaving.front_mut()?;
        if *generation > reached {
            return None;
        }
        let chunk = leaving.split_off(leaving.len().saturating_sub(CHUNK));
        if leaving.is_empty() {
            self.leaving.pop_front();
        }
        Some(chunk)
    }
}
