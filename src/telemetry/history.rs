//! What was accepted, rejected and lost in each of the last 60 seconds and of the last 60 minutes, in fixed memory.

use std::array;

/// How many slots of each length are kept.
const SLOTS: usize = 60;

/// How many seconds make a minute.
const MINUTE: u32 = 60;

/// Samples accepted, samples rejected, and packets that the kernel dropped.
pub(crate) type SlotCounts = [u64; 3];

/// The slots of both lengths.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The second up to which counts were read last.
    at: u32,
    /// The counts since the start by then.
    totals: SlotCounts,
    seconds: TimeSlots,
    minutes: TimeSlots,
    /// What the minute has that is not over.
    minute: SlotCounts,
}

/// The newest slots of one length.
#[derive(Clone, Debug)]
struct TimeSlots {
    ring: [SlotCounts; SLOTS],
    /// How many slots there have been.
    count: usize,
}

impl Default for TimeSlots {
    fn default() -> Self {
        Self { ring: [[0; 3]; SLOTS], count: 0 }
    }
}

impl TimeSlots {
    fn push(&mut self, counts: SlotCounts) {
        self.ring[self.count % SLOTS] = counts;
        self.count += 1;
    }

    /// The oldest first.
    fn in_order(&self) -> Vec<SlotCounts> {
        (self.count.saturating_sub(SLOTS)..self.count).map(|number| self.ring[number % SLOTS]).collect()
    }
}

impl History {
    /// Notes the counts since the start at `now`, in seconds. What has been counted since the last call belongs to the last
    /// second; seconds in between have nothing.
    pub(super) fn advance(&mut self, now: u32, totals: SlotCounts) {
        let missed = now.saturating_sub(self.at);
        if missed == 0 {
            return;
        }
        // More would only overwrite each other.
        let first = missed.saturating_sub(SLOTS as u32 * MINUTE);
        let since: SlotCounts = array::from_fn(|n| totals[n].saturating_sub(self.totals[n]));
        for second in first + 1..=missed {
            let counts = if second == missed { since } else { [0; 3] };
            self.seconds.push(counts);
            self.minute.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            if (self.at + second).is_multiple_of(MINUTE) {
                self.minutes.push(std::mem::take(&mut self.minute));
            }
        }
        (self.at, self.totals) = (now, totals);
    }

    /// The seconds and the minutes that are over, the oldest first.
    pub(super) fn slots(&self) -> [Vec<SlotCounts>; 2] {
        [&self.seconds, &self.minutes].map(TimeSlots::in_order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_and_minute_has_what_was_counted_in_it() {
        let mut history = History::default();
        history.advance(0, [0; 3]);
        assert!(history.slots().iter().all(Vec::is_empty));
        for now in 1..=130_u64 {
            history.advance(now as u32, [now * 10, now, 0]);
        }
        let [seconds, minutes] = history.slots();
        assert_eq!(seconds, vec![[10, 1, 0]; 60]);
        assert_eq!(minutes, vec![[600, 60, 0]; 2]);
    }

    #[test]
    fn seconds_that_were_missed_are_empty() {
        let mut history = History::default();
        history.advance(3, [7, 0, 1]);
        history.advance(3, [9, 0, 1]);
        assert_eq!(history.slots()[0], [[0; 3], [0; 3], [7, 0, 1]]);
        history.advance(1, [9, 0, 1]);
        history.advance(4, [9, 0, 1]);
        assert_eq!(history.slots()[0].last(), Some(&[2, 0, 0]), "nothing is lost between two calls");
        history.advance(4_000_000_000, [10, 0, 1]);
        let [seconds, minutes] = history.slots();
        assert_eq!((seconds.len(), minutes.len()), (60, 60));
        assert_eq!(seconds.last(), Some(&[1, 0, 0]));
    }
}
