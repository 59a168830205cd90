//! Pushing: all series, and the sidecar's own metrics, go to receivers of OTLP and of Prometheus remote write.
//!
//! ```text
//! registry -> round -> encoder -> queue of a receiver -> its task -> receiver
//!             each interval, some series at a time       one request at a time
//! ```
//!
//! One thread does it all, and the intake never waits for it. A round reads the series as an exposition does. The requests
//! of a round wait in a bounded queue, and are sent in order, because receivers take no sample that is older than the one
//! before. Each sample is sent, waiting, or counted as refused or shed.

#![warn(clippy::indexing_slicing)]

mod backoff;
mod body;
mod connection;
mod encoder;
mod otlp;
mod point;
mod pusher;
mod queue;
mod receiver;
mod remote_write;
mod round;
mod verdict;

pub(crate) use pusher::{PushEnd, PushSource, PushTargets, Pusher};
