//! The sections of a line, which follow its type, each after a `|`.

use memchr::memchr_iter;

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
        let starts = memchr_iter(b'|', sections).map(|at| at + 1);
        let ends = memchr_iter(b'|', sections).chain([sections.len()]);
        [0].into_iter().chain(starts).zip(ends).filter_map(|(start, end)| Some((start, sections.get(start..end)?)))
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
