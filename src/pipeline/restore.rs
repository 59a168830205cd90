//! The series that an earlier process has left are made again, by the rules of this one.

use std::collections::BTreeSet;

use super::edition::Edition;
use super::shared::Pipeline;
use super::successors::{KeptSeries, KeptText, Successors};
use crate::parse::StatsdType;
use crate::registry::{LineKey, NotRestored, SavedSeries, SavedValues};
use crate::reject::Reject;
use crate::state::{Identity, Legacy};

/// What became of the series of an earlier process.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many go on.
    pub series: u64,
    /// The names of the metrics of which series start anew, because their type, buckets, quantiles or window are others now.
    pub changed: BTreeSet<String>,
    /// The names in the lines of those that no line feeds any more, and of those that the rules no longer declare.
    pub gone: BTreeSet<String>,
    /// How many cannot exist beside the others, and why the first of them cannot.
    pub rejected: Option<(u64, Reject)>,
    /// How many had values that are none of their type.
    pub invalid: u64,
}

impl Pipeline {
    /// Makes the series that an earlier process has left. To be called before lines come, and before the series of `init`
    /// keys are made.
    pub fn restore(&self, legacy: Legacy) -> Restored {
        let Legacy { found, snapshot, arena_is_whole, .. } = legacy;
        let edition = self.current();
        let successors = Successors::new(&edition.rules, edition.registry.limits());
        let mut restored = Restored::default();
        for (slot, identity) in found {
            let saved = SavedSeries { identity, seen: slot.seen(), values: SavedValues::Slot(slot) };
            restored.count(restore_one(&edition, &successors, saved));
        }
        // What was in the arena, and is not found there, has expired since.
        let others = snapshot.into_iter().flatten().filter(|record| !(arena_is_whole && record.is_in_arena));
        for record in others {
            let values = SavedValues::Words(record.values);
            let saved = SavedSeries { identity: record.identity, seen: record.seen, values };
            restored.count(restore_one(&edition, &successors, saved));
        }
        restored
    }
}

fn restore_one(edition: &Edition, successors: &Successors<'_>, saved: SavedSeries) -> Result<(), NotMade> {
    let identity = saved.identity.clone();
    let [name, tags, container] = &identity.parts;
    let line = match identity.is_declared {
        true => None,
        false => {
            let statsd_type = *StatsdType::ALL.get(usize::from(identity.line_type)).ok_or(NotMade::Invalid)?;
            Some(LineKey { name, statsd_type, tags, container })
        }
    };
    let text = if identity.is_declared { KeptText::Whole(name) } else { KeptText::Id(identity.text) };
    let kept = KeptSeries { text, line, is_overflow: identity.is_overflow };
    let made = successors.metric(&kept, |metric| {
        let made = edition.registry.restore(metric, line, saved);
        made.map_err(|why| match why {
            NotRestored::Changed => NotMade::Changed(metric.name.clone()),
            NotRestored::Rejected(reject) => NotMade::Rejected(reject),
            NotRestored::Invalid => NotMade::Invalid,
            NotRestored::Exists => NotMade::Exists,
        })
    });
    made.unwrap_or_else(|| Err(NotMade::Gone(gone_name(&identity))))
}

/// Why a series does not go on.
enum NotMade {
    Changed(String),
    Gone(String),
    Rejected(Reject),
    Invalid,
    /// It was both in the arena and in the snapshot.
    Exists,
}

impl Restored {
    fn count(&mut self, made: Result<(), NotMade>) {
        match made {
            Ok(()) => self.series += 1,
            Err(NotMade::Changed(name)) => _ = self.changed.insert(name),
            Err(NotMade::Gone(name)) => _ = self.gone.insert(name),
            Err(NotMade::Rejected(reject)) => self.rejected.get_or_insert((0, reject)).0 += 1,
            Err(NotMade::Invalid) => self.invalid += 1,
            Err(NotMade::Exists) => {}
        }
    }
}

/// The name of a series that is gone, as its line or the rules had it.
fn gone_name(identity: &Identity) -> String {
    let [name, ..] = &identity.parts;
    name.split(['{', ';', ',']).next().unwrap_or_default().to_owned()
}
