//! How a sample becomes an update of a metric. This is decided once a series, and applied to each of its samples.

use std::hash::{Hash, Hasher};

use crate::metric::{MetricType, Update};
use crate::parse::value::{Magnitude, SampleValue, Sign};
use crate::parse::{Number, StatsdType};
use crate::reject::Reject;

/// Turns the samples of one StatsD type into updates of one metric type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    effect: Effect,
    /// Finite, so that conversions can be compared.
    scale: f64,
}

impl Eq for Conversion {}

impl Hash for Conversion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.effect.hash(state);
        self.scale.to_bits().hash(state);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Effect {
    /// Adds to a counter.
    Count,
    /// Sets a gauge, or moves it if the number has a sign.
    Gauge,
    /// Moves a gauge by the count of a counter line.
    Adjust,
    /// Observes a duration, converted from milliseconds to seconds.
    ObserveMilliseconds,
    /// Observes a value unchanged.
    Observe,
    /// Adds a member to a set.
    AddMember,
}

impl Conversion {
    /// The conversion of samples of `statsd_type` for a metric of type `to`; `None` if such samples cannot feed it. Each
    /// value is multiplied by `scale`, which must be finite.
    pub(crate) fn new(statsd_type: StatsdType, to: MetricType, scale: f64) -> Option<Self> {
        let effect = match (to, statsd_type) {
            (MetricType::Counter, StatsdType::Counter | StatsdType::Meter) => Effect::Count,
            (MetricType::Gauge, StatsdType::Gauge | StatsdType::ServiceCheck) => Effect::Gauge,
            (MetricType::Gauge, StatsdType::Counter) => Effect::Adjust,
            (MetricType::Histogram | MetricType::Summary, StatsdType::Timer) => Effect::ObserveMilliseconds,
            (MetricType::Histogram | MetricType::Summary, StatsdType::Histogram | StatsdType::Distribution) => {
                Effect::Observe
            }
            (MetricType::Set, StatsdType::Set) => Effect::AddMember,
            _ => return None,
        };
        Some(Self { effect, scale })
    }

    /// The update for one sample. `rate` is in (0, 1]: the value of a counter is divided by it, an observation counts
    /// 1/rate times, and gauges and sets ignore it.
    #[inline(always)]
    pub(crate) fn update<'a>(&self, value: SampleValue<'a>, rate: f64) -> Result<Update<'a>, Reject> {
        match value {
            SampleValue::Number(number) => self.update_by(number, rate),
            SampleValue::Member(member) if self.effect == Effect::AddMember => Ok(Update::Member(member)),
            SampleValue::Member(_) => Err(Reject::BadValue),
        }
    }

    /// The update for a number: see [`Conversion::update`].
    #[inline(always)]
    pub(crate) fn update_by(&self, number: Number, rate: f64) -> Result<Update<'static>, Reject> {
        match self.effect {
            Effect::Count => match number.magnitude {
                Magnitude::Whole(n) if rate == 1.0 && self.scale == 1.0 && number.sign != Sign::Minus => {
                    Ok(Update::Count(n))
                }
                _ => match finite(divide(number.to_f64() * self.scale, rate))? {
                    x if x < 0.0 => Err(Reject::NegativeCounter),
                    x => Ok(Update::Add(x)),
                },
            },
            Effect::Gauge => {
                let x = finite(number.to_f64() * self.scale)?;
                Ok(if number.sign == Sign::None { Update::Set(x) } else { Update::Move(x) })
            }
            Effect::Adjust => Ok(Update::Move(finite(divide(number.to_f64() * self.scale, rate))?)),
            Effect::ObserveMilliseconds => observation(number.to_f64() / 1000.0 * self.scale, rate),
            Effect::Observe => observation(number.to_f64() * self.scale, rate),
            Effect::AddMember => Err(Reject::BadValue),
        }
    }
}

#[inline]
fn observation(value: f64, rate: f64) -> Result<Update<'static>, Reject> {
    let weight = divide(1.0, rate);
    finite(value * weight)?;
    Ok(Update::Observe { value, weight })
}

/// `value` divided by a sample rate. The f64 of a decimal rate is rounded, so 1 / 0.00001 is 99999.99999999999. A
/// quotient that differs from a whole number only by such rounding becomes that whole number.
#[inline]
fn divide(value: f64, rate: f64) -> f64 {
    if rate == 1.0 {
        return value;
    }
    let quotient = value / rate;
    let whole = quotient.round();
    if (quotient - whole).abs() <= whole.abs() * f64::EPSILON { whole } else { quotient }
}

/// Rejects infinity, because it would stay in every sum that it is added to.
#[inline]
fn finite(x: f64) -> Result<f64, Reject> {
    if x.is_finite() { Ok(x) } else { Err(Reject::BadValue) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::value::value;

    fn update(
        statsd_type: StatsdType,
        to: MetricType,
        scale: f64,
        text: &str,
        rate: f64,
    ) -> Result<Update<'_>, Reject> {
        Conversion::new(statsd_type, to, scale)
            .ok_or(Reject::TypeConflict)?
            .update(value(text.as_bytes(), statsd_type)?, rate)
    }

    #[test]
    fn samples_become_updates() {
        use StatsdType::{Counter, Distribution, Gauge, Histogram, Meter, ServiceCheck, Set, Timer};
        for (statsd_type, to, scale, text, rate, expected) in [
            (Counter, MetricType::Counter, 1.0, "3", 1.0, Ok(Update::Count(3))),
            (Meter, MetricType::Counter, 1.0, "3", 1.0, Ok(Update::Count(3))),
            (Counter, MetricType::Counter, 1.0, "1", 0.1, Ok(Update::Add(10.0))),
            (Counter, MetricType::Counter, 1.0, "3", 0.3, Ok(Update::Add(10.0))),
            (Counter, MetricType::Counter, 1.0, "1", 0.3, Ok(Update::Add(1.0 / 0.3))),
            (Counter, MetricType::Counter, 1.0, "1", 0.00001, Ok(Update::Add(100_000.0))),
            (Histogram, MetricType::Histogram, 1.0, "2", 1e-9, Ok(Update::Observe { value: 2.0, weight: 1e9 })),
            (Counter, MetricType::Counter, 1024.0, "2", 1.0, Ok(Update::Add(2048.0))),
            (Counter, MetricType::Counter, 1.0, "-1", 1.0, Err(Reject::NegativeCounter)),
            (Counter, MetricType::Counter, -1.0, "-5", 1.0, Ok(Update::Add(5.0))),
            (Counter, MetricType::Counter, 1.0, "1e308", 0.1, Err(Reject::BadValue)),
            (Gauge, MetricType::Gauge, 1.0, "5", 0.1, Ok(Update::Set(5.0))),
            (Gauge, MetricType::Gauge, 1.0, "+5", 1.0, Ok(Update::Move(5.0))),
            (Gauge, MetricType::Gauge, 2.0, "-5", 1.0, Ok(Update::Move(-10.0))),
            (Counter, MetricType::Gauge, 1.0, "-1", 0.5, Ok(Update::Move(-2.0))),
            (Timer, MetricType::Histogram, 1.0, "320", 0.1, Ok(Update::Observe { value: 0.32, weight: 10.0 })),
            (Histogram, MetricType::Histogram, 1.0, "7", 1.0, Ok(Update::Observe { value: 7.0, weight: 1.0 })),
            (Distribution, MetricType::Histogram, 1.0, "1e308", 0.1, Err(Reject::BadValue)),
            (Timer, MetricType::Summary, 2.0, "320", 0.1, Ok(Update::Observe { value: 0.64, weight: 10.0 })),
            (Histogram, MetricType::Summary, 1.0, "7", 1.0, Ok(Update::Observe { value: 7.0, weight: 1.0 })),
            (Distribution, MetricType::Summary, 1.0, "-7", 1.0, Ok(Update::Observe { value: -7.0, weight: 1.0 })),
            (Set, MetricType::Set, 2.0, "NaN", 0.1, Ok(Update::Member(b"NaN"))),
            (ServiceCheck, MetricType::Gauge, 1.0, "3", 1.0, Ok(Update::Set(3.0))),
            (Gauge, MetricType::Counter, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Set, MetricType::Gauge, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Set, MetricType::Histogram, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Timer, MetricType::Set, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Counter, MetricType::Set, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Counter, MetricType::Summary, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (ServiceCheck, MetricType::Counter, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Meter, MetricType::Gauge, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Counter, MetricType::Histogram, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
        ] {
            assert_eq!(
                update(statsd_type, to, scale, text, rate),
                expected,
                "{statsd_type:?} {text} @{rate} on {to:?}"
            );
        }
    }
}
