//! One value of a line, with all that decides where it goes.

use super::key::Key;
use crate::parse::SampleValue;
use crate::reject::Reject;

/// A sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'l> {
    /// What identifies its series.
    pub key: Key<'l>,
    /// The key's hash.
    pub hash: u32,
    /// The value.
    pub value: SampleValue<'l>,
    /// The sample rate of its line, which may be wrong.
    pub rate: Result<f64, Reject>,
}
