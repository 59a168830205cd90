//! The series that have a time to live, by the second in which they may expire.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::series::Series;

/// Every series with a time to live, once, under a second that is no later than the one in which it is due. A touch does not
/// move it: the sweeper puts it off when its second comes, at most once in its time to live.
#[derive(Debug, Default)]
pub(super) struct ExpiryQueue(BTreeMap<u32, Vec<Arc<Series>>>);

impl ExpiryQueue {
    /// Adds a series, if it has a time to live.
    pub(super) fn add(&mut self, series: &Arc<Series>) {
        if series.has_ttl() {
            self.0.entry(series.due()).or_default().push(Arc::clone(series));
        }
    }

    /// The first second in which a series may expire.
    pub(super) fn first(&self) -> Option<u32> {
        self.0.keys().next().copied()
    }

    /// Takes out the series that are due at `now`, and puts off those that were touched.
    pub(super) fn take_due(&mut self, now: u32) -> Vec<Arc<Series>> {
        let later = self.0.split_off(&now.saturating_add(1));
        let reached = std::mem::replace(&mut self.0, later).into_values().flatten();
        let (due, touched): (Vec<_>, Vec<_>) = reached.partition(|series| series.is_due(now));
        touched.iter().for_each(|series| self.add(series));
        due
    }
}
