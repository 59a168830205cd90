//! A line becomes a metric here, from top to bottom:
//!
//! ```text
//! packet -> lines -> parse -> look up the route -------------------> apply: update the series, count
//!                                    `- not found: resolve, keep -'
//! ```
//!
//! Simple lines (nearly all) wait in a batch, so that their cache misses overlap; other lines are looked up alone.

mod applier;
mod general_line;
mod key;
mod lookahead;
mod resolver;
mod route;
mod route_cache;
mod sample;
mod shared;
mod slots;
mod sweep;
mod ticket;
mod worker;

pub use key::Key;
pub use resolver::{Resolution, Resolver, Unresolved};
pub use route::{Plan, Route, RouteRef};
pub use shared::Pipeline;
pub use ticket::{Ticket, TicketOrder};
pub use worker::{Work, Worker};

use memchr::{memchr, memrchr};

use crate::mapping::TagErrors;
use crate::parse::{self, Line};
use crate::reject::Reject;
use crate::telemetry::LineText;
use general_line::GeneralLine;
use lookahead::{Found, HashedLine, Lookahead};
use sample::Sample;

/// Applies lines. Simple lines wait until enough are there, a line of another shape arrives, or the batch is dropped.
#[derive(Debug)]
pub struct Batch<'b, 'w, 'p> {
    work: &'b mut Work<'w>,
    waiting: Lookahead<'p>,
}

impl<'p> Batch<'_, '_, 'p> {
    /// Takes the lines of a datagram.
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
        self.work.lost_line(Reject::LineTooLong, packet.get(whole..).unwrap_or_default());
    }

    /// Counts a datagram of a user who may not send. Its lines are not read.
    #[cold]
    pub fn denied_packet(&mut self, packet: &[u8]) {
        self.work.received(1, packet.len() as u64);
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

    /// Waits for the ticket, and applies the updates that were held back.
    pub fn catch_up(&mut self) {
        self.work.applier.catch_up();
    }

    fn apply(&mut self) {
        self.work.simple_lines(self.waiting.lines());
        self.waiting.clear();
    }
}

impl Drop for Batch<'_, '_, '_> {
    fn drop(&mut self) {
        self.apply();
    }
}

impl<'w> Work<'w> {
    /// Takes packets and lines.
    pub fn batch<'p>(&mut self) -> Batch<'_, 'w, 'p> {
        Batch { work: self, waiting: Lookahead::default() }
    }

    /// Applies simple lines, those of one series in the order of their arrival.
    fn simple_lines(&mut self, lines: &[HashedLine<'_>]) {
        let Self { cache, applier, .. } = self;
        // A single line has no other's cache misses to overlap with.
        match (lines.len() > 1).then(|| Found::all(lines, cache)).flatten() {
            Some(found) => found.each(|number, route| {
                let line = &lines[number];
                let applied = applier.apply(cache.route(route), &line.sample());
                applier.count(applied, line.text());
            }),
            None => lines.iter().for_each(|line| {
                let applied = self.sample(&line.sample());
                self.applier.count(applied, line.text());
            }),
        }
    }

    /// Applies a line of any shape, without its `\n`. A bad part of it is counted, and the other samples are applied.
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        self.applier.stats.lines += 1;
        let mut general = GeneralLine::new(line);
        match parse::line(line, self.pipeline.rules.dialects, self.pipeline.max_line) {
            Line::TooLong { name } => self.applier.too_long(name, line),
            Line::Event(Ok(())) => self.applier.stats.event(),
            Line::Event(Err(reject)) => self.applier.count(Err(general.reject(reject)), LineText::Raw(line)),
            Line::Groups(groups) => self.groups(&mut general, groups),
        }
    }

    /// Applies a sample by the route of its key, which is resolved unless the cache has it. Gives the tag errors of the
    /// line, to be counted once.
    fn sample(&mut self, sample: &Sample<'_>) -> Result<TagErrors, Reject> {
        if let Some(route) = self.cache.find(&sample.key, sample.hash, self.expired) {
            return self.applier.apply(route, sample);
        }
        let resolution = self.resolve(sample);
        self.applier.apply_resolved(&resolution, sample)
    }

    /// Resolves the key of a sample, which the cache does not have, and keeps its route.
    #[cold]
    fn resolve(&mut self, sample: &Sample<'_>) -> Resolution {
        let resolution = self.pipeline.resolver().resolve(sample, self.applier.now);
        if let Ok(route) = &resolution {
            self.note_unmapped(route, sample.key.name);
            self.cache.insert(&sample.key, sample.hash, route.clone(), self.expired);
        }
        resolution
    }
}
