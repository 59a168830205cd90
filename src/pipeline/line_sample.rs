//! A few lines are looked at again: for the names with the most lines, and for how many lines a rule matches.

use super::Work;
use super::key::Key;
use super::lookahead::HashedLine;
use super::route::Route;
use crate::parse::tags;

impl Work<'_> {
    /// Notes the names of those simple lines that are chosen, after they were applied.
    #[cold]
    pub(super) fn note_names(&mut self, lines: &[HashedLine<'_>]) {
        let mut rest = lines;
        while let Some(chosen) = self.applier.stats.sampler.pass(rest.len()) {
            rest.get(chosen).inspect(|line| self.note_name(&line.key(), line.hash()));
            rest = rest.get(chosen + 1..).unwrap_or_default();
        }
    }

    /// Notes the name of a line, which is that of its metric if it has become one.
    #[cold]
    pub(super) fn note_name(&mut self, key: &Key<'_>, hash: u32) {
        let found = self.space.cache.find_id(key, hash, self.expired);
        let rule = found.and_then(|route| self.space.cache.rule(route));
        match found.map(|route| self.space.cache.route(route)) {
            Some(Route::Apply { series, .. } | Route::Overflow { series, .. }) => {
                self.applier.stats.sampler.note(series.name().as_bytes(), true, rule);
            }
            _ => {
                let name = tags::before_tags(key.name, self.space.edition.rules.dialects);
                self.applier.stats.sampler.note(name, false, rule);
            }
        }
    }
}
