//! Sets: the number of different members seen recently.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use datasketches::hll::{HllSketch, HllType, HllUnion};
use foldhash::quality::{FixedState, RandomState};

use super::block::Saved;
use super::memory_budget::MemoryBudget;
use super::saved_sketch;
use super::window::Window;
use crate::sync::Mutex;

/// The most members that are counted exactly.
const EXACT: usize = 1024;

/// The binary logarithm of the number of registers of a sketch. The standard error is 1.04 / sqrt(4096) = 1.6 %, and a
/// sketch takes 4 KiB.
const LOG_REGISTERS: u8 = 12;

/// The most bytes that a saved sketch may have: one for each register, and some for its header.
const MOST_SKETCH_BYTES: usize = (1 << LOG_REGISTERS) + 1024;

/// The members in a [`Window`], by their hashes.
///
/// Up to 1,024 members are stored one by one, each with the pane in which it was last seen. When there are more, all stored
/// members move to HyperLogLog sketches, one for each pane, and storing begins again. The count is exact again when the
/// window no longer covers a sketch. A set takes at most about 64 KiB.
///
/// Source of HyperLogLog: P. Flajolet et al. (<https://algo.inria.fr/flajolet/Publications/FlFuGaMe07.pdf>).
///
/// A lock guards the members, because a member is looked up and inserted in one step. A scrape holds it only to copy them,
/// and computes the estimate afterwards.
#[derive(Debug)]
pub struct Set {
    window: Window,
    /// Only a reload changes it, and only growth asks for it.
    budget: Mutex<MemoryBudget>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The secret of the hashes: random, so that no client can choose members with equal hashes. The probability that two of
    /// 1,024 members have the same hash is 1 in 10^13. Who saves the members saves it too.
    seed: u64,
    /// The last pane of each stored member.
    members: HashMap<u64, u32, foldhash::fast::FixedState>,
    /// The sketches by pane.
    sketches: BTreeMap<u32, HllSketch>,
    /// The pane of the last sweep.
    swept: u32,
}

impl Set {
    /// A set without members, which grows as long as `budget` has room.
    pub fn new(window: Window, budget: MemoryBudget) -> Self {
        let seen = Seen { seed: RandomState::default().hash_one(0), ..Seen::default() };
        Self { window, budget: Mutex::new(budget), seen: Mutex::new(seen) }
    }

    /// Lets it grow as long as another budget has room.
    pub(crate) fn set_budget(&self, budget: MemoryBudget) {
        *self.budget.lock() = budget;
    }

    /// Its numbers, which can be [restored](Self::restore).
    pub(crate) fn save(&self, words: &mut Vec<u64>) {
        let seen = self.seen.lock();
        words.extend([seen.seed, seen.swept.into(), seen.members.len() as u64]);
        words.extend(seen.members.iter().flat_map(|(hash, pane)| [*hash, (*pane).into()]));
        let sketches = seen.sketches.clone();
        drop(seen);
        words.push(sketches.len() as u64);
        for (pane, sketch) in &sketches {
            let bytes = saved_sketch::written(sketch);
            words.extend([(*pane).into(), bytes.len() as u64]);
            let (whole, rest) = bytes.as_chunks();
            words.extend(whole.iter().map(|word| u64::from_le_bytes(*word)));
            if !rest.is_empty() {
                let mut last = [0; 8];
                last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                words.push(u64::from_le_bytes(last));
            }
        }
    }

    /// Sets its numbers; `false` and no change if they are none of a set.
    pub(crate) fn restore(&self, words: &[u64]) -> bool {
        let restored = Seen::restored(&mut Saved(words), self.window);
        restored.map(|restored| *self.seen.lock() = restored).is_some()
    }

    /// Adds a member that is seen at the time `now`, in seconds; `false` if there is no memory for a new one.
    pub(crate) fn add(&self, member: &[u8], now: u32) -> bool {
        let pane = self.window.pane(now);
        let mut seen = self.seen.lock();
        let hash = seen.hash(member);
        if let Some(last) = seen.members.get_mut(&hash) {
            // Another thread may already have seen it at a later time.
            *last = pane.max(*last);
            return true;
        }
        if seen.members.len() == EXACT {
            seen.sweep(self.window, pane);
        }
        let is_full = seen.members.len() == EXACT;
        if (is_full || seen.members.len() == seen.members.capacity()) && !self.budget.lock().has_room() {
            return false;
        }
        if is_full {
            seen.fold();
        }
        seen.members.insert(hash, pane);
        true
    }

    /// The number of members in the window that ends at the time `now`, in seconds.
    pub(crate) fn count(&self, now: u32) -> f64 {
        let mut seen = self.seen.lock();
        seen.sweep(self.window, self.window.pane(now));
        if seen.sketches.is_empty() {
            return seen.members.len() as f64;
        }
        let (sketches, members) = (seen.sketches.clone(), seen.members.keys().copied().collect::<Vec<u64>>());
        drop(seen);
        let Ok(mut union) = HllUnion::new(LOG_REGISTERS) else { return members.len() as f64 };
        sketches.values().for_each(|sketch| union.update(sketch));
        members.iter().for_each(|hash| union.update_value(hash));
        // The other estimate depends on the order of the members a little, and a set that was restored has another one.
        union.composite_estimate().round()
    }
}

impl Seen {
    fn hash(&self, member: &[u8]) -> u64 {
        FixedState::with_seed(self.seed).hash_one(member)
    }

    fn restored(saved: &mut Saved<'_>, window: Window) -> Option<Self> {
        let (seed, swept) = (saved.word()?, saved.u32()?);
        let len = saved.count(EXACT)?;
        let members = saved.words(2 * len)?.as_chunks().0;
        let members = members.iter().map(|&[hash, pane]| Some((hash, u32::try_from(pane).ok()?)));
        let members = members.collect::<Option<_>>()?;
        let sketches = (0..saved.count(window.most_panes())?).map(|_| {
            let pane = saved.u32()?;
            let len = saved.count(MOST_SKETCH_BYTES)?;
            let bytes = saved.words(len.div_ceil(8))?.iter().flat_map(|word| word.to_le_bytes());
            Some((pane, saved_sketch::read(&bytes.take(len).collect::<Vec<_>>(), LOG_REGISTERS)?))
        });
        let sketches = sketches.collect::<Option<_>>()?;
        saved.0.is_empty().then_some(Self { seed, members, sketches, swept })
    }

    /// Removes the members and sketches that the window no longer covers. Once a pane is enough.
    fn sweep(&mut self, window: Window, pane: u32) {
        if pane <= self.swept {
            return;
        }
        self.swept = pane;
        self.members.retain(|_, last| window.covers(*last, pane));
        self.sketches.retain(|last, _| window.covers(*last, pane));
        if self.members.capacity() > 64 && self.members.len() < self.members.capacity() / 4 {
            self.members.shrink_to(self.members.len() * 2);
        }
    }

    /// Moves the stored members to the sketches of their panes.
    fn fold(&mut self) {
        for (hash, pane) in self.members.drain() {
            // It fails only for an invalid number of registers.
            if let Ok(empty) = HllSketch::new(LOG_REGISTERS, HllType::Hll8) {
                self.sketches.entry(pane).or_insert(empty).update(hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    /// A set whose hashes are the same in every run.
    fn set() -> Set {
        let seen = Mutex::new(Seen { seed: 1, ..Seen::default() });
        Set { seen, ..Set::new(Window::new(60), MemoryBudget::UNLIMITED) }
    }

    fn add_all(set: &Set, members: std::ops::Range<u32>, now: u32) {
        members.for_each(|member| assert!(set.add(format!("member {member}").as_bytes(), now)));
    }

    /// Whether a count is off by at most four standard errors.
    fn is_near(count: f64, expected: u32) -> bool {
        (count - f64::from(expected)).abs() <= f64::from(expected) * 4.0 * 1.04 / f64::from(1 << LOG_REGISTERS).sqrt()
    }

    #[test]
    fn up_to_1024_members_are_exact() {
        let set = set();
        assert_eq!(set.count(0), 0.0);
        for n in 1..=1024 {
            assert!(set.add(n.to_string().as_bytes(), 7) && set.add(n.to_string().as_bytes(), 8));
            assert_eq!(set.count(9), f64::from(n));
        }
        assert!(set.add(b"1", 9));
        assert_eq!(set.count(9), 1024.0, "a known member adds nothing");
        assert!(set.add(b"one more", 9));
        assert!(is_near(set.count(9), 1025));
    }

    #[test]
    fn more_members_are_estimated() {
        let set = set();
        for (until, now) in [(5_000, 0), (20_000, 25), (100_000, 55)] {
            add_all(&set, 0..until, now);
            assert!(is_near(set.count(now), until), "{} of {until}", set.count(now));
            // All of them again, in another pane.
            add_all(&set, 0..until, now + 4);
            assert!(is_near(set.count(now + 4), until), "{} of {until}", set.count(now + 4));
        }
    }

    #[test]
    fn a_member_counts_for_the_window_after_it_was_last_seen() {
        let set = set();
        add_all(&set, 0..3, 0);
        add_all(&set, 2..4, 30);
        assert_eq!(set.count(60), 4.0);
        assert_eq!(set.count(70), 2.0, "the window no longer covers 0 and 1");
        assert!(set.add(b"member 2", 75));
        assert_eq!(set.count(99), 2.0);
        assert_eq!(set.count(100), 1.0);
        assert_eq!(set.count(150), 0.0);
        assert_eq!(set.count(u32::MAX), 0.0);
    }

    #[test]
    fn a_set_is_exact_again_without_sketches() {
        let set = set();
        add_all(&set, 0..10_000, 5);
        add_all(&set, 0..20, 40);
        assert!(is_near(set.count(69), 10_000));
        // The window covers no sketch any more, and none of the first 10,000 members.
        assert_eq!(set.count(70), 20.0);
        assert_eq!(set.count(120), 0.0);
    }

    #[test]
    fn old_members_make_room_for_new_ones() {
        let set = set();
        add_all(&set, 0..1000, 0);
        add_all(&set, 1000..2000, 70);
        assert_eq!(set.count(70), 1000.0);
        assert!(set.seen.lock().sketches.is_empty(), "there were never more than 1,024 members");
    }

    #[test]
    fn memory_is_bounded_and_freed() {
        let set = set();
        for now in 0..300 {
            add_all(&set, now * 500..now * 500 + 2000, now);
            let seen = set.seen.lock();
            assert!(seen.members.len() <= EXACT && seen.members.capacity() < 2 * EXACT);
        }
        set.count(299);
        assert!(set.seen.lock().sketches.len() <= 7);
        assert!(set.seen.lock().sketches.values().all(|sketch| sketch.estimated_size() < 5 << 10));
        assert_eq!(set.count(1000), 0.0);
        assert!(set.seen.lock().sketches.is_empty() && set.seen.lock().members.capacity() <= 64);
    }

    #[test]
    fn a_restored_set_counts_the_same_whatever_its_hashes_are() {
        for seed in 0..200 {
            let set = set();
            set.seen.lock().seed = seed;
            add_all(&set, 0..900, 0);
            add_all(&set, 900..1300, 20);
            add_all(&set, 1300..1350, 40);
            let (mut words, restored) = (Vec::new(), self::set());
            set.save(&mut words);
            assert!(restored.restore(&words));
            assert_eq!(restored.count(40), set.count(40), "seed {seed}");
        }
    }

    #[test]
    fn without_memory_only_known_members_are_added() {
        const FULL: MemoryBudget = MemoryBudget::UNLIMITED.at_its_end();
        let set = Set { budget: Mutex::new(FULL), ..set() };
        assert!(!set.add(b"a", 0));
        let set = {
            let roomy = self::set();
            add_all(&roomy, 0..1000, 0);
            Set { budget: Mutex::new(FULL), ..roomy }
        };
        let before = set.seen.lock().members.capacity();
        let added = (1000..3000).filter(|member: &u32| set.add(format!("member {member}").as_bytes(), 1)).count();
        assert_eq!((added, set.count(1)), (EXACT - 1000, EXACT as f64), "there was room for so many already");
        assert!(set.add(b"member 7", 50), "a known member needs none");
        assert_eq!(set.count(71), 1.0);
        assert!(set.seen.lock().members.capacity() <= before && set.seen.lock().sketches.is_empty());
    }

    #[test]
    fn concurrent_threads_lose_no_member() {
        let set = Arc::new(set());
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let set = Arc::clone(&set);
                thread::spawn(move || {
                    for now in 0..50 {
                        // Each thread has a fifth of the members, and all threads share the last fifth.
                        add_all(&set, n * 200..n * 200 + 200, now);
                        add_all(&set, 800..1000, now);
                        let count = set.count(now);
                        assert!((400.0..=1000.0).contains(&count), "{count}");
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        assert_eq!(set.count(50), 1000.0);
    }
}
