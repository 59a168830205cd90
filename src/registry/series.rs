//! One series: its text, ready-made, and its cells.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::line_key::{LineKey, OwnedLineKey};
use crate::expose::names::{is_legal, quotable};
use crate::expose::text::labels;
use crate::mapping::Metric;
use crate::metric::{Cells, Counter, Gauge};
use crate::prefetch::prefetch;
use crate::state::Slot;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// A series, shared by its family, the route caches and a scrape. What a line reads and changes is first, in as few cache
/// lines as possible.
#[derive(Debug)]
#[repr(C)]
pub struct Series {
    /// When the last sample arrived, in seconds of the pipeline's clock, unless its slot knows of a later one. `Relaxed`: a
    /// worker that touches and the sweeper that removes meet under the lock of the family.
    touched: AtomicU32,
    name_len: u32,
    /// Its values, which may be in the slot.
    pub cells: Cells,
    /// Its place in the arena; boxed, because most programs have none.
    slot: Option<Box<Slot>>,
    /// When it was made, in seconds of the pipeline's clock.
    created: u32,
    /// For how many seconds it stays after the last sample; [`FOREVER`] if it does not expire. `Relaxed`: only a reload
    /// changes it, and the sweeper waits for the reload.
    ttl: AtomicU32,
    /// `name` or `name{key="value"}`.
    text: Arc<str>,
    /// The key of the line that it was made for; `None`: the rules declare it.
    line: Option<OwnedLineKey>,
    /// Whether it takes the samples of its family that are over a limit.
    is_overflow: bool,
}

/// When a series was made, and when its last sample arrived, in seconds of the pipeline's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub(super) created: u32,
    pub(super) seen: u32,
}

/// The numbers of a counter or a gauge in an arena: the times of its slot, and its values. Together they are all that a
/// line reads and changes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InArena {
    Counter(&'static [AtomicU64; 1 + Counter::NUMBERS]),
    Gauge(&'static [AtomicU64; 1 + Gauge::NUMBERS]),
}

/// A time to live without an end.
const FOREVER: u32 = u32::MAX;

impl Series {
    /// The series of `metric` with these values. `text` is the one of the metric.
    pub(super) fn new(
        metric: &Metric<'_>,
        line: Option<LineKey<'_>>,
        text: Arc<str>,
        is_overflow: bool,
        Moments { created, seen }: Moments,
        (cells, slot): (Cells, Option<Slot>),
    ) -> Self {
        Self {
            text,
            name_len: metric.name.len() as u32,
            touched: AtomicU32::new(seen),
            created,
            ttl: AtomicU32::new(seconds(metric.ttl)),
            is_overflow,
            line: line.map(OwnedLineKey::new),
            slot: slot.map(Box::new),
            cells,
        }
    }

    /// Notes that a sample arrived at `now`. An earlier time than the last changes nothing, because workers read the
    /// clock once a batch and a batch may be overtaken.
    #[inline]
    pub fn touch(&self, now: u32) {
        if self.touched.load(Ordering::Relaxed) < now {
            self.touch_later(now);
        }
    }

    /// Notes another second than the last, once for each.
    #[cold]
    fn touch_later(&self, now: u32) {
        self.touched.fetch_max(now, Ordering::Relaxed);
        self.slot.iter().for_each(|slot| slot.touch(now));
    }

    /// When the last sample arrived, in seconds of the pipeline's clock.
    pub(crate) fn touched(&self) -> u32 {
        let noted = self.slot.as_ref().map_or(0, |slot| slot.seen());
        self.touched.load(Ordering::Relaxed).max(noted)
    }

    /// Its numbers in the arena; `None`: it has none there, or it is neither a counter nor a gauge.
    pub(crate) fn in_arena(&self) -> Option<InArena> {
        let slot = self.slot.as_ref()?;
        match &self.cells {
            Cells::Counter(_) => slot.timed_values().map(InArena::Counter),
            Cells::Gauge(_) => slot.timed_values().map(InArena::Gauge),
            Cells::Histogram(_) | Cells::Set(_) | Cells::Summary(_) => None,
        }
    }

    /// Whether its values are in an arena.
    pub(crate) fn is_in_arena(&self) -> bool {
        self.slot.is_some()
    }

    /// Makes the next process not find it, because it is removed.
    pub(super) fn withdraw(&self) {
        self.slot.iter().for_each(|slot| slot.withdraw());
    }

    /// When it was made, in seconds of the pipeline's clock.
    pub fn created(&self) -> u32 {
        self.created
    }

    /// Whether it expires when no sample arrives.
    pub(crate) fn has_ttl(&self) -> bool {
        self.ttl() != FOREVER
    }

    fn ttl(&self) -> u32 {
        self.ttl.load(Ordering::Relaxed)
    }

    /// Changes how long it stays after the last sample.
    pub(super) fn set_ttl(&self, ttl: Option<Duration>) {
        self.ttl.store(seconds(ttl), Ordering::Relaxed);
    }

    /// The same as long as another series.
    pub(super) fn set_ttl_of(&self, other: &Self) {
        self.ttl.store(other.ttl(), Ordering::Relaxed);
    }

    /// The second in which it expires if no further sample arrives.
    pub(super) fn due(&self) -> u32 {
        // The sample may have arrived at the end of the second that it is noted under.
        self.touched().saturating_add(self.ttl()).saturating_add(1)
    }

    /// Whether its time to live is over at `now`.
    pub(crate) fn is_due(&self, now: u32) -> bool {
        self.has_ttl() && self.due() <= now
    }

    /// Whether it takes the samples of its family that are over a limit.
    pub(crate) fn is_overflow(&self) -> bool {
        self.is_overflow
    }

    /// The key of the line that it was made for; `None`: the rules declare it.
    pub fn line(&self) -> Option<LineKey<'_>> {
        self.line.as_ref().map(OwnedLineKey::get)
    }

    /// Its name with its labels, as the text formats write it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of its family.
    pub fn name(&self) -> &str {
        self.text.get(..self.name_len as usize).unwrap_or_default()
    }

    /// Its labels with their braces; empty if it has none.
    pub(crate) fn braced_labels(&self) -> &str {
        self.text.get(self.name_len as usize..).unwrap_or_default()
    }

    /// Its labels as they stand between the braces; empty if it has none.
    pub fn labels(&self) -> &str {
        let braced = self.braced_labels();
        braced.strip_prefix('{').and_then(|labels| labels.strip_suffix('}')).unwrap_or_default()
    }

    /// Its name with its labels, in text format 1.0.0: quoted and between the braces if it has other characters than letters,
    /// digits, `_` and `:`.
    pub(crate) fn written(&self) -> Cow<'_, str> {
        let (name, labels) = (self.name(), self.labels());
        if is_legal(name) {
            return self.text().into();
        }
        let comma = if labels.is_empty() { "" } else { "," };
        format!("{{\"{}\"{comma}{labels}}}", quotable(name)).into()
    }

    /// Asks for what a line reads and changes in the series itself.
    #[inline(always)]
    pub(crate) fn prefetch_hot(&self) {
        // The two numbers before them are in the same cache line, because memory is allocated in steps of 16 bytes.
        prefetch(&self.cells);
    }

    /// Asks for what a scrape reads beside the series itself.
    pub(crate) fn prefetch(&self) {
        let text = self.text.as_bytes();
        text.first().inspect(|byte| prefetch(*byte));
        text.last().inspect(|byte| prefetch(*byte));
        self.cells.prefetch();
    }
}

/// A time to live in seconds. The clock tells whole seconds, so a fraction of one is rounded up.
fn seconds(ttl: Option<Duration>) -> u32 {
    ttl.map_or(FOREVER, |ttl| u32::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(FOREVER))
}

/// The text that identifies the series of `metric`: `name` or `name{key="value"}`.
pub(crate) fn text<'m>(metric: &'m Metric<'_>) -> Cow<'m, str> {
    if metric.labels.is_empty() {
        return Cow::Borrowed(&metric.name);
    }
    // Each label has `=""` and a comma or a brace. Hardly any value has a character to escape.
    let len: usize = metric.labels.iter().map(|(key, value)| key.len() + value.len() + 4).sum();
    let mut text = String::with_capacity(metric.name.len() + len + 1);
    text.push_str(&metric.name);
    text.push('{');
    labels(&mut text, metric.labels.iter().map(|(key, value)| (&**key, &**value)));
    text.push('}');
    Cow::Owned(text)
}
