//! What a part of a dotted name looks like by itself: a word, or an id.

use super::words;

/// What a part of a dotted name looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A word.
    Word,
    /// A short number, as workers and status codes have.
    Number,
    /// An id of which there is no end: a UUID, a hash, a date, a long number.
    Endless,
    /// The same behind a word that says of what: `worker-7`. It has the word with its separator.
    Numbered(String),
    /// As `Numbered`, with an id of which there is no end: `order-8f3a9c21`.
    EndlessOf(String),
}

impl Look {
    /// The look of a part.
    pub(super) fn of(part: &str) -> Self {
        if let Some(look) = id(part) {
            return look;
        }
        if words::is_statistic(part) || words::is_name(part) || !part.bytes().any(|b| b.is_ascii_digit()) {
            return Self::Word;
        }
        let letters = part.find(|c: char| c.is_ascii_digit()).unwrap_or(part.len());
        // A hash may begin with letters, so the word before it ends with a separator.
        let separators = part.match_indices(['-', '_', ':', '#', '@', '=']).map(|(at, _)| at + 1);
        for at in separators.chain([letters]) {
            let Some((word, rest)) = part.split_at_checked(at).filter(|(word, _)| is_word(word)) else { continue };
            match id(rest) {
                Some(Self::Endless) => return Self::EndlessOf(word.to_owned()),
                Some(_) => return Self::Numbered(word.to_owned()),
                None => {}
            }
        }
        // Digits and letters in turn, as in the name of a pod.
        if part.len() >= 10 && changes(part) >= 4 { Self::Endless } else { Self::Word }
    }
}

/// Whether a text is letters, with separators.
fn is_word(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic()) && !text.bytes().any(|b| b.is_ascii_digit())
}

/// The look of a text without letters of a word in it; `None`: it is no id.
fn id(text: &str) -> Option<Look> {
    let bytes = text.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let is_separated_number = bytes.iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'_' | b':' | b'T' | b'Z'));
    if is_separated_number && bytes.first().is_some_and(u8::is_ascii_digit) {
        // `10_0_0_1` is the address of one of some hosts, and `2024-01-31` is a day.
        let parts = text.split(['-', '_']).collect::<Vec<_>>();
        let is_address = parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok());
        return Some(if digits <= 4 || is_address { Look::Number } else { Look::Endless });
    }
    if matches!(bytes, [b'1'..=b'5', b'x', b'x']) {
        return Some(Look::Number);
    }
    let is_hex = bytes.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-');
    (is_hex && bytes.len() >= 6 && digits >= 2).then_some(Look::Endless)
}

/// How often digits and letters change.
fn changes(text: &str) -> usize {
    let kinds: Vec<bool> = text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.is_ascii_digit()).collect();
    kinds.windows(2).filter(|pair| pair.first() != pair.last()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_words() {
        let numbered = |word: &str| Look::Numbered(word.to_owned());
        let endless = |word: &str| Look::EndlessOf(word.to_owned());
        for (part, expected) in [
            ("success", Look::Word),
            ("neo4j", Look::Word),
            ("p99", Look::Word),
            ("upper_90", Look::Word),
            ("m1_rate", Look::Word),
            ("", Look::Word),
            ("7", Look::Number),
            ("404", Look::Number),
            ("5xx", Look::Number),
            ("127_0_0_1", Look::Number),
            ("1795647297094", Look::Endless),
            ("2024-01-31", Look::Endless),
            ("20240131", Look::Endless),
            ("9f8b6c5d", Look::Endless),
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", Look::Endless),
            ("worker-7", numbered("worker-")),
            ("worker_0", numbered("worker_")),
            ("node1", numbered("node")),
            ("WRK-00", numbered("WRK-")),
            ("order-8f3a9c21", endless("order-")),
            ("local-1795647297094", endless("local-")),
            ("web-7d9f8b6c5d-x2x4z", Look::Endless),
        ] {
            assert_eq!(Look::of(part), expected, "{part}");
        }
    }
}
