//! What of a line decides which series it feeds.

use crate::parse::StatsdType;

/// The parts of a line that identify its series, as they came. A series keeps those of the line that it was made for, so
/// that other rules can be asked which series that line would feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineKey<'a> {
    /// Everything before the values, with the tags that stand in it.
    pub name: &'a str,
    /// The type.
    pub statsd_type: StatsdType,
    /// The `#` section.
    pub tags: &'a str,
    /// The `c:` section; empty where it is no part of the series.
    pub container: &'a str,
}

/// The key of a line in one piece of memory.
#[derive(Debug)]
pub(super) struct OwnedLineKey {
    parts: Box<str>,
    /// `max_line` keeps lengths below 2^16.
    name_len: u16,
    tags_len: u16,
    statsd_type: StatsdType,
}

impl OwnedLineKey {
    pub(super) fn new(key: LineKey<'_>) -> Self {
        let LineKey { name, statsd_type, tags, container } = key;
        let mut parts = String::with_capacity(name.len() + tags.len() + container.len());
        [name, tags, container].iter().for_each(|part| parts.push_str(part));
        Self { parts: parts.into(), name_len: name.len() as u16, tags_len: tags.len() as u16, statsd_type }
    }

    pub(super) fn get(&self) -> LineKey<'_> {
        let (name, rest) = self.parts.split_at(self.name_len.into());
        let (tags, container) = rest.split_at(self.tags_len.into());
        LineKey { name, statsd_type: self.statsd_type, tags, container }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_has_the_parts_of_the_line() {
        for (name, tags, container) in [("a.é", "b:c,d", "ci-1"), ("a", "", ""), ("a", "b", ""), ("a", "", "c")] {
            let key = LineKey { name, statsd_type: StatsdType::Timer, tags, container };
            assert_eq!(OwnedLineKey::new(key).get(), key);
        }
    }
}
