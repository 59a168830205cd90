//! The series that take the samples over a limit.

use std::sync::Arc;

use crate::mapping::{Label, Metric};

/// The label of overflow series.
const OVERFLOW: &str = "overflow";

/// The overflow series of the family of `metric`. It has the labels `constants` and `overflow="true"`.
pub(crate) fn overflow_metric<'m>(metric: &Metric<'m>, constants: &'m [(String, String)]) -> Metric<'m> {
    let constants = constants.iter().filter(|(key, _)| key != OVERFLOW);
    let constants = constants.map(|(key, value)| -> Label<'_> { (key.into(), value.into()) });
    let mut labels: Vec<_> = constants.chain([(OVERFLOW.into(), "true".into())]).collect();
    labels.sort_unstable();
    let (name, metadata) = (metric.name.clone(), Arc::clone(&metric.metadata));
    Metric { name, labels, metadata, ..*metric }
}
