//! The values of a counter or of a gauge in an arena, reached without its series.

use super::counter::CounterNumbers;
use super::float::AtomicF64;
use super::{Counter, Gauge, Sharing, Update};
use crate::sync::AtomicU64;

/// The values of a counter or of a gauge whose memory outlives the series, so that an update needs no other memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lent {
    /// Of a counter.
    Counter(&'static [AtomicU64; Counter::NUMBERS]),
    /// Of a gauge.
    Gauge(&'static [AtomicU64; Gauge::NUMBERS]),
}

impl Lent {
    /// Applies an update as [`Cells::apply`](super::Cells::apply) does.
    #[inline(always)]
    pub(crate) fn apply(self, update: Update<'_>, sharing: Sharing) {
        match (update, self) {
            (Update::Count(n), Self::Counter(numbers)) => CounterNumbers::of(numbers).add_whole(n, sharing),
            (Update::Add(x), Self::Counter(numbers)) => CounterNumbers::of(numbers).add(x, sharing),
            (Update::Total(x), Self::Counter(numbers)) => CounterNumbers::of(numbers).follow(x, sharing),
            (Update::Set(x), Self::Gauge([value])) => AtomicF64(value).set(x),
            (Update::Move(x), Self::Gauge([value])) => AtomicF64(value).add(x, sharing),
            _ => debug_assert!(false, "{update:?} on {self:?}"),
        }
    }
}
