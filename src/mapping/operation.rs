//! How the numbers of a line become changes of a metric: once settled for a series, applied to every sample of it.

use std::hash::{Hash, Hasher};

use crate::metric::{Change, Type};
use crate::parse::value::{Magnitude, Sign, Value};
use crate::parse::{Kind, Number};
use crate::reject::Reject;

/// What a sample of one kind does to a metric of one type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operation {
    verb: Verb,
    /// Finite, so that operations can be compared for being the same.
    scale: f64,
}

impl Eq for Operation {}

impl Hash for Operation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.verb.hash(state);
        self.scale.to_bits().hash(state);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Verb {
    /// Add to a counter.
    Count,
    /// Set a gauge, or move it where the number is signed.
    Gauge,
    /// Move a gauge by what a counter's line says.
    Adjust,
    /// Observe a duration that comes in milliseconds, in seconds.
    ObserveMilliseconds,
    /// Observe a value as it is.
    Observe,
    /// See a member of a set.
    See,
}

impl Operation {
    /// What a line of `kind` does to a metric of type `to`, each value multiplied by `scale`, which is finite; `None`
    /// where such a line cannot feed it.
    pub fn new(kind: Kind, to: Type, scale: f64) -> Option<Self> {
        let verb = match (to, kind) {
            (Type::Counter, Kind::Counter | Kind::Meter) => Verb::Count,
            (Type::Gauge, Kind::Gauge | Kind::ServiceCheck) => Verb::Gauge,
            (Type::Gauge, Kind::Counter) => Verb::Adjust,
            (Type::Histogram | Type::Summary, Kind::Timer) => Verb::ObserveMilliseconds,
            (Type::Histogram | Type::Summary, Kind::Histogram | Kind::Distribution) => Verb::Observe,
            (Type::Set, Kind::Set) => Verb::See,
            _ => return None,
        };
        Some(Self { verb, scale })
    }

    /// The change that one sample makes. `rate` is in (0, 1]: a counter's value is divided by it, an observation
    /// counts 1/rate times, a gauge and a set ignore it.
    #[inline(always)]
    pub fn change<'a>(&self, value: Value<'a>, rate: f64) -> Result<Change<'a>, Reject> {
        match value {
            Value::Number(number) => self.change_by(number, rate),
            Value::Member(member) if self.verb == Verb::See => Ok(Change::Member(member)),
            Value::Member(_) => Err(Reject::BadValue),
        }
    }

    /// The change that a number makes: see [`Operation::change`].
    #[inline(always)]
    pub fn change_by(&self, number: Number, rate: f64) -> Result<Change<'static>, Reject> {
        match self.verb {
            Verb::Count => match number.magnitude {
                Magnitude::Whole(n) if rate == 1.0 && self.scale == 1.0 && number.sign != Sign::Minus => {
                    Ok(Change::Count(n))
                }
                _ => match finite(divide(number.to_f64() * self.scale, rate))? {
                    x if x < 0.0 => Err(Reject::NegativeCounter),
                    x => Ok(Change::Add(x)),
                },
            },
            Verb::Gauge => {
                let x = finite(number.to_f64() * self.scale)?;
                Ok(if number.sign == Sign::None { Change::Set(x) } else { Change::Move(x) })
            }
            Verb::Adjust => Ok(Change::Move(finite(divide(number.to_f64() * self.scale, rate))?)),
            Verb::ObserveMilliseconds => observation(number.to_f64() / 1000.0 * self.scale, rate),
            Verb::Observe => observation(number.to_f64() * self.scale, rate),
            Verb::See => Err(Reject::BadValue),
        }
    }
}

#[inline]
fn observation(value: f64, rate: f64) -> Result<Change<'static>, Reject> {
    let weight = divide(1.0, rate);
    finite(value * weight)?;
    Ok(Change::Observe { value, weight })
}

/// `value` divided by a sample rate. A rate is written in decimal and the f64 is only near it (1 / 0.00001 would be
/// 99999.99999999999), so a quotient that is a whole number but for that rounding is that whole number.
#[inline]
fn divide(value: f64, rate: f64) -> f64 {
    if rate == 1.0 {
        return value;
    }
    let quotient = value / rate;
    let whole = quotient.round();
    if (quotient - whole).abs() <= whole.abs() * f64::EPSILON { whole } else { quotient }
}

/// What overflows an f64 is no value, and would spoil the sum that it is added to.
#[inline]
fn finite(x: f64) -> Result<f64, Reject> {
    if x.is_finite() { Ok(x) } else { Err(Reject::BadValue) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::value::value;

    fn change(kind: Kind, to: Type, scale: f64, text: &str, rate: f64) -> Result<Change<'_>, Reject> {
        Operation::new(kind, to, scale).ok_or(Reject::TypeConflict)?.change(value(text.as_bytes(), kind)?, rate)
    }

    #[test]
    fn changes() {
        use Kind::{Counter, Distribution, Gauge, Histogram, Meter, ServiceCheck, Set, Timer};
        for (kind, to, scale, text, rate, expected) in [
            (Counter, Type::Counter, 1.0, "3", 1.0, Ok(Change::Count(3))),
            (Meter, Type::Counter, 1.0, "3", 1.0, Ok(Change::Count(3))),
            (Counter, Type::Counter, 1.0, "1", 0.1, Ok(Change::Add(10.0))),
            (Counter, Type::Counter, 1.0, "3", 0.3, Ok(Change::Add(10.0))),
            (Counter, Type::Counter, 1.0, "1", 0.3, Ok(Change::Add(1.0 / 0.3))),
            (Counter, Type::Counter, 1.0, "1", 0.00001, Ok(Change::Add(100_000.0))),
            (Histogram, Type::Histogram, 1.0, "2", 1e-9, Ok(Change::Observe { value: 2.0, weight: 1e9 })),
            (Counter, Type::Counter, 1024.0, "2", 1.0, Ok(Change::Add(2048.0))),
            (Counter, Type::Counter, 1.0, "-1", 1.0, Err(Reject::NegativeCounter)),
            (Counter, Type::Counter, -1.0, "-5", 1.0, Ok(Change::Add(5.0))),
            (Counter, Type::Counter, 1.0, "1e308", 0.1, Err(Reject::BadValue)),
            (Gauge, Type::Gauge, 1.0, "5", 0.1, Ok(Change::Set(5.0))),
            (Gauge, Type::Gauge, 1.0, "+5", 1.0, Ok(Change::Move(5.0))),
            (Gauge, Type::Gauge, 2.0, "-5", 1.0, Ok(Change::Move(-10.0))),
            (Counter, Type::Gauge, 1.0, "-1", 0.5, Ok(Change::Move(-2.0))),
            (Timer, Type::Histogram, 1.0, "320", 0.1, Ok(Change::Observe { value: 0.32, weight: 10.0 })),
            (Histogram, Type::Histogram, 1.0, "7", 1.0, Ok(Change::Observe { value: 7.0, weight: 1.0 })),
            (Distribution, Type::Histogram, 1.0, "1e308", 0.1, Err(Reject::BadValue)),
            (Timer, Type::Summary, 2.0, "320", 0.1, Ok(Change::Observe { value: 0.64, weight: 10.0 })),
            (Histogram, Type::Summary, 1.0, "7", 1.0, Ok(Change::Observe { value: 7.0, weight: 1.0 })),
            (Distribution, Type::Summary, 1.0, "-7", 1.0, Ok(Change::Observe { value: -7.0, weight: 1.0 })),
            (Set, Type::Set, 2.0, "NaN", 0.1, Ok(Change::Member(b"NaN"))),
            (ServiceCheck, Type::Gauge, 1.0, "3", 1.0, Ok(Change::Set(3.0))),
            (Gauge, Type::Counter, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Set, Type::Gauge, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Set, Type::Histogram, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Timer, Type::Set, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Counter, Type::Set, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Counter, Type::Summary, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (ServiceCheck, Type::Counter, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Meter, Type::Gauge, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Counter, Type::Histogram, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
        ] {
            assert_eq!(change(kind, to, scale, text, rate), expected, "{kind:?} {text} @{rate} on {to:?}");
        }
    }
}
