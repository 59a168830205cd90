//! Simple lines are applied many at a time.

use super::Work;
use super::lookahead::{Found, HashedLine};

impl Work<'_> {
    /// Applies simple lines, those of one series in the order of their arrival.
    pub(super) fn simple_lines(&mut self, lines: &[HashedLine<'_>]) {
        self.applier.stats.lines += lines.len() as u64;
        let is_applied = if self.space.cache.has_arena() {
            self.known_lines::<true>(lines)
        } else {
            self.known_lines::<false>(lines)
        };
        if !is_applied {
            lines.iter().for_each(|line| {
                let applied = self.sample(&line.sample());
                self.applier.count(applied, line.text());
            });
        }
        if !self.applier.stats.sampler.pass_all(lines.len()) {
            self.note_names(lines);
        }
    }

    /// Applies simple lines whose routes are all known; `false` and nothing applied if one is not. `ARENA` is whether the
    /// cache has one.
    #[inline(always)]
    fn known_lines<const ARENA: bool>(&mut self, lines: &[HashedLine<'_>]) -> bool {
        let Self { space, applier, .. } = self;
        let (cache, mut found) = (&space.cache, Found::none());
        // A single line has no other's cache misses to overlap with.
        let is_known = lines.len() > 1 && found.look_up::<ARENA>(lines, cache).is_some();
        if is_known {
            found.each(lines, |line, entry| applier.apply_known::<ARENA>(cache, entry, line));
        }
        is_known
    }
}
