//! The sidecar's own metrics in an exposition.

use std::borrow::Cow;
use std::sync::Arc;

use crate::expose::text;
use crate::telemetry::OwnRow;

/// The name of one of the sidecar's own metrics, as the client takes it.
pub(super) type OwnName = Cow<'static, str>;

/// The sidecar's own metrics, by their names, written when the exposition began.
#[derive(Clone)]
pub(super) struct OwnTexts {
    /// The name and the lines of each.
    texts: Arc<[(OwnName, Vec<u8>)]>,
    /// How many of them are in the exposition.
    written: usize,
}

impl OwnTexts {
    /// Metrics in the order of their names.
    pub(super) fn new(texts: Vec<(OwnName, Vec<u8>)>) -> Self {
        Self { texts: texts.into(), written: 0 }
    }

    /// Adds the metrics that are not in the exposition yet, while their names are `before` the next family.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, before: impl Fn(&str) -> bool) {
        while let Some((_, text)) = self.texts.get(self.written).filter(|(name, _)| before(name)) {
            out.extend_from_slice(text);
            self.written += 1;
        }
    }
}

/// The labels of one of the sidecar's own series, as they stand between braces: its own, and those constant labels that it
/// has not itself.
pub(super) fn own_labels(row: &OwnRow, constants: &[(String, String)]) -> String {
    let mut pairs: Vec<(&str, &str)> = row.labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
    for (key, value) in constants {
        if !pairs.iter().any(|(own, _)| own == key) {
            pairs.push((key, value));
        }
    }
    pairs.sort_unstable();
    let mut labels = String::new();
    text::labels(&mut labels, pairs.into_iter());
    labels
}
