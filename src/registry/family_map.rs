//! The families by their names: the map that all workers share.

use std::borrow::Borrow;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use dashmap::DashMap;
use foldhash::quality::RandomState;

use super::family::Family;

/// Every family, with the hash of its name. So the map reads no name when it grows, and a name is hashed once for several
/// lookups.
#[derive(Debug, Default)]
pub(super) struct FamilyMap {
    families: DashMap<NamedFamily, (), BuildHasherDefault<KnownHash>>,
    hasher: RandomState,
}

/// A name with its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HashedName<'n> {
    hash: u64,
    name: &'n str,
}

#[derive(Debug)]
struct NamedFamily {
    hash: u64,
    family: Arc<Family>,
}

impl FamilyMap {
    /// The hash of any text. It differs from process to process, so that nobody can send names that all have one hash.
    pub(super) fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    /// A name with its hash.
    pub(super) fn hashed<'n>(&self, name: &'n str) -> HashedName<'n> {
        HashedName { hash: self.hash(name), name }
    }

    /// The family of this name. The lock of the map is released before the caller can lock the family.
    pub(super) fn get(&self, name: HashedName<'_>) -> Option<Arc<Family>> {
        self.families.get(&name as &dyn Named).map(|entry| Arc::clone(&entry.key().family))
    }

    /// Whether there is a family of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.families.contains_key(&self.hashed(name) as &dyn Named)
    }

    /// Adds a family under its name, whose hash this is.
    pub(super) fn insert(&self, HashedName { hash, .. }: HashedName<'_>, family: Arc<Family>) {
        self.families.insert(NamedFamily { hash, family }, ());
    }

    /// Removes the family of this name.
    pub(super) fn remove(&self, name: HashedName<'_>) {
        self.families.remove(&name as &dyn Named);
    }

    /// All families in no order.
    pub(super) fn all(&self) -> Vec<Arc<Family>> {
        self.families.iter().map(|entry| Arc::clone(&entry.key().family)).collect()
    }

    /// Gives memory back if most of it is unused.
    pub(super) fn give_back(&self) {
        if self.families.len() * 4 < self.families.capacity() {
            self.families.shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub(super) fn lock_for_test(&self, name: &str) -> impl Sized {
        self.families.try_get_mut(&self.hashed(name) as &dyn Named)
    }

    #[cfg(test)]
    pub(super) fn is_locked(&self, name: &str) -> bool {
        self.families.try_get(&self.hashed(name) as &dyn Named).is_locked()
    }
}

/// What the map compares: a stored entry, or the name that is looked up.
trait Named {
    fn hashed_name(&self) -> HashedName<'_>;
}

impl Named for HashedName<'_> {
    fn hashed_name(&self) -> HashedName<'_> {
        *self
    }
}

impl Named for NamedFamily {
    fn hashed_name(&self) -> HashedName<'_> {
        HashedName { hash: self.hash, name: self.family.name() }
    }
}

impl<'n> Borrow<dyn Named + 'n> for NamedFamily {
    fn borrow(&self) -> &(dyn Named + 'n) {
        self
    }
}

impl Hash for dyn Named + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hashed_name().hash);
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.hashed_name() == other.hashed_name()
    }
}

impl Eq for dyn Named + '_ {}

impl Hash for NamedFamily {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for NamedFamily {
    fn eq(&self, other: &Self) -> bool {
        self.hashed_name() == other.hashed_name()
    }
}

impl Eq for NamedFamily {}

/// Takes the hash that an entry has already.
#[derive(Debug, Default)]
struct KnownHash(u64);

impl Hasher for KnownHash {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "an entry writes its hash and nothing else");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
