//! The counters behind the table: those of each worker and each listener, and those that all workers add to.

use std::array;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use strum::EnumCount;

use super::busy_names::{BusyNames, LineSampler};
use super::heavy_hitters::{HeavyHitter, HeavyHitters};
use super::history::{History, SlotCounts};
use super::losses::{LineText, Loss, Losses, LostLine, NewestLines};
use super::reloads::Reloads;
use super::rule_matches::RuleMatches;
use super::snapshot::{HttpClosed, ListenerSnapshot, ScrapeFormat, SocketSnapshot};
use super::watches::Watches;
use crate::metric::{Bounds, Histogram, Sharing};
use crate::parse::StatsdType;
use crate::parse::tags::TagError;
use crate::reject::Reject;
use crate::sync::Mutex;

/// Unknown sections are counted by their first letter or digit, and all others together, so that no client can add rows.
const SECTIONS: usize = 63;

/// Upper bounds of the scrape duration in seconds: from an idle sidecar to one with a million series.
const SCRAPE_BOUNDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5];

/// A count of each kind: `u64` for one worker, `AtomicU64` for all of them.
///
/// Atomic counts are `Relaxed`: each is a number of its own, and none publishes other memory.
#[derive(Debug)]
pub(crate) struct OwnCounts<N> {
    pub(crate) samples: [N; StatsdType::ALL.len()],
    pub(crate) unmapped: N,
    pub(crate) rejected: [N; Reject::ALL.len()],
    /// Samples applied to overflow series.
    pub(crate) collapsed: [N; Reject::ALL.len()],
    pub(crate) dropped: N,
    pub(crate) events: N,
    pub(super) tag_errors: [N; TagError::ALL.len()],
    pub(super) unknown_sections: [N; SECTIONS],
}

impl<N: Default> Default for OwnCounts<N> {
    fn default() -> Self {
        Self {
            samples: array::from_fn(|_| N::default()),
            unmapped: N::default(),
            rejected: array::from_fn(|_| N::default()),
            collapsed: array::from_fn(|_| N::default()),
            dropped: N::default(),
            events: N::default(),
            tag_errors: array::from_fn(|_| N::default()),
            unknown_sections: array::from_fn(|_| N::default()),
        }
    }
}

/// What the workers of one listener have received. Its socket owns it.
#[derive(Debug)]
pub struct Listener {
    address: Arc<str>,
    packets: AtomicU64,
    bytes: AtomicU64,
    lines: AtomicU64,
}

impl Listener {
    /// A listener that has received nothing yet. `address` becomes the label `listener`.
    pub fn new(address: String) -> Arc<Self> {
        Arc::new(Self {
            address: address.into(),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            lines: AtomicU64::new(0),
        })
    }

    /// The kernel charges a datagram its bytes and at least this many.
    pub(crate) const PACKET_OVERHEAD: usize = 256;

    /// At most what the kernel has charged for the datagrams that were received, in bytes.
    pub(crate) fn received(&self) -> u64 {
        let packets = self.packets.load(Ordering::Relaxed);
        self.bytes.load(Ordering::Relaxed) + packets * Self::PACKET_OVERHEAD as u64
    }

    /// How many lines it has received.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Reads the counters; `socket` is what its socket knows.
    pub(crate) fn snapshot(&self, socket: SocketSnapshot) -> ListenerSnapshot {
        ListenerSnapshot {
            address: Arc::clone(&self.address),
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            lines: self.lines(),
            socket,
        }
    }
}

/// The counters that all workers add to.
#[derive(Debug)]
pub struct Telemetry {
    pub(super) counts: OwnCounts<AtomicU64>,
    /// A worker locks this at most once a batch, and only if samples hit a limit.
    heavy_hitters: Mutex<HeavyHitters>,
    /// The names that met a metric of another type or a series of another metric.
    conflicts: Mutex<HeavyHitters>,
    /// A worker locks this at most once a batch, and only if lines were lost.
    losses: Mutex<Losses>,
    /// Clients that watch lines.
    pub(crate) watches: Watches,
    /// A worker locks this at most once a batch, and only if it has looked at lines.
    busy_names: Mutex<BusyNames>,
    history: Mutex<History>,
    /// Reloads of the config.
    pub(crate) reloads: Reloads,
    /// In the order of [`ScrapeFormat`].
    pub(super) scrapes: [AtomicU64; ScrapeFormat::COUNT],
    pub(super) scrape_duration: Histogram,
    /// The size of the last exposition, uncompressed.
    pub(super) exposition_bytes: AtomicU64,
    /// Connections of HTTP clients that the server closed, in the order of [`HttpClosed`].
    pub(super) http_closed: [AtomicU64; HttpClosed::COUNT],
}

impl Default for Telemetry {
    /// Counters at 0.
    fn default() -> Self {
        Self {
            counts: OwnCounts::default(),
            heavy_hitters: Mutex::default(),
            conflicts: Mutex::default(),
            losses: Mutex::default(),
            watches: Watches::default(),
            busy_names: Mutex::default(),
            history: Mutex::default(),
            reloads: Reloads::default(),
            scrapes: array::from_fn(|_| AtomicU64::new(0)),
            exposition_bytes: AtomicU64::new(0),
            scrape_duration: Histogram::new(Bounds::new(&SCRAPE_BOUNDS).expect("the bounds rise")),
            http_closed: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Telemetry {
    /// Adds what a worker has counted until `now`, and sets its stats to 0. `sharing` says whether other workers add here
    /// too.
    pub(crate) fn add(
        &self,
        listener: &Listener,
        stats: &mut WorkerStats,
        matches: &RuleMatches,
        sharing: Sharing,
        now: u32,
    ) {
        let drain = |into: &AtomicU64, from: &mut u64| {
            let n = mem::take(from);
            match sharing {
                _ if n == 0 => {}
                // A single writer needs no locked instruction, and a packet of one line would notice a few of them.
                Sharing::SingleWriter => into.store(into.load(Ordering::Relaxed) + n, Ordering::Relaxed),
                Sharing::Shared => _ = into.fetch_add(n, Ordering::Relaxed),
            }
        };
        let drain_all = |into: &[AtomicU64], from: &mut [u64]| {
            into.iter().zip(from).for_each(|(into, from)| drain(into, from));
        };
        drain(&listener.packets, &mut stats.packets);
        drain(&listener.bytes, &mut stats.bytes);
        drain(&listener.lines, &mut stats.lines);
        let (into, from) = (&self.counts, &mut stats.counts);
        drain_all(&into.samples, &mut from.samples);
        drain(&into.unmapped, &mut from.unmapped);
        stats.sampler.set_time(now);
        if stats.sampler.is_any() {
            self.take_names(&mut stats.sampler, matches);
        }
        if mem::take(&mut stats.is_rare) {
            drain_all(&into.rejected, &mut from.rejected);
            drain_all(&into.collapsed, &mut from.collapsed);
            drain(&into.dropped, &mut from.dropped);
            drain(&into.events, &mut from.events);
            drain_all(&into.tag_errors, &mut from.tag_errors);
            drain_all(&into.unknown_sections, &mut from.unknown_sections);
            if mem::take(&mut stats.is_over_limit) {
                self.heavy_hitters.lock().take(&mut stats.heavy_hitters);
            }
            if mem::take(&mut stats.is_in_conflict) {
                self.conflicts.lock().take(&mut stats.conflicts);
            }
            if stats.newest_lines.is_any() {
                if self.watches.is_any() {
                    stats.newest_lines.show(&listener.address, &self.watches);
                }
                self.losses.lock().take(&mut stats.newest_lines, &listener.address, now);
            }
        }
    }

    /// Shows lines that `listener` received to the clients that watch.
    #[cold]
    pub(crate) fn show(&self, listener: &Listener, lines: &[u8]) {
        self.watches.arrived(&listener.address, lines);
    }

    #[cold]
    fn take_names(&self, from: &mut LineSampler, matches: &RuleMatches) {
        self.busy_names.lock().take(from, |rule, lines| matches.saw_lines(rule, lines));
    }

    /// Forgets the names that other rules and limits had to do with: those without a rule, over a limit or in conflict.
    pub(crate) fn forget_names(&self) {
        *self.heavy_hitters.lock() = HeavyHitters::default();
        *self.conflicts.lock() = HeavyHitters::default();
        self.losses.lock().forget_unmapped();
    }

    /// Ends a second: `now` is the one that begins, and the kernel has dropped so many packets by then.
    pub(crate) fn advance(&self, now: u32, kernel_dropped: u64) {
        let rejected = self.counts.rejected.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        self.history.lock().advance(now, [self.applied(), rejected, kernel_dropped]);
        self.busy_names.lock().tick();
    }

    /// The seconds and the minutes of the history, the oldest first.
    pub(crate) fn history(&self) -> [Vec<SlotCounts>; 2] {
        self.history.lock().slots()
    }

    /// Reads the names with the most lines.
    pub(crate) fn busy_names<T>(&self, read: impl FnOnce(&BusyNames) -> T) -> T {
        read(&self.busy_names.lock())
    }

    /// Reads the counts.
    pub(crate) fn read(&self) -> OwnCounts<u64> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        OwnCounts {
            samples: counts.samples.each_ref().map(read),
            unmapped: read(&counts.unmapped),
            rejected: counts.rejected.each_ref().map(read),
            collapsed: counts.collapsed.each_ref().map(read),
            dropped: read(&counts.dropped),
            events: read(&counts.events),
            tag_errors: counts.tag_errors.each_ref().map(read),
            unknown_sections: counts.unknown_sections.each_ref().map(read),
        }
    }

    /// How many scrapes were answered.
    pub(crate) fn scrapes(&self) -> u64 {
        self.scrapes.iter().map(|scrapes| scrapes.load(Ordering::Relaxed)).sum()
    }

    /// Counts a scrape that is answered.
    pub(crate) fn scraped(&self, format: ScrapeFormat) {
        self.scrapes[format as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an exposition of so many `bytes` that took `seconds` to write, for one scrape or several.
    pub(crate) fn exposition_written(&self, seconds: f64, bytes: u64) {
        self.exposition_bytes.store(bytes, Ordering::Relaxed);
        self.scrape_duration.observe(seconds, 1.0, Sharing::Shared);
    }

    /// Counts a connection of an HTTP client that the server closes.
    pub(crate) fn http_closed(&self, why: HttpClosed) {
        self.http_closed[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many samples were applied.
    pub(crate) fn applied(&self) -> u64 {
        self.counts.samples.iter().map(|samples| samples.load(Ordering::Relaxed)).sum()
    }

    /// How many samples were rejected for one reason.
    pub(crate) fn rejected(&self, reject: Reject) -> u64 {
        self.counts.rejected[reject as usize].load(Ordering::Relaxed)
    }

    /// The names that hit a limit most often, most samples first.
    pub(crate) fn heavy_hitters(&self) -> Vec<HeavyHitter> {
        self.heavy_hitters.lock().top()
    }

    /// The names that were in conflict most often, most samples first.
    pub(crate) fn conflicts(&self) -> Vec<HeavyHitter> {
        self.conflicts.lock().top()
    }

    /// The newest lines that were lost in one way, the newest first.
    pub(crate) fn lost_lines(&self, loss: Loss) -> Vec<LostLine> {
        self.losses.lock().of(loss)
    }

    /// How many samples were lost in one way.
    pub(crate) fn lost(&self, loss: Loss) -> u64 {
        match loss {
            Loss::Rejected(reject) => self.rejected(reject),
            Loss::Collapsed(limit) => self.counts.collapsed[limit as usize].load(Ordering::Relaxed),
            Loss::Unmapped => self.counts.unmapped.load(Ordering::Relaxed),
        }
    }
}

/// What one worker has counted since it last added its counts to [`Telemetry`].
#[derive(Debug, Default)]
pub(crate) struct WorkerStats {
    /// Packets received.
    pub(crate) packets: u64,
    /// Bytes received.
    pub(crate) bytes: u64,
    /// Lines received.
    pub(crate) lines: u64,
    counts: OwnCounts<u64>,
    heavy_hitters: HeavyHitters,
    conflicts: HeavyHitters,
    newest_lines: NewestLines,
    /// Chooses the lines whose names are noted.
    pub(crate) sampler: LineSampler,
    /// Whether there are counts that valid lines of known metrics never raise, so that a batch without any skips them.
    is_rare: bool,
    is_over_limit: bool,
    is_in_conflict: bool,
}

impl WorkerStats {
    /// Counts an applied sample.
    #[inline]
    pub(crate) fn applied(&mut self, statsd_type: StatsdType, is_unmapped: bool) {
        self.counts.samples[statsd_type as usize] += 1;
        self.counts.unmapped += u64::from(is_unmapped);
    }

    /// Counts a rejected sample of `line`.
    #[cold]
    pub(crate) fn rejected(&mut self, reject: Reject, line: LineText<'_>) {
        self.rare().rejected[reject as usize] += 1;
        self.newest_lines.note(Loss::Rejected(reject), line);
    }

    /// Counts a sample that was applied to the overflow series of `name` because of `limit`.
    #[cold]
    pub(crate) fn collapsed(&mut self, name: &[u8], limit: Reject) {
        self.rare().collapsed[limit as usize] += 1;
        self.newest_lines.note(Loss::Collapsed(limit), LineText::Raw(name));
        self.over_limit(name, limit, |name| name);
    }

    /// Notes a name of lines for which there is no rule.
    #[cold]
    pub(crate) fn unmapped(&mut self, name: &[u8]) {
        self.is_rare = true;
        self.newest_lines.note(Loss::Unmapped, LineText::Raw(name));
    }

    /// Notes that a sample is in conflict with another metric, in addition to its outcome. Its name is `name_of` of the
    /// first of `bytes`.
    #[cold]
    pub(crate) fn in_conflict(&mut self, bytes: &[u8], conflict: Reject, name_of: impl FnOnce(&[u8]) -> &[u8]) {
        (self.is_rare, self.is_in_conflict) = (true, true);
        self.conflicts.count(bytes, conflict, name_of);
    }

    /// Notes that a sample hit `limit`, in addition to its outcome. Its name is `name_of` of the first of `bytes`.
    #[cold]
    pub(crate) fn over_limit(&mut self, bytes: &[u8], limit: Reject, name_of: impl FnOnce(&[u8]) -> &[u8]) {
        (self.is_rare, self.is_over_limit) = (true, true);
        self.heavy_hitters.count(bytes, limit, name_of);
    }

    /// Counts samples that a rule drops.
    pub(crate) fn dropped(&mut self, samples: u64) {
        self.rare().dropped += samples;
    }

    /// Counts an event.
    pub(crate) fn event(&mut self) {
        self.rare().events += 1;
    }

    /// Counts tags of one line that were dropped or renamed.
    pub(crate) fn tag_error(&mut self, error: TagError, count: u64) {
        self.rare().tag_errors[error as usize] += count;
    }

    /// Counts an unknown section, which was skipped.
    pub(crate) fn unknown_section(&mut self, section: &[u8]) {
        let index = match section.first() {
            Some(&b @ b'0'..=b'9') => b - b'0',
            Some(&b @ b'A'..=b'Z') => b - b'A' + 10,
            Some(&b @ b'a'..=b'z') => b - b'a' + 36,
            _ => 62,
        };
        self.rare().unknown_sections[usize::from(index)] += 1;
    }

    fn rare(&mut self) -> &mut OwnCounts<u64> {
        self.is_rare = true;
        &mut self.counts
    }
}
