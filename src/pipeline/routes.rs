//! A worker's private route table: the raw bytes that identify a series, to where its samples go.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::mapping::{Operation, TagErrors};
use crate::parse::{Group, Kind};
use crate::registry::Series;
use crate::reject::Reject;

/// The bytes of a group that identify its series, exactly as they came.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    name: &'a [u8],
    kind: Kind,
    tags: &'a [u8],
    container: &'a [u8],
}

impl<'a> Key<'a> {
    /// The key of a group, with its container where that is part of the series.
    #[inline]
    pub fn new(group: &Group<'a>, with_container: bool) -> Self {
        let container: &[u8] = if with_container { group.container } else { &[] };
        Self { name: group.name, kind: group.kind, tags: group.tags, container }
    }
}

/// Where the samples of one key go.
#[derive(Debug)]
pub struct Route {
    pub target: Target,
    /// The tags of the line that are left out or mended, to be counted each time.
    pub tag_errors: TagErrors,
    /// Whether a rule matched.
    pub is_mapped: bool,
}

/// The end of a route.
#[derive(Debug)]
pub enum Target {
    /// Applied to the series by the operation.
    Series(Arc<Series>, Operation),
    /// Counted and forgotten, because a rule says so.
    Drop,
    /// Counted as rejected.
    Reject(Reject),
}

/// An open hash table with linear probing. Keys stand one behind the other in one piece of memory.
///
/// It is bounded: at its bound it starts again from empty, since every route can be found out again.
#[derive(Debug)]
pub struct Routes {
    /// A power of two of them, at most three quarters full.
    slots: Vec<Slot>,
    routes: Vec<Route>,
    keys: Vec<u8>,
    max_routes: usize,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u64,
    /// The index of the route; [`EMPTY`] where there is none.
    route: u32,
    /// Where the key begins in `keys`: the name, then the tags, then the container.
    key: u32,
    /// The lengths of the three; `max_line` keeps them below 2^16.
    lens: [u16; 3],
    kind: Kind,
}

const EMPTY: u32 = u32::MAX;
const VACANT: Slot = Slot { hash: 0, route: EMPTY, key: 0, lens: [0; 3], kind: Kind::Counter };

/// How many bytes of key a route has on average when the table is at its bound.
const KEY_BYTES: usize = 256;

impl Routes {
    /// An empty table for a sidecar of at most `series` series, which may each come under two spellings.
    pub fn new(series: usize) -> Self {
        // 2^24 keys of 256 bytes are as many as the 32 bits of `Slot::key` reach.
        let max_routes = series.saturating_mul(2).clamp(1024, (1 << 24) - 1);
        Self {
            slots: vec![VACANT; 64],
            routes: Vec::new(),
            keys: Vec::new(),
            max_routes,
            hasher: RandomState::default(),
        }
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &Key<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.name);
        hasher.write_u8(key.kind as u8);
        if !key.tags.is_empty() {
            hasher.write(key.tags);
        }
        if !key.container.is_empty() {
            hasher.write(key.container);
        }
        hasher.finish()
    }

    /// The index of the key's route.
    #[inline]
    pub fn find(&self, key: &Key<'_>, hash: u64) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            let slot = &self.slots[at];
            if slot.route == EMPTY {
                return None;
            }
            if slot.hash == hash && self.is_key_of(slot, key) {
                return Some(slot.route as usize);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// The route at an index that [`find`](Self::find) or [`insert`](Self::insert) gave.
    #[inline]
    pub fn get(&self, index: usize) -> &Route {
        &self.routes[index]
    }

    /// Adds the route of a key that is not there, and gives its index.
    pub fn insert(&mut self, key: &Key<'_>, hash: u64, route: Route) -> usize {
        let bytes = key.name.len() + key.tags.len() + key.container.len();
        if self.routes.len() >= self.max_routes || self.keys.len() + bytes > self.max_routes * KEY_BYTES {
            self.slots = vec![VACANT; 64];
            self.routes = Vec::new();
            self.keys = Vec::new();
        }
        if (self.routes.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let index = self.routes.len();
        let slot = Slot {
            hash,
            route: index as u32,
            key: self.keys.len() as u32,
            lens: [key.name.len() as u16, key.tags.len() as u16, key.container.len() as u16],
            kind: key.kind,
        };
        for part in [key.name, key.tags, key.container] {
            self.keys.extend_from_slice(part);
        }
        self.routes.push(route);
        self.place(slot);
        index
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn is_key_of(&self, slot: &Slot, key: &Key<'_>) -> bool {
        let [name, tags, container] = slot.lens.map(usize::from);
        if slot.kind != key.kind || (name, tags, container) != (key.name.len(), key.tags.len(), key.container.len()) {
            return false;
        }
        let bytes = &self.keys[slot.key as usize..][..name + tags + container];
        bytes[..name] == *key.name && bytes[name..][..tags] == *key.tags && bytes[name + tags..] == *key.container
    }

    fn place(&mut self, slot: Slot) {
        let mut at = self.home(slot.hash);
        while self.slots[at].route != EMPTY {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let doubled = vec![VACANT; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, doubled) {
            if slot.route != EMPTY {
                self.place(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<'a>(name: &'a [u8], tags: &'a [u8]) -> Key<'a> {
        Key { name, kind: Kind::Counter, tags, container: &[] }
    }

    fn insert(routes: &mut Routes, key: Key<'_>) -> usize {
        let hash = routes.hash(&key);
        routes.insert(&key, hash, Route { target: Target::Drop, tag_errors: TagErrors::default(), is_mapped: false })
    }

    fn find(routes: &Routes, key: Key<'_>) -> Option<usize> {
        routes.find(&key, routes.hash(&key))
    }

    #[test]
    fn keys_are_told_apart_by_every_part() {
        let mut routes = Routes::new(10);
        let index = insert(&mut routes, key(b"ab", b"c"));
        assert_eq!(find(&routes, key(b"ab", b"c")), Some(index));
        assert_eq!(find(&routes, key(b"a", b"bc")), None);
        assert_eq!(find(&routes, key(b"abc", b"")), None);
        assert_eq!(find(&routes, Key { kind: Kind::Gauge, ..key(b"ab", b"c") }), None);
        assert_eq!(find(&routes, Key { container: b"x", ..key(b"ab", b"c") }), None);
    }

    #[test]
    fn equal_hashes_are_no_matches() {
        let mut routes = Routes::new(10);
        let route = || Route { target: Target::Drop, tag_errors: TagErrors::default(), is_mapped: false };
        let (one, two) = (routes.insert(&key(b"one", b""), 7, route()), routes.insert(&key(b"two", b""), 7, route()));
        assert_eq!(routes.find(&key(b"one", b""), 7), Some(one));
        assert_eq!(routes.find(&key(b"two", b""), 7), Some(two));
        assert_eq!(routes.find(&key(b"six", b""), 7), None);
    }

    #[test]
    fn it_grows_and_is_bounded() {
        let mut routes = Routes::new(1);
        let names: Vec<String> = (0..10_000).map(|n| format!("name{n}")).collect();
        for name in &names[..1024] {
            insert(&mut routes, key(name.as_bytes(), b""));
        }
        assert!(names[..1024].iter().all(|name| find(&routes, key(name.as_bytes(), b"")).is_some()));
        for name in &names[1024..] {
            let index = insert(&mut routes, key(name.as_bytes(), b""));
            assert_eq!(find(&routes, key(name.as_bytes(), b"")), Some(index));
            assert!(routes.routes.len() <= 1024);
        }
        insert(&mut routes, key(&vec![b'x'; 1024 * KEY_BYTES], b""));
        assert_eq!(routes.routes.len(), 1, "long keys are bounded as many are");
    }
}
