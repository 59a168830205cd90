//! The comments of a mapping file, each with the mapping that it is about.

use std::mem;

/// A comment without its `#`.
#[derive(Debug)]
pub(super) struct YamlComment {
    /// Where it starts in the file.
    pub(super) at: usize,
    pub(super) text: String,
}

/// The comments of a file by what they are about.
#[derive(Debug, Default)]
pub(super) struct CommentsByMapping {
    /// Those before the first mapping.
    pub(super) head: Vec<String>,
    /// Those of each mapping, in file order.
    mappings: Vec<Vec<String>>,
    /// Those after everything else.
    pub(super) tail: Vec<String>,
}

impl CommentsByMapping {
    /// Sorts comments to mappings that start at `starts`, in ascending order. A comment on a line of its own is about
    /// the next line that is no comment, and any other about its own line.
    pub(super) fn new(source: &str, comments: Vec<YamlComment>, starts: &[usize]) -> Self {
        let mut found = Self { mappings: starts.iter().map(|_| Vec::new()).collect(), ..Self::default() };
        // From the end to the start, so that the next line is known.
        let mut next: Option<usize> = None;
        let mut after = source.len();
        for YamlComment { at, text } in comments.into_iter().rev() {
            let line_end = source.get(at..).and_then(|rest| rest.find('\n')).map_or(source.len(), |end| at + end + 1);
            if let Some(content) = content_end(source, line_end.min(after), after) {
                next = Some(content);
            }
            let line_start = source.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
            let is_alone = source.get(line_start..at).is_some_and(|before| before.trim().is_empty());
            let about = if is_alone { next } else { Some(at) };
            let place = about.map(|about| starts.partition_point(|start| *start < about));
            match place {
                None => found.tail.push(text),
                Some(0) => found.head.push(text),
                Some(number) => {
                    if let Some(mapping) = found.mappings.get_mut(number - 1) {
                        mapping.push(text);
                    }
                }
            }
            if !is_alone {
                next = Some(at);
            }
            after = line_start;
        }
        found.head.reverse();
        found.tail.reverse();
        found.mappings.iter_mut().for_each(|mapping| mapping.reverse());
        found
    }

    /// Takes the comments about the mapping that is the `number`th of the file.
    pub(super) fn take(&mut self, number: usize) -> Vec<String> {
        self.mappings.get_mut(number).map(mem::take).unwrap_or_default()
    }
}

/// The end of the first line between two offsets that is not blank.
fn content_end(source: &str, from: usize, to: usize) -> Option<usize> {
    let mut at = from;
    for line in source.get(from..to)?.split_inclusive('\n') {
        at += line.len();
        if !line.trim().is_empty() {
            return Some(at);
        }
    }
    None
}
