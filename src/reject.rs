//! The closed list of reasons why a line or a sample is rejected.
//!
//! The label `reason` of `statsidecar_rejected_samples_total`, the output of `explain` and `docs/src/rejects.md` use the same words.
//! A line that cannot be taken apart counts once. Otherwise each value that is rejected counts once.

use std::fmt;

macro_rules! rejects {
    ($($(#[$doc:meta])* $variant:ident = $reason:literal, $remedy:literal;)*) => {
        /// Why a sample is not applied.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reject {
            $($(#[$doc])* $variant,)*
        }

        impl Reject {
            /// Every reason, in alphabetical order.
            pub const ALL: [Self; [$($reason),*].len()] = [$(Self::$variant),*];

            /// The word for the reason, as in the label `reason`.
            pub fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason,)* }
            }

            /// What the sender of the line, or the operator of the sidecar, can change.
            pub(crate) fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

rejects! {
    /// The sample rate is not a number from 1e-9 to 1.
    BadSampleRate = "bad_sample_rate", "write a decimal number from 1e-9 to 1 after the @";
    /// The value is not a finite decimal number, or the update of the metric overflows an f64. The member of a set is
    /// empty, or the status of a service check is not 0 to 3.
    BadValue = "bad_value", "write a finite decimal number without blanks (5, -5, +5, .5, 1e3); in a set, any text that is not empty; in a service check, 0 to 3";
    /// The line, or the name that a rule makes, has no characters left.
    EmptyName = "empty_name", "write a name before the first ':', or in the name of the rule";
    /// The name already has as many series as `[limits] family_series` allows.
    FamilySeriesLimit = "family_series_limit", "send fewer label values under this name, or raise [limits] family_series";
    /// The value of a label is longer than `[limits] label_value`.
    LabelTooLong = "label_too_long", "send shorter tag values, drop the tag in a rule (drop_tags), or raise [limits] label_value";
    /// The line is longer than `[intake] max_line`.
    LineTooLong = "line_too_long", "shorten the line, or raise [intake] max_line";
    /// The line has no `:` after its name or no `|type` after its value, a service check is incomplete, or an event is
    /// not as long as it says; or the pair names another container than a pair before it.
    MalformedLine = "malformed_line", "write name:value|type, and after it |@rate or |#tag:value if needed; _sc|name|status; or _e{5,4}:title|text";
    /// The process has as much memory in use as `[limits] memory` allows, and the sample needs more: for a new series, or a
    /// set or a summary that must grow.
    MemoryLimit = "memory_limit", "send fewer different names and label values, set a ttl, or raise [limits] memory";
    /// Another metric already exposes a series of this name: for example `x_count` of the histogram `x`, or `up_total`, which
    /// the counter `up` became.
    NameCollision = "name_collision", "rename one of the two metrics, or name one in a rule: a counter gets _total, an ms timer _seconds, and a histogram also exposes its name with _bucket, _sum and _count";
    /// The value is negative, and a counter only goes up.
    NegativeCounter = "negative_counter", "send counts of 0 or more; for a number that can fall, use a gauge, or set type = \"gauge\" in a rule";
    /// The line has bytes that are not UTF-8.
    NotUtf8 = "not_utf8", "send names and tags as UTF-8";
    /// The name belongs to the sidecar's own metrics.
    ReservedName = "reserved_name", "choose another name: those that start with statsidecar_, and the process_ metrics, belong to the sidecar itself";
    /// There are already as many series as `[limits] series` allows.
    SeriesLimit = "series_limit", "send fewer different names and label values, or raise [limits] series";
    /// The name and the labels of the series are together longer than `[limits] series_length`.
    SeriesTooLong = "series_too_long", "send shorter names or fewer tags, drop tags in a rule (drop_tags), or raise [limits] series_length";
    /// The line has more tags than `[limits] tags` allows.
    TagLimit = "tag_limit", "send fewer tags in one line, or raise [limits] tags";
    /// The metric has a type that this line cannot feed.
    TypeConflict = "type_conflict", "a name has only one type: rename one of the two metrics, or set the type in a rule";
    /// The type after the value is unknown.
    UnknownType = "unknown_type", "write one of the types c, m, g, kv, ms, h, d, a, s; a line with several types cannot have a # section";
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::Reject;

    #[test]
    fn reasons_are_sorted_and_unique_words() {
        assert!(Reject::ALL.is_sorted_by(|a, b| a.reason() < b.reason()));
        for reject in Reject::ALL {
            assert!(reject.reason().bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'8'), "{reject}");
        }
    }
}
