//! What identifies a saved series, as numbers.

use crc32fast::Hasher;

/// What identifies a series beyond the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name, the tags and the container of the line that it was made for; of a series that the rules declare, its text
    /// as the name.
    pub parts: [String; 3],
    /// The type of that line, as a number.
    pub line_type: u8,
    /// Whether it takes the samples of its family that are over a limit.
    pub is_overflow: bool,
    /// Whether the rules declare it.
    pub is_declared: bool,
    /// What its text was: see [`text_id`].
    pub text: u64,
    /// What its type, its buckets and the like were, as a number that is the same for the same ones.
    pub spec: u64,
    /// When it was made, in seconds of the clock.
    pub created: u32,
}

/// A number for the text of a series: its length and its CRC.
pub fn text_id(text: &str) -> u64 {
    (text.len() as u64) << 32 | u64::from(crc32fast::hash(text.as_bytes()))
}

/// The numbers of an identity before its parts.
pub(super) const HEAD: usize = 3;

/// The bits of the flags in the shape.
const OVERFLOW: u64 = 1 << 56;
const DECLARED: u64 = 1 << 57;

impl Identity {
    /// How many numbers it takes.
    pub(super) fn len(&self) -> usize {
        HEAD + self.parts.iter().map(String::len).sum::<usize>().div_ceil(8)
    }

    /// Its numbers, one after the other. `None`: a part is longer than a line can be.
    pub(super) fn encode(&self, words: &mut Vec<u64>) -> Option<()> {
        let mut shape = u64::from(self.line_type) << 48;
        for (part, shift) in self.parts.iter().zip([0, 16, 32]) {
            shape |= u64::from(u16::try_from(part.len()).ok()?) << shift;
        }
        shape |= if self.is_overflow { OVERFLOW } else { 0 } | if self.is_declared { DECLARED } else { 0 };
        words.extend([shape, self.text, self.spec]);
        let text = self.parts.concat();
        let (whole, rest) = text.as_bytes().as_chunks();
        words.extend(whole.iter().map(|bytes| u64::from_le_bytes(*bytes)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            words.push(u64::from_le_bytes(last));
        }
        Some(())
    }

    /// How many numbers an identity with this shape takes.
    pub(super) fn len_of(shape: u64) -> usize {
        HEAD + lengths(shape).iter().sum::<usize>().div_ceil(8)
    }

    /// The identity of these numbers, which may be any; `None`: they are none.
    pub(super) fn decode(words: &[u64], created: u32) -> Option<Self> {
        let (&[shape, text, spec], bytes) = words.split_first_chunk::<HEAD>()?;
        if words.len() != Self::len_of(shape) || shape >> 58 != 0 {
            return None;
        }
        let bytes: Vec<u8> = bytes.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut rest = bytes.as_slice();
        let parts = lengths(shape).map(|len| {
            let (part, behind) = rest.split_at_checked(len)?;
            rest = behind;
            str::from_utf8(part).ok().map(str::to_owned)
        });
        let [Some(name), Some(tags), Some(container)] = parts else { return None };
        Some(Self {
            parts: [name, tags, container],
            line_type: (shape >> 48) as u8,
            is_overflow: shape & OVERFLOW != 0,
            is_declared: shape & DECLARED != 0,
            text,
            spec,
            created,
        })
    }
}

/// The lengths of the parts.
fn lengths(shape: u64) -> [usize; 3] {
    [0, 16, 32].map(|shift| usize::from((shape >> shift) as u16))
}

/// The CRC of numbers.
pub(super) fn checksum(words: impl IntoIterator<Item = u64>) -> u32 {
    let mut hasher = Hasher::new();
    words.into_iter().for_each(|word| hasher.update(&word.to_le_bytes()));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_an_identity_is_read_as_it_was_written(
            parts: [String; 3], line_type: u8, is_overflow: bool, is_declared: bool, text: u64, spec: u64, created: u32,
        ) {
            let identity = Identity { parts, line_type, is_overflow, is_declared, text, spec, created };
            let mut words = Vec::new();
            prop_assert_eq!(identity.encode(&mut words), Some(()));
            prop_assert_eq!(words.len(), identity.len());
            prop_assert_eq!(Identity::decode(&words, created), Some(identity));
        }

        #[test]
        fn prop_any_words_may_be_read(words in prop::collection::vec(prop_oneof![0..40_u64, any::<u64>()], 0..9)) {
            if let Some(identity) = Identity::decode(&words, 0) {
                let mut again = Vec::new();
                prop_assert_eq!(identity.encode(&mut again), Some(()));
                prop_assert_eq!(&words[..HEAD], &again[..HEAD]);
            }
        }
    }

    #[test]
    fn a_part_that_no_line_can_have_is_refused() {
        let identity = Identity { parts: ["a".repeat(1 << 16), String::new(), String::new()], ..Identity::default() };
        assert_eq!(identity.encode(&mut Vec::new()), None);
    }
}
