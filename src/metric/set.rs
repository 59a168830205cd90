//! How many different members were seen of late.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use datasketches::hll::{HllSketch, HllType, HllUnion};
use foldhash::quality::RandomState;

use super::Window;

/// How many members are counted exactly.
const EXACT: usize = 1024;

/// The binary logarithm of how many registers a sketch has. Its standard error is 1.04 / sqrt(4096), 1.6 %; it takes
/// 4 KiB.
const LOG_REGISTERS: u8 = 12;

/// A set's cell: the members that a [`Window`] covers, by their hashes.
///
/// Up to 1,024 members are known one by one, each with the pane in which it was last seen. What is more goes to a
/// HyperLogLog sketch for each pane, and the members are known one by one again from there on; once the window has left
/// the sketches behind, the count is exact anew. So a set takes some 64 KiB at most, whatever it is fed with.
///
/// A lock, since a member is looked up and put in as one. It is held for that alone: a scrape copies what is there, and
/// reckons with the copy.
#[derive(Debug)]
pub struct Set {
    window: Window,
    /// Random, so that nobody can send members that all have one hash. Two of 1,024 members share one with a
    /// probability of 1 in 10^13.
    hasher: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The last pane of each member.
    members: HashMap<u64, u32, foldhash::fast::FixedState>,
    /// The members of a pane that were too many.
    sketches: BTreeMap<u32, HllSketch>,
    /// The last pane in which it was looked for what the window has left behind.
    swept: u32,
}

impl Set {
    /// A set without members.
    pub fn new(window: Window) -> Self {
        Self { window, hasher: RandomState::default(), seen: Mutex::default() }
    }

    /// Sees a member at the time `now`, in seconds.
    pub fn see(&self, member: &[u8], now: u32) {
        let (hash, pane) = (self.hasher.hash_one(member), self.window.pane(now));
        let mut seen = self.lock();
        if let Some(last) = seen.members.get_mut(&hash) {
            // Another thread may have looked at the time later and come here before.
            *last = pane.max(*last);
            return;
        }
        if seen.members.len() == EXACT {
            seen.sweep(self.window, pane);
        }
        if seen.members.len() == EXACT {
            seen.fold();
        }
        seen.members.insert(hash, pane);
    }

    /// How many members were seen in the window that ends at the time `now`, in seconds.
    pub fn count(&self, now: u32) -> f64 {
        let mut seen = self.lock();
        seen.sweep(self.window, self.window.pane(now));
        if seen.sketches.is_empty() {
            return seen.members.len() as f64;
        }
        let (sketches, members) = (seen.sketches.clone(), seen.members.clone());
        drop(seen);
        let Ok(mut union) = HllUnion::new(LOG_REGISTERS) else { return members.len() as f64 };
        sketches.values().for_each(|sketch| union.update(sketch));
        members.keys().for_each(|hash| union.update_value(hash));
        union.estimate().round()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        // What it guards is whole between any two statements, so a panic elsewhere spoils nothing.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Forgets what the window has left behind: once a pane, for there is nothing more to find in the same one.
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

    /// Moves the members to the sketches of their panes.
    fn fold(&mut self) {
        for (hash, pane) in self.members.drain() {
            // The number of registers is one that it takes.
            if let Ok(empty) = HllSketch::new(LOG_REGISTERS, HllType::Hll8) {
                self.sketches.entry(pane).or_insert(empty).update(hash);
            }
        }
    }
}

#[cfg(all(test, not(loom_cells)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    fn set() -> Set {
        Set::new(Window::new(60))
    }

    fn see_all(set: &Set, members: std::ops::Range<u32>, now: u32) {
        members.for_each(|member| set.see(format!("member {member}").as_bytes(), now));
    }

    /// Whether a count is right but for four standard errors, which the random hashes miss once in 16,000 times.
    fn is_near(count: f64, expected: u32) -> bool {
        (count - f64::from(expected)).abs() <= f64::from(expected) * 4.0 * 1.04 / f64::from(1 << LOG_REGISTERS).sqrt()
    }

    #[test]
    fn it_is_exact_up_to_1024() {
        let set = set();
        assert_eq!(set.count(0), 0.0);
        for n in 1..=1024 {
            set.see(n.to_string().as_bytes(), 7);
            set.see(n.to_string().as_bytes(), 8);
            assert_eq!(set.count(9), f64::from(n));
        }
        set.see(b"1", 9);
        assert_eq!(set.count(9), 1024.0, "a member that was there already is no 1,025th");
        set.see(b"one more", 9);
        assert!(is_near(set.count(9), 1025));
    }

    #[test]
    fn it_is_near_above_that() {
        let set = set();
        for (until, now) in [(5_000, 0), (20_000, 25), (100_000, 55)] {
            see_all(&set, 0..until, now);
            assert!(is_near(set.count(now), until), "{} of {until}", set.count(now));
            // All of them once more, in another pane.
            see_all(&set, 0..until, now + 4);
            assert!(is_near(set.count(now + 4), until), "{} of {until}", set.count(now + 4));
        }
    }

    #[test]
    fn a_member_counts_from_when_it_was_last_seen() {
        let set = set();
        see_all(&set, 0..3, 0);
        see_all(&set, 2..4, 30);
        assert_eq!(set.count(60), 4.0);
        assert_eq!(set.count(70), 2.0, "0 and 1 were seen too long ago");
        set.see(b"member 2", 75);
        assert_eq!(set.count(99), 2.0);
        assert_eq!(set.count(100), 1.0);
        assert_eq!(set.count(150), 0.0);
        assert_eq!(set.count(u32::MAX), 0.0);
    }

    #[test]
    fn it_is_exact_again_once_the_many_are_gone() {
        let set = set();
        see_all(&set, 0..10_000, 5);
        see_all(&set, 0..20, 40);
        assert!(is_near(set.count(69), 10_000));
        // Of the 10,000 the last are known one by one; all of them were seen in the same pane.
        assert_eq!(set.count(70), 20.0);
        assert_eq!(set.count(120), 0.0);
    }

    #[test]
    fn members_that_left_make_room() {
        let set = set();
        see_all(&set, 0..1000, 0);
        see_all(&set, 1000..2000, 70);
        assert_eq!(set.count(70), 1000.0);
        assert!(set.lock().sketches.is_empty(), "there never were more than 1,024");
    }

    #[test]
    fn its_memory_is_bounded_and_given_back() {
        let set = set();
        for now in 0..300 {
            see_all(&set, now * 500..now * 500 + 2000, now);
            let seen = set.lock();
            assert!(seen.members.len() <= EXACT && seen.members.capacity() < 2 * EXACT);
        }
        set.count(299);
        assert!(set.lock().sketches.len() <= 7);
        assert!(set.lock().sketches.values().all(|sketch| sketch.estimated_size() < 5 << 10));
        assert_eq!(set.count(1000), 0.0);
        assert!(set.lock().sketches.is_empty() && set.lock().members.capacity() <= 64);
    }

    #[test]
    fn threads_that_meet_lose_nothing() {
        let set = Arc::new(set());
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let set = Arc::clone(&set);
                thread::spawn(move || {
                    for now in 0..50 {
                        // Each has a fifth for itself, and the last is all of theirs.
                        see_all(&set, n * 200..n * 200 + 200, now);
                        see_all(&set, 800..1000, now);
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
