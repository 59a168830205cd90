//! The memory that series may take.

/// How much memory may be in use. Whoever makes something grow asks before.
///
/// The last eighth is kept for what exists already: the members of sets, the observations of summaries, and the routes of
/// workers. So a flood of new series does not take the room in which existing ones go on.
#[derive(Clone, Copy, Debug)]
pub struct MemoryBudget {
    /// Reads how many bytes are in use.
    in_use: fn() -> usize,
    /// How many bytes may be in use.
    limit: usize,
}

impl MemoryBudget {
    /// Any amount of memory.
    pub const UNLIMITED: Self = Self { in_use: || 0, limit: usize::MAX };

    /// `limit` bytes, of which so many are in use as `in_use` gives.
    pub fn new(limit: usize, in_use: fn() -> usize) -> Self {
        Self { in_use, limit }
    }

    /// The same without any room left.
    #[cfg(test)]
    pub(super) const fn at_its_end(self) -> Self {
        Self { limit: 0, ..self }
    }

    /// How many bytes may be in use.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How many bytes are in use.
    pub(crate) fn used(&self) -> usize {
        (self.in_use)()
    }

    /// Whether a series may be made.
    pub(crate) fn has_room_for_series(&self) -> bool {
        self.used() < self.limit - self.limit / 8
    }

    /// Whether something that exists may grow.
    pub(crate) fn has_room(&self) -> bool {
        self.used() < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_eighth_is_for_what_exists() {
        let room = |budget: MemoryBudget| (budget.has_room_for_series(), budget.has_room());
        assert_eq!(room(MemoryBudget::new(800, || 699)), (true, true));
        assert_eq!(room(MemoryBudget::new(800, || 700)), (false, true));
        assert_eq!(room(MemoryBudget::new(800, || 799)), (false, true));
        assert_eq!(room(MemoryBudget::new(800, || 800)), (false, false));
        assert_eq!(room(MemoryBudget::UNLIMITED), (true, true));
    }
}
