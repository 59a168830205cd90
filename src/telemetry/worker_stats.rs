//! What a worker counts by itself, until it adds it up.

use super::HeavyHitters;
use crate::parse::StatsdType;
use crate::parse::tags::TagError;
use crate::reject::Reject;

/// One worker's counts since it last added them up.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Packets received.
    pub packets: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Lines received.
    pub lines: u64,
    pub(super) applied: [u64; StatsdType::ALL.len()],
    pub(super) unmapped: u64,
    pub(super) rare: Rare,
    /// Whether `rare` holds anything, so that a batch without mishaps does not look.
    pub(super) is_rare: bool,
    pub(super) is_over_limit: bool,
}

/// What a clean stream of lines never counts.
#[derive(Debug)]
pub(super) struct Rare {
    pub(super) rejected: [u64; Reject::ALL.len()],
    pub(super) dropped: u64,
    pub(super) events: u64,
    pub(super) tag_errors: [u64; TagError::ALL.len()],
    pub(super) unknown_sections: [u64; SECTIONS],
    pub(super) heavy_hitters: HeavyHitters,
}

/// Unknown sections by the letter or digit they begin with, and the rest together: a number that no client raises.
pub(super) const SECTIONS: usize = 63;

impl Default for Rare {
    fn default() -> Self {
        Self {
            rejected: [0; Reject::ALL.len()],
            dropped: 0,
            events: 0,
            tag_errors: [0; TagError::ALL.len()],
            unknown_sections: [0; SECTIONS],
            heavy_hitters: HeavyHitters::default(),
        }
    }
}

impl WorkerStats {
    /// Counts an applied sample.
    #[inline]
    pub fn applied(&mut self, statsd_type: StatsdType, is_mapped: bool) {
        self.applied[statsd_type as usize] += 1;
        self.unmapped += u64::from(!is_mapped);
    }

    /// Counts `samples` that were not applied.
    #[cold]
    pub fn rejected(&mut self, reject: Reject, samples: u64) {
        self.is_rare = true;
        self.rare.rejected[reject as usize] += samples;
    }

    /// Counts a sample of `name` that hit `limit`, beside what became of it.
    #[cold]
    pub fn over_limit(&mut self, name: &[u8], limit: Reject) {
        (self.is_rare, self.is_over_limit) = (true, true);
        self.rare.heavy_hitters.count(name, limit);
    }

    /// Counts samples that a rule says to drop.
    pub fn dropped(&mut self, samples: u64) {
        self.is_rare = true;
        self.rare.dropped += samples;
    }

    /// Counts a line that is an event.
    pub fn event(&mut self) {
        self.is_rare = true;
        self.rare.events += 1;
    }

    /// Counts tags of one line that were left out or mended.
    pub fn tag_error(&mut self, error: TagError, count: u64) {
        self.is_rare = true;
        self.rare.tag_errors[error as usize] += count;
    }

    /// Counts a section that was skipped.
    pub fn unknown_section(&mut self, section: &[u8]) {
        self.is_rare = true;
        let index = match section.first() {
            Some(&b @ b'0'..=b'9') => b - b'0',
            Some(&b @ b'A'..=b'Z') => b - b'A' + 10,
            Some(&b @ b'a'..=b'z') => b - b'a' + 36,
            _ => 62,
        };
        self.rare.unknown_sections[usize::from(index)] += 1;
    }
}
