//! What a family is without its series, while series are taken over from another registry.

use std::sync::Arc;

use super::family::Family;
use crate::mapping::{Ending, FamilyMetadata, Metric};

/// What a family is without its series.
#[derive(Clone, Debug)]
pub(crate) struct FamilyHead {
    name: Arc<str>,
    metadata: Arc<FamilyMetadata>,
    ending: Ending,
    written: Option<u32>,
}

impl FamilyHead {
    /// That of the family of `metric`. `written` is the hash of the metric's name as the line has it.
    pub(crate) fn new(metric: &Metric<'_>, written: Option<u32>) -> Self {
        let (name, metadata) = (metric.name.as_str().into(), Arc::clone(&metric.metadata));
        Self { name, metadata, ending: metric.ending, written }
    }

    /// That of a family.
    pub(crate) fn of(family: &Family) -> Self {
        let (name, metadata) = (Arc::clone(family.name()), Arc::clone(family.metadata()));
        Self { name, metadata, ending: family.ending(), written: None }
    }

    /// What its series share.
    pub(crate) fn metadata(&self) -> &FamilyMetadata {
        &self.metadata
    }

    /// What the naming convention did to the end of the name.
    pub(crate) fn ending(&self) -> Ending {
        self.ending
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn written(&self) -> Option<u32> {
        self.written
    }

    /// A metric of the family.
    pub(super) fn metric(&self) -> Metric<'static> {
        let (name, metadata) = (self.name.to_string(), Arc::clone(&self.metadata));
        Metric { name, labels: Vec::new(), metadata, ttl: None, ending: self.ending, written: None }
    }
}

/// What became of a series that was to be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adoption {
    /// The registry has it now.
    Adopted,
    /// The registry had it before.
    Known,
    /// Its family cannot be beside those that exist, or exists and is another one.
    Refused,
}
