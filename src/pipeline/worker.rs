//! A worker: a thread's private route cache and counts, and the lock under which it works.

use std::sync::Arc;

use super::applier::{Applier, HeldBack};
use super::route::Route;
use super::route_cache::RouteCache;
use super::shared::Pipeline;
use super::ticket::Ticket;
use crate::metric::Sharing;
use crate::reject::Reject;
use crate::sync::{Mutex, MutexGuard};
use crate::telemetry::{LineText, Listener, WorkerStats};

/// One thread's way from packets to series.
#[derive(Debug)]
pub struct Worker {
    pipeline: Arc<Pipeline>,
    cache: Arc<Mutex<RouteCache>>,
    stats: WorkerStats,
    held_back: HeldBack,
    sharing: Sharing,
}

impl Worker {
    /// A worker with an empty cache. `sharing` says whether other workers of the pipeline exist.
    pub fn new(pipeline: Arc<Pipeline>, sharing: Sharing) -> Self {
        let cache = pipeline.route_caches.add(RouteCache::new(pipeline.registry.limit(), pipeline.registry.budget()));
        Self { pipeline, cache, stats: WorkerStats::default(), held_back: HeldBack::new(), sharing }
    }

    /// Begins to work on lines that `listener` received. With a ticket, updates of gauges wait until it is due.
    #[inline]
    pub fn begin<'w>(&'w mut self, listener: &'w Listener, ticket: Option<Ticket>) -> Work<'w> {
        let Self { pipeline, cache, stats, held_back, sharing } = self;
        // The lock is taken first, so that work that begins after a sweep has begun sees the time of that sweep.
        let cache = cache.lock();
        let now = pipeline.clock.now();
        let expired = pipeline.registry.expired() as u32;
        let applier = Applier::new(stats, held_back, *sharing, now, pipeline.rules.dialects, ticket);
        Work { pipeline, listener, cache, expired, applier }
    }
}

/// A worker at work. While it exists, no series that it has a route to is removed; dropping it adds up what it counted.
#[derive(Debug)]
pub struct Work<'w> {
    pub(super) pipeline: &'w Pipeline,
    listener: &'w Listener,
    pub(super) cache: MutexGuard<'w, RouteCache>,
    /// How many series had expired when the work began. That it wraps at 2^32 does no harm: a route would have to stay
    /// unused for exactly as many expirations.
    pub(super) expired: u32,
    pub(super) applier: Applier<'w>,
}

impl Work<'_> {
    /// Counts packets and bytes.
    pub fn received(&mut self, packets: u64, bytes: u64) {
        self.applier.stats.packets += packets;
        self.applier.stats.bytes += bytes;
    }

    /// Notes a name without a rule where there are rules: one of them was most likely meant for it.
    pub(super) fn note_unmapped(&mut self, route: &Route, name: &[u8]) {
        if let Route::Apply { plan, .. } | Route::Overflow { plan, .. } = route
            && !plan.is_mapped
            && self.pipeline.rules.is_any()
        {
            self.applier.stats.unmapped(name);
        }
    }

    /// Counts a line that was not received whole; `beginning` is what is left of it.
    pub fn lost_line(&mut self, reject: Reject, beginning: &[u8]) {
        self.applier.stats.lines += 1;
        self.applier.stats.rejected(reject, LineText::Raw(beginning));
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.applier.catch_up();
        self.pipeline.telemetry.add(self.listener, self.applier.stats, self.applier.sharing, self.applier.now);
    }
}
