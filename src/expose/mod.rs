//! Family rows to the bytes of one format: pure, from values that were read before.

#![warn(clippy::indexing_slicing)]

pub mod text;
