//! The conditions of a rule other than its pattern: `match_type` and `match_tags`.

use super::glob::GlobPart;
use super::labels::ClientTags;
use crate::parse::StatsdType;

/// The conditions of one rule. Without conditions, every line meets them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Conditions {
    /// In ascending order; empty: any type.
    pub statsd_types: Vec<StatsdType>,
    /// The keys of labels, in ascending order, each with a glob for the value of the tag with that key.
    pub tags: Vec<(String, GlobPart)>,
}

impl Conditions {
    /// Whether a line meets the conditions.
    pub(super) fn hold<'t, 's: 't>(&self, statsd_type: StatsdType, tags: impl FnOnce() -> &'t ClientTags<'s>) -> bool {
        (self.statsd_types.is_empty() || self.statsd_types.contains(&statsd_type)) && {
            // Tags are read only if a rule asks for them, and most do not.
            self.tags.is_empty() || {
                let tags = tags();
                self.tags.iter().all(|(key, value)| tags.get(key).is_some_and(|tag| value.is_match(tag)))
            }
        }
    }

    /// Whether every line that meets `other` meets these conditions. Different globs count as not covered.
    pub(super) fn cover(&self, other: &Self) -> bool {
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
    fn fewer_conditions_cover_more() {
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
