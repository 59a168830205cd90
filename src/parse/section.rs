//! The sections of a line, which follow its type, each after a `|`.

use std::iter;

use memchr::memchr;

use super::statsd_type::StatsdType;

/// What a section holds, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineSection {
    /// `@0.1`.
    Rate,
    /// `#tag:value,tag`.
    Tags,
    /// `c:` with the id of a container (DogStatsD 1.2 and 1.4).
    Container,
    /// `T` with a Unix time (1.3), `e:` with external data (1.5), `card:` (1.6): known, but without effect here.
    Ignored,
    Unknown,
}

impl LineSection {
    /// Splits `sections` at each `|`, and gives each section with its start.
    #[inline]
    pub(super) fn each(sections: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
        Self::split(sections, 0)
    }

    /// Splits the text behind the first `#`, which may be followed by other sections; the first section is tags.
    pub(super) fn each_after_tags(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
        Self::split(text, 1)
    }

    /// Splits at each `|` that begins a section. The first `tags` sections are tags whatever they begin with.
    ///
    /// Values of tags may contain `|`, as names of Envoy's clusters do. So behind tags, only what looks like a section is
    /// one; any other piece belongs to the tags, with its `|`.
    #[inline]
    fn split(sections: &[u8], mut tags: usize) -> impl Iterator<Item = (usize, &[u8])> {
        let end_of_piece = move |at: usize| {
            let rest = sections.get(at..).unwrap_or_default();
            at + memchr(b'|', rest).unwrap_or(rest.len())
        };
        let mut next = Some(0);
        iter::from_fn(move || {
            let start = next?;
            let mut end = end_of_piece(start);
            if tags > 0 || sections.get(start) == Some(&b'#') {
                tags = tags.saturating_sub(1);
                while end < sections.len() {
                    let end_of_next = end_of_piece(end + 1);
                    if Self::looks_like_one(sections.get(end + 1..end_of_next)?) {
                        break;
                    }
                    end = end_of_next;
                }
            }
            next = (end < sections.len()).then_some(end + 1);
            Some((start, sections.get(start..end)?))
        })
    }

    /// Whether a piece behind tags is a section: `@...`, `#...`, `T` and digits, or letters and `:`.
    fn looks_like_one(piece: &[u8]) -> bool {
        match piece {
            [b'@' | b'#', ..] => true,
            [b'T', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => true,
            _ => {
                let letters = piece.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                letters > 0 && piece.get(letters) == Some(&b':')
            }
        }
    }

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

    /// Whether lines of this type have no such section. Service checks have two of their own, a time (`d:`) and a host
    /// name (`h:`), but no sample rate.
    pub(super) fn is_unknown(section: &[u8], statsd_type: StatsdType) -> bool {
        match Self::of(section) {
            Self::Unknown if statsd_type == StatsdType::ServiceCheck => !matches!(section, [b'd' | b'h', b':', ..]),
            Self::Unknown => true,
            Self::Rate => statsd_type == StatsdType::ServiceCheck,
            _ => false,
        }
    }
}

/// Splits `bytes` at `at` into the bytes before, the byte at `at`, and the bytes after it.
#[inline]
pub(super) fn cut(bytes: &[u8], at: Option<usize>) -> (&[u8], Option<(u8, &[u8])>) {
    match at.and_then(|at| bytes.split_at_checked(at)) {
        Some((before, [separator, after @ ..])) => (before, Some((*separator, after))),
        _ => (bytes, None),
    }
}
