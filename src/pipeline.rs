//! A line becomes a metric here, from top to bottom:
//!
//! ```text
//! packet -> lines -> parse -> look up the route -------------------> apply: update the series, count
//!                                    `- not found: resolve, keep -'
//! ```
//!
//! Simple lines (nearly all) wait in a batch, so that their cache misses overlap; other lines are looked up alone.

mod applier;
mod edition;
mod general_line;
mod key;
mod line_sample;
mod lookahead;
mod part_packet;
mod reload;
mod resolver;
mod restore;
mod route;
mod route_cache;
mod sample;
mod save;
mod shared;
mod simple_lines;
mod slots;
mod successors;
mod sweep;
mod ticket;
mod worker;
mod workspace;

pub use edition::{Edition, NoInitial};
pub use key::Key;
pub use reload::Changes;
pub use resolver::{Resolution, Resolver, Unresolved};
pub use restore::Restored;
pub use route::{Plan, Route, RouteRef};
pub use shared::Pipeline;
pub use successors::{KeptSeries, KeptText, Successors};
pub use ticket::{Ticket, TicketOrder};
pub use worker::{Work, Worker};

use std::sync::Arc;

use memchr::memchr;

use crate::mapping::TagErrors;
use crate::parse::{self, Line};
use crate::reject::Reject;
use crate::telemetry::LineText;
use general_line::GeneralLine;
use lookahead::Lookahead;
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

    /// Takes whole lines with `\n` between them.
    #[inline]
    pub fn lines(&mut self, lines: &'p [u8]) {
        if self.work.is_watched {
            self.work.show(lines);
        }
        let (mut rest, max_line) = (lines, self.work.max_line);
        while !rest.is_empty() {
            let len = match self.waiting.read(rest, max_line, &self.work.space.cache) {
                Some(len) => {
                    if self.waiting.is_full() {
                        self.apply();
                    }
                    len
                }
                None => {
                    self.apply();
                    let len = memchr(b'\n', rest).unwrap_or(rest.len());
                    self.work.line(rest.get(..len).unwrap_or_default());
                    len
                }
            };
            let Some((_, more)) = rest.split_at_checked(len + 1) else { break };
            rest = more;
        }
    }

    // A call for each batch costs less than what the loop of the lines would have to keep on the stack.
    #[inline(never)]
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

    /// Applies a line of any shape, without its `\n`. A bad part of it is counted, and the other samples are applied.
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        self.applier.stats.lines += 1;
        let sampler = &mut self.applier.stats.sampler;
        let is_noted = !sampler.pass_all(1) && sampler.pass(1).is_some();
        let mut general = GeneralLine::new(line, is_noted);
        match parse::line(line, self.space.edition.rules.dialects, self.max_line) {
            Line::TooLong { name } => self.applier.too_long(name, line),
            Line::Event(Ok(())) => self.applier.stats.event(),
            Line::Event(Err(reject)) => self.applier.count(Err(general.reject(reject)), LineText::Raw(line)),
            Line::Groups(groups) => self.groups(&mut general, groups),
        }
    }

    /// Applies a sample by the route of its key, which is resolved unless the cache has it. Gives the tag errors of the
    /// line, to be counted once.
    fn sample(&mut self, sample: &Sample<'_>) -> Result<TagErrors, Reject> {
        if let Some(route) = self.space.cache.find(&sample.key, sample.hash, self.expired) {
            return self.applier.apply(route, sample);
        }
        let resolution = self.resolve(sample);
        self.applier.apply_resolved(&resolution, sample)
    }

    /// Resolves the key of a sample, which the cache does not have, and keeps its route.
    #[cold]
    fn resolve(&mut self, sample: &Sample<'_>) -> Resolution {
        // The newest rules, which are not those of the other routes while a reload takes over.
        let edition = self.pipeline.edition.read();
        let (resolution, rule) = edition.resolver().resolve(sample, self.applier.now);
        rule.inspect(|rule| edition.matches.resolved(*rule));
        if let Ok(route) = &resolution {
            if route.is_unmapped() && edition.rules.is_any() {
                self.applier.stats.unmapped(sample.key.name);
            }
            let rule = rule.filter(|_| Arc::ptr_eq(&edition, &self.space.edition));
            self.space.cache.insert(&sample.key, sample.hash, route.clone(), rule, self.expired);
        }
        resolution
    }
}
