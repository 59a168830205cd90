//! Readable sockets to packets: one blocking thread for each, which hands what came to its [`Worker`].
//!
//! [`Worker`]: crate::pipeline::Worker

mod datagram;
#[allow(unsafe_code, reason = "the only module that calls the kernel without a safe wrapper")]
mod sys;

pub use datagram::{BATCH, Socket, Turns, receive, receive_shared};
pub use sys::{Batch, Wait};
