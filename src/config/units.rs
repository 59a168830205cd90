//! Sizes and durations as config files write them: `8MiB`, `1m30s`.
//!
//! The grammar is strict: each unit has one spelling, and blanks, fractions and signs are errors. A crate such as
//! `humantime` also accepts `1 month` or `90 M`, which are easily misread.

use std::time::Duration;

use super::diagnostic::quoted;

/// The units of a size, in bytes.
const SIZES: [(&str, usize); 8] = [
    ("", 1),
    ("B", 1),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a whole number of bytes, with or without a unit. The error says what would be right.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    let (number, unit) = split_number(text);
    let factor = SIZES.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let (Some(factor), false) = (factor, number.is_empty()) else {
        return Err(format!(
            "{} is not a size; write a whole number and B, KB, MB, GB, KiB, MiB or GiB, as in \"8MiB\"",
            quoted(text)
        ));
    };
    let size = number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    size.ok_or_else(|| format!("{} is too large a size; at most {} bytes can be counted", quoted(text), usize::MAX))
}

/// The units of a duration in milliseconds, the longest first.
const DURATIONS: [(&str, u64); 5] =
    [("d", 24 * 60 * 60 * 1000), ("h", 60 * 60 * 1000), ("m", 60 * 1000), ("s", 1000), ("ms", 1)];

/// The longest duration: about a hundred years, which can be added to any time without overflow.
const LONGEST_DAYS: u64 = 36_500;

/// Reads whole numbers with units, each unit once and the longest first, or `0`. The error says what would be right.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let long = || format!("{} is too long; at most {LONGEST_DAYS}d can be given", quoted(text));
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut sum) = (text, 0_u64);
    for (unit, factor) in DURATIONS {
        let (number, after) = split_number(rest);
        // `m` is not the beginning of `ms`.
        let ends = |next: &&str| !next.starts_with(|c: char| c.is_ascii_alphabetic());
        let Some(next) = after.strip_prefix(unit).filter(ends).filter(|_| !number.is_empty()) else { continue };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        sum = part.and_then(|part| sum.checked_add(part)).ok_or_else(long)?;
        rest = next;
    }
    if text.is_empty() || !rest.is_empty() {
        return Err(format!(
            "{} is not a duration; write whole numbers with d, h, m, s or ms, the longest unit first, as in \"1m30s\"",
            quoted(text)
        ));
    }
    let duration = Duration::from_millis(sum);
    if duration > Duration::from_secs(LONGEST_DAYS * 24 * 60 * 60) { Err(long()) } else { Ok(duration) }
}

/// The digits at the start of `text`, and the rest.
fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// A folder by its whole path; the error says what is wrong with it.
pub(crate) fn parse_folder(path: &str) -> Result<String, String> {
    match path.starts_with('/') {
        true => Ok(path.to_owned()),
        false => Err(format!("{path:?} must be the whole path of a folder, from /")),
    }
}

/// Reads the permission bits of a file, in 3 or 4 octal digits. The error says what would be right.
pub(crate) fn parse_mode(text: &str) -> Result<u32, String> {
    let digits = Some(text).filter(|text| matches!(text.len(), 3 | 4) && !text.starts_with('+'));
    let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()).filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| format!("{} is no permission bits; write octal digits such as 0660", quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_every_unit() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("2d", 172_800_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("90m", 5_400_000),
            ("36500d", 3_153_600_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn a_wrong_duration_gets_an_example_of_a_right_one() {
        for text in
            ["", "s", "90", "1.5s", "-1s", "+1s", "1 s", " 1s", "1S", "30s1m", "1s1s", "1m30", "1w", "1us", "٣s", "0 "]
        {
            assert!(parse_duration(text).is_err_and(|message| message.contains("as in \"1m30s\"")), "{text}");
        }
        for text in ["36501d", "36500d1ms", "99999999999999999999s", "18446744073709551615d"] {
            assert!(parse_duration(text).is_err_and(|message| message.contains("at most 36500d")), "{text}");
        }
    }

    #[test]
    fn sizes_have_every_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("1500", 1500),
            ("7B", 7),
            ("1KB", 1000),
            ("2MB", 2_000_000),
            ("3GB", 3_000_000_000),
            ("1KiB", 1024),
            ("08MiB", 8_388_608),
            ("1GiB", 1_073_741_824),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_wrong_size_gets_an_example_of_a_right_one() {
        for text in ["", "MiB", "8mib", "8 MiB", " 8", "8k", "1.5MiB", "-1", "+1", "8MiBs", "٣KB", "1_000", "8µB"] {
            assert!(parse_size(text).is_err_and(|message| message.contains("as in \"8MiB\"")), "{text}");
        }
    }

    #[test]
    fn a_size_that_overflows_is_an_error() {
        let most = usize::MAX;
        assert_eq!(parse_size(&most.to_string()), Ok(most));
        for text in [format!("{most}0"), format!("{most}KB"), "99999999999GiB".to_owned()] {
            assert!(parse_size(&text).is_err_and(|message| message.contains("too large")), "{text}");
        }
    }
}
