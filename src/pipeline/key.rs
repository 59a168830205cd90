//! What identifies the series of a line, as raw bytes, and its hash.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use wide::u8x16;

use crate::mapping::Rules;
use crate::parse::{Group, HashSecret, SimpleLine, StatsdType};
use crate::registry::LineKey;
use crate::reject::Reject;

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

    /// The key as text.
    pub(super) fn text(&self) -> Result<LineKey<'a>, Reject> {
        let text = |bytes| str::from_utf8(bytes).map_err(|_| Reject::NotUtf8);
        let (name, tags, container) = (text(self.name)?, text(self.tags)?, text(self.container)?);
        Ok(LineKey { name, statsd_type: self.statsd_type, tags, container })
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

    /// Whether `bytes`, which are at least as many as the key's, begin with its parts one after the other.
    #[inline(always)]
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        let (name, mut rest) = bytes.split_at(self.name.len());
        if !same(name, self.name) {
            return false;
        }
        for part in [self.tags, self.container] {
            if !part.is_empty() {
                let bytes;
                (bytes, rest) = rest.split_at(part.len());
                if !same(bytes, part) {
                    return false;
                }
            }
        }
        true
    }
}

/// Whether two texts of one length are the same: in blocks, because a call of `memcmp` costs more than so few bytes do. The
/// last block overlaps the one before.
#[inline(always)]
fn same(one: &[u8], two: &[u8]) -> bool {
    let difference = |one: &[u8; 16], two: &[u8; 16]| u8x16::new(*one) ^ u8x16::new(*two);
    let differences = if let ([one_first, one_second, ..], Some(one_last)) = (one.as_chunks().0, one.last_chunk())
        && let ([two_first, two_second, ..], Some(two_last)) = (two.as_chunks().0, two.last_chunk())
    {
        if one.len() > 48 && one.get(32..) != two.get(32..) {
            return false;
        }
        difference(one_first, two_first) | difference(one_second, two_second) | difference(one_last, two_last)
    } else if let (Some(one_first), Some(one_last)) = (one.first_chunk(), one.last_chunk())
        && let (Some(two_first), Some(two_last)) = (two.first_chunk(), two.last_chunk())
    {
        difference(one_first, two_first) | difference(one_last, two_last)
    } else {
        return same_short(one, two);
    };
    differences.simd_eq(u8x16::ZERO).all()
}

/// The same for fewer than sixteen bytes.
#[inline(always)]
fn same_short(one: &[u8], two: &[u8]) -> bool {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    if let (Some(one_first), Some(one_last)) = (one.first_chunk(), one.last_chunk())
        && let (Some(two_first), Some(two_last)) = (two.first_chunk(), two.last_chunk())
    {
        return (word(one_first) ^ word(two_first)) | (word(one_last) ^ word(two_last)) == 0;
    }
    one.iter().eq(two)
}

/// Hashes keys with a random secret.
#[derive(Debug)]
pub(super) struct KeyHasher(HashSecret);

impl KeyHasher {
    pub(super) fn new() -> Self {
        Self(HashSecret::new([1, 2].map(|n| RandomState::default().hash_one(n) | 1)))
    }

    /// The secret, with which a simple line is hashed while it is read.
    #[inline(always)]
    pub(super) fn secret(&self) -> HashSecret {
        self.0
    }

    /// The hash of a key. The type is not hashed, because a name has one, mistakes aside.
    pub(super) fn hash(&self, key: &Key<'_>) -> u32 {
        self.hash_parts([key.name, key.tags, key.container])
    }

    /// The hash of a key by its name, tags and container.
    pub(super) fn hash_parts(&self, [name, tags, container]: [&[u8]; 3]) -> u32 {
        let Self(secret) = *self;
        let mut hash = secret.hash(secret.seed(), name);
        for part in [tags, container] {
            if !part.is_empty() {
                hash = secret.hash(hash, part);
            }
        }
        upper_half(hash)
    }
}

/// The half of a hash that a route cache goes by.
#[inline(always)]
pub(super) fn upper_half(hash: u64) -> u32 {
    (hash >> 32) as u32
}
