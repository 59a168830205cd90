//! Numbers as lines carry them: decimal, finite, and exact where they are whole.

use super::StatsdType;
use crate::reject::Reject;

/// What a sample says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number.
    Number(Number),
    /// A member of a set, as it came: UTF-8, and not empty.
    Member(&'a [u8]),
}

/// Reads the value of a sample of `kind`.
#[inline]
pub fn value(text: &[u8], statsd_type: StatsdType) -> Result<Value<'_>, Reject> {
    match statsd_type {
        StatsdType::Set if text.is_empty() => Err(Reject::BadValue),
        StatsdType::Set => std::str::from_utf8(text).map(|_| Value::Member(text)).map_err(|_| Reject::NotUtf8),
        _ => number(text).map(Value::Number),
    }
}

/// A decimal number and the sign that it was written with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// The sign, which says more than the value: `+5|g` moves a gauge and `5|g` sets it.
    pub sign: Sign,
    /// The number without its sign.
    pub magnitude: Magnitude,
}

/// How a number was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// No sign was written.
    None,
    /// `+` was written.
    Plus,
    /// `-` was written.
    Minus,
}

/// The size of a number, 0 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Magnitude {
    /// Written with digits alone, and exact.
    Whole(u64),
    /// Anything else: finite, rounded to the nearest f64.
    Real(f64),
}

impl Number {
    /// The number as an f64, rounded to the nearest.
    #[inline]
    pub fn to_f64(self) -> f64 {
        let magnitude = match self.magnitude {
            Magnitude::Whole(n) => n as f64,
            Magnitude::Real(x) => x,
        };
        if self.sign == Sign::Minus { -magnitude } else { magnitude }
    }

    /// Whether the number is below 0 (`-0` is not).
    #[inline]
    pub fn is_negative(self) -> bool {
        self.to_f64() < 0.0
    }
}

/// Powers of ten that an f64 holds exactly, as divisors of a fraction's digits.
const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads `5`, `-5`, `+5`, `5.`, `.5` or `1e3`; anything else, and what overflows an f64, is [`Reject::BadValue`].
#[inline]
pub fn number(text: &[u8]) -> Result<Number, Reject> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (Sign::Minus, digits),
        [b'+', digits @ ..] => (Sign::Plus, digits),
        digits => (Sign::None, digits),
    };
    // Up to 15 digits and a point are exact in a u64 and an f64 alike; one division then rounds once, correctly.
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

/// The rest of the numbers: long ones, and those with an exponent.
#[cold]
fn long(digits: &[u8]) -> Result<Magnitude, Reject> {
    // The standard parser knows `inf`, `nan` and a sign besides, which are no numbers here.
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

/// Reads the text of a `@` section: a number in (0, 1], at least 1e-9, else [`Reject::BadSampleRate`].
#[inline]
pub fn rate(text: &[u8]) -> Result<f64, Reject> {
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
    fn numbers_that_are() {
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
    fn numbers_that_are_not() {
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
    fn members_are_any_text_but_none() {
        for text in ["a", "1", " ", "NaN", "ü:1", "\0"] {
            assert_eq!(value(text.as_bytes(), StatsdType::Set), Ok(Value::Member(text.as_bytes())));
        }
        assert_eq!(value(b"", StatsdType::Set), Err(Reject::BadValue));
        assert_eq!(value(b"\xff", StatsdType::Set), Err(Reject::NotUtf8));
        assert_eq!(value(b"5", StatsdType::Gauge), number(b"5").map(Value::Number));
    }

    #[test]
    fn rates() {
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
        fn prop_any_bytes_are_finite_or_rejected(text in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(number) = number(&text) {
                prop_assert!(number.to_f64().is_finite());
            }
        }
    }
}
