//! Takes the bytes of a line apart. The parts are borrowed, nothing is allocated, and names have no meaning here.
//!
//! ```text
//! name[tags]:value[:value...]|type[|section]...
//!            `------------- a group -----------'
//! ```
//!
//! A line is one group, or several if it uses the older packing `name:1|c:2|ms` of value and type pairs after one name.
//! [`groups`] takes a line apart; [`value::number`] and [`tags::Tagged`] read the parts of a group. A service check
//! (`_sc|...`) is a group too. An [`event()`] (`_e{...`) has no samples.
//!
//! Sources: the metric types of Etsy's StatsD daemon, and DogStatsD up to protocol 1.6
//! (<https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>): 1.1 packed values, 1.2 container, 1.3
//! timestamp, 1.4 container inode, 1.5 external data, 1.6 cardinality.

#![warn(clippy::indexing_slicing)]

mod event;
mod group;
mod line;
mod section;
mod service_check;
mod simple_line;
mod statsd_type;
pub mod tags;
mod text_hash;
pub mod value;

pub use event::event;
pub use group::Group;
pub use line::{Groups, Line, groups, line};
pub use simple_line::{SimpleLine, simple_line};
pub use statsd_type::StatsdType;
pub(crate) use text_hash::HashSecret;
pub use value::{Number, SampleValue};
