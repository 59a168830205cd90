//! Simple lines, read in one pass: `name:number|type[|@rate][|#tags]`.
//!
//! Nearly every line is simple. All others, wrong ones included, go to [`groups`](super::groups), which knows the whole
//! grammar. A property test checks that both readers agree on simple lines.

use super::statsd_type::StatsdType;
use super::text_hash::{HashSecret, NameEnd, Separator};
use super::value::{self, Magnitude, Number, Sign};
use super::{event, service_check};

/// A simple line, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimpleLine<'a> {
    /// Everything before the `:`.
    pub name: &'a [u8],
    /// The `#` section without its `#`.
    pub tags: &'a [u8],
    /// The sample rate, in (0, 1].
    pub rate: f64,
    /// The bits of the number: of a `u64` if it is whole, else of an `f64`. So the line takes less memory than with a
    /// `Number`, and a batch of lines is copied faster.
    bits: u64,
    is_whole: bool,
    sign: Sign,
    /// The type.
    pub statsd_type: StatsdType,
}

impl<'a> SimpleLine<'a> {
    /// No line.
    pub(crate) const NONE: Self = Self {
        name: &[],
        tags: &[],
        rate: 1.0,
        bits: 0,
        is_whole: true,
        sign: Sign::None,
        statsd_type: StatsdType::Counter,
    };

    #[inline(always)]
    fn set_number(&mut self, number: Number) {
        (self.bits, self.is_whole) = match number.magnitude {
            Magnitude::Whole(n) => (n, true),
            Magnitude::Real(x) => (x.to_bits(), false),
        };
        self.sign = number.sign;
    }

    /// The value.
    #[inline(always)]
    pub fn number(&self) -> Number {
        let magnitude =
            if self.is_whole { Magnitude::Whole(self.bits) } else { Magnitude::Real(f64::from_bits(self.bits)) };
        Number { sign: self.sign, magnitude }
    }

    /// Reads the first line of `bytes` like [`simple_line`] into `self`, and returns the hash of its
    /// name, and of its tags if it has any, and its length. If the line is not simple, `self` is not to be used.
    ///
    /// A line is read in place, because it is large, and to move it takes as long as to find its end.
    #[inline(always)]
    pub(crate) fn read(&mut self, bytes: &'a [u8], secret: HashSecret) -> Option<(u64, usize)> {
        let (colon, hash) = secret.hash_until(secret.seed(), bytes, NameEnd);
        if bytes.get(colon) != Some(&b':') || bytes.first() == Some(&b'_') && is_no_metric(bytes) {
            return None;
        }
        let (name, rest) = bytes.split_at(colon);
        (self.name, self.tags, self.rate) = (name, &[], 1.0);
        let rest = self.read_value_and_type(rest.get(1..)?)?;
        let (hash, rest) = match rest {
            [] | [b'\n', ..] => (hash, rest),
            [b'|', b'#', tags @ ..] => match self.read_tags(tags, hash, secret)? {
                end @ (_, [] | [b'\n', ..]) => end,
                (hash, rest) => self.read_sections(rest, hash, true, secret)?,
            },
            _ => self.read_sections(rest, hash, false, secret)?,
        };
        Some((hash, bytes.len() - rest.len()))
    }

    /// Reads tags up to the end of their section, and returns the hash of the name and the tags, and the rest. `hash` is that
    /// of the name.
    // A function of its own leaves the processor's registers to the lines that have no tags.
    #[inline(never)]
    fn read_tags(&mut self, bytes: &'a [u8], hash: u64, secret: HashSecret) -> Option<(u64, &'a [u8])> {
        let (end, with_tags) = secret.hash_until(hash, bytes, Separator(b'|'));
        let (tags, rest) = bytes.split_at_checked(end)?;
        // The general reader removes the `\r`.
        if let [.., b'\r'] = tags {
            return None;
        }
        self.tags = tags;
        Some((if tags.is_empty() { hash } else { with_tags }, rest))
    }

    /// Reads the sections up to the end of the line, and returns the hash of the name and the tags, and the rest. `hash` is
    /// that of the name, and of the tags if it has them already.
    #[inline(never)]
    fn read_sections(
        &mut self,
        bytes: &'a [u8],
        mut hash: u64,
        mut has_tags: bool,
        secret: HashSecret,
    ) -> Option<(u64, &'a [u8])> {
        let mut rest = bytes;
        loop {
            match rest {
                [] | [b'\n', ..] => return Some((hash, rest)),
                [b'|', b'#', tags @ ..] if !has_tags => {
                    (hash, rest) = self.read_tags(tags, hash, secret)?;
                    has_tags = true;
                }
                [b'|', b'@', rate @ ..] => {
                    let text;
                    (text, rest) = rate.split_at_checked(find_either(rate, b'|', b'\n'))?;
                    self.rate = value::rate(text).ok()?;
                }
                _ => return None,
            }
        }
    }

    /// Reads `number|type` at the start of `bytes`, and returns the rest. The number is short: a sign, up to seven digits, a
    /// point and up to seven more digits.
    #[inline(always)]
    fn read_value_and_type<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        match bytes.first_chunk() {
            Some(start) => bytes.get(self.read_start(start)?..),
            None => self.read_last_value_and_type(bytes),
        }
    }

    /// The same for the last bytes of a packet.
    #[inline(never)]
    fn read_last_value_and_type<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let mut start = [0; size_of::<ValueBytes>()];
        start.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        bytes.get(self.read_start(&start)?..)
    }

    /// Reads `number|type` at the start of `bytes`, and returns its length.
    #[inline(always)]
    fn read_start(&mut self, bytes: &ValueBytes) -> Option<usize> {
        let (number, pipe) = match number(bytes, 0, Sign::None) {
            Some(number) => number,
            None => signed(bytes)?,
        };
        let (statsd_type, end) = statsd_type(bytes, pipe)?;
        self.set_number(number);
        self.statsd_type = statsd_type;
        Some(end)
    }
}

/// Reads the first line of `bytes`, and returns it with its length without the `\n`; `None`: the line is not simple.
pub fn simple_line(bytes: &[u8]) -> Option<(SimpleLine<'_>, usize)> {
    let mut line = SimpleLine::NONE;
    let (_, len) = line.read(bytes, HashSecret::new([0, 0]))?;
    Some((line, len))
}

/// Reads a pair of the older packing, `number|type[|@rate]`, up to the `:` before the next pair or the end of the line, and
/// returns it as the line that it would be with `name`, and its length; `None`: the pair is not simple.
#[inline]
pub(super) fn simple_pair<'a>(name: &'a [u8], bytes: &[u8]) -> Option<(SimpleLine<'a>, usize)> {
    let mut line = SimpleLine { name, ..SimpleLine::NONE };
    let mut rest = line.read_value_and_type(bytes)?;
    if let [b'|', b'@', rate @ ..] = rest {
        let text;
        (text, rest) = rate.split_at_checked(find_either(rate, b':', b'|'))?;
        line.rate = value::rate(text).ok()?;
    }
    matches!(rest, [] | [b':', ..]).then_some((line, bytes.len() - rest.len()))
}

/// Whether the line is a service check or an event, which can look like a simple line: `_e{1,1}:1|c`.
#[cold]
fn is_no_metric(bytes: &[u8]) -> bool {
    bytes.starts_with(service_check::BEGIN) || bytes.starts_with(event::BEGIN)
}

/// The first bytes of a text, with zeros behind its end: as many as the longest value and type, and the byte behind them.
type ValueBytes = [u8; 24];

/// Reads a number with a sign, and returns it with the index of its end.
#[inline]
fn signed(bytes: &ValueBytes) -> Option<(Number, usize)> {
    match bytes {
        [b'-', ..] => number(bytes, 1, Sign::Minus),
        [b'+', ..] => number(bytes, 1, Sign::Plus),
        _ => None,
    }
}

/// Reads the digits of a number at `at`, which is 0 or 1, and returns it with the index of its end.
#[inline(always)]
fn number(bytes: &ValueBytes, at: usize, sign: Sign) -> Option<(Number, usize)> {
    let word = word(bytes, at);
    let others = others(word);
    // In bits, as all places in the word. 0: there is no digit, or there are eight.
    let point = others.trailing_zeros() & 0x38;
    if point == 0 {
        return None;
    }
    if bytes.get(at + point as usize / 8) != Some(&b'.') {
        let magnitude = Magnitude::Whole(digits_value(word, point));
        return Some((Number { sign, magnitude }, at + point as usize / 8));
    }
    // 0: the number does not fit the word.
    let end = (others & (others - 1)).trailing_zeros() & 0x38;
    let (x, end) = if end != 0 {
        // The point is taken out: the digits behind it move up.
        let before = (1 << point) - 1;
        let digits = digits_value(word & before | word >> 8 & !before, end - 8);
        (quotient(digits, (end - point) as usize / 8 - 1)?, at + end as usize / 8)
    } else {
        with_long_fraction(bytes, at + point as usize / 8 + 1, digits_value(word, point))?
    };
    Some((Number { sign, magnitude: Magnitude::Real(x) }, end))
}

/// Reads a number that does not fit a word with its point. Its whole part is `whole`, and `at` is behind its point.
#[inline(never)]
fn with_long_fraction(bytes: &ValueBytes, at: usize, whole: u64) -> Option<(f64, usize)> {
    let word = word(bytes, at);
    let len = others(word).trailing_zeros() & !7;
    let places = len as usize / 8;
    let digits = if len == 0 { 0 } else { digits_value(word, len) };
    let power = 10_u64.pow(len / 8);
    quotient(whole * power + digits, places).map(|x| (x, at + places))
}

/// Up to 14 digits without their point, behind which `places` of them are. The digits and the power are both exact in an f64,
/// so the division rounds only once.
#[inline(always)]
fn quotient(digits: u64, places: usize) -> Option<f64> {
    const POWERS: [f64; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
    POWERS.get(places).map(|power| digits as i64 as f64 / power)
}

/// Reads a `|` and the type behind it, and returns the type and where it ends.
///
/// A table is faster than comparisons, because a processor cannot predict which type comes next.
#[inline(always)]
fn statsd_type(bytes: &ValueBytes, pipe: usize) -> Option<(StatsdType, usize)> {
    /// The types of one byte.
    #[expect(clippy::indexing_slicing, reason = "the compiler checks indexes in constants")]
    const TYPES: [Option<StatsdType>; 256] = {
        let mut statsd_types = [None; 256];
        statsd_types[b'c' as usize] = Some(StatsdType::Counter);
        statsd_types[b'g' as usize] = Some(StatsdType::Gauge);
        statsd_types[b'h' as usize] = Some(StatsdType::Histogram);
        statsd_types[b'd' as usize] = Some(StatsdType::Distribution);
        statsd_types[b'm' as usize] = Some(StatsdType::Meter);
        statsd_types
    };
    let [mark, first, second, ..] = word(bytes, pipe).to_le_bytes();
    if mark != b'|' {
        return None;
    }
    let short = TYPES.get(usize::from(first)).copied().flatten()?;
    // The only type of two bytes begins with one of one byte.
    let is_timer = [first, second] == *b"ms";
    Some((if is_timer { StatsdType::Timer } else { short }, pipe + 2 + usize::from(is_timer)))
}

/// The high bit of each byte of a word that is no digit. It is right up to the first such byte, and if that is a point, up to
/// the next one.
///
/// Byte tests as in "Bit Twiddling Hacks" by S. E. Anderson (<https://graphics.stanford.edu/~seander/bithacks.html>). Only a
/// byte whose lower seven bits differ from `0` in many carries into the bytes behind it, and a point does not.
#[inline(always)]
fn others(word: u64) -> u64 {
    let values = word ^ (EACH * 0x30);
    (values.wrapping_add(EACH * 0x76) | values) & (EACH * 0x80)
}

/// The value of the digits at the start of a word that take `bits` bits of it: 8 to 64.
///
/// The digits are read eight at a time (SWAR, "SIMD within a register"): three multiplications add them up.
#[inline(always)]
fn digits_value(word: u64, bits: u32) -> u64 {
    // Shifted so that the last digit is in the last byte, with zeros before the first.
    let aligned = (word ^ (EACH * 0x30)).wrapping_shl(64 - bits);
    let pairs = aligned.wrapping_mul(10).wrapping_add(aligned >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

/// The eight bytes from `at` in little-endian order; 0 past the end.
#[inline(always)]
fn word(bytes: &ValueBytes, at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
}

/// The index of the first `one` or `two`; the length if there is none.
#[inline]
fn find_either(bytes: &[u8], one: u8, two: u8) -> usize {
    bytes.iter().position(|&byte| byte == one || byte == two).unwrap_or(bytes.len())
}

/// 1 in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::groups;
    use proptest::prelude::*;

    /// Whether the line is simple. If it is, the general reader must read the same.
    fn agrees(bytes: &[u8]) -> bool {
        let Some((simple, len)) = simple_line(bytes) else { return false };
        let line = &bytes[..len];
        assert!(matches!(bytes.get(len), None | Some(b'\n')), "{line:?} must end at a line break or at the end");
        let mut groups = groups(line.strip_suffix(b"\r").unwrap_or(line));
        let group = groups.next().unwrap().unwrap();
        assert_eq!(groups.next(), None);
        assert_eq!(
            (simple.name, simple.tags, simple.statsd_type, Ok(simple.rate)),
            (group.name, group.tags, group.statsd_type, group.rate)
        );
        assert_eq!(Ok(simple.number()), value::number(group.values));
        assert!(!group.unknown && group.container.is_empty());
        true
    }

    #[test]
    fn which_lines_are_simple() {
        for line in [
            "a:1|c",
            "jobs.done:3|c",
            "a.very.long.name.of.some.forty.characters:1234567|g",
            "a:1.5|ms|@0.1|#k:v,l",
            "a:-1|g",
            "a:+0.25|g|#k:v",
            "a:1|h|#k:v|@1",
            "a:1|d",
            "a:1|m",
            ":1|c",
            "a:5.|c",
            "a:0001|c",
            "é:1|c",
            "_e:1|c",
            "_score:1|c",
            "a:1|c|#",
            "a:1234567.1234567|g",
            "a:-1234567.1234567|ms|@0.5",
            "a:1234.567|g",
            "a:12345.67|g",
            "a:0.123456|g",
        ] {
            assert!(agrees(line.as_bytes()), "{line}");
            assert!(agrees(format!("{line}\nnext:1|c").as_bytes()), "{line}, before another");
        }
        for line in [
            "",
            "\n",
            "a",
            "a:1",
            "a:|c",
            "a:1|",
            "a:1|x",
            "a:1|cc",
            "a:1|c\r",
            "a:1:2|c",
            "a:1|c:2|c",
            "a:1|c|x",
            "a:1|c|",
            "a:1|c|@2",
            "a:1|c|#k:v|#l:w",
            "a:1|c|#|#l:w",
            "a:1e3|c",
            "a:.5|c",
            "a:12345678|c",
            "a:1.12345678|c",
            "a:1|ms|c:id",
            "a\nb:1|c",
            "a:1|c|#k:v\r",
            "a:1|s",
            "_sc|a:1|c",
            "a*b:1|c",
            "a:12345678.1|c",
            "a:1s|c",
            "a:1|cs",
            "_e{1,1}:1|c",
        ] {
            assert!(!agrees(line.as_bytes()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn prop_simple_lines_agree_with_the_general_reader(
            line in "[a-c:]{0,40}:[-+]?[0-9]{0,9}(\\.[0-9]{0,9})?\\|(c|g|ms|h|d|m|x)(\\|@[0-9.]{0,5}|\\|#[a-z:,]{0,20}|\\|[a-z]){0,3}\r?",
            next in "(\n.{0,20})?",
        ) {
            agrees(format!("{line}{next}").as_bytes());
        }

        #[test]
        fn prop_any_bytes_agree_with_the_general_reader(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b":|#@\n1.c"[..])], 0..60)) {
            agrees(&bytes);
        }

        #[test]
        fn prop_digits_give_their_value(n in 1_u64..100_000_000, tail in "[^0-9].{7}") {
            let text = format!("{n}{tail}");
            let word = u64::from_le_bytes(*text.as_bytes().first_chunk().expect("eight bytes"));
            let bits = 8 * n.to_string().len() as u32;
            prop_assert_eq!(others(word).trailing_zeros() & !7, bits);
            prop_assert_eq!(digits_value(word, bits), n);
        }
    }
}
