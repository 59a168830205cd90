//! What identifies the series of a line, as raw bytes, and its hash.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::mapping::Rules;
use crate::parse::{Group, SimpleLine, StatsdType};

/// The bytes of a line that identify its series, exactly as they came.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// Everything before the values, with the tags that stand in it.
    pub name: &'a [u8],
    /// The type.
    pub statsd_type: StatsdType,
    /// The `#` section.
    pub tags: &'a [u8],
    /// The `c:` section; empty where it is no part of the series.
    pub container: &'a [u8],
}

impl<'a> Key<'a> {
    /// The key of the samples of a group.
    #[inline]
    pub fn new(group: &Group<'a>, rules: &Rules) -> Self {
        let Group { name, statsd_type, tags, container, .. } = *group;
        Self { name, statsd_type, tags, container: if rules.container_label { container } else { &[] } }
    }

    /// The key of a simple line, which has no container.
    #[inline]
    pub(super) fn of_simple(line: &SimpleLine<'a>) -> Self {
        Self { name: line.name, statsd_type: line.statsd_type, tags: line.tags, container: &[] }
    }

    /// The lengths of its parts, which `max_line` keeps below 2^16, and its type, in one word. Keys of different shapes
    /// differ, and keys of one shape and the same bytes are equal.
    #[inline]
    pub(super) fn shape(&self) -> u64 {
        let [name, tags, container] = [self.name, self.tags, self.container].map(|part| part.len() as u64);
        name | tags << 16 | container << 32 | (self.statsd_type as u64) << 48
    }

    /// The number of its bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.name.len() + self.tags.len() + self.container.len()
    }

    /// Whether `bytes`, which are as many as the key's, are its parts one after the other.
    #[inline(always)]
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        let (name, rest) = bytes.split_at(self.name.len());
        if !same(name, self.name) {
            return false;
        }
        if rest.is_empty() {
            return true;
        }
        let (tags, container) = rest.split_at(self.tags.len());
        same(tags, self.tags) && same(container, self.container)
    }
}

/// Whether two texts of one length are the same: in words, because a call of `memcmp` costs more than so few bytes do.
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

/// Hashes keys with a random secret, so that nobody can send names that all have one hash.
#[derive(Debug)]
pub(super) struct KeyHasher([u64; 2]);

impl KeyHasher {
    pub(super) fn new() -> Self {
        Self([1, 2].map(|n| RandomState::default().hash_one(n) | 1))
    }

    /// The hash of a key. The type is not hashed, because a name has one, mistakes aside.
    #[inline(always)]
    pub(super) fn hash(&self, key: &Key<'_>) -> u32 {
        self.hash_parts([key.name, key.tags, key.container])
    }

    /// The hash of a key by its name, tags and container.
    #[inline(always)]
    pub(super) fn hash_parts(&self, [name, tags, container]: [&[u8]; 3]) -> u32 {
        let Self([seed, secret]) = *self;
        let mut state = hash(name, seed, secret);
        for part in [tags, container] {
            if !part.is_empty() {
                state = hash(part, state, secret);
            }
        }
        (state >> 32) as u32
    }
}

/// Hashes bytes, sixteen at a time; the last sixteen overlap those before where the length is no multiple.
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
