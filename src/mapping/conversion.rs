//! How a sample becomes an update of a metric. This is decided once a series, and applied to each of its samples.

use std::hash::{Hash, Hasher};

use crate::config::{CounterValue, Negative, Timer};
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

/// How the number of a line is to be read, where its type leaves a choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The factor of every value, which must be finite.
    pub scale: f64,
    /// What the number of a line that feeds a counter is.
    pub value: CounterValue,
    /// What a negative number in a `g` line does.
    pub negative: Negative,
}

impl Default for Reading {
    fn default() -> Self {
        Self { scale: 1.0, value: CounterValue::default(), negative: Negative::default() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Effect {
    /// Adds to a counter, unscaled.
    Count,
    /// Adds to a counter.
    ScaleAndCount,
    /// Adds to a counter if the number has a `+`; another number cannot feed it.
    CountIfPlus,
    /// Brings a counter to the running total of the emitter.
    Total,
    /// The same for a total in milliseconds, converted to seconds.
    TotalMilliseconds,
    /// Sets a gauge, or moves it if the number has a sign.
    Gauge,
    /// Sets a gauge, or moves it if the number has a `+`.
    GaugeWithNegatives,
    /// Sets a gauge, whatever the sign.
    Set,
    /// Sets a gauge to a duration, converted from milliseconds to seconds.
    SetMilliseconds,
    /// Moves a gauge by the count of a counter line.
    Adjust,
    /// Observes a duration, converted from milliseconds to seconds.
    ObserveMilliseconds,
    /// Observes a value unchanged.
    Observe,
    /// Adds a member to a set.
    AddMember,
}

impl Effect {
    /// What a line of `statsd_type` does to a metric of type `to`; `None` if such lines cannot feed it.
    fn new(statsd_type: StatsdType, to: MetricType, reading: Reading) -> Option<Self> {
        use StatsdType::{Average, Counter, Distribution, Gauge, Histogram, KeyValue, Meter, ServiceCheck, Set, Timer};
        let is_total = reading.value == CounterValue::Total;
        Some(match (to, statsd_type) {
            (_, Set) => return (to == MetricType::Set).then_some(Self::AddMember),
            (MetricType::Counter, Timer) if is_total => Self::TotalMilliseconds,
            (MetricType::Counter, ServiceCheck) => return None,
            (MetricType::Counter, _) if is_total => Self::Total,
            (MetricType::Counter, Counter | Meter) if reading.scale == 1.0 => Self::Count,
            (MetricType::Counter, Counter | Meter) => Self::ScaleAndCount,
            (MetricType::Counter, Gauge) => Self::CountIfPlus,
            (MetricType::Gauge, Gauge) if reading.negative == Negative::Set => Self::GaugeWithNegatives,
            (MetricType::Gauge, Gauge) => Self::Gauge,
            (MetricType::Gauge, KeyValue | ServiceCheck | Histogram | Distribution | Average) => Self::Set,
            (MetricType::Gauge, Timer) => Self::SetMilliseconds,
            (MetricType::Gauge, Counter) => Self::Adjust,
            (MetricType::Histogram | MetricType::Summary, Timer) => Self::ObserveMilliseconds,
            (MetricType::Histogram | MetricType::Summary, Histogram | Distribution | Average) => Self::Observe,
            _ => return None,
        })
    }
}

/// The type of the metric that lines of `statsd_type` become if no rule sets it.
pub(super) fn default_type(statsd_type: StatsdType, timer: Timer) -> MetricType {
    match (statsd_type, timer) {
        (StatsdType::Counter | StatsdType::Meter, _) => MetricType::Counter,
        (StatsdType::Gauge | StatsdType::KeyValue | StatsdType::ServiceCheck, _) => MetricType::Gauge,
        (StatsdType::Set, _) => MetricType::Set,
        (_, Timer::Histogram) => MetricType::Histogram,
        (_, Timer::Summary) => MetricType::Summary,
    }
}

impl Conversion {
    /// The conversion of samples of `statsd_type` for a metric of type `to`; `None` if such samples cannot feed it.
    pub(crate) fn new(statsd_type: StatsdType, to: MetricType, reading: Reading) -> Option<Self> {
        Some(Self { effect: Effect::new(statsd_type, to, reading)?, scale: reading.scale })
    }

    /// Whether the numbers are running totals, which must not share a series.
    pub(crate) fn is_total(&self) -> bool {
        matches!(self.effect, Effect::Total | Effect::TotalMilliseconds)
    }

    /// The update for one sample. `rate` is in (0, 1]: the value of a counter is divided by it, an observation counts
    /// 1/rate times, and totals, gauges and sets ignore it.
    pub(crate) fn update<'a>(&self, value: SampleValue<'a>, rate: f64) -> Result<Update<'a>, Reject> {
        self.update_into(value, rate, Given)
    }

    /// Passes the update for one sample on to `sink`, and gives what `sink` gives.
    #[inline(always)]
    pub(crate) fn update_into<'a, S: UpdateSink<'a>>(
        &self,
        value: SampleValue<'a>,
        rate: f64,
        sink: S,
    ) -> Result<S::Taken, Reject> {
        match value {
            SampleValue::Number(number) => self.number_into(number, rate, sink),
            SampleValue::Member(member) if self.effect == Effect::AddMember => Ok(sink.take(Update::Member(member))),
            SampleValue::Member(_) => Err(Reject::BadValue),
        }
    }

    /// The same for a number.
    #[inline(always)]
    fn number_into<'a, S: UpdateSink<'a>>(&self, number: Number, rate: f64, sink: S) -> Result<S::Taken, Reject> {
        match self.effect {
            Effect::Count => match number.magnitude {
                Magnitude::Whole(n) if rate == 1.0 && number.sign != Sign::Minus => Ok(sink.take(Update::Count(n))),
                _ => Ok(sink.take(Update::Add(not_negative(divide(number.to_f64(), rate))?))),
            },
            Effect::Gauge => {
                let x = finite(number.to_f64() * self.scale)?;
                Ok(if number.sign == Sign::None { sink.take(Update::Set(x)) } else { sink.take(Update::Move(x)) })
            }
            Effect::ObserveMilliseconds | Effect::Observe => {
                let x = number.to_f64() * self.scale;
                let x = if self.effect == Effect::ObserveMilliseconds { x / 1000.0 } else { x };
                Ok(sink.take(observation(x, rate)?))
            }
            _ => Ok(sink.take(self.rare_update(number.to_f64(), number.sign, rate)?)),
        }
    }

    /// The update for a number by an effect that few rules ask for.
    fn rare_update(&self, number: f64, sign: Sign, rate: f64) -> Result<Update<'static>, Reject> {
        let x = number * self.scale;
        let seconds = x / 1000.0;
        Ok(match self.effect {
            Effect::ScaleAndCount => Update::Add(not_negative(divide(x, rate))?),
            Effect::Adjust => Update::Move(finite(divide(x, rate))?),
            Effect::AddMember => return Err(Reject::BadValue),
            Effect::CountIfPlus if sign == Sign::Plus => Update::Add(not_negative(divide(x, rate))?),
            Effect::CountIfPlus => return Err(Reject::TypeConflict),
            Effect::Total => Update::Total(not_negative(x)?),
            Effect::TotalMilliseconds => Update::Total(not_negative(seconds)?),
            Effect::GaugeWithNegatives if sign == Sign::Plus => Update::Move(finite(x)?),
            Effect::SetMilliseconds => Update::Set(finite(seconds)?),
            _ => Update::Set(finite(x)?),
        })
    }
}

/// Takes the update that a conversion makes. A hot path has a sink that applies it: the compiler then joins each effect with
/// the code that applies the effect, and no [`Update`] is written to memory.
pub(crate) trait UpdateSink<'a> {
    /// What becomes of the update.
    type Taken;

    /// Takes the update.
    fn take(self, update: Update<'a>) -> Self::Taken;
}

/// Gives the update as it is.
struct Given;

impl<'a> UpdateSink<'a> for Given {
    type Taken = Update<'a>;

    #[inline(always)]
    fn take(self, update: Update<'a>) -> Update<'a> {
        update
    }
}

#[inline(always)]
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

/// Rejects a number that a counter cannot add.
#[inline]
fn not_negative(x: f64) -> Result<f64, Reject> {
    if finite(x)? < 0.0 { Err(Reject::NegativeCounter) } else { Ok(x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::value::value;

    fn update(
        statsd_type: StatsdType,
        to: MetricType,
        reading: Reading,
        text: &str,
        rate: f64,
    ) -> Result<Update<'_>, Reject> {
        Conversion::new(statsd_type, to, reading)
            .ok_or(Reject::TypeConflict)?
            .update(value(text.as_bytes(), statsd_type)?, rate)
    }

    #[test]
    fn samples_become_updates() {
        use StatsdType::{Average, Counter, Distribution, Gauge, Histogram, KeyValue, Meter, ServiceCheck, Set, Timer};
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
            (KeyValue, MetricType::Gauge, 1.0, "-3", 0.1, Ok(Update::Set(-3.0))),
            (KeyValue, MetricType::Gauge, 1.0, "+3", 1.0, Ok(Update::Set(3.0))),
            (Average, MetricType::Histogram, 1.0, "7", 0.5, Ok(Update::Observe { value: 7.0, weight: 2.0 })),
            (Timer, MetricType::Gauge, 2.0, "320", 0.1, Ok(Update::Set(0.64))),
            (Timer, MetricType::Gauge, 1.0, "-5", 1.0, Ok(Update::Set(-0.005))),
            (Distribution, MetricType::Gauge, 2.0, "7", 0.1, Ok(Update::Set(14.0))),
            (Histogram, MetricType::Gauge, 1.0, "-7", 1.0, Ok(Update::Set(-7.0))),
            (Average, MetricType::Gauge, 1.0, "7", 1.0, Ok(Update::Set(7.0))),
            (Gauge, MetricType::Counter, 1.0, "+3", 0.5, Ok(Update::Add(6.0))),
            (Gauge, MetricType::Counter, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Gauge, MetricType::Counter, 1.0, "-1", 1.0, Err(Reject::TypeConflict)),
            (KeyValue, MetricType::Counter, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (KeyValue, MetricType::Histogram, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
            (Average, MetricType::Counter, 1.0, "1", 1.0, Err(Reject::TypeConflict)),
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
                update(statsd_type, to, Reading { scale, ..Reading::default() }, text, rate),
                expected,
                "{statsd_type:?} {text} @{rate} on {to:?}"
            );
        }
    }

    #[test]
    fn a_total_is_read_from_every_type_of_numbers() {
        let total = |scale| Reading { scale, value: CounterValue::Total, ..Reading::default() };
        let counter = |statsd_type, text| update(statsd_type, MetricType::Counter, total(2.0), text, 0.1);
        use StatsdType::{Average, Counter, Distribution, Gauge, Histogram, KeyValue, Meter};
        for statsd_type in [Counter, Meter, Gauge, KeyValue, Histogram, Distribution, Average] {
            assert_eq!(counter(statsd_type, "+7"), Ok(Update::Total(14.0)), "{statsd_type:?}");
            assert_eq!(counter(statsd_type, "-7"), Err(Reject::NegativeCounter), "{statsd_type:?}");
        }
        assert_eq!(counter(StatsdType::Timer, "500"), Ok(Update::Total(1.0)));
        assert_eq!(counter(StatsdType::Set, "5"), Err(Reject::TypeConflict));
        assert_eq!(counter(StatsdType::ServiceCheck, "1"), Err(Reject::TypeConflict));
    }

    #[test]
    fn negative_numbers_set_a_gauge_where_the_rule_says_so() {
        let reading = Reading { scale: 2.0, negative: Negative::Set, ..Reading::default() };
        for (text, expected) in [("-5", Update::Set(-10.0)), ("+5", Update::Move(10.0)), ("5", Update::Set(10.0))] {
            assert_eq!(update(StatsdType::Gauge, MetricType::Gauge, reading, text, 1.0), Ok(expected));
        }
        assert_eq!(update(StatsdType::Counter, MetricType::Gauge, reading, "-5", 1.0), Ok(Update::Move(-10.0)));
    }
}
