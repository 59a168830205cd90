//! Names of lines that became the name of another metric, because characters were replaced by `_`.

use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

/// How many names are told apart, so that a client that makes names up does not take memory without bound.
const COUNTED: usize = 1024;

/// How many of them are shown.
const SHOWN: usize = 32;

/// The longest name that is shown whole, in bytes.
const LEN: usize = 200;

/// The names, each counted once.
#[derive(Debug, Default)]
pub(super) struct MergedNames {
    hasher: RandomState,
    /// The hashes of the names, with those of their families.
    counted: HashSet<u64, RandomState>,
    newest: VecDeque<MergedName>,
}

/// A name that became the name of another metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedName {
    /// The name as the line has it; cut if it is long.
    pub written: Box<str>,
    /// The name of the metric.
    pub family: Arc<str>,
}

impl MergedNames {
    /// Notes a name, unless it is known or too many are.
    pub(super) fn add(&mut self, written: &str, family: &Arc<str>) {
        if self.counted.len() < COUNTED && self.counted.insert(self.hasher.hash_one((written, family))) {
            self.newest.truncate(SHOWN - 1);
            let cut = (0..=LEN).rev().find_map(|len| written.get(..len)).unwrap_or(written);
            self.newest.push_front(MergedName { written: cut.into(), family: Arc::clone(family) });
        }
    }

    /// How many there are; at most [`COUNTED`].
    pub(super) fn len(&self) -> usize {
        self.counted.len()
    }

    /// The newest, the last one first.
    pub(super) fn newest(&self) -> Vec<MergedName> {
        self.newest.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_once_and_bounded() {
        let mut merged = MergedNames::default();
        let family = Arc::from("a_b");
        for n in 0..2000 {
            for _ in 0..2 {
                merged.add(&format!("{}{n}", "é".repeat(500)), &family);
            }
        }
        assert_eq!((merged.len(), merged.newest().len()), (COUNTED, SHOWN));
        assert!(merged.newest().iter().all(|name| name.written.len() == LEN));
    }
}
