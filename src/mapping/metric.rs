//! A series as the rules describe it.

use std::sync::Arc;
use std::time::Duration;

use super::family_metadata::FamilyMetadata;

/// Everything that the registry needs to find or make a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The name of the family: legal and not empty.
    pub name: String,
    /// Legal keys in ascending order, each with a value that is not empty.
    pub labels: Vec<(String, String)>,
    /// Help, unit and type.
    pub metadata: Arc<FamilyMetadata>,
    /// The series expires this long after its last sample; `None`: never.
    pub ttl: Option<Duration>,
}
