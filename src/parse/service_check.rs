//! `_sc|name|status[|section]...`: how a service is.
//!
//! Source: <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/?tab=servicechecks>.

use memchr::memchr;

use super::line::{Group, Section, StatsdType, cut};
use crate::reject::Reject;

/// What a service check begins with.
pub(super) const BEGIN: &[u8] = b"_sc|";

/// Reads a service check: one group, whose value is the status.
#[cold]
pub(super) fn read(line: &[u8]) -> Result<Group<'_>, Reject> {
    std::str::from_utf8(line).map_err(|_| Reject::NotUtf8)?;
    let rest = line.get(BEGIN.len()..).unwrap_or_default();
    let (name, Some((_, rest))) = cut(rest, memchr(b'|', rest)) else {
        return Err(Reject::MalformedLine);
    };
    let (status, sections) = cut(rest, memchr(b'|', rest));
    match status {
        _ if name.is_empty() => return Err(Reject::EmptyName),
        [b'0'..=b'3'] => {}
        [] => return Err(Reject::MalformedLine),
        _ => return Err(Reject::BadValue),
    }
    let mut group = Group::new(name, status, StatsdType::ServiceCheck);
    if let Some((_, sections)) = sections {
        read_sections(&mut group, sections);
    }
    Ok(group)
}

fn read_sections<'a>(group: &mut Group<'a>, sections: &'a [u8]) {
    let mut tags: Option<usize> = None;
    let mut start = 0;
    while let Some(rest) = sections.get(start..) {
        // The message is the last, and may hold anything.
        if rest.starts_with(b"m:") {
            break;
        }
        let (section, next) = cut(rest, memchr(b'|', rest));
        let end = start + section.len();
        match Section::of(section) {
            Section::Tags => {
                let first = *tags.get_or_insert(start + 1);
                group.tags = sections.get(first..end).unwrap_or_default();
            }
            Section::Container => group.container = section.get(2..).unwrap_or_default(),
            _ => group.unknown |= is_unknown(section),
        }
        group.sections = sections.get(..end).unwrap_or_default();
        if next.is_none() {
            break;
        }
        start = end + 1;
    }
}

/// Whether a section is none that a service check has: a time, a host name, and what other lines have but a rate.
pub(super) fn is_unknown(section: &[u8]) -> bool {
    let is_own = section.starts_with(b"d:") || section.starts_with(b"h:");
    !is_own && matches!(Section::of(section), Section::Unknown | Section::Rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::groups;

    fn one(line: &str) -> Result<Group<'_>, Reject> {
        let mut groups = groups(line.as_bytes());
        let group = groups.next().unwrap();
        assert_eq!(groups.next(), None, "{line}");
        group
    }

    #[test]
    fn what_it_says() {
        let group = one("_sc|db.up|2|d:1656581400|h:web:1|#a:b,c|c:ci-1|#d|x:1|m:not |#so|y").unwrap();
        assert_eq!((group.name, group.values, group.statsd_type), (&b"db.up"[..], &b"2"[..], StatsdType::ServiceCheck));
        assert_eq!((group.rate, group.container), (Ok(1.0), &b"ci-1"[..]));
        assert_eq!(group.tags, b"a:b,c|c:ci-1|#d", "without what the message holds");
        assert!(group.unknown);
        assert_eq!(group.unknown_sections().collect::<Vec<_>>(), [b"x:1"]);
        for line in ["_sc|a:1|0", "_sc|a|3|m:", "_sc|a|1|h:x", "_sc|a|1|#k:v|T1|e:x|card:low"] {
            let group = one(line).unwrap();
            assert_eq!((group.unknown, group.unknown_sections().count()), (false, 0), "{line}");
        }
        assert_eq!(one("_sc|a|0|").unwrap().unknown_sections().count(), 1, "as in any other line");
        assert_eq!(one("_sc|a|0|@0.5").unwrap().unknown_sections().collect::<Vec<_>>(), [b"@0.5"]);
    }

    #[test]
    fn what_cannot_be_read() {
        for (line, expected) in [
            ("_sc|", Reject::MalformedLine),
            ("_sc|a", Reject::MalformedLine),
            ("_sc|a|", Reject::MalformedLine),
            ("_sc|a||#k:v", Reject::MalformedLine),
            ("_sc||0", Reject::EmptyName),
            ("_sc|a|4", Reject::BadValue),
            ("_sc|a|-1", Reject::BadValue),
            ("_sc|a|1:2", Reject::BadValue),
            ("_sc|a|ok", Reject::BadValue),
            ("_sc|a:1|c", Reject::BadValue),
        ] {
            assert_eq!(one(line), Err(expected), "{line}");
        }
        assert_eq!(groups(b"_sc|a|0|m:\xff").next(), Some(Err(Reject::NotUtf8)));
        assert_eq!(groups(b"_score:1|c").next().unwrap().unwrap().name, b"_score");
    }
}
