//! Simple lines that are looked up together, so that their cache misses overlap.
//!
//! With many series, every line misses the processor's cache in the slots, in its route and in its cells, one after the
//! other. Looked up step by step for a batch of lines, the misses of one step overlap, because none depends on another.

use arrayvec::ArrayVec;

use super::key::Key;
use super::route_cache::{CLASSES, RouteCache};
use super::sample::Sample;
use super::slots::RouteId;
use crate::metric::MetricType;
use crate::parse::{SampleValue, SimpleLine};
use crate::telemetry::LineText;

/// How many lines are looked up together: about as many as fit a packet of 1,432 bytes.
const LEN: usize = 32;

/// Simple lines in the order of their arrival, hashed.
#[derive(Debug, Default)]
pub(super) struct Lookahead<'p>(ArrayVec<HashedLine<'p>, LEN>);

/// A simple line with the hash of its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashedLine<'p> {
    line: SimpleLine<'p>,
    hash: u32,
}

impl<'p> HashedLine<'p> {
    #[inline]
    fn key(&self) -> Key<'p> {
        Key::of_simple(&self.line)
    }

    /// The line for people, if it is rejected.
    #[inline]
    pub(super) fn text(&self) -> LineText<'_> {
        LineText::Simple(&self.line)
    }

    /// The one sample of the line.
    #[inline(always)]
    pub(super) fn sample(&self) -> Sample<'p> {
        let value = SampleValue::Number(self.line.number);
        Sample { key: self.key(), hash: self.hash, value, rate: Ok(self.line.rate) }
    }
}

impl<'p> Lookahead<'p> {
    /// Adds a line to a batch that is not full; tells whether it is full now.
    #[inline]
    pub(super) fn push(&mut self, line: SimpleLine<'p>, cache: &RouteCache) -> bool {
        let hash = cache.hash(&Key::of_simple(&line));
        cache.prefetch_slot(hash);
        self.0.push(HashedLine { line, hash });
        self.0.is_full()
    }

    /// The lines that wait.
    #[inline]
    pub(super) fn lines(&self) -> &[HashedLine<'p>] {
        &self.0
    }

    /// Forgets all lines.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The routes of the lines of a batch, in an order in which they may be applied.
///
/// The order is by type, because a processor cannot predict which type comes next in a mix. Lines of one series update
/// one type of metric, so they stay in the order of their arrival.
pub(super) struct Found {
    routes: [RouteId; LEN],
    order: [[u8; LEN]; CLASSES],
    lens: [usize; CLASSES],
}

impl Found {
    /// Looks up all lines, step by step; `None` unless every one has a route that holds for good.
    #[inline]
    pub(super) fn all(lines: &[HashedLine<'_>], cache: &RouteCache) -> Option<Self> {
        let mut found = Self { routes: [RouteId::default(); LEN], order: [[0; LEN]; CLASSES], lens: [0; CLASSES] };
        let mut is_known = true;
        for (line, route) in lines.iter().zip(&mut found.routes) {
            match cache.candidate(line.hash) {
                Some(candidate) => *route = candidate,
                None => is_known = false,
            }
        }
        if !is_known {
            return None;
        }
        for (number, (line, &route)) in lines.iter().zip(&found.routes).enumerate() {
            let class = cache.class(route, &line.key())?;
            found.order[class][found.lens[class]] = number as u8;
            found.lens[class] += 1;
        }
        const HISTOGRAM: usize = MetricType::Histogram as usize;
        for &number in &found.order[HISTOGRAM][..found.lens[HISTOGRAM]] {
            cache.prefetch_cells(found.routes[usize::from(number)]);
        }
        Some(found)
    }

    /// Calls `apply` for each line, with its number in the batch and its route.
    #[inline(always)]
    pub(super) fn each(&self, mut apply: impl FnMut(usize, RouteId)) {
        for (order, len) in self.order.iter().zip(self.lens) {
            for &number in &order[..len] {
                apply(usize::from(number), self.routes[usize::from(number)]);
            }
        }
    }
}
