//! Importers of the configuration of other programs, as config files of this one.

#![warn(clippy::indexing_slicing)]

pub mod statsd_exporter;
