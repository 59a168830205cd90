//! Tags out of the text that holds them: one function a dialect.

/// A tag that is left out or mended, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TagError {
    /// A key that was there before: the later tag wins.
    DuplicateKey,
    /// `:v`: left out.
    EmptyKey,
    /// Nothing between two commas: left out.
    EmptyTag,
    /// `k:`: left out, since to Prometheus an empty label is none.
    EmptyValue,
    /// A key that Prometheus keeps for itself, as `le` is: renamed `exported_le`.
    ReservedKey,
}

impl TagError {
    /// Every error, in the order of its discriminant.
    pub const ALL: [Self; 5] =
        [Self::DuplicateKey, Self::EmptyKey, Self::EmptyTag, Self::EmptyValue, Self::ReservedKey];

    /// The error's one word, as it stands in a label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::DuplicateKey => "duplicate_key",
            Self::EmptyKey => "empty_key",
            Self::EmptyTag => "empty_tag",
            Self::EmptyValue => "empty_value",
            Self::ReservedKey => "reserved_key",
        }
    }
}

/// The tags of DogStatsD `#` sections: `k:v,k2:v2,flag`.
///
/// `section` is the text after the first `#`; several sections may stand in it, with others between them
/// ([`Group::tags`](super::Group::tags)). A value is everything after its first `:`. A tag without one means
/// `"true"`. A `#` before a single tag is what some clients write, and no part of its key.
///
/// Source: <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>, protocol 1.0.
pub fn dogstatsd(section: &str) -> impl Iterator<Item = Result<(&str, &str), TagError>> {
    section
        .split('|')
        .enumerate()
        .filter_map(|(at, part)| if at == 0 { Some(part) } else { part.strip_prefix('#') })
        .filter(|part| !part.is_empty())
        .flat_map(|part| part.split(','))
        .map(|tag| tag.strip_prefix('#').unwrap_or(tag))
        .map(|tag| match tag.split_once(':') {
            Some(("", "")) => Err(TagError::EmptyTag),
            Some(("", _)) => Err(TagError::EmptyKey),
            Some((_, "")) => Err(TagError::EmptyValue),
            Some((key, value)) => Ok((key, value)),
            None if tag.is_empty() => Err(TagError::EmptyTag),
            None => Ok((tag, "true")),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dogstatsd_tags() {
        let read = |section| dogstatsd(section).collect::<Vec<_>>();
        assert_eq!(read("k:v,k2:v2"), [Ok(("k", "v")), Ok(("k2", "v2"))]);
        assert_eq!(read("url:http://x:80"), [Ok(("url", "http://x:80"))]);
        assert_eq!(read("prod"), [Ok(("prod", "true"))]);
        assert_eq!(read("t1:x,#t2:y,#z"), [Ok(("t1", "x")), Ok(("t2", "y")), Ok(("z", "true"))]);
        assert_eq!(read("a:1|@0.5|#b:2"), [Ok(("a", "1")), Ok(("b", "2"))]);
        assert_eq!(
            read(":v,,k:,:"),
            [Err(TagError::EmptyKey), Err(TagError::EmptyTag), Err(TagError::EmptyValue), Err(TagError::EmptyTag)]
        );
        assert_eq!(read(""), []);
    }
}
