//! Hashes of the parts of a line, computed while the part is searched for its end.

use wide::u8x16;

/// The secret of a hash, so that nobody can send texts that all have one hash.
///
/// A text is hashed in blocks of sixteen bytes. The last one, which may be empty, is padded with zeros and
/// ends with the length of the text. Several texts in a row are hashed by starting each with the hash of the texts before it.
///
/// Source: the folded multiplication of wyhash and foldhash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashSecret {
    seed: u64,
    factor: u64,
}

/// Bytes at which a text may end.
pub(super) trait Ends: Copy {
    /// All bits of each byte of a block that is one of them.
    fn in_block(self, block: u8x16) -> u8x16;
}

/// A separator or the end of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Separator(pub u8);

impl Ends for Separator {
    #[inline(always)]
    fn in_block(self, block: u8x16) -> u8x16 {
        block.simd_eq(u8x16::splat(self.0)) | block.simd_eq(u8x16::splat(b'\n'))
    }
}

/// `:` or the end of the line; also `*` and `\x1a`, because these four bytes differ from all others in the same bits, which
/// takes one comparison instead of two. So names with those are not simple.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameEnd;

impl Ends for NameEnd {
    #[inline(always)]
    fn in_block(self, block: u8x16) -> u8x16 {
        (block & u8x16::splat(0xcf)).simd_eq(u8x16::splat(b':' & b'\n'))
    }
}

/// The two words of a block.
type Words = [u64; 2];

impl HashSecret {
    /// A secret of two random numbers.
    pub(crate) fn new([seed, factor]: [u64; 2]) -> Self {
        Self { seed, factor }
    }

    /// The hash of no text at all, with which the first text starts.
    #[inline(always)]
    pub(crate) fn seed(self) -> u64 {
        self.seed
    }

    /// The hash of a text that follows texts with the hash `before`.
    #[inline]
    pub(crate) fn hash(self, before: u64, text: &[u8]) -> u64 {
        let (blocks, rest) = text.as_chunks::<16>();
        let state = blocks.iter().fold(before, |state, block| self.fold(state, words(block)));
        self.last(state, padded(rest), text.len())
    }

    /// Finds the first byte of `ends` in `bytes`, and gives its index, which is the length of `bytes` if there is none, with
    /// the hash of the text before it. Reads each byte once.
    #[inline(always)]
    pub(super) fn hash_until(self, before: u64, bytes: &[u8], ends: impl Ends) -> (usize, u64) {
        let (blocks, _) = bytes.as_chunks::<16>();
        let (mut start, mut state) = (0, before);
        for block in blocks {
            let found = ends.in_block(u8x16::new(*block)).to_bitmask();
            let [low, high] = words(block);
            if found != 0 {
                let len = found.trailing_zeros() as usize;
                let [low_mask, high_mask] = PADDING.get(len).copied().unwrap_or_default();
                let end = start + len;
                return (end, self.last(state, [low & low_mask, high & high_mask], end));
            }
            state = self.fold(state, [low, high]);
            start += 16;
        }
        self.hash_rest_until(state, bytes, start, ends)
    }

    /// The same for the last bytes, from `start` on, which are fewer than a block.
    #[inline(never)]
    fn hash_rest_until(self, state: u64, bytes: &[u8], start: usize, ends: impl Ends) -> (usize, u64) {
        let mut rest = [0; 16];
        let bytes = bytes.get(start..).unwrap_or_default();
        rest.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let found = ends.in_block(u8x16::new(rest)).to_bitmask();
        let len = (found.trailing_zeros() as usize).min(bytes.len());
        let [low_mask, high_mask] = PADDING.get(len).copied().unwrap_or_default();
        let [low, high] = words(&rest);
        (start + len, self.last(state, [low & low_mask, high & high_mask], start + len))
    }

    /// Both halves of a product, so that every bit of either factor reaches both halves of the hash.
    #[inline(always)]
    fn fold(self, state: u64, [low, high]: Words) -> u64 {
        let product = u128::from(low ^ state) * u128::from(high ^ self.factor);
        product as u64 ^ (product >> 64) as u64
    }

    /// The last block has at most fifteen bytes of text, so there is room for the length behind them: no two texts have the
    /// same blocks.
    #[inline(always)]
    fn last(self, state: u64, [low, high]: Words, len: usize) -> u64 {
        self.fold(state, [low, high | (len as u64) << 56])
    }
}

#[inline(always)]
fn words(block: &[u8; 16]) -> Words {
    let block = u128::from_le_bytes(*block);
    [block as u64, (block >> 64) as u64]
}

/// Fewer than sixteen bytes, with zeros behind them.
fn padded(bytes: &[u8]) -> Words {
    let block = bytes.iter().rev().fold(0, |block, &byte| block << 8 | u128::from(byte));
    [block as u64, (block >> 64) as u64]
}

/// For each length below sixteen, the bits of a block that belong to its first bytes.
const PADDING: [Words; 16] = {
    let mut masks = [[0; 2]; 16];
    let mut len = 0;
    while len < 16 {
        let mask = (1_u128 << (8 * len)) - 1;
        #[expect(clippy::indexing_slicing, reason = "the compiler checks indexes in constants")]
        {
            masks[len] = [mask as u64, (mask >> 64) as u64];
        }
        len += 1;
    }
    masks
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const SECRET: HashSecret = HashSecret { seed: 0x2d35_8dcc_aa6c_78a5, factor: 0x8bb8_4b93_962e_acc9 };

    proptest! {
        #[test]
        fn prop_the_end_is_found_and_the_text_before_it_hashed(bytes in prop::collection::vec(7_u8..15, 0..70), before: u64) {
            let expected = bytes.iter().position(|&byte| byte == 12 || byte == b'\n').unwrap_or(bytes.len());
            let (end, hash) = SECRET.hash_until(before, &bytes, Separator(12));
            prop_assert_eq!(end, expected);
            prop_assert_eq!(hash, SECRET.hash(before, &bytes[..end]));
        }
    }

    #[test]
    fn a_name_ends_at_four_bytes() {
        for byte in 0..=u8::MAX {
            for before in [0, 3, 16] {
                let mut bytes = vec![b'a'; 40];
                bytes[before] = byte;
                let expected = if matches!(byte, b':' | b'\n' | b'*' | b'\x1a') { before } else { 40 };
                assert_eq!(SECRET.hash_until(7, &bytes, NameEnd), (expected, SECRET.hash(7, &bytes[..expected])));
            }
        }
    }

    /// Texts that differ in one byte, in their length, in zeros at their end, or in where one of two texts ends.
    #[test]
    fn different_texts_have_different_hashes() {
        let mut texts = vec![vec![0; 0]];
        for len in 1..50 {
            texts.push(vec![0; len]);
            for at in 0..len {
                let mut text = vec![0; len];
                text[at] = 1;
                texts.push(text);
            }
        }
        let hashes: HashSet<u32> = texts.iter().map(|text| (SECRET.hash(SECRET.seed(), text) >> 32) as u32).collect();
        assert_eq!(hashes.len(), texts.len());
        let two = |one, two| SECRET.hash(SECRET.hash(SECRET.seed(), one), two);
        assert_ne!(two(b"ab", b"c"), two(b"a", b"bc"));
    }
}
