//! Lines on their way to others, as they came, beside what becomes of them here.
//!
//! ```text
//! worker -> Tap -> inbox -> thread "relay": lines, by name -> queue of a target -> its task -> target
//! ```
//!
//! A worker copies its packets to a [`Tap`], which hands them to the inbox once a batch. All else happens on one thread
//! of its own: it never waits for a target, so none holds up the others, the page or the intake. What does not fit into
//! the inbox, or into the queue of a target, is shed and counted. A packet is sent once at most.

mod inbox;
mod link;
mod queue;
mod relay;
mod target;

pub use inbox::Tap;
pub use relay::Relay;
