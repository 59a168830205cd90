//! A slot: the place of one series in the arena.
//!
//! | number | has |
//! |---|---|
//! | 0 | 0: free. Otherwise, the CRC of what identifies the series, and how many values it has |
//! | 1 | when the series was made, and when its last sample came |
//! | from 2 | the values, then what identifies the series |
//!
//! Number 0 is written last, so a slot that a killed process had not finished is free.

use std::sync::Arc;

use super::identity::{HEAD, Identity, checksum};
use super::space::{ArenaSpace, SlotPlace};
use crate::sync::{AtomicU64, Ordering};

/// The numbers before the values.
const BEFORE_VALUES: usize = 2;

/// The place of one series in an arena. It is free when this is dropped, unless the arena is left to the next process.
#[derive(Debug)]
pub struct Slot {
    space: Arc<ArenaSpace>,
    words: &'static [AtomicU64],
    piece: u32,
    index: u16,
    values: u16,
}

/// How many numbers a slot for this identity and so many values needs.
pub(super) fn len(identity: &Identity, values: usize) -> usize {
    BEFORE_VALUES + values + identity.len()
}

impl Slot {
    /// Writes a free place, whose numbers are enough, so that the next process finds it with these values.
    pub(super) fn publish(
        space: &Arc<ArenaSpace>,
        (piece, index): SlotPlace,
        words: &'static [AtomicU64],
        identity: &Identity,
        seen: u32,
        values: impl ExactSizeIterator<Item = u64>,
    ) -> Option<Self> {
        let slot = Self { space: Arc::clone(space), words, piece, index, values: values.len().try_into().ok()? };
        let mut encoded = Vec::with_capacity(identity.len());
        identity.encode(&mut encoded)?;
        let (_, times, numbers, identifies) = slot.parts()?;
        times.store(moments(identity.created, seen), Ordering::Relaxed);
        numbers.iter().zip(values).for_each(|(number, value)| number.store(value, Ordering::Relaxed));
        identifies.iter().zip(&encoded).for_each(|(to, from)| to.store(*from, Ordering::Relaxed));
        slot.mark(&encoded, identity.created);
        Some(slot)
    }

    /// The slot that an earlier process has left in this place; `None`: there is none, or it was not finished.
    pub(super) fn recover(
        space: &Arc<ArenaSpace>,
        (piece, index): SlotPlace,
        words: &'static [AtomicU64],
    ) -> Option<(Self, Identity)> {
        let state = words.first()?.load(Ordering::Acquire);
        let values = u16::try_from(state & u64::from(u32::MAX)).ok().filter(|values| *values > 0)?;
        let shape = words.get(BEFORE_VALUES + usize::from(values))?.load(Ordering::Relaxed);
        let (times, identifies) =
            (words.get(1)?, words.get(BEFORE_VALUES + usize::from(values)..)?.get(..Identity::len_of(shape))?);
        let identifies: Vec<u64> = identifies.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let created = (times.load(Ordering::Relaxed) >> 32) as u32;
        if state != mark(&identifies, created, values) {
            return None;
        }
        let identity = Identity::decode(&identifies, created)?;
        Some((Self { space: Arc::clone(space), words, piece, index, values }, identity))
    }

    /// The values.
    pub fn values(&self) -> &'static [AtomicU64] {
        self.parts().map(|(_, _, values, _)| values).unwrap_or_default()
    }

    /// When the last sample came, in seconds of the clock.
    pub fn seen(&self) -> u32 {
        self.parts().map_or(0, |(_, times, ..)| times.load(Ordering::Relaxed) as u32)
    }

    /// Notes when a sample came. An earlier time than the last changes nothing.
    pub fn touch(&self, now: u32) {
        if let Some((_, times, ..)) = self.parts() {
            note(times, now);
        }
    }

    /// Its times, for [`note`], and its values behind them; `None` unless there are `N` numbers together.
    pub(crate) fn timed_values<const N: usize>(&self) -> Option<&'static [AtomicU64; N]> {
        self.words.get(1..BEFORE_VALUES + usize::from(self.values))?.try_into().ok()
    }

    /// Makes the next process find nothing here, from now on and not only from the drop on: the series is gone, and another
    /// one of the same identity may be made while a reader still has this one.
    pub(crate) fn withdraw(&self) {
        if let Some((state, ..)) = self.parts() {
            state.store(0, Ordering::Release);
        }
    }

    /// The mark, the times, the values, and what is behind them.
    fn parts(&self) -> Option<(&'static AtomicU64, &'static AtomicU64, &'static [AtomicU64], &'static [AtomicU64])> {
        let ([state, times], rest) = self.words.split_first_chunk()?;
        let (values, identifies) = rest.split_at_checked(self.values.into())?;
        Some((state, times, values, identifies))
    }

    fn mark(&self, identifies: &[u64], created: u32) {
        if let Some((state, ..)) = self.parts() {
            // `Release`: a process that finds the mark finds all before it.
            state.store(mark(identifies, created, self.values), Ordering::Release);
        }
    }
}

/// Number 0 of a slot that is in use.
fn mark(identifies: &[u64], created: u32, values: u16) -> u64 {
    let all = identifies.iter().copied().chain([u64::from(created) << 16 | u64::from(values)]);
    u64::from(checksum(all)) << 32 | u64::from(values)
}

/// Notes in the times of a slot when a sample came. An earlier time than the last changes nothing.
#[inline(always)]
pub(crate) fn note(times: &AtomicU64, now: u32) {
    let last = times.load(Ordering::Relaxed);
    if (last as u32) < now {
        // When the series was made stands above, and is the same in each of them.
        times.fetch_max(last & !u64::from(u32::MAX) | u64::from(now), Ordering::Relaxed);
    }
}

fn moments(created: u32, seen: u32) -> u64 {
    u64::from(created) << 32 | u64::from(seen)
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.space.is_left() {
            return;
        }
        self.withdraw();
        self.space.take_back(self.piece, self.index);
    }
}

const _: () = assert!(HEAD > 0, "the shape of an identity is its first number");
