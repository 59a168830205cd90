//! Service checks: `_sc|name|status[|section]...`, the status of a service.
//!
//! Source: <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/?tab=servicechecks>.

use memchr::memchr;

use super::group::Group;
use super::section::{LineSection, cut};
use super::statsd_type::StatsdType;
use crate::reject::Reject;

/// The start of every service check.
pub(super) const BEGIN: &[u8] = b"_sc|";

/// Reads a service check as a group whose value is the status.
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
    let Some((_, sections)) = sections else { return Ok(group) };
    let mut first_tags = None;
    // The message is the last section, and may contain anything.
    for (start, section) in LineSection::each(sections).take_while(|(_, section)| !section.starts_with(b"m:")) {
        group.keep(start, section, sections, &mut first_tags);
        group.sections = sections.get(..start + section.len()).unwrap_or_default();
    }
    Ok(group)
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
    fn sections_are_read_up_to_the_message() {
        let group = one("_sc|db.up|2|d:1656581400|h:web:1|#a:b,c|c:ci-1|#d|x:1|m:not |#so|y").unwrap();
        assert_eq!((group.name, group.values, group.statsd_type), (&b"db.up"[..], &b"2"[..], StatsdType::ServiceCheck));
        assert_eq!((group.rate, group.container), (Ok(1.0), &b"ci-1"[..]));
        assert_eq!(group.tags, b"a:b,c|c:ci-1|#d", "without the text of the message");
        assert!(group.unknown);
        assert_eq!(group.unknown_sections().collect::<Vec<_>>(), [b"x:1"]);
        for line in ["_sc|a:1|0", "_sc|a|3|m:", "_sc|a|1|h:x", "_sc|a|1|#k:v|T1|e:x|card:low"] {
            let group = one(line).unwrap();
            assert_eq!((group.unknown, group.unknown_sections().count()), (false, 0), "{line}");
        }
        assert_eq!(
            one("_sc|a|0|").unwrap().unknown_sections().count(),
            1,
            "an empty section is unknown, as in other lines"
        );
        assert_eq!(one("_sc|a|0|@0.5").unwrap().unknown_sections().collect::<Vec<_>>(), [b"@0.5"]);
    }

    #[test]
    fn unreadable_service_checks() {
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
