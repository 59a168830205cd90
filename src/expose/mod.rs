//! Exposition formats. They write values that the caller has read, and do no I/O.

#![warn(clippy::indexing_slicing)]

pub mod text;
