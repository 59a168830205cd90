//! Events: `_e{title length,text length}:title|text[|section]...`. They hold no samples.
//!
//! Source: <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/?tab=events>.

use memchr::memchr;

use super::section::cut;
use crate::reject::Reject;

/// The start of every event.
pub(super) const BEGIN: &[u8] = b"_e{";

/// Checks a line that is an event; `None`: it is not an event.
///
/// The content is not used. The lengths are checked, because a line break in the text, which is not allowed, cuts the
/// event in two.
#[inline]
pub fn event(line: &[u8]) -> Option<Result<(), Reject>> {
    line.strip_prefix(BEGIN).map(|rest| {
        std::str::from_utf8(line).map_err(|_| Reject::NotUtf8)?;
        read(rest).ok_or(Reject::MalformedLine)
    })
}

/// Reads an event from behind its `{`.
#[cold]
fn read(rest: &[u8]) -> Option<()> {
    let (title, rest) = cut(rest, memchr(b',', rest));
    let (text, rest) = rest.map(|(_, rest)| cut(rest, memchr(b'}', rest)))?;
    let title = length(title).filter(|&len| len > 0)?;
    let text = length(text)?;
    let rest = rest?.1.strip_prefix(b":")?;
    let rest = rest.get(title..)?.strip_prefix(b"|")?;
    matches!(rest.get(text..)?, [] | [b'|', ..]).then_some(())
}

/// A length in bytes, written with digits only.
fn length(digits: &[u8]) -> Option<usize> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_must_be_as_long_as_they_say() {
        for line in [
            "_e{5,4}:title|text",
            "_e{5,4}:title|text|d:1|h:x|p:low|#a:b",
            "_e{1,0}:a|",
            "_e{1,1}:1|c",
            "_e{3,6}:a|b|c|d\\ne",
            "_e{2,2}:é|ü",
        ] {
            assert_eq!(event(line.as_bytes()), Some(Ok(())), "{line}");
        }
        for line in [
            "_e{",
            "_e{}:a|b",
            "_e{5,4}",
            "_e{5,4}:",
            "_e{5,4}:title",
            "_e{5,4}:title|tex",
            "_e{5,4}:title|texts",
            "_e{4,4}:title|text",
            "_e{5,4}title|text",
            "_e{+5,4}:title|text",
            "_e{5,4,1}:title|text",
            "_e{0,4}:|text",
            "_e{5,99999999999999999999}:title|text",
            "_e{18446744073709551615,18446744073709551615}:title|text",
        ] {
            assert_eq!(event(line.as_bytes()), Some(Err(Reject::MalformedLine)), "{line}");
        }
        assert_eq!(event(b"_e{1,1}:a|\xff"), Some(Err(Reject::NotUtf8)));
        for line in ["", "_e", "_events:1|c", "a:1|c"] {
            assert_eq!(event(line.as_bytes()), None, "{line}");
        }
    }
}
