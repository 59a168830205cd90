//! A line becomes a metric: this file is the whole way, and `explain` walks it too.
//!
//! ```text
//! packet -> line -> groups -> number -> route --------------------> change -> cells
//!                                         `- miss: map -> register -'
//! ```

mod routes;

use std::sync::Arc;

use memchr::memchr_iter;

use crate::mapping::{Outcome, Rules, Source};
use crate::parse::{self, Group, Number, value};
use crate::registry::Registry;
use crate::reject::Reject;
use crate::telemetry::{Listener, Tally, Telemetry};
use routes::{Key, Route, Routes, Target};

/// What all workers share.
#[derive(Debug)]
pub struct Pipeline {
    /// What lines mean.
    pub rules: Rules,
    /// The series that exist.
    pub registry: Registry,
    /// What the sidecar counts of itself.
    pub telemetry: Telemetry,
    /// The longest line that is read, in bytes.
    pub max_line: usize,
}

/// One thread's way from packets to cells, with its private route table.
#[derive(Debug)]
pub struct Worker {
    pipeline: Arc<Pipeline>,
    routes: Routes,
    tally: Tally,
}

impl Worker {
    /// A worker that knows no series yet.
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        let routes = Routes::new(pipeline.registry.limit());
        Self { pipeline, routes, tally: Tally::default() }
    }

    /// Applies the lines of one datagram.
    #[inline]
    pub fn packet(&mut self, packet: &[u8]) {
        self.tally.packets += 1;
        self.tally.bytes += packet.len() as u64;
        let mut start = 0;
        for end in memchr_iter(b'\n', packet) {
            self.line(packet.get(start..end).unwrap_or_default());
            start = end + 1;
        }
        self.line(packet.get(start..).unwrap_or_default());
    }

    /// Applies one line, without its `\n`. What is wrong with it is counted and costs nothing else.
    #[inline]
    pub fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        self.tally.lines += 1;
        if line.len() > self.pipeline.max_line {
            return self.tally.rejected(Reject::LineTooLong, 1);
        }
        for group in parse::groups(line) {
            if let Err(reject) = group.and_then(|group| self.group(line, &group)) {
                self.reject(line, reject);
            }
        }
    }

    /// Adds what was counted to the telemetry: once a batch.
    pub fn flush(&mut self, listener: &Listener) {
        self.pipeline.telemetry.add(listener, &mut self.tally);
    }

    #[inline]
    fn group(&mut self, line: &[u8], group: &Group<'_>) -> Result<(), Reject> {
        if group.unknown {
            group.unknown_sections().for_each(|section| self.tally.unknown_section(section));
        }
        match value::number(group.values) {
            Ok(number) => {
                let route = self.route(group, number)?;
                self.apply(route, group, number)?;
                self.kept(route);
                Ok(())
            }
            Err(_) if group.values.contains(&b':') => self.packed(line, group),
            Err(reject) => Err(reject),
        }
    }

    /// Several values in one group: each is applied or rejected by itself.
    fn packed(&mut self, line: &[u8], group: &Group<'_>) -> Result<(), Reject> {
        std::str::from_utf8(line).map_err(|_| Reject::NotUtf8)?;
        let (mut route, mut kept) = (None, None);
        for text in group.values.split(|&b| b == b':') {
            let result = value::number(text).and_then(|number| {
                let route = match route {
                    Some(route) => route,
                    None => *route.insert(self.route(group, number)?),
                };
                self.apply(route, group, number)?;
                kept = Some(route);
                Ok(())
            });
            if let Err(reject) = result {
                self.tally.rejected(reject, 1);
            }
        }
        if let Some(route) = kept {
            self.kept(route);
        }
        Ok(())
    }

    /// Where the samples of a group go: known, or found out with the first of them.
    #[inline]
    fn route(&mut self, group: &Group<'_>, number: Number) -> Result<usize, Reject> {
        let key = Key::new(group, self.pipeline.rules.uses_container());
        let hash = self.routes.hash(&key);
        match self.routes.find(&key, hash) {
            Some(at) => Ok(at),
            None => {
                let route = self.miss(group, number)?;
                Ok(self.routes.insert(&key, hash, route))
            }
        }
    }

    /// Counts the tags that were left out or mended while a sample of the group was kept.
    #[inline]
    fn kept(&mut self, at: usize) {
        let errors = self.routes.get(at).tag_errors;
        if !errors.is_empty() {
            errors.iter().for_each(|(error, count)| self.tally.tag_error(error, count));
        }
    }

    #[inline]
    fn apply(&mut self, at: usize, group: &Group<'_>, number: Number) -> Result<(), Reject> {
        let route = self.routes.get(at);
        match &route.target {
            Target::Series(series, operation) => {
                series.cells.apply(operation.change(number, group.rate?)?);
                self.tally.applied(group.kind, route.is_mapped);
            }
            Target::Drop => self.tally.dropped(1),
            Target::Reject(reject) => return Err(*reject),
        }
        Ok(())
    }

    /// The way of a series that this worker has not met: mapped by the rules, found or made in the registry.
    ///
    /// A sample that would be rejected makes no series. What rejects every sample alike is a route too; a limit is
    /// not, for it may be raised and must not be paid for with memory.
    #[cold]
    fn miss(&mut self, group: &Group<'_>, number: Number) -> Result<Route, Reject> {
        let Pipeline { rules, registry, .. } = &*self.pipeline;
        let mapping = rules.map(source(group)?);
        let made = match mapping.outcome {
            Ok(Outcome::Drop) => Ok(Target::Drop),
            Ok(Outcome::Feed(metric, operation)) => {
                operation.change(number, group.rate?)?;
                registry.get_or_create(&metric).map(|series| Target::Series(series, operation))
            }
            Err(reject) => Err(reject),
        };
        let (target, tag_errors) = match made {
            Ok(target) => (target, mapping.tag_errors),
            Err(reject @ (Reject::SeriesLimit | Reject::FamilySeriesLimit)) => return Err(reject),
            Err(reject) => (Target::Reject(reject), Default::default()),
        };
        Ok(Route { target, tag_errors, is_mapped: mapping.rule.is_some() })
    }

    #[cold]
    fn reject(&mut self, line: &[u8], reject: Reject) {
        // Known bytes are not looked at twice, so this is asked only once something else is wrong.
        let reject = if std::str::from_utf8(line).is_err() { Reject::NotUtf8 } else { reject };
        self.tally.rejected(reject, 1);
    }
}

/// What identifies the series of a group, as text.
pub fn source<'a>(group: &Group<'a>) -> Result<Source<'a>, Reject> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Reject::NotUtf8);
    Ok(Source { name: text(group.name)?, kind: group.kind, tags: text(group.tags)?, container: text(group.container)? })
}
