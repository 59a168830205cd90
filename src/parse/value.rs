//! The values of samples. Numbers are decimal and finite; whole numbers are exact.

use std::fmt;

use super::statsd_type::StatsdType;
use crate::reject::Reject;

/// The value of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleValue<'a> {
    /// A number.
    Number(Number),
    /// A member of a set, as received: UTF-8 and not empty.
    Member(&'a [u8]),
}

/// Reads the value of a sample.
#[inline]
pub fn value(text: &[u8], statsd_type: StatsdType) -> Result<SampleValue<'_>, Reject> {
    match statsd_type {
        StatsdType::Set if text.is_empty() => Err(Reject::BadValue),
        StatsdType::Set => std::str::from_utf8(text).map(|_| SampleValue::Member(text)).map_err(|_| Reject::NotUtf8),
        _ => number(text).map(SampleValue::Number),
    }
}

/// A decimal number with its written sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// The sign, which is more than part of the value: `+5|g` moves a gauge, and `5|g` sets it.
    pub sign: Sign,
    /// The number without its sign.
    pub magnitude: Magnitude,
}

/// The written sign of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// No sign.
    None,
    /// `+`.
    Plus,
    /// `-`.
    Minus,
}

/// The absolute value of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Magnitude {
    /// Written with digits only, and exact.
    Whole(u64),
    /// Any other number: finite, rounded to the nearest f64.
    Real(f64),
}

impl Number {
    /// The number as an f64, rounded to the nearest.
    #[inline]
    pub fn to_f64(self) -> f64 {
        let magnitude = match self.magnitude {
            // A signed number is converted by one instruction.
            Magnitude::Whole(n) => i64::try_from(n).map_or(n as f64, |n| n as f64),
            Magnitude::Real(x) => x,
        };
        if self.sign == Sign::Minus { -magnitude } else { magnitude }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.sign {
            Sign::None => "",
            Sign::Plus => "+",
            Sign::Minus => "-",
        })?;
        match self.magnitude {
            Magnitude::Whole(n) => write!(f, "{n}"),
            Magnitude::Real(x) => write!(f, "{x}"),
        }
    }
}

/// Powers of ten that are exact in an f64, to divide the digits of a fraction by.
const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads `5`, `-5`, `+5`, `5.`, `.5` or `1e3`. Other text, and a number that overflows an f64, is [`Reject::BadValue`].
#[inline]
pub fn number(text: &[u8]) -> Result<Number, Reject> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (Sign::Minus, digits),
        [b'+', digits @ ..] => (Sign::Plus, digits),
        digits => (Sign::None, digits),
    };
    // Up to 15 digits are exact in a u64 and in an f64, so the one division rounds only once.
    if digits.len() > 16 || digits.is_empty() {
        return long(digits).map(|magnitude| Number { sign, magnitude });
    }
    let mut mantissa = 0_u64;
    let mut point = None;
    for (at, &byte) in digits.iter().enumerate() {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => mantissa = mantissa * 10 + u64::from(digit),
            _ if byte == b'.' && point.is_none() => point = Some(at),
            _ => return long(digits).map(|magnitude| Number { sign, magnitude }),
        }
    }
    let magnitude = match point {
        None => Magnitude::Whole(mantissa),
        Some(_) if digits.len() == 1 => return Err(Reject::BadValue),
        Some(at) => match POWERS.get(digits.len() - 1 - at) {
            Some(power) => Magnitude::Real(mantissa as f64 / power),
            None => return Err(Reject::BadValue),
        },
    };
    Ok(Number { sign, magnitude })
}

/// Whether a text is a number, even one that overflows an f64, or a word for what no number is: `NaN` and `Inf`.
pub(super) fn is_meant_as_number(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok())
}

/// Reads long numbers and numbers with an exponent.
#[cold]
fn long(digits: &[u8]) -> Result<Magnitude, Reject> {
    // The standard parser also accepts `inf`, `nan` and a second sign.
    if !digits.first().is_some_and(|b| b.is_ascii_digit() || *b == b'.')
        || !digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return Err(Reject::BadValue);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Reject::BadValue)?;
    if let Ok(whole) = text.parse() {
        return Ok(Magnitude::Whole(whole));
    }
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(Magnitude::Real(x)),
        _ => Err(Reject::BadValue),
    }
}

/// Reads the text of a `@` section: a number from 1e-9 to 1, else [`Reject::BadSampleRate`].
#[inline]
pub(crate) fn rate(text: &[u8]) -> Result<f64, Reject> {
    match number(text) {
        Ok(number) if (1e-9..=1.0).contains(&number.to_f64()) => Ok(number.to_f64()),
        _ => Err(Reject::BadSampleRate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn valid_numbers() {
        for (text, sign, magnitude) in [
            ("5", Sign::None, Magnitude::Whole(5)),
            ("-5", Sign::Minus, Magnitude::Whole(5)),
            ("+5", Sign::Plus, Magnitude::Whole(5)),
            ("5.", Sign::None, Magnitude::Real(5.0)),
            (".5", Sign::None, Magnitude::Real(0.5)),
            ("1e3", Sign::None, Magnitude::Real(1000.0)),
            ("2.5E-3", Sign::None, Magnitude::Real(0.0025)),
            ("9007199254740993", Sign::None, Magnitude::Whole(9_007_199_254_740_993)),
            ("18446744073709551615", Sign::None, Magnitude::Whole(u64::MAX)),
            ("18446744073709551616", Sign::None, Magnitude::Real(18_446_744_073_709_551_616.0)),
            ("0.1234567890123456789", Sign::None, Magnitude::Real(0.123_456_789_012_345_68)),
            ("1e-400", Sign::None, Magnitude::Real(0.0)),
        ] {
            assert_eq!(number(text.as_bytes()), Ok(Number { sign, magnitude }), "{text}");
        }
    }

    #[test]
    fn invalid_numbers() {
        for text in [
            "",
            "+",
            "-",
            ".",
            "--1",
            "+-1",
            "1 ",
            " 1",
            "NaN",
            "nan",
            "Inf",
            "-inf",
            "infinity",
            "0x10",
            "1_000",
            "1e400",
            "1.2.3",
            "e5",
            "1e",
            "1,5",
            "\u{661}",
            "1:2",
            "12345678901234567890x",
            "1e5e5",
        ] {
            assert_eq!(number(text.as_bytes()), Err(Reject::BadValue), "{text:?}");
        }
    }

    #[test]
    fn what_is_meant_as_a_number() {
        for text in ["5", "-5", "+5", "5.", ".5", "1e3", "1e400", "-1e400", "NaN", "-nan", "inf", "+Inf", "-infinity"] {
            assert!(is_meant_as_number(text.as_bytes()), "{text}");
        }
        for text in ["", "+", ".", " 1", "1 ", "0x10", "1_000", "1,5", "e5", "nano", "80/z", "\u{661}"] {
            assert!(!is_meant_as_number(text.as_bytes()), "{text}");
        }
        assert!(!is_meant_as_number(b"1\xff"));
    }

    #[test]
    fn a_member_is_any_text_that_is_not_empty() {
        for text in ["a", "1", " ", "NaN", "ü:1", "\0"] {
            assert_eq!(value(text.as_bytes(), StatsdType::Set), Ok(SampleValue::Member(text.as_bytes())));
        }
        assert_eq!(value(b"", StatsdType::Set), Err(Reject::BadValue));
        assert_eq!(value(b"\xff", StatsdType::Set), Err(Reject::NotUtf8));
        assert_eq!(value(b"5", StatsdType::Gauge), number(b"5").map(SampleValue::Number));
    }

    #[test]
    fn rates_from_1e_9_to_1() {
        for (text, expected) in [("1", Some(1.0)), ("0.1", Some(0.1)), ("1e-9", Some(1e-9)), ("1.0", Some(1.0))] {
            assert_eq!(rate(text.as_bytes()).ok(), expected, "{text}");
        }
        for text in ["0", "1.1", "-0.5", "9e-10", "", "x", "NaN", "0.5 "] {
            assert_eq!(rate(text.as_bytes()), Err(Reject::BadSampleRate), "{text}");
        }
    }

    proptest! {
        #[test]
        fn prop_short_numbers_equal_the_standard_parser(text in "[0-9]{0,8}(\\.[0-9]{0,8})?") {
            let expected = text.parse::<f64>().ok();
            prop_assert_eq!(number(text.as_bytes()).ok().map(Number::to_f64), expected);
        }

        #[test]
        fn prop_a_number_is_meant_as_one(text in "[-+]?[0-9.e]{0,6}") {
            prop_assert!(number(text.as_bytes()).is_err() || is_meant_as_number(text.as_bytes()));
        }

        #[test]
        fn prop_any_bytes_are_finite_or_rejected(text in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(number) = number(&text) {
                prop_assert!(number.to_f64().is_finite());
            }
        }
    }
}
