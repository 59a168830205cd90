//! What a sample changes.

/// What a sample does to a series. All numbers are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update<'a> {
    /// Adds a whole number to a counter.
    Count(u64),
    /// Adds a number of at least 0 to a counter.
    Add(f64),
    /// Adds to a counter what the running total of its emitter, at least 0, has risen.
    Total(f64),
    /// Sets a gauge.
    Set(f64),
    /// Adds to a gauge.
    Move(f64),
    /// Observes `value` `weight` times.
    Observe {
        /// The value, in the unit of the metric.
        value: f64,
        /// The number of observations that the sample represents: 1/rate, so at least 1.
        weight: f64,
    },
    /// Adds a member to a set.
    Member(&'a [u8]),
}
