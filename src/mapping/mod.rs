//! What the name, the tags and the type of a line mean. The rules are compiled once, and asked once a series and worker.
//!
//! The mapping does not know which series exist: the registry applies limits and finds conflicts.

#![warn(clippy::indexing_slicing)]

mod compile;
mod condition;
mod consistency;
mod context;
mod conversion;
mod family_metadata;
mod glob;
mod labels;
mod metric;
mod names;
mod pattern;
mod relay_filter;
mod rules;
mod tag_errors;
mod template;
mod unreachable;

pub use context::Context;
pub use conversion::Conversion;
pub use family_metadata::{FamilyMetadata, MetricSpec};
pub use metric::Metric;
pub use relay_filter::RelayFilter;
pub use rules::{Mapping, Outcome, Rules};
pub use tag_errors::TagErrors;
