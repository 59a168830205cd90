//! Exposition formats. They write values that the caller has read, and do no I/O.
//!
//! ```text
//! format       which formats exist, and their content types
//! names        names of metrics as a format or a client takes them
//! text         sample lines of the text formats, and numbers
//! header       the lines before the samples of a family
//! histograms   the sample lines of histograms
//! protobuf     Prometheus' protocol buffers
//! ```

#![warn(clippy::indexing_slicing)]

mod format;
pub(crate) mod header;
pub(crate) mod histograms;
pub(crate) mod names;
pub(crate) mod protobuf;
pub mod text;
pub(crate) mod wire;

pub use format::{Escaping, Format, Syntax};
