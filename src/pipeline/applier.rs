//! The one place where a sample is applied and counted.

use std::sync::Arc;

use super::lookahead::HashedLine;
use super::resolver::{Resolution, Unresolved};
use super::route::{KnownRoute, Plan, Route, RouteRef};
use super::route_cache::{Entry, RouteCache};
use super::sample::Sample;
use super::ticket::Ticket;
use crate::config::Dialects;
use crate::mapping::{TagErrors, UpdateSink};
use crate::metric::{Cells, Lent, Sharing, Update};
use crate::parse::{SampleValue, StatsdType, tags};
use crate::registry::Series;
use crate::reject::Reject;
use crate::state;
use crate::sync::AtomicU64;
use crate::telemetry::{LineText, WorkerStats};

/// Updates of gauges, and totals of counters, that wait for a ticket, because the order in which they arrived counts.
pub(super) type HeldBack = Vec<(Arc<Series>, Update<'static>)>;

/// Applies and counts the samples of one piece of work.
#[derive(Debug)]
pub(super) struct Applier<'w> {
    pub stats: &'w mut WorkerStats,
    pub sharing: Sharing,
    /// The time at which the work began, in seconds.
    pub now: u32,
    dialects: Dialects,
    ticket: Option<Ticket>,
    /// True while earlier batches of the socket are still being applied; updates are held back until then where the order
    /// counts.
    is_ahead: bool,
    held_back: &'w mut HeldBack,
}

/// Applies the update of a sample to a series, and tells whether there was memory for it.
struct ApplyTo<'s> {
    cells: &'s Cells,
    sharing: Sharing,
    now: u32,
}

impl<'a> UpdateSink<'a> for ApplyTo<'_> {
    type Taken = bool;

    #[inline(always)]
    fn take(self, update: Update<'a>) -> bool {
        self.cells.apply(update, self.sharing, self.now)
    }
}

/// Applies the update of a sample to values in an arena.
struct ApplyToLent {
    cells: Lent,
    sharing: Sharing,
}

impl<'a> UpdateSink<'a> for ApplyToLent {
    type Taken = ();

    #[inline(always)]
    fn take(self, update: Update<'a>) {
        self.cells.apply(update, self.sharing);
    }
}

impl<'w> Applier<'w> {
    #[inline]
    pub(super) fn new(
        stats: &'w mut WorkerStats,
        held_back: &'w mut HeldBack,
        sharing: Sharing,
        now: u32,
        dialects: Dialects,
        ticket: Option<Ticket>,
    ) -> Self {
        let is_ahead = ticket.as_ref().is_some_and(|ticket| !ticket.is_due());
        Self { stats, sharing, now, dialects, ticket, is_ahead, held_back }
    }

    /// Applies a sample by the route of its key. Gives the tag errors of the line.
    #[inline(always)]
    pub(super) fn apply(&mut self, route: RouteRef<'_>, sample: &Sample<'_>) -> Result<TagErrors, Reject> {
        match route {
            Route::Apply { series, plan } => self.apply_to(series, plan, sample),
            Route::Overflow { series, plan, limit } => {
                let applied = self.apply_to(series, plan, sample)?;
                self.stats.collapsed(series.name().as_bytes(), limit);
                Ok(applied)
            }
            Route::Drop => {
                self.stats.dropped(1);
                Ok(TagErrors::NONE)
            }
            Route::Reject(reject) => {
                self.note(reject, sample.key.name);
                Err(reject)
            }
        }
    }

    /// Applies a simple line by its known route.
    #[inline(always)]
    pub(super) fn apply_known<const ARENA: bool>(&mut self, cache: &RouteCache, entry: &Entry, line: &HashedLine<'_>) {
        let (plan, updated) = match cache.known::<ARENA>(entry) {
            KnownRoute::Apply { series, plan } if self.is_ahead => {
                (plan, self.update_ahead(series, plan, &line.sample()))
            }
            KnownRoute::Apply { series, plan } => {
                (plan, self.update(series, plan, line.value(), line.rate(), line.statsd_type()))
            }
            KnownRoute::Lent { cells, times, plan } => {
                let updated = match self.is_ahead.then(|| cache.series_behind(entry, line.hash())) {
                    Some(Some(series)) => self.update_ahead(series, plan, &line.sample()),
                    _ => self.update_lent(cells, times, plan, line),
                };
                (plan, updated)
            }
            KnownRoute::Drop => return self.stats.dropped(1),
        };
        match updated {
            Ok(()) => self.count(Ok(plan.tag_errors), line.text()),
            Err(reject) => {
                let reject = self.no_memory(reject, line.key().name);
                self.count(Err(reject), line.text());
            }
        }
    }

    /// Notes the name of a sample that is rejected for what it is, and not for its value.
    #[cold]
    fn note(&mut self, reject: Reject, name: &[u8]) {
        // A bomb of tags is one name, wherever the tags are.
        let dialects = self.dialects;
        match reject {
            Reject::TagLimit | Reject::LabelTooLong | Reject::MemoryLimit | Reject::SeriesTooLong => {
                self.stats.over_limit(name, reject, |name| tags::before_tags(name, dialects))
            }
            Reject::TypeConflict | Reject::NameCollision => {
                self.stats.in_conflict(name, reject, |name| tags::before_tags(name, dialects))
            }
            _ => {}
        }
    }

    /// Applies a sample to a series. Gives the tag errors of the line.
    #[inline(always)]
    fn apply_to(&mut self, series: &Arc<Series>, plan: &Plan, sample: &Sample<'_>) -> Result<TagErrors, Reject> {
        let updated = if self.is_ahead {
            self.update_ahead(series, plan, sample)
        } else {
            sample.rate.and_then(|rate| self.update(series, plan, sample.value, rate, sample.key.statsd_type))
        };
        updated.map_err(|reject| self.no_memory(reject, sample.key.name))?;
        Ok(plan.tag_errors)
    }

    /// Updates a series, and counts the sample.
    #[inline(always)]
    fn update(
        &mut self,
        series: &Series,
        plan: &Plan,
        value: SampleValue<'_>,
        rate: f64,
        statsd_type: StatsdType,
    ) -> Result<(), Reject> {
        let sink = ApplyTo { cells: &series.cells, sharing: self.sharing, now: self.now };
        if !plan.conversion.update_into(value, rate, sink)? {
            return Err(Reject::MemoryLimit);
        }
        series.touch(self.now);
        self.stats.applied(statsd_type, plan.is_unmapped);
        Ok(())
    }

    /// The same while earlier batches are still being applied: an update whose order counts waits.
    #[inline(never)]
    fn update_ahead(&mut self, series: &Arc<Series>, plan: &Plan, sample: &Sample<'_>) -> Result<(), Reject> {
        match plan.conversion.update(sample.value, sample.rate?)? {
            Update::Set(x) => self.held_back.push((Arc::clone(series), Update::Set(x))),
            Update::Move(x) => self.held_back.push((Arc::clone(series), Update::Move(x))),
            Update::Total(x) => self.held_back.push((Arc::clone(series), Update::Total(x))),
            update if !series.cells.apply(update, self.sharing, self.now) => return Err(Reject::MemoryLimit),
            _ => {}
        }
        series.touch(self.now);
        self.stats.applied(sample.key.statsd_type, plan.is_unmapped);
        Ok(())
    }

    /// Applies a simple line to values in an arena.
    #[inline(always)]
    fn update_lent(
        &mut self,
        cells: Lent,
        times: &AtomicU64,
        plan: &Plan,
        line: &HashedLine<'_>,
    ) -> Result<(), Reject> {
        plan.conversion.update_into(line.value(), line.rate(), ApplyToLent { cells, sharing: self.sharing })?;
        state::note(times, self.now);
        self.stats.applied(line.statsd_type(), plan.is_unmapped);
        Ok(())
    }

    /// Notes the name of a sample whose update failed, if its set or its summary has no memory for it.
    #[cold]
    fn no_memory(&mut self, reject: Reject, name: &[u8]) -> Reject {
        if reject == Reject::MemoryLimit {
            self.note(reject, name);
        }
        reject
    }

    /// Counts what [`apply`](Self::apply) gave for a sample of `line`.
    #[inline(always)]
    pub(super) fn count(&mut self, applied: Result<TagErrors, Reject>, line: LineText<'_>) {
        match applied {
            Ok(tag_errors) if tag_errors.is_empty() => {}
            Ok(tag_errors) => tag_errors.iter().for_each(|(error, count)| self.stats.tag_error(error, count)),
            Err(reject) => self.stats.rejected(reject, line),
        }
    }

    /// Counts a line that is longer than a line may be.
    #[cold]
    pub(super) fn too_long(&mut self, name: &[u8], line: &[u8]) {
        self.stats.over_limit(name, Reject::LineTooLong, |name| name);
        self.stats.rejected(Reject::LineTooLong, LineText::Raw(line));
    }

    /// Applies a sample by what its key was resolved to.
    #[cold]
    pub(super) fn apply_resolved(&mut self, resolution: &Resolution, sample: &Sample<'_>) -> Result<TagErrors, Reject> {
        match resolution {
            Ok(route) => self.apply(route.as_ref(), sample),
            Err(unresolved) => Err(self.refused(unresolved, unresolved.reject, sample.key.name)),
        }
    }

    /// Notes the name that is over a limit or in conflict, if that is why a sample has no route. The caller counts the
    /// rejection.
    #[cold]
    pub(super) fn refused(&mut self, unresolved: &Unresolved, reject: Reject, name: &[u8]) -> Reject {
        match unresolved.over_limit.as_ref().filter(|_| reject == unresolved.reject) {
            Some(metric) => self.stats.over_limit(metric.as_bytes(), reject, |name| name),
            None => self.note(reject, name),
        }
        reject
    }

    /// Waits for the ticket, and applies the updates that were held back.
    pub(super) fn catch_up(&mut self) {
        let Some(ticket) = &mut self.ticket else { return };
        ticket.wait();
        self.is_ahead = false;
        for (series, update) in self.held_back.drain(..) {
            // Gauges and counters need no more memory.
            let _ = series.cells.apply(update, self.sharing, self.now);
        }
    }
}
