//! Series in the form in which they outlive the process.

use std::sync::Arc;

use super::family::Family;
use super::line_key::LineKey;
use super::series::Series;
use crate::mapping::MetricSpec;
use crate::metric::{Cells, Counter, Gauge, Histogram, MemoryBudget, MetricType, Set, Summary};
use crate::parse::StatsdType;
use crate::reject::Reject;
use crate::state::{Arena, Identity, Slot, text_id};

/// A series that an earlier process has left.
#[derive(Debug)]
pub struct SavedSeries {
    /// What identifies it.
    pub identity: Identity,
    /// When its last sample came, in seconds of the clock.
    pub seen: u32,
    /// Its values.
    pub values: SavedValues,
}

/// The values of a series that an earlier process has left.
#[derive(Debug)]
pub enum SavedValues {
    /// They are in the arena, and stay there.
    Slot(Slot),
    /// They were read from a snapshot.
    Words(Vec<u64>),
}

/// Why a series is not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRestored {
    /// Its type, its buckets, its quantiles or its window are others now.
    Changed,
    /// It cannot exist beside the other series.
    Rejected(Reject),
    /// Its values are none of its type.
    Invalid,
    /// It exists already.
    Exists,
}

/// A number for the shape of what is saved: it changes with the types and their order, and with the numbers that they have.
pub fn layout() -> u64 {
    let lines = StatsdType::ALL.map(StatsdType::as_str).join(" ");
    let metrics = MetricType::ALL.map(MetricType::as_str).join(" ");
    let numbers = [Counter::NUMBERS, Gauge::NUMBERS, Histogram::BEFORE_BUCKETS];
    text_id(&format!("{lines}, {metrics}, {numbers:?}"))
}

/// A number for what the cells of a family depend on.
pub(super) fn spec_id(spec: &MetricSpec) -> u64 {
    let (metric_type, numbers) = match spec {
        MetricSpec::Counter => (MetricType::Counter, Vec::new()),
        MetricSpec::Gauge => (MetricType::Gauge, Vec::new()),
        MetricSpec::Histogram(bounds, native) => {
            let native = native
                .map(|native| [native.schema.into(), native.buckets.into(), native.zero_threshold, f64::INFINITY]);
            (MetricType::Histogram, [native.as_ref().map_or(&[][..], |native| native), bounds.as_slice()].concat())
        }
        MetricSpec::Set(window) => (MetricType::Set, window.measures().map(f64::from).to_vec()),
        MetricSpec::Summary(quantiles, window) => {
            (MetricType::Summary, [quantiles.as_slice(), &window.measures().map(f64::from)].concat())
        }
    };
    // `{:?}` of a floating-point number tells it from all others.
    text_id(&format!("{} {numbers:?}", metric_type.as_str()))
}

/// How many values of a fixed number a series has; `None`: the number changes.
fn fixed_numbers(spec: &MetricSpec) -> Option<usize> {
    match spec {
        MetricSpec::Counter => Some(Counter::NUMBERS),
        MetricSpec::Gauge => Some(Gauge::NUMBERS),
        MetricSpec::Histogram(bounds, None) => Some(Histogram::numbers(bounds)),
        MetricSpec::Histogram(_, Some(_)) | MetricSpec::Set(_) | MetricSpec::Summary(..) => None,
    }
}

/// Whether the values of a series are of a fixed number, so that they have a place in an arena.
pub(super) fn fits_arena(spec: &MetricSpec) -> bool {
    fixed_numbers(spec).is_some()
}

/// The cells of a new series, in the place that it has in an arena.
pub(super) fn cells(spec: &MetricSpec, slot: Option<&Slot>, budget: MemoryBudget) -> Cells {
    let lent = slot.map(Slot::values);
    match spec {
        MetricSpec::Counter => Cells::Counter(Counter::with(lent)),
        MetricSpec::Gauge => Cells::Gauge(Gauge::with(lent)),
        MetricSpec::Histogram(bounds, native) => Cells::Histogram(Histogram::with(bounds.clone(), *native, lent)),
        MetricSpec::Set(window) => Cells::Set(Set::new(*window, budget).into()),
        MetricSpec::Summary(quantiles, window) => {
            Cells::Summary(Summary::new(quantiles.clone(), *window, budget).into())
        }
    }
}

/// A place in the arena for a series of this kind; `None`: it has none there.
pub(super) fn slot(arena: &Arc<Arena>, identity: &Identity, spec: &MetricSpec) -> Option<Slot> {
    arena.allocate(identity, fixed_numbers(spec)?)
}

/// Whether the values in a place of the arena are those of a series of this kind.
pub(super) fn are_valid(slot: &Slot, spec: &MetricSpec) -> bool {
    let mut words = Vec::new();
    let cells = cells(spec, Some(slot), MemoryBudget::UNLIMITED);
    cells.save(&mut words);
    fixed_numbers(spec) == Some(slot.values().len()) && cells.restore(&words)
}

impl Family {
    /// Gives `take` each series with what it is saved as.
    pub(crate) fn save_each<E>(&self, mut take: impl FnMut(&Series, &Identity) -> Result<(), E>) -> Result<(), E> {
        let spec = spec_id(&self.metadata().spec);
        self.try_each(|series| take(series, &of_series(series, spec)))
    }
}

/// What a series is saved as, if its family has the spec with this number.
fn of_series(series: &Series, spec: u64) -> Identity {
    identity(series.text(), series.line(), series.is_overflow(), spec, series.created())
}

/// What identifies a series that is made now.
pub(super) fn identity(text: &str, line: Option<LineKey<'_>>, is_overflow: bool, spec: u64, created: u32) -> Identity {
    let (parts, line_type) = match line {
        Some(line) => ([line.name, line.tags, line.container], line.statsd_type as u8),
        None => ([text, "", ""], 0),
    };
    Identity {
        parts: parts.map(str::to_owned),
        line_type,
        is_overflow,
        is_declared: line.is_none(),
        text: text_id(text),
        spec,
        created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Bounds, Sharing};
    use crate::state::OwnPieces;
    use crate::sync::Ordering;

    fn specs() -> [MetricSpec; 3] {
        let bounds = Bounds::new(&[1.0, 2.0]).expect("they rise");
        [MetricSpec::Counter, MetricSpec::Gauge, MetricSpec::Histogram(bounds, None)]
    }

    fn numbers(cells: &Cells) -> Vec<u64> {
        let mut numbers = Vec::new();
        cells.save(&mut numbers);
        numbers
    }

    #[test]
    fn what_a_process_writes_to_a_slot_the_next_one_reads() {
        for spec in specs() {
            let pieces = OwnPieces::default();
            let arena = Arc::new(Arena::in_own_memory(pieces.clone()).0);
            let place = slot(&arena, &Identity::default(), &spec).expect("room");
            let written = cells(&spec, Some(&place), MemoryBudget::UNLIMITED);
            match &written {
                Cells::Counter(counter) => counter.add(2.5, Sharing::Shared),
                Cells::Gauge(gauge) => gauge.add(-3.0, Sharing::Shared),
                Cells::Histogram(histogram) => histogram.observe(1.5, 2.5, Sharing::Shared),
                cells => panic!("{cells:?}"),
            }
            arena.leave();
            let (_, found) = Arena::in_own_memory(pieces);
            let [(left, _)] = found.as_slice() else { panic!("{found:?}") };
            assert!(are_valid(left, &spec));
            let read = cells(&spec, Some(left), MemoryBudget::UNLIMITED);
            assert!(numbers(&read).iter().any(|number| *number != 0));
            assert_eq!(numbers(&read), numbers(&written));
            assert!(
                specs().iter().filter(|other| are_valid(left, other)).count() == 1,
                "it has the length of one type"
            );
        }
    }

    #[test]
    fn numbers_that_a_type_cannot_have_are_not_valid() {
        // The fraction of a counter, the value of a gauge, the sum of a histogram.
        for (spec, at) in specs().iter().zip([1, 0, 0]) {
            for (number, is_valid) in [(0.5, true), (f64::NAN, false), (f64::INFINITY, false)] {
                let arena = Arc::new(Arena::in_own_memory(OwnPieces::default()).0);
                let slot = slot(&arena, &Identity::default(), spec).expect("room");
                slot.values()[at].store(f64::to_bits(number), Ordering::Relaxed);
                assert_eq!(are_valid(&slot, spec), is_valid, "{spec:?} {number}");
            }
        }
    }
}
