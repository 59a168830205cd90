//! What a line is: too long, an event, or groups of samples.

use super::line::{Groups, groups};
use super::{event, tags};
use crate::config::Dialects;
use crate::reject::Reject;

/// A line, without its end.
#[derive(Clone, Debug)]
pub enum Line<'l> {
    /// It is longer than a line may be.
    TooLong {
        /// Its name, as far as it can be told.
        name: &'l [u8],
    },
    /// It is an event, which may be malformed.
    Event(Result<(), Reject>),
    /// It has samples, or is malformed.
    Groups(Groups<'l>),
}

/// Reads a line of at most `max_len` bytes, whose name may hold tags of `dialects`.
#[inline]
pub fn line(line: &[u8], dialects: Dialects, max_len: usize) -> Line<'_> {
    if line.len() > max_len {
        let name = line.split(|&b| b == b':').next().unwrap_or(line);
        return Line::TooLong { name: tags::before_tags(name, dialects) };
    }
    match event::event(line) {
        Some(event) => Line::Event(event),
        None => Line::Groups(groups(line).tagged(dialects)),
    }
}
