//! Simple lines, read in one pass: `name:number|type[|@rate][|#tags]`.
//!
//! Nearly every line is simple. All others, wrong ones included, go to [`groups`](super::groups), which knows the whole
//! grammar. A property test checks that both readers agree on simple lines.

use wide::u8x16;

use super::statsd_type::StatsdType;
use super::value::{self, Magnitude, Number, Sign};
use super::{event, service_check};

/// A simple line, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimpleLine<'a> {
    /// Everything before the `:`.
    pub name: &'a [u8],
    /// The `#` section without its `#`.
    pub tags: &'a [u8],
    /// The value.
    pub number: Number,
    /// The sample rate, in (0, 1].
    pub rate: f64,
    /// The type.
    pub statsd_type: StatsdType,
}

/// Reads the first line of `bytes`, and returns it with its length without the `\n`; `None`: the line is not simple.
#[inline]
pub fn simple_line(bytes: &[u8]) -> Option<(SimpleLine<'_>, usize)> {
    let colon = find_either(bytes, 0, b':', b'\n');
    if byte(bytes, colon) != b':' || byte(bytes, 0) == b'_' && is_no_metric(bytes) {
        return None;
    }
    let (number, pipe) = number(bytes, colon + 1)?;
    if byte(bytes, pipe) != b'|' {
        return None;
    }
    let (statsd_type, mut end) = statsd_type(bytes, pipe + 1)?;
    let (mut rate, mut tags): (f64, Option<&[u8]>) = (1.0, None);
    while end < bytes.len() && byte(bytes, end) != b'\n' {
        if byte(bytes, end) != b'|' {
            return None;
        }
        let start = end + 2;
        end = find_either(bytes, end + 1, b'|', b'\n');
        let text = bytes.get(start..end)?;
        match byte(bytes, start - 1) {
            b'#' if tags.is_none() => tags = Some(text),
            b'@' => rate = value::rate(text).ok()?,
            _ => return None,
        }
    }
    let tags = tags.unwrap_or_default();
    // The general reader removes the `\r`.
    if tags.last() == Some(&b'\r') {
        return None;
    }
    Some((SimpleLine { name: bytes.get(..colon)?, tags, number, rate, statsd_type }, end))
}

/// Reads a pair of the older packing, `number|type[|@rate]`, up to the `:` before the next pair or the end of the line, and
/// returns it as the line that it would be with `name`, and its length; `None`: the pair is not simple.
#[inline]
pub(super) fn simple_pair<'a>(name: &'a [u8], bytes: &[u8]) -> Option<(SimpleLine<'a>, usize)> {
    let (number, pipe) = number(bytes, 0)?;
    if byte(bytes, pipe) != b'|' {
        return None;
    }
    let (statsd_type, mut end) = statsd_type(bytes, pipe + 1)?;
    let mut rate = 1.0;
    if bytes.get(end..end + 2) == Some(b"|@") {
        let start = end + 2;
        end = find_either(bytes, start, b':', b'|');
        rate = value::rate(bytes.get(start..end)?).ok()?;
    }
    matches!(bytes.get(end), None | Some(b':'))
        .then_some((SimpleLine { name, tags: &[], number, rate, statsd_type }, end))
}

/// Whether the line is a service check or an event, which can look like a simple line: `_e{1,1}:1|c`.
#[cold]
fn is_no_metric(bytes: &[u8]) -> bool {
    bytes.starts_with(service_check::BEGIN) || bytes.starts_with(event::BEGIN)
}

/// Reads the type at `at`, and returns it with the index behind it.
///
/// A table is faster than comparisons, because a processor cannot predict which type comes next.
#[inline]
fn statsd_type(bytes: &[u8], at: usize) -> Option<(StatsdType, usize)> {
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
    let first = byte(bytes, at);
    let is_timer = first == b'm' && byte(bytes, at + 1) == b's';
    let statsd_type = if is_timer { Some(StatsdType::Timer) } else { TYPES.get(usize::from(first)).copied().flatten() };
    statsd_type.map(|statsd_type| (statsd_type, at + 1 + usize::from(is_timer)))
}

/// Reads a short number at `at`: a sign, up to seven digits, a point and up to seven more digits.
#[inline]
fn number(bytes: &[u8], at: usize) -> Option<(Number, usize)> {
    let (sign, start) = match byte(bytes, at) {
        b'-' => (Sign::Minus, at + 1),
        b'+' => (Sign::Plus, at + 1),
        _ => (Sign::None, at),
    };
    let (whole, digits) = digits(word(bytes, start));
    let point = start + digits;
    if digits == 0 || digits == 8 {
        return None;
    }
    if byte(bytes, point) != b'.' {
        return Some((Number { sign, magnitude: Magnitude::Whole(whole) }, point));
    }
    let (fraction, places) = self::digits(word(bytes, point + 1));
    if places == 8 {
        return None;
    }
    // 14 digits and the power are both exact in an f64, so the division rounds only once.
    const POWERS: [(u64, f64); 8] = [
        (1, 1e0),
        (10, 1e1),
        (100, 1e2),
        (1000, 1e3),
        (10_000, 1e4),
        (100_000, 1e5),
        (1_000_000, 1e6),
        (10_000_000, 1e7),
    ];
    let (power, divisor) = *POWERS.get(places)?;
    let magnitude = Magnitude::Real((whole * power + fraction) as f64 / divisor);
    Some((Number { sign, magnitude }, point + 1 + places))
}

/// The value and the number of the digits at the start of a word of eight bytes.
///
/// The digits are read eight at a time (SWAR, "SIMD within a register"): byte tests as in "Bit Twiddling Hacks" by S. E.
/// Anderson (<https://graphics.stanford.edu/~seander/bithacks.html>), then three multiplications that add the digits up.
#[inline]
fn digits(word: u64) -> (u64, usize) {
    let values = word ^ (EACH * 0x30);
    // The high bit of each byte above 9. A carry out of such a byte changes later bytes only.
    let others = (values.wrapping_add(EACH * 0x76) | values) & (EACH * 0x80);
    let bits = others.trailing_zeros() & !7;
    // Shifted so that the last digit is in the last byte, with zeros before the first.
    let aligned = values.checked_shl(64 - bits).unwrap_or_default();
    let pairs = aligned.wrapping_mul(10).wrapping_add(aligned >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    (low.wrapping_add(high) >> 32, (bits / 8) as usize)
}

/// The byte at `at`; 0 past the end.
#[inline]
fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or_default()
}

/// The eight bytes from `at` in little-endian order; 0 past the end.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// The index of the first `one` or `two` from `at` on; the length if there is none.
#[inline]
fn find_either(bytes: &[u8], at: usize, one: u8, two: u8) -> usize {
    let mut start = at;
    while let Some(chunk) = bytes.get(start..).and_then(<[u8]>::first_chunk) {
        let chunk = u8x16::new(*chunk);
        let found = (chunk.simd_eq(u8x16::splat(one)) | chunk.simd_eq(u8x16::splat(two))).to_bitmask();
        if found != 0 {
            return start + found.trailing_zeros() as usize;
        }
        start += 16;
    }
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|&b| b == one || b == two).unwrap_or(rest.len())
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
        assert_eq!(Ok(simple.number), value::number(group.values));
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
        fn prop_digits_give_their_value(n in 0_u64..100_000_000, tail in "[^0-9].{7}") {
            let text = format!("{n}{tail}");
            prop_assert_eq!(digits(word(text.as_bytes(), 0)), (n, n.to_string().len()));
        }

        #[test]
        fn prop_find_either_finds_the_first(bytes in prop::collection::vec(0_u8..8, 0..70), at in 0_usize..80) {
            let expected = (at..bytes.len()).find(|&i| bytes[i] == 1 || bytes[i] == 2).unwrap_or(bytes.len().max(at));
            prop_assert_eq!(find_either(&bytes, at, 1, 2), expected);
        }
    }
}
