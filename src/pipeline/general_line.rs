//! A line of any shape, while its samples are applied.

use std::cell::OnceCell;

use strum::EnumCount;

use super::Work;
use super::key::Key;
use super::sample::Sample;
use super::slots::RouteId;
use crate::mapping::TagErrors;
use crate::parse::{Group, SampleValue, StatsdType};
use crate::reject::Reject;

/// A line that the general reader reads. It may have thousands of groups, so what they share is found once.
#[derive(Debug)]
pub(super) struct GeneralLine<'l> {
    bytes: &'l [u8],
    is_utf8: OnceCell<bool>,
    /// The routes of the line's name without tags, by type. They hold until a route is inserted.
    routes: [Option<RouteId>; StatsdType::COUNT],
}

impl<'l> GeneralLine<'l> {
    /// A line, without its line break.
    pub(super) fn new(bytes: &'l [u8]) -> Self {
        Self { bytes, is_utf8: OnceCell::new(), routes: [None; StatsdType::COUNT] }
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

    /// The route of a key of this line; `find` finds it the first time. A name of many kilobytes is hashed once.
    pub(super) fn route(&mut self, key: &Key<'_>, find: impl FnOnce() -> Option<RouteId>) -> Option<RouteId> {
        let is_bare = key.tags.is_empty() && key.container.is_empty();
        let Some(known) = self.routes.get_mut(key.statsd_type as usize).filter(|_| is_bare) else { return find() };
        if known.is_none() {
            *known = find();
        }
        *known
    }

    /// Forgets the routes, because one was inserted.
    pub(super) fn forget(&mut self) {
        self.routes = [None; StatsdType::COUNT];
    }
}

impl Work<'_> {
    /// Applies the samples of a group of `line`. Each is applied or rejected by itself.
    pub(super) fn group(&mut self, line: &mut GeneralLine<'_>, group: &Group<'_>) {
        group.unknown_sections().for_each(|section| self.applier.stats.unknown_section(section));
        if group.is_packed() && !line.is_utf8() {
            return self.applier.count(Err(Reject::NotUtf8), line.bytes);
        }
        let key = Key::new(group, &self.pipeline.rules);
        let mut tag_errors = TagErrors::NONE;
        for value in group.samples() {
            match value.and_then(|value| self.value(line, key, value, group.rate)) {
                Ok(errors) => tag_errors = errors,
                Err(reject) => self.applier.count(Err(line.reject(reject)), line.bytes),
            }
        }
        self.applier.count(Ok(tag_errors), line.bytes);
    }

    fn value(
        &mut self,
        line: &mut GeneralLine<'_>,
        key: Key<'_>,
        value: SampleValue<'_>,
        rate: Result<f64, Reject>,
    ) -> Result<TagErrors, Reject> {
        let Self { cache, expired, .. } = &*self;
        let route = line.route(&key, || cache.find_id(&key, cache.hash(&key), *expired));
        let Some(route) = route else {
            line.forget();
            return self.resolve(&Sample { key, hash: self.cache.hash(&key), value, rate });
        };
        // The hash has found the route already.
        self.applier.apply(self.cache.route(route), &Sample { key, hash: 0, value, rate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_looked_up_once_a_line() {
        let mut line = GeneralLine::new(b"a:1|c:2|c:3|g");
        let key = |statsd_type, tags| Key { name: b"a", statsd_type, tags, container: b"" };
        let (counter, gauge) = (key(StatsdType::Counter, &b""[..]), key(StatsdType::Gauge, b""));
        let unexpected = || panic!("the key was looked up before");
        assert_eq!(line.route(&counter, || None), None);
        assert_eq!(line.route(&counter, || Some(RouteId::new(1))), Some(RouteId::new(1)));
        assert_eq!(line.route(&counter, unexpected), Some(RouteId::new(1)));
        assert_eq!(line.route(&gauge, || Some(RouteId::new(2))), Some(RouteId::new(2)));
        assert_eq!(line.route(&key(StatsdType::Counter, b"k:v"), || Some(RouteId::new(3))), Some(RouteId::new(3)));
        line.forget();
        assert_eq!(line.route(&counter, || None), None);
    }
}
