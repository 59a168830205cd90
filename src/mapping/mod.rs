//! What the name, the tags and the type of a line mean. The rules are compiled once, and asked once a series and worker.
//!
//! The mapping does not know which series exist: the registry applies limits and finds conflicts.

#![warn(clippy::indexing_slicing)]

mod agreed;
mod buckets;
mod cardinality;
mod compile;
mod condition;
mod consistency;
mod conventions;
mod conversion;
mod costs;
mod declared;
mod gaps;
mod glob;
mod inclusion;
mod initial;
mod labels;
mod metric;
mod name_filter;
mod names;
mod pattern;
mod relay_filter;
mod rules;
mod template;
mod unreachable;

pub use conversion::Conversion;
#[cfg(test)]
pub(crate) use conversion::Reading;
pub(crate) use conversion::UpdateSink;
pub(crate) use declared::DeclaredMetric;
pub use labels::TagErrors;
pub use metric::{Ending, FamilyMetadata, Label, Metric, MetricSpec};
pub use name_filter::NameFilter;
pub use relay_filter::RelayFilter;
pub use rules::{Context, Mapping, Outcome, Rules};
