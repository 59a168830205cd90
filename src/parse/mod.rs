//! Bytes of a line to the parts of it, borrowed: no allocation, no clock, no opinion on what a name means.
//!
//! ```text
//! name[tags]:value[:value...]|type[|section]...
//!            `------------- a group -----------'
//! ```
//!
//! A line is one group, or several where the older packing `name:1|c:2|ms` puts pairs of value and type behind one
//! name. [`groups`] takes a line apart; [`value::number`] and [`tags::Tagged`] decode what is inside. A service check
//! (`_sc|...`) is a group too; an [`event`] (`_e{...`) has nothing in it that is measured.
//!
//! Sources: the StatsD metric types of the Etsy daemon, and DogStatsD up to protocol 1.6
//! (<https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>): 1.1 packed values, 1.2 container, 1.3
//! timestamp, 1.4 container inode, 1.5 external data, 1.6 cardinality.

#![warn(clippy::indexing_slicing)]

mod any_line;
mod event;
mod line;
mod service_check;
mod simple_line;
pub mod tags;
pub mod value;

pub use any_line::{Line, line};
pub use event::event;
pub use line::{Group, Groups, StatsdType, groups};
pub use simple_line::{SimpleLine, simple_line};
pub use value::{Number, Value};
