//! How other rules take over without losing a sample.
//!
//! The next edition is made beside the current one: the series of its `init` keys first, and then every series of the
//! current edition that its rules make again. Both editions have the same `Series` then, so it does not matter which of them a
//! worker applies a sample by. Series that workers make meanwhile are noted and follow.
//!
//! When few are left, the reload takes the lock of the current edition to write. A worker holds that lock to read while it
//! resolves a key, and always resolves by the edition that it finds there. So no series is made in the old edition after the
//! last ones were taken over. Then the reload takes the lock of each worker in turn, and gives it the new edition and an
//! empty cache: the worker finishes its batch under the old rules before.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use super::edition::{Edition, NoInitial};
use super::route_cache::RouteCache;
use super::shared::Pipeline;
use super::successors::{KeptSeries, KeptText, Successors};
use crate::config::Config;
use crate::mapping::Rules;
use crate::registry::{Adoption, Family, FamilyHead, Series};
use crate::sync::unlock_fair;

/// As many new series as are taken over while workers wait for it.
const FEW: usize = 64;

/// What a reload has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// How many series keep their values.
    pub kept: usize,
    /// The families of which series start anew or are gone, by name, each with how many.
    pub ended: BTreeMap<Arc<str>, usize>,
}

impl Pipeline {
    /// Takes other rules and limits: those of `config` become the current ones. Series that the rules make as before keep
    /// their values; the others start anew with their next line. If a series of an `init` key cannot be made, nothing
    /// changes.
    ///
    /// Waits for workers, so a thread that has a `Work` must not call it. Meant for a thread that may wait.
    pub fn reload(&self, config: &Config, rules: impl Into<Arc<Rules>>) -> Result<Changes, NoInitial> {
        let _held = self.workspaces.hold_series();
        let old = self.current();
        let new = Arc::new(old.next(config, rules.into()));
        new.can_make_initial()?;
        let mut succession = Succession::new(&old, &new);
        old.registry.note_new_series();
        succession.declared(self.clock.now());
        for family in old.registry.families().iter() {
            succession.family(family);
        }
        while let Some(series) = old.registry.take_new_series(FEW) {
            series.iter().for_each(|series| succession.newcomer(series));
        }
        let mut current = self.edition.write();
        old.registry.take_new_series(0).iter().flatten().for_each(|series| succession.newcomer(series));
        *current = Arc::clone(&new);
        drop(current);
        self.move_workers(&new);
        self.telemetry.forget_names();
        Ok(succession.changes)
    }

    /// Gives each worker the edition and an empty cache, when it has finished its batch. The old caches are dropped here,
    /// because that takes time for each route.
    fn move_workers(&self, edition: &Arc<Edition>) {
        for workspace in self.workspaces.living() {
            let (mut edition, mut cache) = (Arc::clone(edition), RouteCache::of(&edition.registry));
            let mut workspace = workspace.lock();
            std::mem::swap(&mut workspace.edition, &mut edition);
            std::mem::swap(&mut workspace.cache, &mut cache);
            unlock_fair(workspace);
        }
    }
}

/// The series of an edition on their way to the next one.
struct Succession<'e> {
    old: &'e Edition,
    new: &'e Edition,
    successors: Successors<'e>,
    changes: Changes,
}

impl<'e> Succession<'e> {
    fn new(old: &'e Edition, new: &'e Edition) -> Self {
        let successors = Successors::new(&new.rules, new.registry.limits());
        Self { old, new, successors, changes: Changes::default() }
    }

    /// Takes over the series that the new rules declare, and makes those of them that do not exist.
    fn declared(&mut self, now: u32) {
        let names: BTreeSet<&str> = self.new.rules.initial.iter().map(|metric| metric.name.as_str()).collect();
        for family in names.into_iter().filter_map(|name| self.old.registry.family(name)) {
            let mut all = all_series(&family);
            let head = self.kept_head(&family, &all);
            all.retain(|series| self.successors.declare(series.text()));
            head.iter().for_each(|head| all.iter().for_each(|series| _ = self.adopt(series, head)));
        }
        // They could be made without the others, which have the types that are declared.
        let made = self.new.make_initial(now);
        debug_assert!(made.is_ok(), "{made:?}");
    }

    /// Takes over the series of a family.
    ///
    /// All of them have the spec that the first of them had. So the family has changed only if the rules give none of them
    /// that spec now.
    fn family(&mut self, family: &Family) {
        let all = all_series(family);
        match self.kept_head(family, &all) {
            Some(head) => all.iter().for_each(|series| self.series(series, &head)),
            None => all.iter().for_each(|series| self.ended(series)),
        }
    }

    /// Takes over a series that was made since its family was looked at.
    fn newcomer(&mut self, series: &Arc<Series>) {
        let Some(family) = self.old.registry.family(series.name()) else { return };
        let known = self.new.registry.family(series.name()).map(|family| FamilyHead::of(&family));
        let head = known.or_else(|| self.head(series));
        match head.filter(|head| head.metadata().spec == family.metadata().spec) {
            Some(head) => self.series(series, &head),
            None => self.ended(series),
        }
    }

    /// What a family with these series is under the new rules, if they make it with the same spec.
    fn kept_head(&self, family: &Family, all: &[Arc<Series>]) -> Option<FamilyHead> {
        let spec = &family.metadata().spec;
        let declared = self.new.rules.initial.iter().find(|metric| *metric.name == **family.name());
        if declared.is_some_and(|declared| declared.metadata.spec != *spec) {
            return None;
        }
        all.iter().find_map(|series| self.head(series).filter(|head| head.metadata().spec == *spec))
    }

    /// What the family of a series is under the new rules, if they make the series again.
    fn head(&self, series: &Series) -> Option<FamilyHead> {
        self.successors.metric(&kept(series), |metric| FamilyHead::new(metric, self.new.registry.written(metric)))
    }

    /// Takes over a series, unless the new rules do not make it in this family.
    fn series(&mut self, series: &Arc<Series>, head: &FamilyHead) {
        if matches!(self.adopt(series, head), Some(Adoption::Refused) | None) {
            self.ended(series);
        }
    }

    fn adopt(&mut self, series: &Arc<Series>, head: &FamilyHead) -> Option<Adoption> {
        let adopted = self.successors.metric(&kept(series), |metric| {
            let is_of_family =
                metric.metadata.metric_type() == head.metadata().metric_type() && metric.ending == head.ending();
            is_of_family.then(|| self.new.registry.adopt(series, head, metric.ttl))
        });
        let adopted = adopted.flatten();
        self.changes.kept += usize::from(adopted == Some(Adoption::Adopted));
        adopted
    }

    fn ended(&mut self, series: &Series) {
        match self.changes.ended.get_mut(series.name()) {
            Some(count) => *count += 1,
            None => _ = self.changes.ended.insert(series.name().into(), 1),
        }
    }
}

fn kept(series: &Series) -> KeptSeries<'_> {
    KeptSeries { text: KeptText::Whole(series.text()), line: series.line(), is_overflow: series.is_overflow() }
}

/// The series of a family.
fn all_series(family: &Family) -> Vec<Arc<Series>> {
    let mut all = Vec::new();
    let Ok(()) = family.try_each(|series| {
        all.push(Arc::clone(series));
        Ok::<_, Infallible>(())
    });
    all
}
