//! The sockets for StatsD: what they receive is applied by a [`Worker`].
//!
//! Each datagram socket (UDP, Unix) has threads of its own, which block until datagrams arrive. All streams (TCP, Unix)
//! are tasks on the thread of the runtime.
//!
//! [`Worker`]: crate::pipeline::Worker

mod asked;
mod bind;
mod catch_up;
mod datagram;
mod framing;
mod gathering;
mod passed;
mod peers;
mod socket_file;
mod stream;
mod stream_gathering;
mod stream_socket;
#[allow(unsafe_code, reason = "the only module that calls the kernel without a safe wrapper")]
mod sys;

pub(crate) use bind::BoundSocket;
pub use datagram::{BATCH, Socket};
pub(crate) use datagram::{Tickets, receive};
pub use framing::{BadStream, End, Frames, Piece};
pub(crate) use passed::PassedSockets;
pub(crate) use stream::{StreamAcceptor, Streams};
pub(crate) use stream_socket::StreamSocket;
pub(crate) use sys::watch;
pub use sys::{Datagram, ReceiveBuffers, Wait};
