//! The names that hit a limit most often, so that the status page can show whose series are too many; and the names with
//! the most lines.
//!
//! The counts are top-k by Space-Saving: a new name evicts the smallest counter and inherits its count. So no count is
//! too low, each entry knows by how much its count may be too high, and with `N` counters, a name with more than an Nth
//! of all samples is never missing.
//!
//! Source: Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams" (2005).
//! [`HeavyHitters::take`] merges two summaries; Agarwal and others: "Mergeable Summaries" (2012).

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::reject::Reject;

/// How many names have a counter, unless a table says another number.
const NAMES: usize = 20;

/// How many bytes of a name are kept.
const NAME_LEN: usize = 100;

/// The counters of `N` names, each of a kind: the limit that it hit, for instance.
#[derive(Debug)]
pub(crate) struct HeavyHitters<K = Reject, const N: usize = NAMES> {
    hitters: Vec<HeavyHitter<K>>,
    last: Option<Last<K>>,
}

impl<K, const N: usize> Default for HeavyHitters<K, N> {
    fn default() -> Self {
        Self { hitters: Vec::new(), last: None }
    }
}

/// What was counted last. The samples of a packed line have one name, and there may be thousands of them.
#[derive(Debug)]
struct Last<K> {
    /// The bytes from which the name is made.
    bytes: Vec<u8>,
    kind: K,
    /// The place of its counter.
    at: usize,
}

/// How many bytes of a line's name are looked at.
const LOOKED_AT: usize = 256;

/// A name with its counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeavyHitter<K = Reject> {
    /// The hash of the name, so that few names have to be compared.
    pub(super) hash: u64,
    /// The name of the metric, or of the line if it did not become a metric. A long name is cut.
    pub(crate) name: String,
    pub(crate) kind: K,
    /// How many samples, at most.
    pub(crate) samples: u64,
    /// How many of these may belong to evicted names.
    pub(crate) others: u64,
}

impl<K: Copy + Ord, const N: usize> HeavyHitters<K, N> {
    /// Counts a sample whose name is `name_of` of the first of these bytes. It allocates nothing if the name has a counter.
    pub(crate) fn count(&mut self, bytes: &[u8], kind: K, name_of: impl FnOnce(&[u8]) -> &[u8]) {
        let bytes = bytes.get(..LOOKED_AT).unwrap_or(bytes);
        if let Some(last) = self.last.as_ref().filter(|last| last.kind == kind && last.bytes == bytes)
            && let Some(hitter) = self.hitters.get_mut(last.at)
        {
            hitter.samples += 1;
            return;
        }
        let at = self.add(name_of(bytes), kind, 1);
        let mut last = self.last.take().unwrap_or_else(|| Last { bytes: Vec::new(), kind, at });
        last.bytes.clear();
        last.bytes.extend_from_slice(bytes);
        self.last = Some(Last { kind, at, ..last });
    }

    /// Counts samples of a name, and returns the place of its counter.
    pub(super) fn add(&mut self, name: &[u8], kind: K, samples: u64) -> usize {
        let name = name.get(..NAME_LEN).unwrap_or(name);
        // A cut through a character drops the whole character. Bytes that are not UTF-8 become U+FFFD.
        let name = match std::str::from_utf8(name) {
            Err(error) if error.error_len().is_none() => name.get(..error.valid_up_to()).unwrap_or_default(),
            _ => name,
        };
        let name = &*String::from_utf8_lossy(name);
        let hash = FixedState::default().hash_one(name);
        if self.find(hash, name, kind).map(|hitter| hitter.samples += samples).is_none() {
            let floor = self.floor();
            self.place(hash, name, kind, floor + samples, floor);
        }
        self.position(hash, name, kind).unwrap_or(N)
    }

    /// Adds the counts of `from` and sets them to 0; `from` keeps its names, so that they need no new allocation.
    pub(crate) fn take(&mut self, from: &mut Self) {
        // A counter may get another name.
        self.last = None;
        // A name without a counter in a table may have been evicted there, with at most the smallest count.
        let (own_floor, floor) = (self.floor(), from.floor());
        if floor > 0 {
            for hitter in &mut self.hitters {
                if from.find(hitter.hash, &hitter.name, hitter.kind).is_none() {
                    hitter.samples += floor;
                    hitter.others += floor;
                }
            }
        }
        // Names in both tables come first, because no other name may evict them.
        for theirs in &mut from.hitters {
            if theirs.samples > 0
                && let Some(hitter) = self.find(theirs.hash, &theirs.name, theirs.kind)
            {
                hitter.samples += std::mem::take(&mut theirs.samples);
                hitter.others += std::mem::take(&mut theirs.others);
            }
        }
        for theirs in from.hitters.iter_mut().filter(|theirs| theirs.samples > 0) {
            let (samples, others) = (std::mem::take(&mut theirs.samples), std::mem::take(&mut theirs.others));
            self.place(theirs.hash, &theirs.name, theirs.kind, samples + own_floor, others + own_floor);
        }
    }

    /// The names with the most certain samples first.
    pub(crate) fn top(&self) -> Vec<HeavyHitter<K>> {
        let mut top: Vec<_> = self.hitters.iter().filter(|hitter| hitter.samples > 0).cloned().collect();
        top.sort_by(|a, b| (b.samples - b.others, &a.name, a.kind).cmp(&(a.samples - a.others, &b.name, b.kind)));
        top
    }

    /// The counters, each at a place that it keeps; another name may take it.
    pub(super) fn counters(&self) -> &[HeavyHitter<K>] {
        &self.hitters
    }

    fn find(&mut self, hash: u64, name: &str, kind: K) -> Option<&mut HeavyHitter<K>> {
        self.position(hash, name, kind).and_then(|at| self.hitters.get_mut(at))
    }

    fn position(&self, hash: u64, name: &str, kind: K) -> Option<usize> {
        self.hitters.iter().position(|hitter| hitter.hash == hash && hitter.kind == kind && hitter.name == name)
    }

    /// How many samples a name without a counter may have had.
    fn floor(&self) -> u64 {
        let fewest = self.hitters.iter().map(|hitter| hitter.samples).min();
        fewest.filter(|_| self.hitters.len() == N).unwrap_or_default()
    }

    /// Gives a new name a counter: a free one, or the smallest one if it has fewer than `samples`.
    fn place(&mut self, hash: u64, name: &str, kind: K, samples: u64, others: u64) {
        if self.hitters.len() < N {
            // Room for any other name that takes the counter, so that a known name never allocates.
            let mut own = String::with_capacity(NAME_LEN);
            own.push_str(name);
            return self.hitters.push(HeavyHitter { hash, name: own, kind, samples, others });
        }
        let fewest = self.hitters.iter_mut().min_by_key(|hitter| hitter.samples);
        if let Some(hitter) = fewest.filter(|fewest| fewest.samples < samples) {
            hitter.name.clear();
            hitter.name.push_str(name);
            (hitter.hash, hitter.kind, hitter.samples, hitter.others) = (hash, kind, samples, others);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn counted(names: impl IntoIterator<Item = String>) -> HeavyHitters {
        let mut heavy_hitters: HeavyHitters = HeavyHitters::default();
        names.into_iter().for_each(|name| heavy_hitters.count(name.as_bytes(), Reject::SeriesLimit, |name| name));
        heavy_hitters
    }

    #[test]
    fn few_names_are_counted_exactly() {
        let mut heavy_hitters = counted(["a", "b", "a"].map(str::to_owned));
        heavy_hitters.count(b"a", Reject::TagLimit, |name| name);
        let of = |name: &str, limit, samples| HeavyHitter {
            hash: FixedState::default().hash_one(name),
            name: name.to_owned(),
            kind: limit,
            samples,
            others: 0,
        };
        let expected = [of("a", Reject::SeriesLimit, 2), of("a", Reject::TagLimit, 1), of("b", Reject::SeriesLimit, 1)];
        assert_eq!(heavy_hitters.top(), expected);
    }

    #[test]
    fn a_frequent_name_is_found_among_many() {
        let heavy_hitters =
            counted((0..100_000).map(|n| if n % 10 == 3 { "bomb".to_owned() } else { format!("n{n}") }));
        let top = heavy_hitters.top();
        assert_eq!((top.len(), top[0].name.as_str()), (NAMES, "bomb"));
        assert!(top[0].samples >= 10_000 && top[0].samples - top[0].others <= 10_000, "{:?}", top[0]);
        assert!(heavy_hitters.hitters.capacity() <= 2 * NAMES);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let mut heavy_hitters: HeavyHitters = HeavyHitters::default();
        heavy_hitters.count(format!("{}é", "n".repeat(NAME_LEN - 1)).as_bytes(), Reject::LineTooLong, |name| name);
        heavy_hitters.count(b"\xffb", Reject::LineTooLong, |name| name);
        heavy_hitters.count("n".repeat(100_000).as_bytes(), Reject::LineTooLong, |name| name);
        let names: Vec<_> = heavy_hitters.top().into_iter().map(|hitter| hitter.name).collect();
        assert_eq!(names, ["n".repeat(NAME_LEN - 1), "n".repeat(NAME_LEN), "\u{fffd}b".to_owned()]);
    }

    #[test]
    fn a_name_is_found_once_for_many_samples_in_a_row() {
        let mut heavy_hitters: HeavyHitters = HeavyHitters::default();
        let mut asked = 0;
        for bytes in [&b"a,k=v"[..], b"a,k=v", b"b", b"b", b"a,k=w", b"a,k=w"] {
            for limit in [Reject::TagLimit, Reject::TagLimit, Reject::SeriesTooLong] {
                heavy_hitters.count(bytes, limit, |bytes| {
                    asked += 1;
                    bytes.split(|&b| b == b',').next().unwrap_or_default()
                });
            }
        }
        let counts: Vec<_> = heavy_hitters.top().into_iter().map(|hitter| (hitter.name, hitter.samples)).collect();
        assert_eq!(counts, [("a", 8), ("a", 4), ("b", 4), ("b", 2)].map(|(name, n)| (name.to_owned(), n)));
        assert_eq!(asked, 12, "of 18");
    }

    #[test]
    fn counts_are_taken_only_once() {
        let mut from = counted(["a", "a", "b"].map(str::to_owned));
        let mut all = counted(["b".to_owned()]);
        all.take(&mut from);
        all.take(&mut from);
        assert_eq!(from.top(), []);
        assert_eq!(all.top().iter().map(|c| (c.name.as_str(), c.samples)).collect::<Vec<_>>(), [("a", 2), ("b", 2)]);
        from.count(b"a", Reject::SeriesLimit, |name| name);
        assert_eq!(from.top().iter().map(|c| c.samples).collect::<Vec<_>>(), [1]);
    }

    proptest! {
        /// Each part is counted in a table of its own and then taken into one table, as workers do.
        #[test]
        fn prop_counts_are_bounds_of_the_truth(names in prop::collection::vec((0_u32..120).prop_map(|n| n * n / 240), 1..600), parts in 1_usize..40) {
            let mut all: HeavyHitters = HeavyHitters::default();
            let mut own: HeavyHitters = HeavyHitters::default();
            let mut truth: HashMap<String, u64> = HashMap::new();
            for part in names.chunks(parts) {
                for name in part.iter().map(u32::to_string) {
                    own.count(name.as_bytes(), Reject::SeriesLimit, |name| name);
                    *truth.entry(name).or_default() += 1;
                }
                all.take(&mut own);
            }
            prop_assert!(all.hitters.len() <= NAMES);
            for HeavyHitter { name, samples, others, .. } in all.top() {
                prop_assert!((samples - others..=samples).contains(&truth[&name]), "{name} {samples} {others} {truth:?}");
            }
            let of_all: u64 = truth.values().sum();
            let top = all.top();
            for (name, samples) in truth {
                let is_there = top.iter().any(|hitter| hitter.name == name);
                prop_assert!(is_there || samples * NAMES as u64 <= of_all, "{name} {samples} of {of_all}");
            }
        }
    }
}
