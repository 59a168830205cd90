//! Series that an earlier process has left are made again.

use std::sync::Arc;

use super::saved::{self, NotRestored, SavedSeries, SavedValues};
use super::series::{self, Moments};
use super::{LineKey, Lookup, New, Registry, SeriesPlace};
use crate::mapping::Metric;
use crate::metric::MemoryBudget;
use crate::reject::Reject;

impl Registry {
    /// Makes a series that an earlier process has left, as `metric` is now.
    pub(crate) fn restore(
        &self,
        metric: &Metric<'_>,
        line: Option<LineKey<'_>>,
        saved: SavedSeries,
    ) -> Result<(), NotRestored> {
        let SavedSeries { identity, seen, values } = saved;
        let text = series::text(metric);
        let name = self.families.hashed(&metric.name);
        let looked_up = self.look_up(metric, name, &text, 0).map_err(NotRestored::Rejected)?;
        let Lookup::Missing(mut population, family) = looked_up else { return Err(NotRestored::Exists) };
        if family.is_none() && self.collides(metric) {
            return Err(NotRestored::Rejected(Reject::NameCollision));
        }
        let spec = Arc::clone(family.as_ref().map_or(&metric.metadata, |family| family.metadata()));
        if identity.spec != saved::spec_id(&spec.spec) {
            return Err(NotRestored::Changed);
        }
        if !identity.is_overflow {
            self.admit_one_more(&population, family.as_deref()).map_err(NotRestored::Rejected)?;
        }
        let place = SeriesPlace { name, family, text, line };
        let moments = Moments { created: identity.created, seen };
        let create = |slot| {
            let new = New { is_overflow: identity.is_overflow, moments, slot };
            self.create(&mut population, place, metric, new)
        };
        match values {
            SavedValues::Slot(slot) => {
                if !saved::are_valid(&slot, &spec.spec) {
                    return Err(NotRestored::Invalid);
                }
                create(Some(slot));
            }
            SavedValues::Words(words) => {
                if !saved::cells(&spec.spec, None, MemoryBudget::UNLIMITED).restore(&words) {
                    return Err(NotRestored::Invalid);
                }
                let arena = self.arena.as_ref().filter(|_| saved::fits_arena(&spec.spec));
                match arena.and_then(|arena| arena.allocate_with(&identity, seen, words.iter().copied())) {
                    Some(slot) => _ = create(Some(slot)),
                    None => _ = create(None).cells.restore(&words), // it was tried before
                }
            }
        }
        Ok(())
    }
}
