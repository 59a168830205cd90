//! What a worker counts until the end of its batch.

use super::heavy_hitters::HeavyHitters;
use crate::parse::StatsdType;
use crate::parse::tags::TagError;
use crate::reject::Reject;

/// What one worker has counted since it last added its counts to [`Telemetry`](super::Telemetry).
#[derive(Debug, Default)]
pub(crate) struct WorkerStats {
    /// Packets received.
    pub(crate) packets: u64,
    /// Bytes received.
    pub(crate) bytes: u64,
    /// Lines received.
    pub(crate) lines: u64,
    pub(super) applied: [u64; StatsdType::ALL.len()],
    pub(super) unmapped: u64,
    pub(super) rare: Rare,
    /// Whether `rare` has counts, so that a batch without any skips it.
    pub(super) is_rare: bool,
    pub(super) is_over_limit: bool,
}

/// Counts that valid lines of known metrics never raise.
#[derive(Debug)]
pub(super) struct Rare {
    pub(super) rejected: [u64; Reject::ALL.len()],
    pub(super) dropped: u64,
    pub(super) events: u64,
    pub(super) tag_errors: [u64; TagError::ALL.len()],
    pub(super) unknown_sections: [u64; SECTIONS],
    pub(super) heavy_hitters: HeavyHitters,
}

/// Unknown sections are counted by their first letter or digit, and all others together, so that no client can add rows.
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
    pub(crate) fn applied(&mut self, statsd_type: StatsdType, is_mapped: bool) {
        self.applied[statsd_type as usize] += 1;
        self.unmapped += u64::from(!is_mapped);
    }

    /// Counts rejected samples.
    #[cold]
    pub(crate) fn rejected(&mut self, reject: Reject, samples: u64) {
        self.is_rare = true;
        self.rare.rejected[reject as usize] += samples;
    }

    /// Notes that a sample of `name` hit `limit`, in addition to its outcome.
    #[cold]
    pub(crate) fn over_limit(&mut self, name: &[u8], limit: Reject) {
        (self.is_rare, self.is_over_limit) = (true, true);
        self.rare.heavy_hitters.count(name, limit);
    }

    /// Counts samples that a rule drops.
    pub(crate) fn dropped(&mut self, samples: u64) {
        self.is_rare = true;
        self.rare.dropped += samples;
    }

    /// Counts an event.
    pub(crate) fn event(&mut self) {
        self.is_rare = true;
        self.rare.events += 1;
    }

    /// Counts tags of one line that were dropped or renamed.
    pub(crate) fn tag_error(&mut self, error: TagError, count: u64) {
        self.is_rare = true;
        self.rare.tag_errors[error as usize] += count;
    }

    /// Counts an unknown section, which was skipped.
    pub(crate) fn unknown_section(&mut self, section: &[u8]) {
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
