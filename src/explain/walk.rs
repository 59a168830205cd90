//! The way of a line through the pipeline, by the functions that the workers call. A visitor sees each step.

use super::place;
use crate::mapping::{Context, Mapping};
use crate::metric::Update;
use crate::parse::{self, Group, Line, SampleValue};
use crate::pipeline::{Edition, Key, Plan, Resolution, Route};
use crate::registry::Series;
use crate::reject::Reject;

/// What sees the steps of a line, in the order of the path.
pub(super) trait Visitor {
    /// The line is an event.
    fn event(&mut self);
    /// A group is read, and its tags are told apart.
    fn parsed(&mut self, group: &Group<'_>, context: &Context<'_>);
    /// The rules have mapped a group.
    fn mapped(&mut self, mapping: &Mapping<'_>);
    /// A sample updates a series: the overflow series of its family, if a limit is over.
    fn updates(&mut self, series: &Series, update: Update<'_>, over: Option<Reject>);
    /// A sample of a group is dropped.
    fn dropped(&mut self, group: &Group<'_>);
    /// A sample, a group or the line is rejected.
    fn rejected(&mut self, rejected: &Rejected<'_>);
}

/// A sample, a group or a line that is rejected.
pub(super) struct Rejected<'l> {
    /// What is rejected: the value of a sample, or all of the line.
    pub bytes: &'l [u8],
    /// Why.
    pub reason: Reject,
    /// The byte of the line that is wrong.
    pub at: Option<usize>,
    /// What the rules made of the group; `None` if it could not be read.
    pub mapped: Option<(&'l Context<'l>, &'l Mapping<'l>)>,
}

/// A line on its way.
struct Walk<'w, V> {
    edition: &'w Edition,
    line: &'w [u8],
    /// Whether all of the line is UTF-8. It is checked once, because the line may have thousands of groups.
    is_utf8: bool,
    visitor: &'w mut V,
}

/// Takes a line, without its line break, through the pipeline of `edition`. It may make series, but it updates none.
pub(super) fn walk(edition: &Edition, line: &[u8], visitor: &mut impl Visitor) {
    let is_utf8 = std::str::from_utf8(line).is_ok();
    let mut walk = Walk { edition, line, is_utf8, visitor };
    match parse::line(line, edition.rules.dialects, edition.max_line) {
        Line::TooLong { .. } => walk.reject_line(Reject::LineTooLong, |_| Some(edition.max_line)),
        Line::Event(Ok(())) => walk.visitor.event(),
        Line::Event(Err(reason)) => walk.reject_line(reason, |_| place::of_event(line)),
        Line::Groups(mut groups) => loop {
            let rest = groups.rest().unwrap_or_default();
            match groups.next() {
                Some(Ok(group)) => walk.group(&group),
                Some(Err(reason)) => walk.reject_line(reason, |reason| place::of_group(line, rest, reason)),
                None => break,
            }
        },
    }
}

impl<V: Visitor> Walk<'_, V> {
    /// Rejects all of the line, or a group that cannot be read. Bytes that are not UTF-8 come first.
    fn reject_line(&mut self, reason: Reject, place: impl FnOnce(Reject) -> Option<usize>) {
        let reason = if self.is_utf8 { reason } else { Reject::NotUtf8 };
        let at = if self.is_utf8 { place(reason) } else { place::not_utf8(self.line) };
        self.visitor.rejected(&Rejected { bytes: self.line, reason, at, mapped: None });
    }

    fn group(&mut self, group: &Group<'_>) {
        if let Err(reason) = self.readable_group(group) {
            self.reject_line(reason, |_| None);
        }
    }

    /// Explains the samples of a group; an error is that of all of them.
    fn readable_group(&mut self, group: &Group<'_>) -> Result<(), Reject> {
        let resolver = self.edition.resolver();
        let key = Key::new(group, &self.edition.rules);
        let tagged = resolver.tagged(&key)?;
        let context = resolver.context(&key, &tagged)?;
        // One packed value that is not text spoils all of them.
        std::str::from_utf8(group.values).map_err(|_| Reject::NotUtf8)?;
        self.visitor.parsed(group, &context);
        let mapping = resolver.map(&context);
        self.visitor.mapped(&mapping);
        // Thousands of values may have one series with kilobytes of labels: it is looked for once.
        let mut resolution: Option<Resolution> = None;
        let mut places = Places::new(self, group, &context);
        for (bytes, value) in group.each_value().zip(group.samples()) {
            let sampled = value.and_then(|value| {
                if let Some(Err(unresolved)) = &resolution
                    && let Some(reject) = unresolved.refuses(value, group.rate)
                {
                    return Err(reject);
                }
                if !matches!(resolution, Some(Ok(_))) {
                    // Nothing expires on a scratch edition.
                    resolution = Some(resolver.route(&key, &mapping, value, group.rate, 0));
                }
                match &resolution {
                    Some(Ok(route)) => sampled(route, value, group.rate),
                    Some(Err(unresolved)) => Err(unresolved.reject),
                    None => Err(Reject::BadValue),
                }
            });
            match sampled {
                Ok(Some((series, update, over))) => self.visitor.updates(series, update, over),
                Ok(None) => self.visitor.dropped(group),
                Err(reason) => {
                    let reason = if self.is_utf8 { reason } else { Reject::NotUtf8 };
                    let (at, mapped) = (places.of(bytes, reason), Some((&context, &mapping)));
                    self.visitor.rejected(&Rejected { bytes, reason, at, mapped });
                }
            }
        }
        Ok(())
    }
}

/// A series, how a sample updates it, and the limit because of which it is the overflow series.
type Sampled<'s, 'v> = (&'s Series, Update<'v>, Option<Reject>);

/// What a sample does by its route; `None`: it is dropped.
fn sampled<'s, 'v>(
    route: &'s Route,
    value: SampleValue<'v>,
    rate: Result<f64, Reject>,
) -> Result<Option<Sampled<'s, 'v>>, Reject> {
    let update = |plan: &Plan| plan.conversion.update(value, rate?);
    Ok(match route {
        Route::Apply { series, plan } => Some((series, update(plan)?, None)),
        Route::Overflow { series, plan, limit } => Some((series, update(plan)?, Some(*limit))),
        Route::Drop => None,
        Route::Reject(reason) => return Err(*reason),
    })
}

/// Finds the wrong bytes of the samples of a group.
struct Places<'l> {
    line: &'l [u8],
    group: &'l Group<'l>,
    context: &'l Context<'l>,
    limits: place::PlaceLimits,
    /// The place for the last reason that is one of all samples, which may be thousands.
    last: Option<(Reject, Option<usize>)>,
}

impl<'l> Places<'l> {
    fn new<V>(walk: &Walk<'l, V>, group: &'l Group<'l>, context: &'l Context<'l>) -> Self {
        let (rules, registry) = (&walk.edition.rules, &walk.edition.registry);
        let limits = place::PlaceLimits { tags: rules.tag_limit, label_value: registry.limits().label_value };
        Self { line: walk.line, group, context, limits, last: None }
    }

    fn of(&mut self, value: &[u8], reason: Reject) -> Option<usize> {
        if matches!(reason, Reject::BadValue | Reject::NegativeCounter) {
            return place::of_value(self.line, value, reason);
        }
        match self.last {
            Some((last, at)) if last == reason => at,
            _ => {
                let at = place::of_samples(self.line, self.group, self.context, reason, self.limits);
                self.last = Some((reason, at));
                at
            }
        }
    }
}
