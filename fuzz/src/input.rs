//! The bytes of a fuzz target, read from the front.

/// What is left of the bytes.
pub struct Input<'i>(pub &'i [u8]);

impl<'i> Input<'i> {
    /// The next `N` bytes, unless there are fewer.
    pub fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    /// The bytes before a mark, or all; the mark is left out.
    pub fn until(&mut self, mark: &[u8]) -> &'i [u8] {
        let at = self.0.windows(mark.len()).position(|bytes| bytes == mark);
        let (bytes, rest) = self.0.split_at(at.unwrap_or(self.0.len()));
        self.0 = rest.strip_prefix(mark).unwrap_or_default();
        bytes
    }
}
