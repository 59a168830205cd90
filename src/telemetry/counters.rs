//! The counters behind the table.

use std::sync::atomic::{AtomicU64, Ordering};

use super::heavy_hitters::{HeavyHitter, HeavyHitters};
use super::listener::Listener;
use super::worker_stats::{SECTIONS, WorkerStats};
use crate::metric::{Bounds, Histogram, Sharing};
use crate::parse::StatsdType;
use crate::parse::tags::TagError;
use crate::reject::Reject;
use crate::sync::Mutex;

/// The counters that all workers add to.
///
/// All are `Relaxed`: each is a number of its own, and none publishes other memory.
#[derive(Debug)]
pub struct Telemetry {
    pub(super) samples: [AtomicU64; StatsdType::ALL.len()],
    pub(super) unmapped: AtomicU64,
    pub(super) rejected: [AtomicU64; Reject::ALL.len()],
    pub(super) dropped: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) tag_errors: [AtomicU64; TagError::ALL.len()],
    pub(super) unknown_sections: [AtomicU64; SECTIONS],
    /// A worker locks this at most once a batch, and only if samples hit a limit.
    heavy_hitters: Mutex<HeavyHitters>,
    pub(super) scrapes: AtomicU64,
    pub(super) scrape_duration: Histogram,
}

/// Upper bounds of the scrape duration in seconds: from an idle sidecar to one with a million series.
const SCRAPE_BOUNDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5];

impl Telemetry {
    /// Counters at 0.
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            samples: std::array::from_fn(|_| zero()),
            unmapped: zero(),
            rejected: std::array::from_fn(|_| zero()),
            dropped: zero(),
            events: zero(),
            tag_errors: std::array::from_fn(|_| zero()),
            unknown_sections: std::array::from_fn(|_| zero()),
            heavy_hitters: Mutex::default(),
            scrapes: zero(),
            scrape_duration: Histogram::new(Bounds::new(&SCRAPE_BOUNDS).expect("the bounds rise")),
        }
    }

    /// Adds what a worker has counted, and sets its stats to 0. `sharing` says whether other workers add here too.
    pub(crate) fn add(&self, listener: &Listener, stats: &mut WorkerStats, sharing: Sharing) {
        let drain = |into: &AtomicU64, from: &mut u64| {
            let n = std::mem::take(from);
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
        drain_all(&self.samples, &mut stats.applied);
        drain(&self.unmapped, &mut stats.unmapped);
        if std::mem::take(&mut stats.is_rare) {
            drain_all(&self.rejected, &mut stats.rare.rejected);
            drain(&self.dropped, &mut stats.rare.dropped);
            drain(&self.events, &mut stats.rare.events);
            drain_all(&self.tag_errors, &mut stats.rare.tag_errors);
            drain_all(&self.unknown_sections, &mut stats.rare.unknown_sections);
            if std::mem::take(&mut stats.is_over_limit) {
                self.heavy_hitters.lock().take(&mut stats.rare.heavy_hitters);
            }
        }
    }

    /// Counts a scrape whose exposition took `seconds` to write.
    pub(crate) fn scraped(&self, seconds: f64) {
        self.scrapes.fetch_add(1, Ordering::Relaxed);
        self.scrape_duration.observe(seconds, 1.0, Sharing::Shared);
    }

    /// How many samples were applied.
    pub(crate) fn applied(&self) -> u64 {
        self.samples.iter().map(|samples| samples.load(Ordering::Relaxed)).sum()
    }

    /// How many samples were rejected for one reason.
    pub(crate) fn rejected(&self, reject: Reject) -> u64 {
        self.rejected[reject as usize].load(Ordering::Relaxed)
    }

    /// The names that hit a limit most often, most samples first.
    pub(crate) fn heavy_hitters(&self) -> Vec<HeavyHitter> {
        self.heavy_hitters.lock().top()
    }
}
