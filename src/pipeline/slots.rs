//! The hash table of a route cache: from the hash of a key to the routes that may be the key's.
//!
//! `hashbrown` cannot ask for the memory of many lookups ahead of their use, and takes more instructions;
//! `docs/src/performance.md` has the figures.

use crate::prefetch::prefetch;

/// The place of a route in its cache. It holds until a route is inserted or forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RouteId(u32);

impl RouteId {
    pub(super) fn new(index: usize) -> Self {
        Self(index as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Open addressing with linear probing, at most seven eighths full. (Knuth, The Art of Computer Programming, 6.4,
/// algorithms L and R: removal shifts later slots back, so there are no tombstones.)
///
/// A slot is one word: the route's index plus 1 above, the hash below; 0 is a vacant slot. The hash alone says where a
/// slot belongs, so growth and removal never look at a key.
#[derive(Debug)]
pub(super) struct Slots {
    /// A power of two of them.
    slots: Vec<u64>,
    len: usize,
}

/// Slots of an empty table.
const FEW: usize = 64;

impl Slots {
    pub(super) fn new() -> Self {
        Self { slots: vec![0; FEW], len: 0 }
    }

    /// Asks for the memory where a lookup of this hash begins.
    #[inline(always)]
    pub(super) fn prefetch(&self, hash: u32) {
        prefetch(&self.slots[self.home(hash)]);
    }

    /// The first route with this hash: nearly always the only one.
    #[inline]
    pub(super) fn first(&self, hash: u32) -> Option<RouteId> {
        let mut at = self.home(hash);
        loop {
            match self.slots[at] {
                0 => return None,
                slot if hash_of(slot) == hash => return Some(route_of(slot)),
                _ => at = self.after(at),
            }
        }
    }

    /// The route with this hash that `is_it`.
    #[inline]
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(RouteId) -> bool) -> Option<RouteId> {
        self.position(hash, is_it).map(|at| route_of(self.slots[at]))
    }

    /// Adds a route.
    pub(super) fn insert(&mut self, hash: u32, route: RouteId) {
        if (self.len + 1) * 8 > self.slots.len() * 7 {
            let twice = vec![0; self.slots.len() * 2];
            let old = std::mem::replace(&mut self.slots, twice);
            old.into_iter().filter(|&slot| slot != 0).for_each(|slot| self.place(slot));
        }
        self.place(slot_of(hash, route));
        self.len += 1;
    }

    /// Makes the slot of the route `old` lead to `new`.
    pub(super) fn replace(&mut self, hash: u32, old: RouteId, new: RouteId) {
        if let Some(at) = self.position(hash, |route| route == old) {
            self.slots[at] = slot_of(hash, new);
        }
    }

    /// Removes a route.
    pub(super) fn remove(&mut self, hash: u32, route: RouteId) {
        let Some(mut vacant) = self.position(hash, |found| found == route) else { return };
        self.len -= 1;
        let mut at = self.after(vacant);
        while self.slots[at] != 0 {
            // A slot may move back to the vacancy unless that lies before its home.
            let home = self.home(hash_of(self.slots[at]));
            let mask = self.slots.len() - 1;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(vacant) & mask {
                self.slots[vacant] = self.slots[at];
                vacant = at;
            }
            at = self.after(at);
        }
        self.slots[vacant] = 0;
    }

    /// Whether hardly any of its slots are in use.
    pub(super) fn is_sparse(&self) -> bool {
        self.slots.len() > FEW && self.len * 8 < self.slots.len()
    }

    #[inline]
    fn position(&self, hash: u32, is_it: impl Fn(RouteId) -> bool) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            match self.slots[at] {
                0 => return None,
                slot if hash_of(slot) == hash && is_it(route_of(slot)) => return Some(at),
                _ => at = self.after(at),
            }
        }
    }

    fn place(&mut self, slot: u64) {
        let mut at = self.home(hash_of(slot));
        while self.slots[at] != 0 {
            at = self.after(at);
        }
        self.slots[at] = slot;
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }
}

#[inline]
fn slot_of(hash: u32, route: RouteId) -> u64 {
    (u64::from(route.0) + 1) << 32 | u64::from(hash)
}

#[inline]
fn hash_of(slot: u64) -> u32 {
    slot as u32
}

#[inline]
fn route_of(slot: u64) -> RouteId {
    RouteId((slot >> 32) as u32 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        /// Few hashes, so that probing, wrapping around the end and shifting back all happen.
        #[test]
        fn prop_slots_hold_what_a_map_does(steps in prop::collection::vec((0_u32..40, any::<bool>(), any::<bool>()), 0..300)) {
            let (mut slots, mut truth) = (Slots::new(), HashMap::new());
            for (key, is_insert, at_the_end) in steps {
                // Two keys share a hash; half of the hashes lie at the end of the table.
                let hash = if at_the_end { u32::MAX - key % 20 } else { key % 20 };
                let route = RouteId::new(key as usize + if at_the_end { 100 } else { 0 });
                match (is_insert, truth.contains_key(&route.0)) {
                    (true, false) => {
                        slots.insert(hash, route);
                        truth.insert(route.0, hash);
                    }
                    (false, true) => {
                        slots.remove(hash, route);
                        truth.remove(&route.0);
                    }
                    _ => {}
                }
                prop_assert_eq!(slots.len, truth.len());
                for index in (0..40).chain(100..140) {
                    let hash = if index < 100 { index % 20 } else { u32::MAX - (index - 100) % 20 };
                    let found = slots.find(hash, |route| route.0 == index);
                    prop_assert_eq!(found.is_some(), truth.contains_key(&index));
                    prop_assert_eq!(slots.first(hash).is_some(), truth.values().any(|&h| h == hash));
                }
            }
        }
    }

    #[test]
    fn slots_grow_and_are_replaced() {
        let mut slots = Slots::new();
        let hash = |n: u32| n.wrapping_mul(0x9e37_79b9);
        (0..10_000).for_each(|n| slots.insert(hash(n), RouteId::new(n as usize)));
        assert!((0..10_000).all(|n| slots.find(hash(n), |route| route.0 == n).is_some()));
        slots.replace(hash(5), RouteId(5), RouteId(70_000));
        assert_eq!(slots.first(hash(5)), Some(RouteId(70_000)));
        assert!(!slots.is_sparse());
        (6..10_000).for_each(|n| slots.remove(hash(n), RouteId(n)));
        assert!(slots.is_sparse() && (0..5).all(|n| slots.first(hash(n)) == Some(RouteId(n))));
    }
}
