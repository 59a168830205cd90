//! What is decided of a new series beside its metric.

use super::series::Moments;
use crate::state::Slot;

/// What a new series begins with.
pub(super) struct New {
    pub(super) is_overflow: bool,
    pub(super) moments: Moments,
    /// The place in the arena with its values; `None`: it begins at 0, in a place of its own if there is an arena.
    pub(super) slot: Option<Slot>,
}

impl New {
    /// A series that a line at `now` makes.
    pub(super) fn at(now: u32) -> Self {
        Self { is_overflow: false, moments: Moments { created: now, seen: now }, slot: None }
    }
}
