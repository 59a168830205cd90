//! What a line does, without doing it: for `statsidecar explain`, and for the status page.
//!
//! The steps are found by the functions that the workers call, so an explanation cannot differ from what happens. A later
//! line meets the series of those before it, so a [scratch edition](crate::pipeline::Edition::scratch) takes them.

#![warn(clippy::indexing_slicing)]

mod capture_summary;
mod coverage;
mod current;
mod explanation;
mod place;
mod steps;
mod walk;

pub use capture_summary::{CaptureSummary, FamilyCount, RejectCount, RuleHits, Summing};
pub use coverage::Coverage;
pub use explanation::{Detail, Excerpt, Explanation, LineOutcome, Rejection, Step};
pub use steps::explain;
