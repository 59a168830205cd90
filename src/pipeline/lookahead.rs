//! Simple lines that are looked up together, so that their cache misses overlap.
//!
//! With many series, every line misses the processor's cache in the slots, in its route and in its cells, one after the
//! other. Looked up step by step for a batch of lines, the misses of one step overlap, because none depends on another.

use arrayvec::ArrayVec;

use super::key::{Key, upper_half};
use super::route_cache::{CLASSES, Entry, RouteCache};
use super::sample::Sample;
use crate::metric::MetricType;
use crate::parse::{SampleValue, SimpleLine, StatsdType};
use crate::telemetry::LineText;

/// How many lines are looked up together: about as many as fit a packet of 1,432 bytes, and as many as a `u32` has bits.
const LEN: usize = u32::BITS as usize;

/// Simple lines in the order of their arrival, hashed.
#[derive(Debug, Default)]
pub(super) struct Lookahead<'p> {
    /// The lines that wait, and behind them places that have been used before.
    lines: ArrayVec<HashedLine<'p>, LEN>,
    len: usize,
}

/// A simple line with the hash of its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashedLine<'p> {
    line: SimpleLine<'p>,
    hash: u32,
}

impl<'p> HashedLine<'p> {
    #[inline]
    pub(super) fn key(&self) -> Key<'p> {
        Key::of_simple(&self.line)
    }

    pub(super) fn hash(&self) -> u32 {
        self.hash
    }

    /// The line for people, if it is rejected.
    #[inline]
    pub(super) fn text(&self) -> LineText<'_> {
        LineText::Simple(&self.line)
    }

    /// The value.
    #[inline(always)]
    pub(super) fn value(&self) -> SampleValue<'p> {
        SampleValue::Number(self.line.number())
    }

    /// The sample rate.
    #[inline(always)]
    pub(super) fn rate(&self) -> f64 {
        self.line.rate
    }

    /// The type.
    #[inline(always)]
    pub(super) fn statsd_type(&self) -> StatsdType {
        self.line.statsd_type
    }

    /// The one sample of the line.
    #[inline(always)]
    pub(super) fn sample(&self) -> Sample<'p> {
        Sample { key: self.key(), hash: self.hash, value: self.value(), rate: Ok(self.rate()) }
    }
}

impl<'p> Lookahead<'p> {
    /// Reads the first of `lines` into a batch that is not full, and returns its length; `None`: it is not simple, or longer
    /// than `max_len`.
    #[inline(always)]
    pub(super) fn read(&mut self, lines: &'p [u8], max_len: usize, cache: &RouteCache) -> Option<usize> {
        let place = match self.lines.get_mut(self.len) {
            Some(place) => place,
            None => self.new_place()?,
        };
        let (hash, len) = place.line.read(lines, cache.secret())?;
        if len > max_len {
            return None;
        }
        place.hash = upper_half(hash);
        cache.prefetch_slot(place.hash);
        self.len += 1;
        Some(len)
    }

    #[cold]
    fn new_place(&mut self) -> Option<&mut HashedLine<'p>> {
        self.lines.try_push(HashedLine { line: SimpleLine::NONE, hash: 0 }).ok()?;
        self.lines.last_mut()
    }

    /// Whether no more lines fit.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.len == LEN
    }

    /// The lines that wait.
    #[inline]
    pub(super) fn lines(&self) -> &[HashedLine<'p>] {
        self.lines.get(..self.len).unwrap_or_default()
    }

    /// Forgets all lines.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }
}

/// The routes of the lines of a batch, in an order in which they may be applied.
///
/// The order is by type, because a processor cannot predict which type comes next in a mix. Lines of one series update
/// one type of metric, so they stay in the order of their arrival.
pub(super) struct Found<'c> {
    entries: [Option<&'c Entry>; LEN],
    /// The numbers of the lines of each class, as bits.
    classes: [u32; CLASSES],
}

impl<'c> Found<'c> {
    /// No routes.
    #[inline(always)]
    pub(super) fn none() -> Self {
        Self { entries: [None; LEN], classes: [0; CLASSES] }
    }

    /// Looks up all lines, step by step; `None` unless every one has a route that holds for good.
    #[inline(always)]
    pub(super) fn look_up<const ARENA: bool>(&mut self, lines: &[HashedLine<'_>], cache: &'c RouteCache) -> Option<()> {
        for (line, entry) in lines.iter().zip(&mut self.entries) {
            *entry = cache.candidate(line.hash);
        }
        let mut bit = 1;
        for (line, entry) in lines.iter().zip(&self.entries) {
            self.classes[(*entry)?.class::<ARENA>(&line.key())?] |= bit;
            bit <<= 1;
        }
        if ARENA {
            // The type says where a route leads, and a processor cannot predict which comes next.
            self.each_class(|_, entry| entry.prefetch_hot());
        }
        for number in bits(self.classes[MetricType::Histogram as usize]) {
            self.entries[number].inspect(|entry| entry.prefetch_buckets());
        }
        Some(())
    }

    /// Calls `apply` for each of the lines, which were looked up, with its route.
    #[inline(always)]
    pub(super) fn each<'l, 'p>(
        &self,
        lines: &'l [HashedLine<'p>],
        mut apply: impl FnMut(&'l HashedLine<'p>, &'c Entry),
    ) {
        self.each_class(|number, entry| apply(&lines[number], entry));
    }

    /// Calls `look` for the number of each line and its route, class by class.
    #[inline(always)]
    fn each_class(&self, mut look: impl FnMut(usize, &'c Entry)) {
        for &class in &self.classes {
            for number in bits(class) {
                self.entries[number].inspect(|entry| look(number, entry));
            }
        }
    }
}

/// The numbers of the bits that are set, in ascending order.
#[inline(always)]
fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(bit)
    })
}
