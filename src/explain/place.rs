//! Finds the byte of a rejected line that is wrong.
//!
//! The parser only says why it rejects, because a place would cost every line an instruction. So the places are found
//! here, from the parts that the parser did give.

use memchr::{memchr, memchr2};

use crate::mapping::Context;
use crate::parse::{Group, StatsdType, value};
use crate::reject::Reject;

/// The start of `part` in `line`; `None`: it is no part of the line.
fn offset(line: &[u8], part: &[u8]) -> Option<usize> {
    let at = part.as_ptr().addr().checked_sub(line.as_ptr().addr())?;
    (at + part.len() <= line.len()).then_some(at)
}

/// The first byte that is not UTF-8.
pub(super) fn not_utf8(line: &[u8]) -> Option<usize> {
    std::str::from_utf8(line).err().map(|error| error.valid_up_to())
}

/// The wrong byte of an event, whose text must be as long as it says.
pub(super) fn of_event(line: &[u8]) -> Option<usize> {
    Some(after_lengths(line).unwrap_or_else(|at| at))
}

/// Reads `_e{5,4}:title|text` up to its wrong byte, which is given as an error too.
fn after_lengths(line: &[u8]) -> Result<usize, usize> {
    let mut at = "_e{".len();
    let mut lengths = [0; 2];
    for (length, end) in lengths.iter_mut().zip([b',', b'}']) {
        let digits = line.get(at..).unwrap_or_default();
        let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(digits.get(..len).unwrap_or_default()).map_err(|_| at)?;
        *length = text.parse::<usize>().map_err(|_| at)?;
        if digits.get(len) != Some(&end) {
            return Err(at + len);
        }
        at += len + 1;
    }
    let [title, text] = lengths;
    if title == 0 {
        return Err("_e{".len());
    }
    for (len, mark) in [(0, b':'), (title, b'|'), (text, b'|')] {
        at = at.saturating_add(len);
        match line.get(at) {
            Some(byte) if *byte == mark => at += 1,
            _ => return Err(at.min(line.len())),
        }
    }
    Ok(at)
}

/// The wrong byte of a group that cannot be read. `rest` are the bytes of `line` from its values on, as the parser had
/// them.
pub(super) fn of_group(line: &[u8], rest: &[u8], reason: Reject) -> Option<usize> {
    if line.starts_with(b"_sc|") {
        return of_service_check(line, reason);
    }
    // A line without `:` has no values.
    let Some(start) = offset(line, rest).filter(|_| memchr(b':', line).is_some()) else { return Some(line.len()) };
    let Some(pipe) = memchr(b'|', rest) else { return Some(line.len()) };
    let word = start + pipe + 1;
    let after = rest.get(pipe + 1..).unwrap_or_default();
    let len = memchr2(b'|', b':', after).unwrap_or(after.len());
    match reason {
        // A known type: the line has tags, so nothing may follow the type in the older packing.
        Reject::UnknownType if is_type(after.get(..len).unwrap_or_default()) => Some(word + len),
        Reject::UnknownType => Some(word),
        // All else is right, so it is from another container than the groups before it.
        Reject::MalformedLine => {
            let sections = after.get(len..).unwrap_or_default();
            let found = memchr::memmem::find(sections, b"|c:").map_or(0, |at| at + 1);
            Some(word + len + found)
        }
        _ => Some(start),
    }
}

fn is_type(word: &[u8]) -> bool {
    StatsdType::ALL.iter().any(|known| *known != StatsdType::ServiceCheck && known.as_str().as_bytes() == word)
}

/// The wrong byte of `_sc|name|status`.
fn of_service_check(line: &[u8], reason: Reject) -> Option<usize> {
    let name = "_sc|".len();
    let rest = line.get(name..)?;
    match memchr(b'|', rest) {
        Some(len) if reason != Reject::EmptyName => Some(name + len + 1),
        Some(_) => Some(name),
        None => Some(line.len()),
    }
}

/// The wrong byte of a value.
pub(super) fn of_value(line: &[u8], value: &[u8], reason: Reject) -> Option<usize> {
    let within = if reason == Reject::BadValue { wrong_digit(value) } else { 0 };
    Some(offset(line, value)? + within)
}

/// The limits that decide which tag is wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlaceLimits {
    /// How many tags a line may have.
    pub tags: usize,
    /// How many bytes the value of a label may have.
    pub label_value: usize,
}

/// The byte of `line` because of which all samples of `group` are rejected. `None`: no byte of it is wrong.
pub(super) fn of_samples(
    line: &[u8],
    group: &Group<'_>,
    context: &Context<'_>,
    reason: Reject,
    limits: PlaceLimits,
) -> Option<usize> {
    let name = || offset(line, group.name);
    match reason {
        Reject::NotUtf8 => not_utf8(line),
        Reject::BadSampleRate => bad_rate(line, offset(line, group.values)?),
        Reject::TypeConflict => match group.statsd_type {
            StatsdType::ServiceCheck => name(),
            _ => Some(offset(line, group.values)? + group.values.len() + 1),
        },
        Reject::EmptyName | Reject::NameCollision | Reject::ReservedName => name(),
        Reject::TagLimit => {
            let pairs = context.tags.iter().filter_map(|tag| tag.pair.ok());
            pairs.skip(limits.tags).find_map(|(key, _)| offset(line, key.as_bytes()))
        }
        Reject::LabelTooLong => {
            let mut values = context.tags.iter().filter_map(|tag| Some(tag.pair.ok()?.1));
            let long = values.find(|value| value.len() > limits.label_value);
            // The label may be made from the name.
            long.and_then(|value| offset(line, value.as_bytes())).or_else(name)
        }
        _ => None,
    }
}

/// The first byte of a value that no number has there.
fn wrong_digit(value: &[u8]) -> usize {
    let sign = usize::from(matches!(value, [b'+' | b'-', ..]));
    let (mut has_digit, mut has_point, mut exponent) = (false, false, None);
    for (at, byte) in value.iter().enumerate().skip(sign) {
        match byte {
            b'0'..=b'9' => has_digit = true,
            b'.' if !has_point && exponent.is_none() => has_point = true,
            b'e' | b'E' if has_digit && exponent.is_none() => exponent = Some(at),
            b'+' | b'-' if exponent == Some(at - 1) => {}
            _ => return at,
        }
    }
    let needs_more = !has_digit || value.last().is_some_and(|byte| !byte.is_ascii_digit() && *byte != b'.');
    // Otherwise all of it is a number, and too large.
    if needs_more { value.len() } else { 0 }
}

/// The wrong byte of the first `@` section from `start` on whose rate is wrong.
fn bad_rate(line: &[u8], start: usize) -> Option<usize> {
    let sections = line.get(start..)?;
    memchr::memmem::find_iter(sections, b"|@").map(|at| at + 2).find_map(|at| {
        let text = sections.get(at..)?;
        let end = memchr2(b'|', b':', text).unwrap_or(text.len());
        match value::rate(text.get(..end)?) {
            Err(_) => Some(start + at),
            // No pair of the older packing follows, or this rate would not be wrong.
            Ok(_) => (text.get(end) == Some(&b':')).then_some(start + at + end),
        }
    })
}
