//! A group: the samples of a line that differ only in their values.

use super::section::LineSection;
use super::statsd_type::StatsdType;
use super::value::{self, SampleValue};
use crate::reject::Reject;

/// The values of one name that share a type, a rate and tags.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group<'a> {
    /// Everything before the values, as received, with the tags in it ([`tags::Tagged`](super::tags::Tagged)).
    pub name: &'a [u8],
    /// One value, or several with `:` between them, as received: see [`Group::each_value`].
    pub values: &'a [u8],
    /// The type.
    pub statsd_type: StatsdType,
    /// The sample rate, in (0, 1]; 1 if the line has none. If it has several, the last one counts, unless one is invalid.
    pub rate: Result<f64, Reject>,
    /// The `#` section without its `#`. If a line has several, the text from the first to the last of them, including
    /// other sections between them.
    pub tags: &'a [u8],
    /// The container that sent the line: the `c:` section without its `c:`.
    pub container: &'a [u8],
    /// Whether the line has a section that is not known. It is skipped.
    pub unknown: bool,
    /// Everything after the type.
    pub(super) sections: &'a [u8],
}

impl<'a> Group<'a> {
    /// A group without sections.
    pub(super) fn new(name: &'a [u8], values: &'a [u8], statsd_type: StatsdType) -> Self {
        Self { name, values, statsd_type, rate: Ok(1.0), tags: &[], container: &[], unknown: false, sections: &[] }
    }

    /// Keeps the tags or the container of `section`, which begins at `start` of `sections`, or that it is unknown.
    /// `first_tags` is the start of the first tags so far.
    pub(super) fn keep(&mut self, start: usize, section: &'a [u8], sections: &'a [u8], first_tags: &mut Option<usize>) {
        match LineSection::of(section) {
            LineSection::Tags => {
                let first = *first_tags.get_or_insert(start + 1);
                self.tags = sections.get(first..start + section.len()).unwrap_or_default();
            }
            LineSection::Container => self.container = section.get(2..).unwrap_or_default(),
            _ => self.unknown |= LineSection::is_unknown(section, self.statsd_type),
        }
    }

    /// The values one by one. A set has one value even if it contains `:`, because DogStatsD does not pack sets.
    pub fn each_value(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let is_packed = self.statsd_type != StatsdType::Set;
        self.values.split(move |&b| b == b':' && is_packed)
    }

    /// Whether it has several values.
    pub(crate) fn is_packed(&self) -> bool {
        self.statsd_type != StatsdType::Set && self.values.contains(&b':')
    }

    /// The values one by one, read.
    pub(crate) fn samples(&self) -> impl Iterator<Item = Result<SampleValue<'a>, Reject>> + use<'a> {
        let statsd_type = self.statsd_type;
        self.each_value().map(move |text| value::value(text, statsd_type))
    }

    /// The unknown sections, as received. Newer clients send them; they are counted and skipped.
    pub fn unknown_sections(&self) -> impl Iterator<Item = &'a [u8]> {
        let sections = LineSection::each(self.sections).map(|(_, section)| section);
        sections.filter(|section| self.unknown && LineSection::is_unknown(section, self.statsd_type))
    }
}
