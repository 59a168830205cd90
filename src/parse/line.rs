//! Where a line is cut: the name, the values, the type and the sections after it.

use memchr::{memchr, memchr2, memmem};

use super::simple_line::SimpleLine;
use super::value::{self, Value};
use super::{service_check, tags};
use crate::config::Dialects;
use crate::reject::Reject;

/// The type that a line carries after its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum StatsdType {
    /// `c`: add to a counter.
    Counter,
    /// `m`: a meter, which is a counter by another name.
    Meter,
    /// `g`: set or move a gauge.
    Gauge,
    /// `ms`: a duration in milliseconds.
    Timer,
    /// `h`: a value to observe.
    Histogram,
    /// `d`: a value to observe.
    Distribution,
    /// `s`: a member of a set, which is any text.
    Set,
    /// `_sc`: the status of a service, 0 to 3.
    ServiceCheck,
}

impl StatsdType {
    /// Every kind, in the order of its discriminant.
    pub const ALL: [Self; 8] = [
        Self::Counter,
        Self::Meter,
        Self::Gauge,
        Self::Timer,
        Self::Histogram,
        Self::Distribution,
        Self::Set,
        Self::ServiceCheck,
    ];

    /// The kind as a line writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "c",
            Self::Meter => "m",
            Self::Gauge => "g",
            Self::Timer => "ms",
            Self::Histogram => "h",
            Self::Distribution => "d",
            Self::Set => "s",
            Self::ServiceCheck => "_sc",
        }
    }

    #[inline]
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            b"c" => Self::Counter,
            b"g" => Self::Gauge,
            b"ms" => Self::Timer,
            b"h" => Self::Histogram,
            b"d" => Self::Distribution,
            b"m" => Self::Meter,
            b"s" => Self::Set,
            _ => return None,
        })
    }
}

/// The values of one name that share a type, a rate and tags.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group<'a> {
    /// Everything before the values, as it came, with the tags that stand in it ([`tags::Tagged`](super::tags::Tagged)).
    pub name: &'a [u8],
    /// One value, or several with `:` between them, as they came: see [`Group::each_value`].
    pub values: &'a [u8],
    /// The type.
    pub statsd_type: StatsdType,
    /// The sample rate, in (0, 1]; 1 where the line gives none. A line that gives several means the last.
    pub rate: Result<f64, Reject>,
    /// The `#` section without its `#`; where a line has several, the text from the first to the last of them, with
    /// whatever stands between.
    pub tags: &'a [u8],
    /// The `c:` section without its `c:`: the container that sent the line.
    pub container: &'a [u8],
    /// Whether a section was skipped because it is not known.
    pub unknown: bool,
    /// Everything after the type.
    pub(super) sections: &'a [u8],
}

impl<'a> Group<'a> {
    /// A group of nothing but this.
    pub(super) fn new(name: &'a [u8], values: &'a [u8], statsd_type: StatsdType) -> Self {
        Self { name, values, statsd_type, rate: Ok(1.0), tags: &[], container: &[], unknown: false, sections: &[] }
    }

    /// The values one by one. The member of a set is one, whatever it holds: DogStatsD packs no sets.
    pub fn each_value(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let is_packed = self.statsd_type != StatsdType::Set;
        self.values.split(move |&b| b == b':' && is_packed)
    }

    /// Whether it holds several values.
    pub fn is_packed(&self) -> bool {
        self.statsd_type != StatsdType::Set && self.values.contains(&b':')
    }

    /// The values one by one, read.
    pub fn values(&self) -> impl Iterator<Item = Result<Value<'a>, Reject>> + use<'a> {
        let statsd_type = self.statsd_type;
        self.each_value().map(move |text| value::value(text, statsd_type))
    }

    /// The sections that are not known, as they came: a newer client's, to be counted and skipped.
    pub fn unknown_sections(&self) -> impl Iterator<Item = &'a [u8]> {
        let is_unknown = match self.statsd_type {
            StatsdType::ServiceCheck => service_check::is_unknown,
            _ => |section: &[u8]| Section::of(section) == Section::Unknown,
        };
        self.sections.split(|&b| b == b'|').filter(move |section| self.unknown && is_unknown(section))
    }
}

impl<'a> From<SimpleLine<'a>> for Group<'a> {
    /// The one group of a plain line; its value was read already.
    fn from(plain: SimpleLine<'a>) -> Self {
        let SimpleLine { name, tags, rate, statsd_type, .. } = plain;
        Self { rate: Ok(rate), tags, ..Self::new(name, &[], statsd_type) }
    }
}

/// Takes a line (without its end) apart into its groups.
///
/// A group that cannot be read is one [`Reject`]; the next is read as usual. A service check is one group; an
/// [event](super::event) is none of them, and not meant to come here.
#[inline]
pub fn groups(line: &[u8]) -> Groups<'_> {
    match cut(line, memchr(b':', line)) {
        (name, Some((_, rest))) => Groups { line, name, rest: Some(rest) },
        // Without a `:` there is no value: the one group that is read is malformed.
        (_, None) => Groups { line, name: &[], rest: Some(&[]) },
    }
}

/// The groups of one line: see [`groups`].
#[derive(Clone, Debug)]
pub struct Groups<'a> {
    line: &'a [u8],
    name: &'a [u8],
    /// What follows the `:` before the next group; `None` when all is read.
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Groups<'a> {
    type Item = Result<Group<'a>, Reject>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let is_service_check = self.line.starts_with(service_check::BEGIN);
        Some(if is_service_check { service_check::read(self.line) } else { self.group(rest) })
    }
}

impl<'a> Groups<'a> {
    /// What stands before the values, as it came, whether or not these can be read; `None` where nothing does. To be
    /// asked before any group is.
    pub fn name(&self) -> Option<&'a [u8]> {
        let is_service_check = self.line.starts_with(service_check::BEGIN);
        let name = if is_service_check { service_check::read(self.line).ok()?.name } else { self.name };
        (!name.is_empty()).then_some(name)
    }

    /// Reads the line as one whose name may hold tags of `dialects`: a `:` in the value of such a tag does not end the
    /// name. To be asked before any group is.
    #[inline]
    pub fn tagged(self, dialects: Dialects) -> Self {
        match self.rest {
            // There is but one `:` before the type: no doubt which it is.
            Some(rest) if memchr2(b'|', b':', rest).is_some_and(|at| rest.get(at) == Some(&b':')) => {
                self.cut_anew(dialects)
            }
            _ => self,
        }
    }

    fn cut_anew(mut self, dialects: Dialects) -> Self {
        let (head, statsd_type) = cut(self.line, memchr(b'|', self.line));
        let is_set =
            statsd_type.is_some_and(|(_, statsd_type)| matches!(statsd_type, [b's'] | [b's', b'|' | b':', ..]));
        if let (name, Some((_, rest))) = cut(self.line, tags::end_of_name(head, dialects, is_set)) {
            (self.name, self.rest) = (name, Some(rest));
        }
        self
    }

    #[inline]
    fn group(&mut self, rest: &'a [u8]) -> Result<Group<'a>, Reject> {
        let (values, Some((_, after))) = cut(rest, memchr(b'|', rest)) else {
            return Err(Reject::MalformedLine);
        };
        let (word, sections) = cut(after, memchr2(b'|', b':', after));
        let sections = match sections {
            Some((b':', next)) => {
                self.pack(next)?;
                None
            }
            other => other.map(|(_, sections)| sections),
        };
        let statsd_type = StatsdType::from_bytes(word).ok_or(Reject::UnknownType)?;
        let name = self.name;
        let mut group = Group::new(name, values, statsd_type);
        if let Some(sections) = sections {
            self.sections(&mut group, sections)?;
        }
        Ok(group)
    }

    /// Reads the sections after the type, in whatever order they come.
    fn sections(&mut self, group: &mut Group<'a>, sections: &'a [u8]) -> Result<(), Reject> {
        group.sections = sections;
        let mut tags: Option<usize> = None;
        let mut start = 0;
        while let Some(rest) = sections.get(start..) {
            let (section, next) = cut(rest, memchr(b'|', rest));
            let end = start + section.len();
            match (Section::of(section), section) {
                (Section::Rate, [_, text @ ..]) => {
                    let (text, packed) = cut(text, memchr(b':', text));
                    group.rate = value::rate(text);
                    if group.rate.is_err() {
                        // A later rate may take its place, and then nobody looks at these bytes again.
                        std::str::from_utf8(section).map_err(|_| Reject::NotUtf8)?;
                    }
                    if packed.is_some() {
                        // The next pair of the older packing; it runs to the end of the line, sections and all.
                        let at = start + 1 + text.len();
                        match self.pack(sections.get(at + 1..).unwrap_or_default()) {
                            // No pair can follow in such a line: the `:` belongs to the rate, and spoils it.
                            Err(Reject::UnknownType) => group.rate = Err(Reject::BadSampleRate),
                            packed => {
                                group.sections = sections.get(..at).unwrap_or_default();
                                return packed;
                            }
                        }
                    }
                }
                (Section::Tags, _) => {
                    let first = *tags.get_or_insert(start + 1);
                    group.tags = sections.get(first..end).unwrap_or_default();
                }
                (other, _) => {
                    // What is no part of the series is not looked at again, so it is checked here.
                    std::str::from_utf8(section).map_err(|_| Reject::NotUtf8)?;
                    match other {
                        Section::Container => group.container = section.get(2..).unwrap_or_default(),
                        Section::Unknown => group.unknown = true,
                        _ => {}
                    }
                }
            }
            if next.is_none() {
                break;
            }
            start = end + 1;
        }
        Ok(())
    }

    /// Goes on with the pair at `next`, behind a `:` that ends a type or a rate.
    ///
    /// A line with DogStatsD tags is not packed this way, since their values may hold `:`; and since a packed line is
    /// applied in parts, all of it has to be text before the first part is.
    #[cold]
    fn pack(&mut self, next: &'a [u8]) -> Result<(), Reject> {
        std::str::from_utf8(self.line).map_err(|_| Reject::NotUtf8)?;
        if memmem::find(self.line, b"|#").is_some() {
            return Err(Reject::UnknownType);
        }
        self.rest = Some(next);
        Ok(())
    }
}

/// What a section is, told by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// `@0.1`.
    Rate,
    /// `#tag:value,tag`.
    Tags,
    /// `c:` and the container's id (DogStatsD 1.2 and 1.4).
    Container,
    /// `T` and a Unix time (1.3), `e:` external data (1.5), `card:` (1.6): known, and without effect here.
    Ignored,
    Unknown,
}

impl Section {
    #[inline]
    pub(super) fn of(section: &[u8]) -> Self {
        match section {
            [b'@', ..] => Self::Rate,
            [b'#', ..] => Self::Tags,
            [b'c', b':', ..] => Self::Container,
            [b'T', ..] | [b'e', b':', ..] | [b'c', b'a', b'r', b'd', b':', ..] => Self::Ignored,
            _ => Self::Unknown,
        }
    }
}

/// Cuts `bytes` at `at`: what stands before it, and the byte there with what stands after it.
#[inline]
pub(super) fn cut(bytes: &[u8], at: Option<usize>) -> (&[u8], Option<(u8, &[u8])>) {
    match at.and_then(|at| bytes.split_at_checked(at)) {
        Some((before, [separator, after @ ..])) => (before, Some((*separator, after))),
        _ => (bytes, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Group<'_> {
        let mut groups = groups(line.as_bytes());
        let group = groups.next().unwrap().unwrap();
        assert_eq!(groups.next(), None, "{line}");
        group
    }

    fn rejects(line: &str) -> Vec<Reject> {
        groups(line.as_bytes()).filter_map(Result::err).collect()
    }

    #[test]
    fn plain_line() {
        let group = one("jobs.done:3|c");
        assert_eq!((group.name, group.values, group.statsd_type), (&b"jobs.done"[..], &b"3"[..], StatsdType::Counter));
        assert_eq!((group.rate, group.tags, group.container, group.unknown), (Ok(1.0), &b""[..], &b""[..], false));
    }

    #[test]
    fn sections_in_any_order() {
        for line in [
            "a:1:2|ms|@0.5|#k:v,x|c:ci-1|T1656581400|e:it-x,cn-y|card:low",
            "a:1:2|ms|card:low|e:it-x,cn-y|T1656581400|c:ci-1|#k:v,x|@0.5",
        ] {
            let group = one(line);
            assert_eq!(
                (group.values, group.statsd_type, group.rate),
                (&b"1:2"[..], StatsdType::Timer, Ok(0.5)),
                "{line}"
            );
            assert_eq!((group.tags, group.container, group.unknown), (&b"k:v,x"[..], &b"ci-1"[..], false), "{line}");
        }
    }

    #[test]
    fn unknown_sections_are_skipped_and_kept_for_the_count() {
        let group = one("a:1|c|x:9|#k:v|new|");
        assert_eq!(group.tags, b"k:v");
        assert_eq!(group.unknown_sections().collect::<Vec<_>>(), [&b"x:9"[..], b"new", b""]);
        assert_eq!(one("a:1|c").unknown_sections().count(), 0);
    }

    #[test]
    fn two_tag_sections_span_what_is_between() {
        assert_eq!(one("a:1|c|#k:v|@0.5|#l:w").tags, b"k:v|@0.5|#l:w");
    }

    #[test]
    fn older_packing() {
        let line = "a:200|ms:300|ms:5|c|@0.1:6|g";
        let read: Vec<_> =
            groups(line.as_bytes()).map(|g| g.unwrap()).map(|g| (g.values, g.statsd_type, g.rate)).collect();
        let expected: [(&[u8], StatsdType, _); 4] = [
            (b"200", StatsdType::Timer, Ok(1.0)),
            (b"300", StatsdType::Timer, Ok(1.0)),
            (b"5", StatsdType::Counter, Ok(0.1)),
            (b"6", StatsdType::Gauge, Ok(1.0)),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn the_member_of_a_set_is_whole() {
        let values = |line: &'static str| -> Vec<_> {
            groups(line.as_bytes())
                .map(|group| group.unwrap())
                .flat_map(|group| group.each_value().map(move |value| (value, group.statsd_type)))
                .collect()
        };
        assert_eq!(values("a:u:1|s"), [(&b"u:1"[..], StatsdType::Set)]);
        assert_eq!(values("a:1:2|h"), [(&b"1"[..], StatsdType::Histogram), (b"2", StatsdType::Histogram)]);
        let expected = [(&b"1"[..], StatsdType::Counter), (b"x:y", StatsdType::Set), (b"2", StatsdType::Gauge)];
        assert_eq!(values("a:1|c:x:y|s:2|g"), expected, "behind a type, a `:` begins the next pair");
    }

    #[test]
    fn a_colon_in_a_section_is_not_packing() {
        assert_eq!(one("a:1|c|c:abc").container, b"abc");
        assert_eq!(one("a:1|c|#u:b:2|c").tags, b"u:b:2");
        assert_eq!(rejects("a:1|c:2|c|#k:v"), [Reject::UnknownType]);
    }

    #[test]
    fn what_cannot_be_read() {
        assert_eq!(rejects("a"), [Reject::MalformedLine]);
        assert_eq!(rejects("a:1"), [Reject::MalformedLine]);
        assert_eq!(rejects("a:1|"), [Reject::UnknownType]);
        assert_eq!(rejects("a:1|C"), [Reject::UnknownType]);
        assert_eq!(rejects("a:1|c "), [Reject::UnknownType]);
        assert_eq!(rejects("a:1|x:2|c"), [Reject::UnknownType]);
        assert_eq!(groups(b"a:1|x:2|c").filter(Result::is_ok).count(), 1, "the pair behind it is read");
        assert_eq!(groups(b"a:1|c|x\xff").next(), Some(Err(Reject::NotUtf8)));
        assert_eq!(groups(b"a:1|c:\xff|c").collect::<Vec<_>>(), [Err(Reject::NotUtf8)], "before any of it is applied");
    }
}
