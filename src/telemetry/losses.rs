//! Examples of lines that were lost or fell back, so that nobody has to look for them with tcpdump.
//!
//! A worker keeps the newest line of each kind, and hands them over with its counts at the end of a batch. [`Losses`] keeps
//! the newest few of each kind. Buffers are reused, so a flood of such lines allocates nothing.

use std::array;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::Arc;

use super::watches::Watches;
use crate::parse::SimpleLine;
use crate::reject::Reject;

/// How many lines of each kind are kept.
const KEPT: usize = 4;

/// How many bytes of a line are kept.
const LEN: usize = 200;

/// What happened to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// A sample was rejected.
    Rejected(Reject),
    /// A sample was applied to an overflow series because of this limit.
    Collapsed(Reject),
    /// No rule matched.
    Unmapped,
}

/// How many kinds there are: each reason twice, and one.
const KINDS: usize = 2 * Reject::ALL.len() + 1;

impl Loss {
    /// Every kind that can occur, in the order of the reasons.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let limits = [Reject::SeriesLimit, Reject::FamilySeriesLimit].map(Self::Collapsed);
        Reject::ALL.into_iter().map(Self::Rejected).chain(limits).chain([Self::Unmapped])
    }

    fn index(self) -> usize {
        match self {
            Self::Rejected(reject) => reject as usize,
            Self::Collapsed(limit) => Reject::ALL.len() + limit as usize,
            Self::Unmapped => KINDS - 1,
        }
    }
}

/// The beginning of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Beginning {
    bytes: Vec<u8>,
    is_cut: bool,
}

/// A line on its way to [`NewestLines`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum LineText<'l> {
    /// As it came.
    Raw(&'l [u8]),
    /// Taken apart. It is put together again from its parts, which differs from the line at most in how the number is
    /// written and in the order of the sections.
    Simple(&'l SimpleLine<'l>),
}

impl Beginning {
    fn set(&mut self, line: LineText<'_>) {
        self.bytes.clear();
        self.is_cut = false;
        match line {
            LineText::Raw(bytes) => self.push(bytes),
            LineText::Simple(line) => self.set_simple(line),
        }
    }

    fn set_simple(&mut self, line: &SimpleLine<'_>) {
        let SimpleLine { name, tags, rate, statsd_type, .. } = line;
        let number = line.number();
        self.push(name);
        // Writing to it never fails.
        let _ = write!(self, ":{number}|{}", statsd_type.as_str());
        if *rate != 1.0 {
            let _ = write!(self, "|@{rate}");
        }
        if !tags.is_empty() {
            self.push(b"|#");
            self.push(tags);
        }
    }

    /// Keeps the first bytes, and passes over the rest.
    fn push(&mut self, bytes: &[u8]) {
        let room = LEN - self.bytes.len();
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(kept);
        self.is_cut |= kept.len() < bytes.len();
    }

    /// The text, with control characters and what is not UTF-8 escaped, so that neither a terminal nor a log is confused.
    fn text(&self) -> String {
        let mut text = String::new();
        for chunk in self.bytes.utf8_chunks() {
            text.extend(
                chunk.valid().chars().map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.into() }),
            );
            // A character that the cut has torn is left out.
            if !(self.is_cut && self.bytes.ends_with(chunk.invalid())) {
                chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
            }
        }
        if self.is_cut {
            text.push_str("...");
        }
        text
    }
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// The newest lines of one batch of a worker, by kind.
#[derive(Debug)]
pub(super) struct NewestLines {
    kinds: [NewestOfKind; KINDS],
    /// Whether there is one.
    is_any: bool,
}

#[derive(Debug, Default)]
struct NewestOfKind {
    /// A ring; the buffers stay where they are.
    lines: [Beginning; KEPT],
    /// How many lines there were in this batch.
    count: usize,
}

impl Default for NewestLines {
    fn default() -> Self {
        Self { kinds: array::from_fn(|_| NewestOfKind::default()), is_any: false }
    }
}

impl NewestLines {
    /// Notes a line, in the place of the oldest one if there are many.
    pub(super) fn note(&mut self, loss: Loss, line: LineText<'_>) {
        if let Some(NewestOfKind { lines, count }) = self.kinds.get_mut(loss.index()) {
            lines[*count % KEPT].set(line);
            *count += 1;
            self.is_any = true;
        }
    }

    /// Shows the rejected lines to the clients that watch.
    #[cold]
    pub(super) fn show(&self, listener: &Arc<str>, watches: &Watches) {
        for reject in Reject::ALL {
            let Some(NewestOfKind { lines, count }) = self.kinds.get(Loss::Rejected(reject).index()) else { continue };
            let oldest = count.saturating_sub(KEPT);
            (oldest..*count).for_each(|number| watches.rejected(listener, reject, &lines[number % KEPT].bytes));
            if oldest > 0 {
                watches.skipped_rejected(oldest as u64);
            }
        }
    }

    /// Whether there is something to take.
    pub(super) fn is_any(&self) -> bool {
        self.is_any
    }
}

/// The newest lines of each kind, the newest first.
#[derive(Debug)]
pub(super) struct Losses([VecDeque<KeptLine>; KINDS]);

#[derive(Debug)]
struct KeptLine {
    listener: Arc<str>,
    at: u32,
    line: Beginning,
}

/// A line as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LostLine {
    /// The address of the listener.
    pub(crate) listener: Arc<str>,
    /// When the line arrived, in seconds of the pipeline's clock.
    pub(crate) at: u32,
    /// The beginning of the line, escaped; empty if the line was not kept.
    pub(crate) text: String,
    line: Beginning,
}

impl LostLine {
    /// The beginning of the line, as it came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.line.bytes
    }

    /// How many characters of the text show what precedes the byte `at` of the line; `None`: the text does not reach it.
    pub(crate) fn characters_before(&self, at: usize) -> Option<usize> {
        let bytes = self.line.bytes.get(..at).filter(|_| !self.line.is_cut || at < self.line.bytes.len())?.to_vec();
        Some(Beginning { bytes, is_cut: false }.text().chars().count())
    }
}

impl Default for Losses {
    fn default() -> Self {
        Self(array::from_fn(|_| VecDeque::new()))
    }
}

impl Losses {
    /// Takes the lines that a worker has noted for `listener` until `at`.
    pub(super) fn take(&mut self, from: &mut NewestLines, listener: &Arc<str>, at: u32) {
        for (kept, NewestOfKind { lines, count }) in self.0.iter_mut().zip(&mut from.kinds) {
            let count = std::mem::take(count);
            for number in count.saturating_sub(KEPT)..count {
                let oldest = if kept.len() < KEPT { None } else { kept.pop_back() };
                let mut line = oldest.map(|oldest| oldest.line).unwrap_or_default();
                std::mem::swap(&mut line, &mut lines[number % KEPT]);
                kept.push_front(KeptLine { listener: Arc::clone(listener), at, line });
            }
        }
        from.is_any = false;
    }

    /// Forgets the lines that no rule matched.
    pub(super) fn forget_unmapped(&mut self) {
        self.0.get_mut(Loss::Unmapped.index()).into_iter().for_each(VecDeque::clear);
    }

    /// The newest lines of a kind, the newest first.
    pub(super) fn of(&self, loss: Loss) -> Vec<LostLine> {
        let kept = self.0.get(loss.index()).into_iter().flatten();
        kept.map(|KeptLine { listener, at, line }| LostLine {
            listener: Arc::clone(listener),
            at: *at,
            text: line.text(),
            line: line.clone(),
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::simple_line;

    fn texts(losses: &Losses, loss: Loss) -> Vec<String> {
        losses.of(loss).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn the_newest_lines_of_each_kind_are_kept() {
        let (mut losses, mut newest) = (Losses::default(), NewestLines::default());
        let listener: Arc<str> = "udp://a".into();
        for n in 0..10 {
            newest.note(Loss::Rejected(Reject::BadValue), LineText::Raw(format!("a:{n}x|c").as_bytes()));
            losses.take(&mut newest, &listener, n);
        }
        let many = Loss::Rejected(Reject::UnknownType);
        (0..10).for_each(|n| newest.note(many, LineText::Raw(format!("{n}").as_bytes())));
        newest.note(Loss::Collapsed(Reject::SeriesLimit), LineText::Raw(b"c"));
        newest.note(Loss::Unmapped, LineText::Raw(b"u"));
        losses.take(&mut newest, &listener, 10);
        assert!(!newest.is_any());
        assert_eq!(texts(&losses, Loss::Rejected(Reject::BadValue)), ["a:9x|c", "a:8x|c", "a:7x|c", "a:6x|c"]);
        assert_eq!(losses.of(Loss::Rejected(Reject::BadValue))[0].at, 9);
        assert_eq!(texts(&losses, Loss::Collapsed(Reject::SeriesLimit)), ["c"]);
        assert_eq!(texts(&losses, Loss::Unmapped), ["u"]);
        assert_eq!(texts(&losses, many), ["9", "8", "7", "6"], "of a batch too, the newest are kept");
        assert!(texts(&losses, Loss::Rejected(Reject::SeriesLimit)).is_empty());
    }

    #[test]
    fn lines_are_cut_and_escaped() {
        let mut beginning = Beginning::default();
        for (line, expected) in [
            (b"a:\x1b[2J\xff\x00\xc3\xa9\"<\xc3".to_vec(), "a:\\u{1b}[2J\\xff\\0é\"<\\xc3".to_owned()),
            ("é".repeat(101).into_bytes(), format!("{}...", "é".repeat(100))),
            (format!("x{}", "é".repeat(101)).into_bytes(), format!("x{}...", "é".repeat(99))),
            (Vec::new(), String::new()),
        ] {
            beginning.set(LineText::Raw(&line));
            assert_eq!(beginning.text(), expected);
        }
    }

    #[test]
    fn a_simple_line_is_put_together_again() {
        for text in ["a.b:-5|c", "a:+1.5|g", "a:320|ms|@0.1|#k:v,l", &format!("a:1|d|#{}", "k".repeat(300))] {
            let (line, _) = simple_line(text.as_bytes()).expect("a simple line");
            let mut beginning = Beginning::default();
            beginning.set(LineText::Simple(&line));
            let expected = text.get(..LEN).map_or(text.to_owned(), |kept| format!("{kept}..."));
            assert_eq!(beginning.text(), expected);
        }
    }

    #[test]
    fn every_kind_has_a_place_of_its_own() {
        let mut indexes: Vec<_> = Loss::all().map(Loss::index).collect();
        assert_eq!(indexes.len(), Reject::ALL.len() + 3);
        indexes.sort_unstable();
        indexes.dedup();
        assert_eq!(indexes.len(), Reject::ALL.len() + 3);
        assert!(indexes.iter().all(|index| *index < KINDS));
    }
}
