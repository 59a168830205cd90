//! The values of one name and type, in bounded memory.

use crate::parse::value::Sign;
use crate::parse::{Number, SampleValue};

/// How many values are kept.
const KEPT: usize = 64;

/// Counts and some values.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// How many samples there are.
    pub count: u64,
    /// Some of the values: each `stride`-th. When too many are kept, every second goes and the stride doubles.
    kept: Vec<f64>,
    stride: u64,
    /// How many values have a minus, and how many a plus.
    pub minus: u64,
    pub plus: u64,
    /// The last value, how often the value rose, and how often it fell.
    last: Option<f64>,
    rises: u64,
    falls: u64,
}

impl Values {
    /// Adds a value.
    pub(super) fn add(&mut self, value: SampleValue<'_>) {
        let SampleValue::Number(number) = value else {
            self.count += 1;
            return;
        };
        self.minus += u64::from(number.sign == Sign::Minus);
        self.plus += u64::from(number.sign == Sign::Plus);
        self.add_number(number);
    }

    fn add_number(&mut self, number: Number) {
        let value = number.to_f64();
        if let Some(last) = self.last {
            self.rises += u64::from(value > last);
            self.falls += u64::from(value < last);
        }
        self.last = Some(value);
        self.stride = self.stride.max(1);
        if self.count.is_multiple_of(self.stride) {
            self.kept.push(value);
        }
        self.count += 1;
        if self.kept.len() > KEPT {
            every_second(&mut self.kept);
            self.stride *= 2;
        }
    }

    /// Adds the values of another name of the same metric.
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.minus += other.minus;
        self.plus += other.plus;
        self.rises += other.rises;
        self.falls += other.falls;
        self.kept.extend_from_slice(&other.kept);
        // So that thousands of names stay within bounds, whatever their number.
        if self.kept.len() > 64 * KEPT {
            every_second(&mut self.kept);
        }
    }

    /// The kept values in ascending order.
    pub(super) fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.kept.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// Whether the values look like a running total: they rise often, and never fall.
    pub(super) fn is_total(&self) -> bool {
        self.falls == 0 && self.rises >= 5
    }
}

/// Keeps the first, the third, and so on.
fn every_second(values: &mut Vec<f64>) {
    let mut number = 0;
    values.retain(|_| {
        number += 1;
        number % 2 == 1
    });
}
