//! The general reader of lines: it knows the whole grammar. A line is too long, an event, or groups of samples.

use memchr::{memchr, memchr2, memmem};

use super::group::Group;
use super::section::{LineSection, cut};
use super::simple_line::{SimpleLine, simple_pair};
use super::statsd_type::StatsdType;
use super::{event, service_check, tags, value};
use crate::config::Dialects;
use crate::reject::Reject;

/// A line, without its end.
#[derive(Clone, Debug)]
pub enum Line<'l> {
    /// It is longer than a line may be.
    TooLong {
        /// Its name, as far as it can be told.
        name: &'l [u8],
    },
    /// It is an event, which may be malformed.
    Event(Result<(), Reject>),
    /// It has samples, or is malformed.
    Groups(Groups<'l>),
}

/// Reads a line of at most `max_len` bytes, whose name may hold tags of `dialects`.
#[inline]
pub fn line(line: &[u8], dialects: Dialects, max_len: usize) -> Line<'_> {
    if line.len() > max_len {
        let name = line.split(|&b| b == b':').next().unwrap_or(line);
        return Line::TooLong { name: tags::before_tags(name, dialects) };
    }
    match event::event(line) {
        Some(event) => Line::Event(event),
        None => Line::Groups(groups(line).tagged(dialects)),
    }
}

/// Takes a line, without its line break, apart into its groups.
///
/// A group that cannot be read gives one [`Reject`], and the next group is read as usual. A service check is one group.
/// The caller must not pass [events](super::event()).
#[inline]
pub fn groups(line: &[u8]) -> Groups<'_> {
    match cut(line, memchr(b':', line)) {
        (name, Some((_, rest))) => Groups { line, name, rest: Some(rest), may_be_packed: None, container: &[] },
        // A line without `:` has no value, so its only group is malformed.
        (_, None) => Groups { line, name: &[], rest: Some(&[]), may_be_packed: None, container: &[] },
    }
}

/// The groups of one line, from [`groups`].
#[derive(Clone, Debug)]
pub struct Groups<'a> {
    line: &'a [u8],
    name: &'a [u8],
    /// The bytes after the `:` before the next group; `None` after the last group.
    rest: Option<&'a [u8]>,
    /// Whether a group may follow another; `None`: nothing has asked. It is decided once, because a line may have
    /// thousands of groups.
    may_be_packed: Option<Result<(), Reject>>,
    /// The container of the line, if a group has named one.
    container: &'a [u8],
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
    /// The bytes before the values, as received, even if the values cannot be read; `None` if there are no such bytes.
    /// The caller asks before it reads any group.
    pub(crate) fn name(&self) -> Option<&'a [u8]> {
        let is_service_check = self.line.starts_with(service_check::BEGIN);
        let name = if is_service_check { service_check::read(self.line).ok()?.name } else { self.name };
        (!name.is_empty()).then_some(name)
    }

    /// The bytes of the groups that are still to be read; `None` after the last group.
    pub(crate) fn rest(&self) -> Option<&'a [u8]> {
        self.rest
    }

    /// Takes the next pair of a line in the older packing if it is as simple as nearly all of them are; `None`: there is
    /// none, or the iterator has to read it. It gives what the iterator would give.
    #[inline]
    pub(crate) fn next_simple_pair(&mut self) -> Option<SimpleLine<'a>> {
        // Nothing is known of the line before its first group has ended.
        let (Some(rest), Some(Ok(()))) = (self.rest, self.may_be_packed) else { return None };
        let (pair, end) = simple_pair(self.name, rest)?;
        self.rest = rest.get(end + 1..);
        Some(pair)
    }

    /// Finds the end of the name in a line with several `:` before the type, where the name may hold tags of `dialects`. The
    /// caller asks before it reads any group.
    #[inline]
    pub fn tagged(self, dialects: Dialects) -> Self {
        match self.rest {
            // Only if several `:` precede the type is it unclear which of them ends the name.
            Some(rest) if memchr2(b'|', b':', rest).is_some_and(|at| rest.get(at) == Some(&b':')) => {
                self.split_again(dialects)
            }
            _ => self,
        }
    }

    fn split_again(mut self, dialects: Dialects) -> Self {
        // A name may contain `|`: that before the type is the first one behind a `:`.
        let start = self.name.len();
        let pipe = self.line.get(start..).and_then(|values| memchr(b'|', values));
        let (head, statsd_type) = cut(self.line, pipe.map(|at| start + at));
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
                self.continue_at(next)?;
                None
            }
            other => other.map(|(_, sections)| sections),
        };
        let statsd_type = StatsdType::from_bytes(word);
        // The next group may follow in the sections, even those of a type that is unknown.
        let mut group = Group::new(self.name, values, statsd_type.unwrap_or(StatsdType::Counter));
        let read = sections.map_or(Ok(()), |sections| self.sections(&mut group, sections));
        statsd_type.ok_or(Reject::UnknownType)?;
        read?;
        self.is_from_one_container(&group).then_some(group).ok_or(Reject::MalformedLine)
    }

    /// Whether a group names no container, or that of the groups before it. A line has one sender. A line with thousands
    /// of containers would make as many series with its name, which may be of the length of the line.
    #[inline]
    fn is_from_one_container(&mut self, group: &Group<'a>) -> bool {
        if self.container.is_empty() {
            self.container = group.container;
        }
        group.container.is_empty() || group.container == self.container
    }

    /// Reads the sections after the type, which may have any order.
    fn sections(&mut self, group: &mut Group<'a>, sections: &'a [u8]) -> Result<(), Reject> {
        group.sections = sections;
        let mut first_tags = None;
        for (start, section) in LineSection::each(sections) {
            let LineSection::Rate = LineSection::of(section) else {
                if LineSection::of(section) != LineSection::Tags {
                    // Checked here, because only the name and the tags are checked later.
                    std::str::from_utf8(section).map_err(|_| Reject::NotUtf8)?;
                }
                group.keep(start, section, sections, &mut first_tags);
                continue;
            };
            let text = section.get(1..).unwrap_or_default();
            let (text, packed) = cut(text, memchr(b':', text));
            group.rate = group.rate.and_then(|_| value::rate(text));
            if group.rate.is_err() {
                // Checked here, because a later rate may replace this one.
                std::str::from_utf8(section).map_err(|_| Reject::NotUtf8)?;
            }
            if packed.is_some() {
                // The next pair of the older packing. It extends to the end of the line.
                let at = start + 1 + text.len();
                match self.continue_at(sections.get(at + 1..).unwrap_or_default()) {
                    // No pair can follow in such a line, so the `:` is part of the rate, which is invalid.
                    Err(Reject::UnknownType) => group.rate = Err(Reject::BadSampleRate),
                    packed => {
                        group.sections = sections.get(..at).unwrap_or_default();
                        return packed;
                    }
                }
            }
        }
        Ok(())
    }

    /// Continues with the pair at `next`, which follows a `:` that ends a type or a rate.
    ///
    /// A line with DogStatsD tags is not packed this way, because values of tags may contain `:`. All of a packed line
    /// must be UTF-8 before its first pair is applied, because its pairs are applied one by one.
    #[cold]
    fn continue_at(&mut self, next: &'a [u8]) -> Result<(), Reject> {
        let line = self.line;
        (*self.may_be_packed.get_or_insert_with(|| match std::str::from_utf8(line) {
            Err(_) => Err(Reject::NotUtf8),
            Ok(_) if memmem::find(line, b"|#").is_some() => Err(Reject::UnknownType),
            Ok(_) => Ok(()),
        }))?;
        self.rest = Some(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn a_line_without_sections() {
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
    fn unknown_sections_are_skipped_and_listed() {
        let group = one("a:1|c|x:9|new||#k:v|z:1");
        assert_eq!(group.tags, b"k:v");
        assert_eq!(group.unknown_sections().collect::<Vec<_>>(), [&b"x:9"[..], b"new", b"", b"z:1"]);
        assert_eq!(one("a:1|c").unknown_sections().count(), 0);
    }

    #[test]
    fn tags_extend_from_the_first_to_the_last_tag_section() {
        assert_eq!(one("a:1|c|#k:v|@0.5|#l:w").tags, b"k:v|@0.5|#l:w");
    }

    #[test]
    fn a_tag_may_contain_what_does_not_look_like_a_section() {
        for (sections, tags, rate, container) in [
            ("#env:prod,cluster:out|9080||a.svc,b:c", "env:prod,cluster:out|9080||a.svc,b:c", 1.0, ""),
            ("#k:v|", "k:v|", 1.0, ""),
            ("#k:v|T|T1x|1T2|@0.5", "k:v|T|T1x|1T2", 0.5, ""),
            ("@0.5|#k:v|9|c:id|T12|e:x", "k:v|9", 0.5, "id"),
            ("#k:v|9|@0.5|#l:w|8", "k:v|9|@0.5|#l:w|8", 0.5, ""),
            ("#|c:id", "", 1.0, "id"),
            ("#|9", "|9", 1.0, ""),
        ] {
            let line = format!("a:1|c|{sections}");
            let group = one(&line);
            let read = (group.tags, group.rate, group.container, group.unknown);
            assert_eq!(read, (tags.as_bytes(), Ok(rate), container.as_bytes(), false), "{line}");
        }
        let group = one("a:1|c|#k:v|new:1|9");
        assert_eq!((group.tags, group.unknown_sections().count()), (&b"k:v"[..], 2), "behind another section");
    }

    #[test]
    fn an_unknown_type_or_a_bad_rate_loses_only_its_own_group() {
        let read: Vec<_> = groups(b"k:5|C|@0.5:6|ms:7|c|@-1|@0.5:8|g").map(|g| g.map(|g| (g.values, g.rate))).collect();
        assert_eq!(
            read,
            [
                Err(Reject::UnknownType),
                Ok((&b"6"[..], Ok(1.0))),
                Ok((b"7", Err(Reject::BadSampleRate))),
                Ok((b"8", Ok(1.0)))
            ]
        );
        assert_eq!(one("a:1|c|@0.5|@x").rate, Err(Reject::BadSampleRate));
        assert_eq!(one("a:1|c|@0.5|@0.1").rate, Ok(0.1));
    }

    #[test]
    fn the_older_packing_gives_several_groups() {
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
    fn a_set_member_may_contain_colons() {
        let values = |line: &'static str| -> Vec<_> {
            groups(line.as_bytes())
                .map(|group| group.unwrap())
                .flat_map(|group| group.each_value().map(move |value| (value, group.statsd_type)))
                .collect()
        };
        assert_eq!(values("a:u:1|s"), [(&b"u:1"[..], StatsdType::Set)]);
        assert_eq!(values("a:1:2|h"), [(&b"1"[..], StatsdType::Histogram), (b"2", StatsdType::Histogram)]);
        let expected = [(&b"1"[..], StatsdType::Counter), (b"x:y", StatsdType::Set), (b"2", StatsdType::Gauge)];
        assert_eq!(values("a:1|c:x:y|s:2|g"), expected, "after a type, a `:` begins the next pair");
    }

    #[test]
    fn a_colon_in_a_section_does_not_begin_a_pair() {
        assert_eq!(one("a:1|c|c:abc").container, b"abc");
        assert_eq!(one("a:1|c|#u:b:2|c:2").tags, b"u:b:2");
        assert_eq!(rejects("a:1|c:2|c|#k:v"), [Reject::UnknownType]);
    }

    #[test]
    fn a_line_is_from_one_container() {
        let line = b"a:1|c:2|c|c:x|@1:3|c|c:x|@1:4|c|c:y|@1:5|c:6|c|c:x";
        let read: Vec<_> = groups(line).map(|group| group.map(|group| (group.values, group.container))).collect();
        let expected: [Result<(&[u8], &[u8]), _>; 6] = [
            Ok((b"1", b"")),
            Ok((b"2", b"x")),
            Ok((b"3", b"x")),
            Err(Reject::MalformedLine),
            Ok((b"5", b"")),
            Ok((b"6", b"x")),
        ];
        assert_eq!(read, expected);
    }

    proptest! {
        #[test]
        fn prop_simple_pairs_are_what_the_iterator_gives(
            line in "a(:[-+]?[0-9]{0,9}(\\.[0-9]{0,2})?(\\|(c|g|ms|h|m|x|)(\\|(@[0-9.]{0,3}|c:x|y))?)?){1,8}",
        ) {
            let expected: Vec<_> = groups(line.as_bytes()).collect();
            let mut read = Vec::new();
            let mut groups = groups(line.as_bytes());
            loop {
                if let Some(pair) = groups.next_simple_pair() {
                    let SimpleLine { name, tags, rate, statsd_type, .. } = pair;
                    let Some(Ok(group)) = expected.get(read.len()) else { panic!("{line}: {expected:?}") };
                    prop_assert_eq!((name, tags, statsd_type, Ok(rate)), (group.name, group.tags, group.statsd_type, group.rate));
                    prop_assert_eq!(value::number(group.values), Ok(pair.number()), "{}", line);
                    prop_assert!(group.container.is_empty() && !group.unknown);
                    read.push(Ok(*group));
                    continue;
                }
                match groups.next() {
                    Some(group) => read.push(group),
                    None => break,
                }
            }
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn unreadable_lines() {
        assert_eq!(rejects("a"), [Reject::MalformedLine]);
        assert_eq!(rejects("a:1"), [Reject::MalformedLine]);
        assert_eq!(rejects("a:1|"), [Reject::UnknownType]);
        assert_eq!(rejects("a:1|C"), [Reject::UnknownType]);
        assert_eq!(rejects("a:1|c "), [Reject::UnknownType]);
        assert_eq!(rejects("a:1|x:2|c"), [Reject::UnknownType]);
        assert_eq!(groups(b"a:1|x:2|c").filter(Result::is_ok).count(), 1, "the next pair is read");
        assert_eq!(groups(b"a:1|c|x\xff").next(), Some(Err(Reject::NotUtf8)));
        assert_eq!(groups(b"a:1|c:\xff|c").collect::<Vec<_>>(), [Err(Reject::NotUtf8)], "before any of it is applied");
    }
}
