//! A line becomes a metric here, from top to bottom:
//!
//! ```text
//! packet -> lines -> parse -> look up the route -------------------> apply: update the series, count
//!                                    `- not found: resolve, keep -'
//! ```
//!
//! Simple lines (nearly all) wait in a batch, so that their cache misses overlap; each other line is looked up alone.
//! Either way a sample goes by [`Work::sample`] or finds all it needs in the cache, and ends in [`Applier::apply`].

mod applier;
mod key;
mod line_batch;
mod resolver;
mod route;
mod route_cache;
mod slots;
mod sweep;
mod ticket;

pub use key::Key;
pub use resolver::{Resolution, Resolver, Unresolved};
pub use route::{Plan, Route, RouteRef};
pub use ticket::{Ticket, TicketOrder};

use std::sync::Arc;

use memchr::{memchr, memrchr};

use crate::clock::Clock;
use crate::config::Config;
use crate::mapping::{Rules, TagErrors};
use crate::metric::Sharing;
use crate::parse::{self, Group, Line, Value};
use crate::registry::{Registry, Series};
use crate::reject::Reject;
use crate::sync::{Mutex, MutexGuard};
use crate::telemetry::{Listener, Telemetry, WorkerStats};
use applier::Applier;
use line_batch::{Found, HashedLine, LineBatch};
use route_cache::RouteCache;
use sweep::RouteCaches;

/// What all workers share.
#[derive(Debug)]
pub struct Pipeline {
    /// What lines mean.
    pub rules: Rules,
    /// The series that exist.
    pub registry: Registry,
    /// What the sidecar counts about itself.
    pub telemetry: Telemetry,
    /// The longest line that is read, in bytes.
    pub max_line: usize,
    /// The time.
    pub clock: Clock,
    route_caches: RouteCaches,
}

impl Pipeline {
    /// A pipeline without series.
    pub fn new(config: &Config, rules: Rules) -> Self {
        Self {
            rules,
            registry: Registry::new(config.limits.clone()),
            telemetry: Telemetry::new(),
            max_line: config.intake.max_line,
            clock: Clock::default(),
            route_caches: RouteCaches::default(),
        }
    }

    /// Finds out where samples go.
    pub fn resolver(&self) -> Resolver<'_> {
        Resolver { rules: &self.rules, registry: &self.registry }
    }

    /// Sets the clock, in seconds; gives whether series may have expired, so that a [`sweep`](Self::sweep) is due.
    pub fn set_time(&self, now: u32) -> bool {
        self.clock.set(now);
        self.registry.has_due(now)
    }

    /// Removes the series that have expired, and gives them. Waits for the batches that workers are at.
    pub fn sweep(&self) -> Vec<Arc<Series>> {
        self.route_caches.sweep(&self.registry, self.clock.now())
    }
}

/// One thread's way from packets to series, with its private route cache.
#[derive(Debug)]
pub struct Worker {
    pipeline: Arc<Pipeline>,
    cache: Arc<Mutex<RouteCache>>,
    stats: WorkerStats,
    sharing: Sharing,
}

impl Worker {
    /// A worker with an empty cache. `sharing` says whether other workers of the pipeline exist.
    pub fn new(pipeline: Arc<Pipeline>, sharing: Sharing) -> Self {
        let cache = pipeline.route_caches.add(RouteCache::new(pipeline.registry.limit()));
        Self { pipeline, cache, stats: WorkerStats::default(), sharing }
    }

    /// Begins to work on lines that `listener` received. With a ticket, updates of gauges wait until it is due.
    #[inline]
    pub fn begin<'w>(&'w mut self, listener: &'w Listener, ticket: Option<Ticket>) -> Work<'w> {
        let Self { pipeline, cache, stats, sharing } = self;
        // The lock first: a sweep that has set the clock before is then seen by its time.
        let cache = cache.lock();
        let now = pipeline.clock.now();
        let expired = pipeline.registry.expired() as u32;
        Work { pipeline, listener, cache, expired, applier: Applier::new(stats, *sharing, now, pipeline.rules.dialects(), ticket) }
    }
}

/// A worker at work. While it exists, no series that it has a route to is removed; dropping it adds up what it counted.
#[derive(Debug)]
pub struct Work<'w> {
    pipeline: &'w Pipeline,
    listener: &'w Listener,
    cache: MutexGuard<'w, RouteCache>,
    /// How many series had expired when the work began.
    expired: u32,
    applier: Applier<'w>,
}

impl<'w> Work<'w> {
    /// Takes packets and lines. What still waits is applied when the batch is dropped.
    #[inline]
    pub fn batch<'p>(&mut self) -> Batch<'_, 'w, 'p> {
        Batch { work: self, waiting: LineBatch::default() }
    }

    /// Counts what was received by other ways than [`Batch::packet`].
    pub fn received(&mut self, packets: u64, bytes: u64) {
        self.applier.stats.packets += packets;
        self.applier.stats.bytes += bytes;
    }

    /// Counts a line that was not received whole.
    pub fn lost_line(&mut self, reject: Reject) {
        self.applier.stats.lines += 1;
        self.applier.stats.rejected(reject, 1);
    }

    /// Applies simple lines in an order that has the same effect as that of their arrival.
    fn simple_lines(&mut self, lines: &[HashedLine<'_>]) {
        let Self { cache, applier, .. } = self;
        match Found::all(lines, cache) {
            Some(found) => found.each(|number, route| {
                let HashedLine { line, .. } = &lines[number];
                let value = Value::Number(line.number);
                let applied = applier.apply(cache.route(route), &lines[number].key(), value, Ok(line.rate));
                applier.count(applied);
            }),
            None => lines.iter().for_each(|hashed| {
                let HashedLine { line, hash } = hashed;
                let applied = self.sample(&hashed.key(), *hash, Value::Number(line.number), Ok(line.rate));
                self.applier.count(applied);
            }),
        }
    }

    /// Applies a line of any shape, without its `\n`. What is wrong with it is counted and costs nothing else.
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        self.applier.stats.lines += 1;
        match parse::line(line, self.pipeline.rules.dialects(), self.pipeline.max_line) {
            Line::TooLong { name } => {
                self.applier.stats.over_limit(name, Reject::LineTooLong);
                self.applier.stats.rejected(Reject::LineTooLong, 1);
            }
            Line::Event(Ok(())) => self.applier.stats.event(),
            Line::Event(Err(reject)) => self.reject(line, reject),
            Line::Groups(groups) => groups.for_each(|group| match group {
                Ok(group) => self.group(line, &group),
                Err(reject) => self.reject(line, reject),
            }),
        }
    }

    /// Applies the samples of a group. Each is applied or rejected by itself.
    fn group(&mut self, line: &[u8], group: &Group<'_>) {
        group.unknown_sections().for_each(|section| self.applier.stats.unknown_section(section));
        if group.is_packed() && std::str::from_utf8(line).is_err() {
            return self.applier.count(Err(Reject::NotUtf8));
        }
        let key = Key::new(group, &self.pipeline.rules);
        let hash = self.cache.hash(&key);
        let mut applied = TagErrors::NONE;
        for value in group.values() {
            match value.and_then(|value| self.sample(&key, hash, value, group.rate)) {
                Ok(tag_errors) => applied = tag_errors,
                Err(reject) => self.reject(line, reject),
            }
        }
        self.applier.count(Ok(applied));
    }

    /// Applies a sample by the route of its key, which is resolved unless the cache has it. Gives the tag errors of the
    /// line, to be counted once.
    fn sample(
        &mut self,
        key: &Key<'_>,
        hash: u32,
        value: Value<'_>,
        rate: Result<f64, Reject>,
    ) -> Result<TagErrors, Reject> {
        if let Some(route) = self.cache.find(key, hash, self.expired) {
            return self.applier.apply(route, key, value, rate);
        }
        match self.pipeline.resolver().resolve(key, value, rate, self.applier.now) {
            Ok(route) => {
                let applied = self.applier.apply(route.as_ref(), key, value, rate);
                self.cache.insert(key, hash, route, self.expired);
                applied
            }
            Err(unresolved) => Err(self.applier.unresolved(unresolved)),
        }
    }

    #[cold]
    fn reject(&mut self, line: &[u8], reject: Reject) {
        self.applier.count(Err(reject.of_line(line)));
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.applier.catch_up();
        self.pipeline.telemetry.add(self.listener, self.applier.stats, self.applier.sharing);
    }
}

/// Packets and lines that are applied in the order of their arrival, some together.
#[derive(Debug)]
pub struct Batch<'b, 'w, 'p> {
    work: &'b mut Work<'w>,
    waiting: LineBatch<'p>,
}

impl<'p> Batch<'_, '_, 'p> {
    /// Takes the lines of a datagram.
    #[inline]
    pub fn packet(&mut self, packet: &'p [u8]) {
        self.work.received(1, packet.len() as u64);
        self.lines(packet);
    }

    /// Takes the whole lines of a datagram whose end is lost; the rest counts as one line that is too long.
    #[cold]
    pub fn cut_packet(&mut self, packet: &'p [u8]) {
        let whole = memrchr(b'\n', packet).map_or(0, |end| end + 1);
        self.work.received(1, packet.len() as u64);
        self.lines(packet.get(..whole).unwrap_or_default());
        self.work.lost_line(Reject::LineTooLong);
    }

    /// Takes whole lines with `\n` between them.
    #[inline]
    pub fn lines(&mut self, lines: &'p [u8]) {
        let mut rest = lines;
        while !rest.is_empty() {
            let len = match parse::simple_line(rest) {
                Some((line, len)) if len <= self.work.pipeline.max_line => {
                    self.work.applier.stats.lines += 1;
                    if self.waiting.push(line, &self.work.cache) {
                        self.apply();
                    }
                    len
                }
                _ => {
                    self.apply();
                    let len = memchr(b'\n', rest).unwrap_or(rest.len());
                    self.work.line(rest.get(..len).unwrap_or_default());
                    len
                }
            };
            rest = rest.get(len + 1..).unwrap_or_default();
        }
    }

    /// Waits for the ticket, and applies the updates of gauges that were held back.
    pub fn catch_up(&mut self) {
        self.work.applier.catch_up();
    }

    #[inline]
    fn apply(&mut self) {
        if !self.waiting.is_empty() {
            self.work.simple_lines(&self.waiting.take());
        }
    }
}

impl Drop for Batch<'_, '_, '_> {
    #[inline]
    fn drop(&mut self) {
        self.apply();
    }
}
