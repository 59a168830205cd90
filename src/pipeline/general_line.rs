//! A line of any shape, while its samples are applied.

use std::cell::OnceCell;

use strum::EnumCount;

use super::Work;
use super::key::Key;
use super::resolver::Resolution;
use super::sample::Sample;
use super::slots::RouteId;
use crate::mapping::TagErrors;
use crate::parse::{Group, Groups, SampleValue, SimpleLine, StatsdType};
use crate::reject::Reject;
use crate::telemetry::LineText;

/// A line that the general reader reads, and what is known of the keys of its samples.
///
/// A line may have thousands of samples and a name of many kilobytes. So what the samples of a key share is found once.
/// Only their types tell the keys of a line apart, and whether they have the line's container.
#[derive(Debug)]
pub(super) struct GeneralLine<'l> {
    bytes: &'l [u8],
    is_utf8: OnceCell<bool>,
    /// Whether its name is still to be noted, because the line was chosen.
    is_noted: bool,
    /// Whether the group that is read has the line's container.
    has_container: bool,
    /// The keys without a container, and those with the line's container.
    keys: [KnownKeys; 2],
}

/// What is known of the keys of a line with one container.
#[derive(Debug, Default)]
struct KnownKeys {
    /// Their hash, because types are not hashed.
    hash: Option<u32>,
    /// The routes in the cache, by type. They hold until a route is inserted.
    routes: [Option<RouteId>; StatsdType::COUNT],
    /// What was resolved, for the cache may not keep it.
    resolved: Vec<(StatsdType, Resolution)>,
}

impl<'l> GeneralLine<'l> {
    /// A line, without its line break. `is_noted` says whether its name is to be noted.
    pub(super) fn new(bytes: &'l [u8], is_noted: bool) -> Self {
        Self { bytes, is_noted, is_utf8: OnceCell::new(), has_container: false, keys: Default::default() }
    }

    /// Whether all of it is UTF-8.
    pub(super) fn is_utf8(&self) -> bool {
        *self.is_utf8.get_or_init(|| std::str::from_utf8(self.bytes).is_ok())
    }

    /// Why a sample of the line is not applied, given this reason not to read it. Bytes that are not UTF-8 come first.
    /// They are looked for only now, because a line that can be read is never checked twice.
    pub(super) fn reject(&self, reject: Reject) -> Reject {
        if self.is_utf8() { reject } else { Reject::NotUtf8 }
    }

    /// Goes on with a group whose samples have this key. A line has one container at most.
    #[inline]
    fn enter(&mut self, key: &Key<'_>) {
        self.has_container = !key.container.is_empty();
    }

    /// What is known of the group's keys.
    #[inline]
    fn known(&self) -> &KnownKeys {
        let [without, with] = &self.keys;
        if self.has_container { with } else { without }
    }

    #[inline]
    fn known_mut(&mut self) -> &mut KnownKeys {
        let [without, with] = &mut self.keys;
        if self.has_container { with } else { without }
    }

    /// The route in the cache of the group's samples, if it is known.
    #[inline]
    fn route(&self, statsd_type: StatsdType) -> Option<RouteId> {
        self.known().routes.get(statsd_type as usize).copied().flatten()
    }

    fn set_route(&mut self, statsd_type: StatsdType, route: RouteId) {
        if let Some(known) = self.known_mut().routes.get_mut(statsd_type as usize) {
            *known = Some(route);
        }
    }

    /// What was resolved for the group's samples.
    fn resolved(&self, statsd_type: StatsdType) -> Option<&Resolution> {
        self.known().resolved.iter().find(|(of, _)| *of == statsd_type).map(|(_, resolution)| resolution)
    }

    /// Keeps what was resolved. A new route ends the others in the cache; and with a new series, a sample that was refused
    /// may be refused for another reason.
    fn set_resolved(&mut self, statsd_type: StatsdType, resolution: Resolution) {
        self.known_mut().resolved.retain(|(of, _)| *of != statsd_type);
        if resolution.is_ok() {
            for known in &mut self.keys {
                known.resolved.retain(|(_, resolution)| resolution.is_ok());
                known.routes = [None; StatsdType::COUNT];
            }
        }
        self.known_mut().resolved.push((statsd_type, resolution));
    }
}

impl Work<'_> {
    /// Applies the samples of the groups of `line`.
    pub(super) fn groups<'l>(&mut self, line: &mut GeneralLine<'l>, mut groups: Groups<'l>) {
        loop {
            while let Some(pair) = groups.next_simple_pair() {
                self.simple_pair(line, &pair);
            }
            match groups.next() {
                Some(Ok(group)) => self.group(line, &group),
                Some(Err(reject)) => self.applier.count(Err(line.reject(reject)), LineText::Raw(line.bytes)),
                None => return,
            }
        }
    }

    /// Applies the one sample of a simple pair, as [`group`](Self::group) would.
    #[inline]
    fn simple_pair<'l>(&mut self, line: &mut GeneralLine<'l>, pair: &SimpleLine<'l>) {
        let key = Key::of_simple(pair);
        line.enter(&key);
        let sample = Sample { key, hash: 0, value: SampleValue::Number(pair.number()), rate: Ok(pair.rate) };
        let applied = self.value(line, sample).map_err(|reject| line.reject(reject));
        self.applier.count(applied, LineText::Raw(line.bytes));
    }

    /// Applies the samples of a group of `line`. Each is applied or rejected by itself.
    fn group<'l>(&mut self, line: &mut GeneralLine<'l>, group: &Group<'l>) {
        group.unknown_sections().for_each(|section| self.applier.stats.unknown_section(section));
        if group.is_packed() && !line.is_utf8() {
            return self.applier.count(Err(Reject::NotUtf8), LineText::Raw(line.bytes));
        }
        let key = Key::new(group, &self.space.edition.rules);
        line.enter(&key);
        let mut tag_errors = TagErrors::NONE;
        for value in group.samples() {
            // The hash is needed only where the route is not known.
            match value.and_then(|value| self.value(line, Sample { key, hash: 0, value, rate: group.rate })) {
                Ok(errors) => tag_errors = errors,
                Err(reject) => self.applier.count(Err(line.reject(reject)), LineText::Raw(line.bytes)),
            }
        }
        self.applier.count(Ok(tag_errors), LineText::Raw(line.bytes));
    }

    #[inline]
    fn value(&mut self, line: &mut GeneralLine<'_>, sample: Sample<'_>) -> Result<TagErrors, Reject> {
        match line.route(sample.key.statsd_type) {
            Some(route) => self.applier.apply(self.space.cache.route(route), &sample),
            None => self.first_value(line, sample),
        }
    }

    /// Applies a sample whose route is not known to be in the cache.
    fn first_value(&mut self, line: &mut GeneralLine<'_>, mut sample: Sample<'_>) -> Result<TagErrors, Reject> {
        let applied = self.apply_first_value(line, &mut sample);
        if std::mem::take(&mut line.is_noted) {
            self.note_name(&sample.key, self.space.cache.hash(&sample.key));
        }
        applied
    }

    fn apply_first_value(&mut self, line: &mut GeneralLine<'_>, sample: &mut Sample<'_>) -> Result<TagErrors, Reject> {
        let Sample { key, value, rate, .. } = *sample;
        match line.resolved(key.statsd_type) {
            Some(Ok(route)) => return self.applier.apply(route.as_ref(), sample),
            Some(Err(unresolved)) => {
                if let Some(reject) = unresolved.refuses(value, rate) {
                    return Err(self.applier.refused(unresolved, reject, key.name));
                }
            }
            None => {}
        }
        sample.hash = *line.known_mut().hash.get_or_insert_with(|| self.space.cache.hash(&key));
        if let Some(route) = self.space.cache.find_id(&key, sample.hash, self.expired) {
            line.set_route(key.statsd_type, route);
            return self.applier.apply(self.space.cache.route(route), sample);
        }
        let resolution = self.resolve(sample);
        let applied = self.applier.apply_resolved(&resolution, sample);
        line.set_resolved(key.statsd_type, resolution);
        applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Route, Unresolved};

    #[test]
    fn a_key_is_looked_up_once_a_line() {
        let (one, other) = (RouteId::new(1), RouteId::new(2));
        let key = |container| Key { name: b"a", statsd_type: StatsdType::Counter, tags: b"", container };
        let mut line = GeneralLine::new(b"a:1|c:2|c:3|g", false);
        line.enter(&key(b""));
        line.set_route(StatsdType::Counter, one);
        line.set_route(StatsdType::Gauge, other);
        line.enter(&key(b""));
        let types = [StatsdType::Counter, StatsdType::Gauge, StatsdType::Set];
        assert_eq!(types.map(|statsd_type| line.route(statsd_type)), [Some(one), Some(other), None]);
        line.enter(&key(b"id"));
        assert_eq!(line.route(StatsdType::Counter), None, "with a container it is another series");
        line.set_route(StatsdType::Counter, other);
        line.enter(&key(b""));
        assert_eq!(line.route(StatsdType::Counter), Some(one));
        line.set_resolved(StatsdType::Counter, Ok(Route::Drop));
        line.enter(&key(b"id"));
        assert_eq!(line.route(StatsdType::Counter), None, "a new route ends the others");
    }

    #[test]
    fn a_new_route_ends_what_may_differ_after_it() {
        let mut line = GeneralLine::new(b"a:1|c", false);
        let refused = || Err(Unresolved::from(Reject::NotUtf8));
        line.set_route(StatsdType::Gauge, RouteId::new(1));
        line.set_resolved(StatsdType::Counter, refused());
        assert!(line.route(StatsdType::Gauge).is_some() && line.resolved(StatsdType::Counter).is_some());
        line.set_resolved(StatsdType::Meter, Ok(Route::Drop));
        assert!(line.route(StatsdType::Gauge).is_none() && line.resolved(StatsdType::Counter).is_none());
        line.set_resolved(StatsdType::Counter, refused());
        line.set_resolved(StatsdType::Set, Ok(Route::Drop));
        assert!(line.resolved(StatsdType::Meter).is_some(), "a route holds");
    }
}
