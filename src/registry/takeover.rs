//! How a registry takes over series of another one, which has other rules.

use std::sync::Arc;
use std::time::Duration;

use super::family::Family;
use super::series::Series;
use super::{Adoption, FamilyHead, Registry};
use crate::config::Limits;
use crate::expose::names::is_legal;
use crate::metric::{Cells, MemoryBudget};
use crate::sync::AtomicU64;

impl Registry {
    /// A registry without series under these limits, which goes on with the counts of this one.
    pub(crate) fn next(&self, limits: Limits, budget: MemoryBudget) -> Self {
        let next = Self::new(limits, budget).with_arena(self.arena.clone());
        let (expired, merged_names) = (AtomicU64::new(self.expired()), Arc::clone(&self.merged_names));
        Self { expired, merged_names, ..next }
    }

    /// The family of this name.
    pub(crate) fn family(&self, name: &str) -> Option<Arc<Family>> {
        self.families.get(self.families.hashed(name))
    }

    /// Notes from now on the series that are made.
    pub(crate) fn note_new_series(&self) {
        self.population.lock().new_series = Some(Vec::new());
    }

    /// Takes the series that were made since they were taken last, if they are more than `few`.
    pub(crate) fn take_new_series(&self, few: usize) -> Option<Vec<Arc<Series>>> {
        let mut population = self.population.lock();
        population.new_series.as_mut().filter(|new| new.len() > few).map(std::mem::take)
    }

    /// Adds a series of another registry to the family with this head, and gives it this time to live. A series with the
    /// same text that the rules declare gives way to it.
    pub(crate) fn adopt(&self, series: &Arc<Series>, head: &FamilyHead, ttl: Option<Duration>) -> Adoption {
        let name = self.families.hashed(head.name());
        let mut population = self.population.lock();
        let metric_type = head.metadata().metric_type() as usize;
        let replaced = match self.families.get(name) {
            Some(family) if family.metadata().spec != head.metadata().spec || family.ending() != head.ending() => {
                return Adoption::Refused;
            }
            Some(family) => family.replace(series),
            None => {
                let metric = head.metric();
                if self.collides(&metric) {
                    return Adoption::Refused;
                }
                let family = Family::new(Arc::clone(head.name()), &metric, head.written(), Arc::clone(series));
                self.families.insert(name, Arc::new(family));
                population.counts.families[metric_type] += 1;
                population.generation += 1;
                population.has_other_names |= !is_legal(head.name());
                None
            }
        };
        match replaced {
            Some(known) if Arc::ptr_eq(&known, series) => return Adoption::Known,
            // It is declared, so it never expires.
            Some(declared) => series.set_ttl_of(&declared),
            None => {
                series.set_ttl(ttl);
                population.add(series, metric_type);
                population.outside_arena += u64::from(self.is_outside_arena(series, head.metadata()));
            }
        }
        match &series.cells {
            Cells::Set(set) => set.set_budget(self.budget),
            Cells::Summary(summary) => summary.set_budget(self.budget),
            Cells::Counter(_) | Cells::Gauge(_) | Cells::Histogram(_) => {}
        }
        self.note_change();
        Adoption::Adopted
    }
}
