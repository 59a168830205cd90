//! A request that waits to be sent.

use bytes::Bytes;

/// A request is ended when it has this many samples, or bytes before it is compressed.
pub(super) const MAX_SAMPLES: u64 = 10_000;
pub(super) const MAX_BYTES: usize = 1 << 20;

/// The body of a request, compressed.
#[derive(Clone, Debug)]
pub(super) struct PushBody {
    pub(super) bytes: Bytes,
    /// How many samples, or points, it has.
    pub(super) samples: u64,
}
