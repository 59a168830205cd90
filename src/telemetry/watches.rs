//! Lines as they arrive, for clients that watch them.
//!
//! A worker asks once a packet whether somebody watches. If so, it looks at a limited number of lines: a watch is a sample
//! where lines arrive faster than people read, and it counts the lines that it has not looked at.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::memchr_iter;

use crate::reject::Reject;
use crate::sync::Mutex;

/// How many watches there may be.
const MOST: usize = 4;

/// How many lines workers look at between two calls of [`Watches::drain`].
const LOOKED_AT: usize = 2000;

/// How many lines wait for a watch at most.
const WAITING: usize = 2000;

/// How many bytes of a line are kept.
const LEN: usize = 1024;

/// Whether a line is shown.
type Takes = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Which lines a watch is for.
pub(crate) struct WatchFilter {
    /// Whether a line is shown.
    pub(crate) takes: Box<Takes>,
    /// Whether rejected lines alone are shown.
    pub(crate) is_for_rejected: bool,
}

/// The number of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchId(u64);

/// A line that somebody watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchedLine {
    /// The address of the listener.
    pub(crate) listener: Arc<str>,
    /// Why it was rejected, if the watch is for rejected lines.
    pub(crate) reject: Option<Reject>,
    /// Its beginning. Bytes that are not UTF-8 are replaced.
    pub(crate) text: String,
}

/// All watches.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// How many there are. Workers read it, and lock only if there is one.
    count: AtomicUsize,
    all: Mutex<AllWatches>,
}

#[derive(Debug, Default)]
struct AllWatches {
    watches: Vec<Watch>,
    next: u64,
    /// How many more lines workers look at before the next drain.
    budget: usize,
}

struct Watch {
    id: WatchId,
    filter: WatchFilter,
    waiting: VecDeque<WatchedLine>,
    skipped: u64,
}

impl Watches {
    /// Begins a watch, which must be ended by [`remove`](Self::remove). `None` if there are too many.
    pub(crate) fn add(&self, filter: WatchFilter) -> Option<WatchId> {
        let mut all = self.all.lock();
        if all.watches.len() >= MOST {
            return None;
        }
        let id = WatchId(all.next);
        all.next += 1;
        all.budget = LOOKED_AT;
        all.watches.push(Watch { id, filter, waiting: VecDeque::new(), skipped: 0 });
        self.count.store(all.watches.len(), Ordering::Relaxed);
        Some(id)
    }

    /// Ends a watch.
    pub(crate) fn remove(&self, id: WatchId) {
        let mut all = self.all.lock();
        all.watches.retain(|watch| watch.id != id);
        self.count.store(all.watches.len(), Ordering::Relaxed);
    }

    /// Whether somebody watches.
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Shows whole lines with `\n` between them, as they arrived.
    #[cold]
    pub(super) fn arrived(&self, listener: &Arc<str>, lines: &[u8]) {
        let mut all = self.all.lock();
        let AllWatches { watches, budget, .. } = &mut *all;
        let mut watches: Vec<_> = watches.iter_mut().filter(|watch| !watch.filter.is_for_rejected).collect();
        let mut rest = lines;
        while *budget > 0 && !rest.is_empty() && !watches.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                *budget -= 1;
                watches.iter_mut().for_each(|watch| watch.take(listener, None, line));
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            let skipped = memchr_iter(b'\n', rest).count() + usize::from(!rest.ends_with(b"\n"));
            watches.iter_mut().for_each(|watch| watch.skipped += skipped as u64);
        }
    }

    /// Shows a line that was rejected.
    #[cold]
    pub(super) fn rejected(&self, listener: &Arc<str>, reject: Reject, line: &[u8]) {
        let mut all = self.all.lock();
        let for_rejected = all.watches.iter_mut().filter(|watch| watch.filter.is_for_rejected);
        for_rejected.for_each(|watch| watch.take(listener, Some(reject), line));
    }

    /// Counts rejected lines that were not kept.
    #[cold]
    pub(super) fn skipped_rejected(&self, lines: u64) {
        let mut all = self.all.lock();
        let for_rejected = all.watches.iter_mut().filter(|watch| watch.filter.is_for_rejected);
        for_rejected.for_each(|watch| watch.skipped += lines);
    }

    /// The lines that wait for a watch, and how many others were not looked at or had no room. Workers look at more lines
    /// after it.
    pub(crate) fn drain(&self, id: WatchId) -> (VecDeque<WatchedLine>, u64) {
        let mut all = self.all.lock();
        all.budget = LOOKED_AT;
        let watch = all.watches.iter_mut().find(|watch| watch.id == id);
        watch.map(|watch| (std::mem::take(&mut watch.waiting), std::mem::take(&mut watch.skipped))).unwrap_or_default()
    }
}

impl Watch {
    fn take(&mut self, listener: &Arc<str>, reject: Option<Reject>, line: &[u8]) {
        if !(self.filter.takes)(line) {
            return;
        }
        if self.waiting.len() >= WAITING {
            self.skipped += 1;
            return;
        }
        let mut text = String::from_utf8_lossy(line.get(..LEN).unwrap_or(line)).into_owned();
        if line.len() > LEN {
            text.push_str("...");
        }
        self.waiting.push_back(WatchedLine { listener: Arc::clone(listener), reject, text });
    }
}

impl fmt::Debug for Watch {
    /// Without the filter, which is a function.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("id", &self.id).field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_lines() -> WatchFilter {
        WatchFilter { takes: Box::new(|_| true), is_for_rejected: false }
    }

    #[test]
    fn a_watch_gets_the_lines_that_it_is_for() {
        let watches = Watches::default();
        let listener: Arc<str> = "udp://a".into();
        assert!(!watches.is_any());
        let a = watches.add(WatchFilter { takes: Box::new(|line| line.starts_with(b"a")), is_for_rejected: false });
        let rejected = watches.add(WatchFilter { takes: Box::new(|_| true), is_for_rejected: true });
        let (a, rejected) = (a.expect("there is room"), rejected.expect("there is room"));
        watches.arrived(&listener, b"a:1|c\r\nb:1|c\n\na:2|c");
        watches.rejected(&listener, Reject::BadValue, b"b:\xff|c");
        watches.skipped_rejected(3);
        let line = |text: &str, reject| WatchedLine { listener: Arc::clone(&listener), reject, text: text.to_owned() };
        assert_eq!(watches.drain(a), ([line("a:1|c", None), line("a:2|c", None)].into(), 0));
        assert_eq!(watches.drain(rejected), ([line("b:\u{fffd}|c", Some(Reject::BadValue))].into(), 3));
        watches.remove(a);
        watches.remove(rejected);
        assert!(!watches.is_any());
        assert_eq!(watches.drain(a), (VecDeque::new(), 0));
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let watches = Watches::default();
        let listener: Arc<str> = "udp://a".into();
        let id = watches.add(all_lines()).expect("there is room");
        let packet = "a:1|c\n".repeat(LOOKED_AT + 7);
        watches.arrived(&listener, packet.as_bytes());
        watches.arrived(&listener, b"a:1|c");
        let (lines, skipped) = watches.drain(id);
        assert_eq!((lines.len(), skipped), (LOOKED_AT, 8));
        watches.arrived(&listener, "x".repeat(2 * LEN).as_bytes());
        assert_eq!(watches.drain(id).0.front().map(|line| line.text.len()), Some(LEN + "...".len()));
        let ids: Vec<_> = std::iter::from_fn(|| watches.add(all_lines())).collect();
        assert_eq!(ids.len(), MOST - 1);
    }
}
