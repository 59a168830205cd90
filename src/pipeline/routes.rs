//! A worker's private route table: the raw bytes that identify a series, to where its samples go.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::mapping::{Conversion, TagErrors};
use crate::metric::MetricType;
use crate::parse::StatsdType;
use crate::prefetch::prefetch;
use crate::registry::Series;
use crate::reject::Reject;

/// The bytes of a line that identify its series, exactly as they came.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub name: &'a [u8],
    pub statsd_type: StatsdType,
    pub tags: &'a [u8],
    /// Empty where it is no part of the series.
    pub container: &'a [u8],
}

impl Key<'_> {
    /// The lengths of name, tags and container, which `max_line` keeps below 2^16, and the kind, in one word.
    #[inline]
    fn shape(&self) -> u64 {
        let [name, tags, container] = [self.name, self.tags, self.container].map(|part| part.len() as u64);
        name | tags << 16 | container << 32 | (self.statsd_type as u64) << 48
    }

    fn len(&self) -> usize {
        self.name.len() + self.tags.len() + self.container.len()
    }
}

/// What the samples of a route mean. Few are different, so routes share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Meaning {
    pub fate: Fate,
    /// The tags of the line that are left out or mended, to be counted each time.
    pub tag_errors: TagErrors,
    /// Whether a rule matched.
    pub is_mapped: bool,
}

/// The end of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Applied to the route's series.
    Apply(Conversion),
    /// Applied to the route's series, which takes what is over this limit.
    Collapse(Conversion, Reject),
    /// Counted and forgotten, because a rule says so.
    Drop,
    /// Counted as rejected.
    Reject(Reject),
}

/// A table with linear probing over small slots, whose routes each take one cache line with the key in it.
///
/// It is bounded: at its bound it starts again from empty, since every route can be found out again.
#[derive(Debug)]
pub struct Routes {
    /// A power of two of them, at most seven eighths full. The upper half is that of the key's hash, the lower the
    /// route's index and 1; 0 is vacant.
    slots: Vec<u64>,
    routes: Vec<Route>,
    meanings: Vec<Meaning>,
    known_meanings: HashMap<Meaning, u16>,
    /// Keys that are too long for their route, one behind the other.
    long_keys: Vec<u8>,
    max_routes: usize,
    /// A route that no slot leads to: that of the last key over a limit for which there was no room.
    passing: Option<usize>,
    /// Random, the same for the table's life.
    seeds: [u64; 2],
}

/// Where the samples of one key go.
#[derive(Debug)]
#[repr(align(64))]
struct Route {
    series: Option<Arc<Series>>,
    /// The index of the meaning.
    meaning: u16,
    /// The type of the series as a number, or [`NO_SERIES`]: here it is known before the series is there.
    class: u8,
    /// The lengths of the key's parts, and its kind: see [`Key::shape`].
    shape: u64,
    /// The key, one part behind the other; where it is too long, the beginning of it in `long_keys`.
    key: [u8; SHORT],
}

impl Route {
    fn new(series: Option<Arc<Series>>, meaning: u16, shape: u64) -> Self {
        let class = series.as_ref().map_or(NO_SERIES, |series| series.cells.type_of() as usize) as u8;
        Self { series, meaning, class, shape, key: [0; SHORT] }
    }

    /// The lengths of the key's parts.
    fn lens(&self) -> [usize; 3] {
        [0, 16, 32].map(|shift| usize::from((self.shape >> shift) as u16))
    }

    /// Where its key begins in `long_keys`, if it is there.
    fn start(&self) -> usize {
        let [a, b, c, d, ..] = self.key;
        u32::from_le_bytes([a, b, c, d]) as usize
    }

    fn set_start(&mut self, start: usize) {
        self.key[..4].copy_from_slice(&(start as u32).to_le_bytes());
    }
}

/// The class of routes that have no series: behind those of all types.
pub const NO_SERIES: usize = MetricType::ALL.len();

/// How many bytes of key a route holds.
const SHORT: usize = 44;

/// How many bytes of key a route has on average when the table is at its bound.
const KEY_BYTES: usize = 256;

/// Slots of an empty table.
const FEW: usize = 64;

impl Routes {
    /// An empty table for a sidecar of at most `series` series, which may each come under two spellings.
    pub fn new(series: usize) -> Self {
        // 2^24 keys of 256 bytes are as many as 32 bits reach.
        let max_routes = series.saturating_mul(2).clamp(1024, (1 << 24) - 1);
        Self {
            slots: vec![0; FEW],
            routes: Vec::new(),
            meanings: Vec::new(),
            known_meanings: HashMap::new(),
            long_keys: Vec::new(),
            max_routes,
            passing: None,
            seeds: [1, 2].map(|n| RandomState::default().hash_one(n) | 1),
        }
    }

    /// The hash of a key.
    #[inline(always)]
    pub fn hash(&self, key: &Key<'_>) -> u64 {
        // The kind is not hashed: a name has one, but for mistakes.
        let mut hash = hash(key.name, self.seeds[0], self.seeds[1]);
        for part in [key.tags, key.container] {
            if !part.is_empty() {
                hash = self::hash(part, hash, self.seeds[1]);
            }
        }
        hash
    }

    /// Asks for the slot where a key of this hash would be.
    #[inline(always)]
    pub fn prefetch_slot(&self, hash: u64) {
        prefetch(&self.slots[hash as usize & (self.slots.len() - 1)]);
    }

    /// Asks for the route at `index`.
    #[inline(always)]
    pub fn prefetch_route(&self, index: usize) {
        prefetch(&self.routes[index]);
    }

    /// The first route that may be the key's: right but for one hash in billions. It costs one look at the slots.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if slot >> 32 == hash >> 32 {
                return Some(slot as u32 as usize - 1);
            }
            at = (at + 1) & mask;
        }
    }

    /// Whether the route at `index` is the key's.
    #[inline(always)]
    pub fn is_key_of(&self, index: usize, key: &Key<'_>) -> bool {
        let route = &self.routes[index];
        if route.shape != key.shape() {
            return false;
        }
        let (name, rest) = self.key(route, key.len()).split_at(key.name.len());
        if !same(name, key.name) {
            return false;
        }
        if rest.is_empty() {
            return true;
        }
        let (tags, container) = rest.split_at(key.tags.len());
        same(tags, key.tags) && same(container, key.container)
    }

    /// The index of the key's route.
    pub fn find(&self, key: &Key<'_>, hash: u64) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            let index = self.slots[at] as u32 as usize - 1;
            if self.slots[at] >> 32 == hash >> 32 && self.is_key_of(index, key) {
                return Some(index);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The series of the route at `index`, where it has one, and what its samples mean.
    #[inline]
    pub fn get(&self, index: usize) -> (Option<&Series>, &Meaning) {
        let route = &self.routes[index];
        (route.series.as_deref(), &self.meanings[usize::from(route.meaning)])
    }

    /// The series of the route at `index`, where it has one.
    #[inline]
    pub fn series(&self, index: usize) -> Option<&Series> {
        self.routes[index].series.as_deref()
    }

    /// The type of the series of the route at `index` as a number, or [`NO_SERIES`].
    #[inline]
    pub fn class(&self, index: usize) -> usize {
        usize::from(self.routes[index].class)
    }

    /// The name in the key of the route at `index`.
    pub fn name(&self, index: usize) -> &[u8] {
        let route = &self.routes[index];
        let [name, tags, container] = route.lens();
        self.key(route, name + tags + container).get(..name).unwrap_or_default()
    }

    /// Adds the route of a key that is not there, and gives its index, which holds until the next one is added.
    ///
    /// A key over a limit never costs those below it their routes: where there is no room, it is not kept.
    pub fn insert(&mut self, key: &Key<'_>, hash: u64, series: Option<Arc<Series>>, meaning: Meaning) -> usize {
        let len = key.len();
        let is_full = self.routes.len() >= self.max_routes || self.long_keys.len() + len > self.max_routes * KEY_BYTES;
        match meaning.fate {
            _ if self.meanings.len() >= usize::from(u16::MAX) => self.clear(),
            Fate::Collapse(..) if is_full => return self.pass(series, meaning),
            _ if is_full => self.clear(),
            _ => {}
        }
        if (self.routes.len() + 1) * 8 > self.slots.len() * 7 {
            self.place_all(self.slots.len() * 2);
        }
        let mut route = Route::new(series, self.meaning(meaning), key.shape());
        let parts = [key.name, key.tags, key.container].concat();
        match route.key.get_mut(..len) {
            Some(short) => short.copy_from_slice(&parts),
            None => {
                route.set_start(self.long_keys.len());
                self.long_keys.extend_from_slice(&parts);
            }
        }
        let index = self.routes.len();
        self.routes.push(route);
        self.place(hash, index);
        index
    }

    /// Makes the one route that nothing finds, in the place of the last such.
    fn pass(&mut self, series: Option<Arc<Series>>, meaning: Meaning) -> usize {
        let route = Route::new(series, self.meaning(meaning), 0);
        let index = *self.passing.get_or_insert(self.routes.len());
        match self.routes.get_mut(index) {
            Some(passing) => *passing = route,
            None => self.routes.push(route),
        }
        index
    }

    /// The key of a route, all parts of it, which are `len` bytes long.
    #[inline]
    fn key<'a>(&'a self, route: &'a Route, len: usize) -> &'a [u8] {
        match route.key.get(..len) {
            Some(short) => short,
            None => {
                let start = route.start();
                &self.long_keys[start..start + len]
            }
        }
    }

    fn meaning(&mut self, meaning: Meaning) -> u16 {
        *self.known_meanings.entry(meaning).or_insert_with(|| {
            self.meanings.push(meaning);
            (self.meanings.len() - 1) as u16
        })
    }

    fn clear(&mut self) {
        self.slots = vec![0; FEW];
        self.routes = Vec::new();
        self.meanings = Vec::new();
        self.known_meanings = HashMap::new();
        self.long_keys = Vec::new();
        self.passing = None;
    }

    /// Gives up the routes to series that are about to leave, and those that have none of their own: what was rejected
    /// because of a series that has left, or over a limit with it, is not any more.
    pub fn review(&mut self) {
        let Self { routes, meanings, .. } = self;
        let is_own = |route: &Route| !matches!(meanings[usize::from(route.meaning)].fate, Fate::Collapse(..));
        routes.retain(|route| is_own(route) && route.series.as_ref().is_some_and(|series| !series.is_leaving()));
        self.passing = None;
        self.give_back();
        let is_sparse = self.routes.len() * 4 < self.slots.len();
        let enough = if is_sparse { (self.routes.len() * 2).next_power_of_two().max(FEW) } else { self.slots.len() };
        self.place_all(enough);
    }

    /// Gives back what routes that are gone have left: else names that come and go would fill the room for long keys.
    fn give_back(&mut self) {
        if self.routes.len() * 4 < self.routes.capacity() {
            self.routes.shrink_to(self.routes.len() * 2);
        }
        let mut kept = Vec::new();
        let Self { routes, long_keys, .. } = self;
        for route in routes {
            let len: usize = route.lens().iter().sum();
            if len > SHORT {
                let start = route.start();
                route.set_start(kept.len());
                kept.extend_from_slice(&long_keys[start..start + len]);
            }
        }
        self.long_keys = kept;
    }

    fn place(&mut self, hash: u64, index: usize) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = (hash >> 32) << 32 | (index as u64 + 1);
    }

    /// Makes as many slots, and places all routes in them. The lower half of a hash is not kept, so the keys are hashed
    /// anew.
    fn place_all(&mut self, slots: usize) {
        self.slots = vec![0; slots];
        for index in 0..self.routes.len() {
            if self.passing == Some(index) {
                continue;
            }
            let route = &self.routes[index];
            let [name, tags, container] = route.lens();
            let (name, rest) = self.key(route, name + tags + container).split_at(name);
            let (tags, container) = rest.split_at(tags);
            let hash = self.hash(&Key { name, tags, container, statsd_type: StatsdType::Counter });
            self.place(hash, index);
        }
    }
}

/// Whether two texts of one length are the same: in words, since a call to compare so few bytes costs more than they do.
#[inline]
fn same(one: &[u8], two: &[u8]) -> bool {
    let (one_words, one_rest) = one.as_chunks::<8>();
    let (two_words, two_rest) = two.as_chunks::<8>();
    let mut difference = 0;
    for (one, two) in one_words.iter().zip(two_words) {
        difference |= u64::from_le_bytes(*one) ^ u64::from_le_bytes(*two);
    }
    match (one.last_chunk::<8>(), two.last_chunk::<8>()) {
        (Some(one), Some(two)) => difference |= u64::from_le_bytes(*one) ^ u64::from_le_bytes(*two),
        _ => difference |= u64::from(one_rest.iter().zip(two_rest).any(|(one, two)| one != two)),
    }
    difference == 0
}

/// Hashes bytes, sixteen at a time, the last of them twice where they do not come out even. `secret` is random, so that
/// nobody can send names that all have one hash.
///
/// Source: the folded multiplication of wyhash and foldhash.
#[inline(always)]
fn hash(bytes: &[u8], state: u64, secret: u64) -> u64 {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let mut state = state ^ bytes.len() as u64;
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let (chunks, _) = bytes.as_chunks::<16>();
        for chunk in chunks {
            let (low, high) = chunk.split_at(8);
            let [low, high] = [low, high].map(|half| half.first_chunk().map_or(0, word));
            state = fold(low ^ state, high ^ secret);
        }
        let before = bytes.get(bytes.len().saturating_sub(16)..).and_then(<[u8]>::first_chunk).unwrap_or(first);
        return fold(word(before) ^ state, word(last) ^ secret);
    }
    let short = bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    fold(short ^ state, secret)
}

/// Both halves of a product, so that every bit of either factor reaches both halves of the hash.
#[inline]
fn fold(one: u64, two: u64) -> u64 {
    let product = u128::from(one) * u128::from(two);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::mapping::{FamilyMetadata, Metric, MetricSpec};
    use crate::metric::MetricType;
    use crate::registry::Registry;

    const DROP: Meaning = Meaning { fate: Fate::Drop, tag_errors: TagErrors::NONE, is_mapped: true };

    fn key<'a>(name: &'a [u8], tags: &'a [u8]) -> Key<'a> {
        Key { name, statsd_type: StatsdType::Counter, tags, container: &[] }
    }

    fn over() -> Meaning {
        Meaning { fate: Fate::Collapse(conversion(), Reject::SeriesLimit), ..DROP }
    }

    fn conversion() -> Conversion {
        Conversion::new(StatsdType::Counter, MetricType::Counter, 1.0).expect("it can be fed")
    }

    fn insert(routes: &mut Routes, key: Key<'_>) -> usize {
        let hash = routes.hash(&key);
        routes.insert(&key, hash, None, DROP)
    }

    fn find(routes: &Routes, key: Key<'_>) -> Option<usize> {
        let hash = routes.hash(&key);
        let found = routes.find(&key, hash);
        let candidate = routes.candidate(hash).filter(|&index| routes.is_key_of(index, &key));
        assert!(candidate.is_none() || candidate == found);
        found
    }

    #[test]
    fn keys_are_told_apart_by_every_part() {
        let mut routes = Routes::new(10);
        let index = insert(&mut routes, key(b"ab", b"c"));
        assert_eq!(find(&routes, key(b"ab", b"c")), Some(index));
        assert_eq!(find(&routes, key(b"a", b"bc")), None);
        assert_eq!(find(&routes, key(b"abc", b"")), None);
        assert_eq!(find(&routes, Key { statsd_type: StatsdType::Gauge, ..key(b"ab", b"c") }), None);
        assert_eq!(find(&routes, Key { container: b"x", ..key(b"ab", b"c") }), None);
    }

    #[test]
    fn equal_hashes_are_no_matches() {
        let mut routes = Routes::new(10);
        let one = routes.insert(&key(b"one", b""), 7 << 32, None, DROP);
        let two = routes.insert(&key(b"two", b""), 7 << 32, None, DROP);
        assert_eq!(routes.find(&key(b"one", b""), 7 << 32), Some(one));
        assert_eq!(routes.find(&key(b"two", b""), 7 << 32), Some(two));
        assert_eq!(routes.find(&key(b"six", b""), 7 << 32), None);
    }

    #[test]
    fn it_grows_and_is_bounded() {
        let mut routes = Routes::new(1);
        let names: Vec<String> = (0..10_000).map(|n| format!("{}name{n}", "long".repeat(n % 20))).collect();
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

    #[test]
    fn a_key_over_a_limit_takes_no_route_from_others() {
        let name = |n: usize| format!("name{n}");
        let over = over();
        let mut routes = Routes::new(1);
        (0..1000).for_each(|n| _ = insert(&mut routes, key(name(n).as_bytes(), b"")));
        for n in 1000..5000 {
            let name = name(n);
            let key = key(name.as_bytes(), b"");
            let hash = routes.hash(&key);
            let index = routes.insert(&key, hash, None, over);
            assert_eq!(*routes.get(index).1, over);
            assert_eq!(routes.find(&key, hash), (n < 1024).then_some(index));
        }
        assert!((0..1024).all(|n| find(&routes, key(name(n).as_bytes(), b"")).is_some()));
        assert_eq!(routes.routes.len(), 1025);
        // Any other starts the table anew.
        let index = insert(&mut routes, key(b"new", b""));
        assert_eq!((find(&routes, key(b"new", b"")), routes.routes.len()), (Some(index), 1));
    }

    #[test]
    fn a_review_gives_up_what_has_no_series_of_its_own() {
        let metadata = FamilyMetadata { help: "".into(), unit: None, spec: MetricSpec::Counter }.into();
        let metric = Metric { name: "a".to_owned(), labels: Vec::new(), metadata, ttl: None };
        let series = Registry::new(Limits::default()).get_or_create(&metric, 0).expect("there is room");
        let over = over();
        let own = Meaning { fate: Fate::Apply(conversion()), ..DROP };
        let mut routes = Routes::new(1);
        let name = |n: usize| format!("{}name{n}", "long".repeat(n % 20));
        for n in 0..2000 {
            let name = name(n);
            let key = key(name.as_bytes(), b"");
            let hash = routes.hash(&key);
            routes.insert(&key, hash, Some(Arc::clone(&series)), if n % 10 == 0 && n < 1000 { own } else { over });
        }
        assert_eq!(routes.routes.len(), 1025);
        routes.review();
        assert_eq!(routes.routes.len(), 100);
        assert!(routes.slots.len() <= 256 && routes.routes.capacity() <= 200, "what they took is given back");
        let of_long_keys: usize = (10..1000).step_by(20).map(|n| name(n).len()).sum();
        assert_eq!(routes.long_keys.len(), of_long_keys);
        for n in 0..2000 {
            assert_eq!(find(&routes, key(name(n).as_bytes(), b"")).is_some(), n % 10 == 0 && n < 1000, "{n}");
        }
    }

    #[test]
    fn a_route_that_nothing_finds_stays_so() {
        let mut routes = Routes::new(1);
        let over = over();
        insert(&mut routes, key(&vec![b'x'; 1024 * KEY_BYTES - 10_000], b""));
        let hash = routes.hash(&key(&vec![b'y'; 20_000], b""));
        routes.insert(&key(&vec![b'y'; 20_000], b""), hash, None, over);
        (0..500).for_each(|n| _ = insert(&mut routes, key(format!("n{n}").as_bytes(), b"")));
        assert_eq!(routes.routes.len(), 502, "there was room for short keys, and the slots have grown");
        assert_eq!(find(&routes, key(b"", b"")), None);
        assert!((0..500).all(|n| find(&routes, key(format!("n{n}").as_bytes(), b"")).is_some()));
    }

    #[test]
    fn a_route_is_a_cache_line() {
        assert_eq!(size_of::<Route>(), 64);
    }
}
