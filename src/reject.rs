//! The closed list of reasons why a line or a sample is lost.
//!
//! One word serves everywhere: it is the `reason` of `statsidecar_rejected_samples_total`, what `explain` prints and
//! what the README lists. A line that cannot be taken apart counts once; one that can, once for each of its values.

use std::fmt;

macro_rules! rejects {
    ($($(#[$doc:meta])* $variant:ident = $reason:literal, $remedy:literal;)*) => {
        /// Why a sample was not applied.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reject {
            $($(#[$doc])* $variant,)*
        }

        impl Reject {
            /// Every reason, in the order of their names.
            pub const ALL: [Self; [$($reason),*].len()] = [$(Self::$variant),*];

            /// The reason's one word, as it stands in the label.
            pub fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason,)* }
            }

            /// Why a sample of `line` was not applied, if this is why it cannot be read: bytes that are not text come first.
            /// Known bytes are not looked at twice, so this is asked only once something else is wrong.
            pub fn of_line(self, line: &[u8]) -> Self {
                if std::str::from_utf8(line).is_err() { Self::NotUtf8 } else { self }
            }

            /// How the person who sends the line, or who runs the sidecar, can mend it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

rejects! {
    /// The sample rate is not a number in (0, 1], or is below 1e-9.
    BadSampleRate = "bad_sample_rate", "the rate after @ is a decimal number above 0 (at least 1e-9) and at most 1";
    /// The value is not a finite decimal number, or what is to be added to the metric overflows an f64. A member of a
    /// set is empty, or a status is not 0 to 3.
    BadValue = "bad_value", "the value is one finite decimal number without blanks: 5, -5, +5, .5, 1e3; of a set any text but none; of a service check 0 to 3";
    /// No letter of the name is left.
    EmptyName = "empty_name", "give the metric a name before the first ':' (or in the rule's name)";
    /// The name already has as many series as one name may have.
    FamilySeriesLimit = "family_series_limit", "send fewer label values under this name, or raise [limits] family_series";
    /// The line is longer than `[intake] max_line`.
    LineTooLong = "line_too_long", "shorten the line, or raise [intake] max_line";
    /// There is no `:` after the name, or no `|type` after the value; a service check is cut off, or an event is not as
    /// long as it says.
    MalformedLine = "malformed_line", "a line is name:value|type, then |@rate and |#tag:value where wanted; _sc|name|status; or _e{5,4}:title|text";
    /// The name is one of the series that another metric exposes, as `x_count` is for a histogram `x`.
    NameCollision = "name_collision", "rename one of the two metrics: a histogram owns its _bucket, _sum and _count, a summary its _sum and _count";
    /// A counter goes up only.
    NegativeCounter = "negative_counter", "send counts of 0 or more; for a number that falls, use a gauge or declare type = \"gauge\"";
    /// The line holds bytes that are not UTF-8.
    NotUtf8 = "not_utf8", "send the name and the tags as UTF-8";
    /// The name belongs to the sidecar's own metrics.
    ReservedName = "reserved_name", "names that start with statsidecar_ and the process_ metrics are the sidecar's own: choose another";
    /// There are as many series as there may be.
    SeriesLimit = "series_limit", "send fewer different names and label values, or raise [limits] series";
    /// The line carries more tags than `[limits] tags`.
    TagLimit = "tag_limit", "send fewer tags in one line, or raise [limits] tags";
    /// The metric is of another type than what this line can feed.
    TypeConflict = "type_conflict", "one name has one type: rename one of the two metrics, or declare the type in a rule";
    /// The type after the value is none that is known.
    UnknownType = "unknown_type", "the type is one of c, m, g, ms, h, d, s; a line of several types has no # section";
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
    fn reasons_are_sorted_words_and_unlike() {
        assert!(Reject::ALL.is_sorted_by(|a, b| a.reason() < b.reason()));
        for reject in Reject::ALL {
            assert!(reject.reason().bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'8'), "{reject}");
        }
    }
}
