//! The errors and warnings that were found in a file so far.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::config::diagnostic::{Diagnostic, Severity};

/// The errors and warnings of one file.
pub(crate) struct Problems {
    /// Start, end, message and severity of each. This is a set, because a YAML alias repeats the errors of its value.
    found: RefCell<BTreeSet<(usize, usize, String, Severity)>>,
    limit: usize,
    /// The parts that could not be parsed, sorted and without overlaps.
    unparsed: Vec<Range<usize>>,
}

impl Problems {
    /// Starts with the syntax errors of a file, and keeps at most `limit` further ones.
    pub(crate) fn new(syntax: Vec<Diagnostic>, limit: usize) -> Self {
        let mut unparsed: Vec<_> = syntax.iter().map(|error| error.span.clone()).collect();
        unparsed.sort_by_key(|span| span.start);
        unparsed.dedup_by(|next, last| {
            let joined = next.start <= last.end;
            if joined {
                last.end = last.end.max(next.end);
            }
            joined
        });
        let found = syntax.into_iter().map(|found| (found.span.start, found.span.end, found.message, found.severity));
        let found = found.collect();
        Self { found: RefCell::new(found), limit, unparsed }
    }

    /// Adds an error, except next to a syntax error, because it would only be a consequence of that.
    pub(crate) fn error(&self, span: Range<usize>, message: impl Into<String>) {
        self.add(span, message.into(), Severity::Error);
    }

    /// Adds a warning, under the same condition.
    pub(crate) fn warning(&self, span: Range<usize>, message: impl Into<String>) {
        self.add(span, message.into(), Severity::Warning);
    }

    fn add(&self, span: Range<usize>, message: String, severity: Severity) {
        let mut found = self.found.borrow_mut();
        if found.len() < self.limit && !self.is_unparsed(&span) {
            found.insert((span.start, span.end, message, severity));
        }
    }

    /// Whether a syntax error is within `span` or next to it.
    pub(super) fn is_unparsed(&self, span: &Range<usize>) -> bool {
        let first = self.unparsed.partition_point(|unparsed| unparsed.end < span.start);
        self.unparsed.get(first).is_some_and(|unparsed| unparsed.start <= span.end)
    }

    pub(crate) fn into_found(self) -> Vec<Diagnostic> {
        self.found
            .into_inner()
            .into_iter()
            .map(|(start, end, message, severity)| Diagnostic { severity, span: start..end, message })
            .collect()
    }
}
