//! The tags of a line that were left out or changed.

use crate::parse::tags::TagError;

/// How many tags of one line were left out or changed, by error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TagErrors([u8; TagError::ALL.len()]);

impl TagErrors {
    /// No errors.
    pub(crate) const NONE: Self = Self([0; TagError::ALL.len()]);

    /// Whether no tag has an error.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Every error with its count, which may be 0.
    pub(crate) fn iter(self) -> impl Iterator<Item = (TagError, u64)> {
        TagError::ALL.into_iter().zip(self.0).map(|(error, count)| (error, u64::from(count)))
    }

    pub(super) fn add(&mut self, error: TagError) {
        if let Some(count) = self.0.get_mut(error as usize) {
            *count = count.saturating_add(1);
        }
    }
}
