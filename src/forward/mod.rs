//! The relay: it sends received lines on to other StatsD servers, unchanged.
//!
//! ```text
//! worker -> RelayTap -> inbox -> thread "relay": lines, by name -> queue of a target -> its task -> target
//! ```
//!
//! A worker copies its packets to a `RelayTap`, which hands them to the inbox once a batch. The rest happens on the relay's
//! own thread, which never blocks on a target, so that no target delays another one, the exposition or the intake. Lines
//! that do not fit into the inbox or into the queue of a target are shed and counted. No packet is sent twice.

mod inbox;
mod link;
mod lookup;
mod queue;
mod relay;
mod target;
mod udp_link;
mod watermark;

pub(crate) use inbox::RelayTap;
pub(crate) use link::unix_address;
pub(crate) use lookup::{FindLoop, lookup};
pub(crate) use relay::Relay;
