//! The types that lines carry.

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// The type of a line, which follows its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount, IntoStaticStr, VariantArray)]
#[repr(u8)]
pub enum StatsdType {
    /// `c`: adds to a counter.
    #[strum(serialize = "c")]
    Counter,
    /// `m`, a meter: the same as a counter.
    #[strum(serialize = "m")]
    Meter,
    /// `g`: sets or moves a gauge.
    #[strum(serialize = "g")]
    Gauge,
    /// `kv`: sets a gauge, whatever the sign. HashiCorp's clients and the Rust crate `statsd` send it.
    #[strum(serialize = "kv")]
    KeyValue,
    /// `ms`: a duration in milliseconds.
    #[strum(serialize = "ms")]
    Timer,
    /// `h`: an observed value.
    #[strum(serialize = "h")]
    Histogram,
    /// `d`: an observed value.
    #[strum(serialize = "d")]
    Distribution,
    /// `a`: an observed value, which the client `python-statsd` means to be averaged.
    #[strum(serialize = "a")]
    Average,
    /// `s`: a member of a set, which may be any text.
    #[strum(serialize = "s")]
    Set,
    /// `_sc`: the status of a service, 0 to 3.
    #[strum(serialize = "_sc")]
    ServiceCheck,
}

impl StatsdType {
    /// Every type, in the order of the discriminants.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("there are COUNT variants");

    /// The type as a line writes it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    #[inline]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            b"c" => Self::Counter,
            b"g" => Self::Gauge,
            b"ms" => Self::Timer,
            b"h" => Self::Histogram,
            b"d" => Self::Distribution,
            b"m" => Self::Meter,
            b"kv" => Self::KeyValue,
            b"a" => Self::Average,
            b"s" => Self::Set,
            _ => return None,
        })
    }
}
