//! What a rule asks of a line beside its name: `match_type` and `match_tags`.

use super::glob::GlobPart;
use super::labels::ClientTags;
use crate::parse::StatsdType;

/// The conditions of one rule; without any, every line will do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Sorted; empty where any type will do.
    pub statsd_types: Vec<StatsdType>,
    /// The labels' keys that the tags would get, sorted, each with what its value must match.
    pub tags: Vec<(String, GlobPart)>,
}

impl Conditions {
    /// Whether a line meets them.
    pub fn hold<'t, 's: 't>(&self, statsd_type: StatsdType, tags: impl FnOnce() -> &'t ClientTags<'s>) -> bool {
        (self.statsd_types.is_empty() || self.statsd_types.contains(&statsd_type)) && {
            // Most rules ask for no tags, and then none are read.
            self.tags.is_empty() || {
                let tags = tags();
                self.tags.iter().all(|(key, value)| tags.get(key).is_some_and(|tag| value.is_match(tag)))
            }
        }
    }

    /// Whether they hold wherever those of `other` do, as far as it can be seen without thinking about globs.
    pub fn cover(&self, other: &Self) -> bool {
        let statsd_types = self.statsd_types.is_empty()
            || !other.statsd_types.is_empty()
                && other.statsd_types.iter().all(|statsd_type| self.statsd_types.contains(statsd_type));
        statsd_types && self.tags.iter().all(|condition| other.tags.contains(condition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(statsd_types: &[StatsdType], tags: &[(&str, &str)]) -> Conditions {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), GlobPart::new(value))).collect();
        Conditions { statsd_types: statsd_types.to_vec(), tags }
    }

    #[test]
    fn wider_ones_cover() {
        use StatsdType::{Counter, Gauge};
        let none = conditions(&[], &[]);
        let counter = conditions(&[Counter], &[]);
        let prod = conditions(&[], &[("env", "prod")]);
        let both = conditions(&[Counter], &[("env", "prod")]);
        for (wide, narrow, covers) in [
            (&none, &none, true),
            (&none, &both, true),
            (&both, &none, false),
            (&counter, &both, true),
            (&counter, &none, false),
            (&counter, &conditions(&[Counter, Gauge], &[]), false),
            (&conditions(&[Counter, Gauge], &[]), &counter, true),
            (&prod, &both, true),
            (&prod, &conditions(&[], &[("env", "dev")]), false),
            (&both, &prod, false),
        ] {
            assert_eq!(wide.cover(narrow), covers, "{wide:?} over {narrow:?}");
        }
    }
}
