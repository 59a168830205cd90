//! A worker: a thread's private route cache and counts, and the lock under which it works.

use std::sync::Arc;

use super::applier::{Applier, HeldBack};
use super::edition::Edition;
use super::shared::Pipeline;
use super::ticket::Ticket;
use super::workspace::Workspace;
use crate::metric::Sharing;
use crate::reject::Reject;
use crate::sync::{Mutex, MutexGuard};
use crate::telemetry::{LineText, Listener, WorkerStats};

/// One thread's way from packets to series.
#[derive(Debug)]
pub struct Worker {
    pipeline: Arc<Pipeline>,
    workspace: Arc<Mutex<Workspace>>,
    stats: WorkerStats,
    held_back: HeldBack,
}

impl Worker {
    /// A worker with an empty cache. `sharing` says whether other workers of the pipeline exist.
    pub fn new(pipeline: Arc<Pipeline>, sharing: Sharing) -> Self {
        let workspace = pipeline.workspaces.add(|| pipeline.current(), sharing);
        Self { pipeline, workspace, stats: WorkerStats::default(), held_back: HeldBack::new() }
    }

    /// The longest line that is read, in bytes.
    pub(crate) fn max_line(&self) -> usize {
        self.pipeline.current().max_line
    }

    /// Begins to work on lines that `listener` received. With a ticket, updates of gauges wait until it is due.
    #[inline]
    pub fn begin<'w>(&'w mut self, listener: &'w Listener, ticket: Option<Ticket>) -> Work<'w> {
        let Self { pipeline, workspace, stats, held_back } = self;
        // The lock is taken first, so that work that begins after a sweep has begun sees the time of that sweep.
        let space = workspace.lock();
        let now = pipeline.clock.now();
        let Edition { rules, registry, max_line, .. } = &*space.edition;
        let (max_line, expired) = (*max_line, registry.expired() as u32);
        let applier = Applier::new(stats, held_back, space.sharing, now, rules.dialects, ticket);
        let is_watched = pipeline.telemetry.watches.is_any();
        Work { pipeline, listener, space, max_line, expired, is_watched, applier }
    }
}

/// A worker at work. While it exists, its rules stay, and no series that it has a route to is removed; dropping it adds up what it counted.
#[derive(Debug)]
pub struct Work<'w> {
    pub(super) pipeline: &'w Pipeline,
    listener: &'w Listener,
    pub(super) space: MutexGuard<'w, Workspace>,
    /// The longest line that is read, in bytes.
    pub(super) max_line: usize,
    /// How many series had expired when the work began. That it wraps at 2^32 does no harm: a route would have to stay
    /// unused for exactly as many expirations.
    pub(super) expired: u32,
    /// Whether a client watches lines.
    pub(super) is_watched: bool,
    pub(super) applier: Applier<'w>,
}

impl Work<'_> {
    /// Counts packets and bytes.
    pub fn received(&mut self, packets: u64, bytes: u64) {
        self.applier.stats.packets += packets;
        self.applier.stats.bytes += bytes;
    }

    /// Shows lines to the clients that watch.
    #[cold]
    pub(super) fn show(&self, lines: &[u8]) {
        self.pipeline.telemetry.show(self.listener, lines);
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
        let Self { pipeline, listener, space, applier, .. } = self;
        pipeline.telemetry.add(listener, applier.stats, &space.edition.matches, applier.sharing, applier.now);
    }
}
