//! A line as the rules see it.

use crate::parse::StatsdType;
use crate::parse::tags::Tag;

/// All that identifies the series of a line, as text: DogStatsD servers call this the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// The name of the line, without tags.
    pub name: &'a str,
    /// The type of the line.
    pub statsd_type: StatsdType,
    /// The tags of the line, in whichever dialect they are written.
    pub tags: &'a [Tag<'a>],
    /// The `c:` section, or empty.
    pub container: &'a str,
}
