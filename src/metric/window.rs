//! Windows of time.

/// A sliding window of time. It moves in panes, each a sixth of the window but at least a second.
///
/// An observation counts for the length of the window, and for at most one pane longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pane_seconds: u32,
    panes: u32,
}

/// The most panes of a window.
const PANES: u32 = 6;

impl Window {
    /// A window of so many seconds, at least 1.
    pub fn new(seconds: u32) -> Self {
        let pane_seconds = seconds.div_ceil(PANES).max(1);
        Self { pane_seconds, panes: seconds.div_ceil(pane_seconds).max(1) }
    }

    /// The number of the pane at the time `now`, in seconds.
    pub(super) fn pane(self, now: u32) -> u32 {
        now / self.pane_seconds
    }

    /// The most panes that a window covers, with the one that it leaves.
    pub(super) fn most_panes(self) -> usize {
        self.panes as usize + 2
    }

    /// How long a pane is, in seconds, and how many of them are a window.
    pub(crate) fn measures(self) -> [u32; 2] {
        [self.pane_seconds, self.panes]
    }

    /// Whether an observation in `pane` still counts in the pane `now`.
    pub(super) fn covers(self, pane: u32, now: u32) -> bool {
        now.saturating_sub(pane) <= self.panes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_an_observation_counts_for_the_window_and_at_most_a_pane_more(seconds in 1_u32..1_000_000, seen in 0_u32..1_000_000) {
            let window = Window::new(seconds);
            let counts = |now: u32| window.covers(window.pane(seen), window.pane(now));
            prop_assert!(counts(seen) && counts(seen + seconds));
            prop_assert!(!counts(seen + seconds + 2 * seconds.div_ceil(PANES)));
            let ends = (seen..).step_by(window.pane_seconds as usize).take(20).filter(|&now| counts(now)).count();
            prop_assert!(ends <= PANES as usize + 1, "{} panes are covered", ends);
        }
    }
}
