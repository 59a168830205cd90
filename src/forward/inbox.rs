//! The inbox of the relay: workers add lines, and the relay's thread takes all of them at once.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memchr::memrchr;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::queue::lines;
use super::target::Target;
use crate::mapping::RelayFilter;
use crate::sync::Mutex;
use crate::telemetry::Delivery;

/// How many bytes may wait for the relay's thread: a fifth of a second at 1,000,000 lines a second.
const LIMIT: usize = 8 * 1024 * 1024;

/// The relay's thread takes this many bytes without a delay, so that it sends evenly and not in bursts.
const MUCH: usize = 64 * 1024;

/// How long fewer bytes than [`MUCH`] wait for more, so that packets are filled and the thread can sleep.
const DELAY: Duration = Duration::from_millis(100);

/// The lines that all workers have handed over.
#[derive(Debug)]
pub(super) struct Inbox {
    /// A worker locks this once a batch, while it copies the lines. The relay's thread only swaps the buffer.
    content: Mutex<InboxContent>,
    /// Notified at the first bytes, at [`MUCH`] bytes, and when the inbox is closed.
    changed: Notify,
    /// Whether there is a target. `Relaxed`: a worker may be a moment late.
    is_wanted: AtomicBool,
}

#[derive(Debug, Default)]
struct InboxContent {
    /// Lines, each with its `\n`.
    bytes: Vec<u8>,
    is_closed: bool,
    /// The targets that get the lines.
    targets: Targets,
    /// How many of the bytes came before the targets were others, which get them.
    before: usize,
    /// No line for the targets is longer.
    max_line: usize,
}

/// What a reload changes: the targets, each with which lines it gets.
pub(super) type Targets = Arc<[(Arc<Target>, RelayFilter)]>;

/// What the relay's thread takes out of the inbox.
#[derive(Debug)]
pub(super) struct Taken {
    /// Whether the inbox is open: otherwise these are the last lines, or none.
    pub(super) is_open: bool,
    /// How many of the bytes are for the targets of the last time.
    pub(super) before: usize,
    /// The targets of the other bytes.
    pub(super) targets: Targets,
}

impl Inbox {
    /// An empty inbox for no target.
    pub(super) fn new() -> Self {
        let content = InboxContent { targets: Arc::from([]), ..InboxContent::default() };
        Self { content: Mutex::new(content), changed: Notify::new(), is_wanted: AtomicBool::new(false) }
    }

    /// The targets that get the lines.
    pub(super) fn targets(&self) -> Targets {
        Arc::clone(&self.content.lock().targets)
    }

    /// Gives the lines that come from now on to these targets, but none that is longer than `max_line`.
    pub(super) fn retarget(&self, targets: Targets, max_line: usize) {
        self.is_wanted.store(!targets.is_empty(), Ordering::Relaxed);
        let mut content = self.content.lock();
        content.before = content.bytes.len();
        (content.targets, content.max_line) = (targets, max_line);
        drop(content);
        self.changed.notify_one();
    }

    /// Adds whole lines. If they do not fit, they count as shed for every target.
    fn put(&self, bytes: &[u8]) {
        let mut content = self.content.lock();
        let before = content.bytes.len();
        let after = before + bytes.len();
        if after > LIMIT {
            let (targets, max_line) = (Arc::clone(&content.targets), content.max_line);
            drop(content);
            // The filters are not asked, because they take more time than is left under this load.
            let shed = lines(bytes, max_line).count() as u64;
            return targets.iter().for_each(|(target, _)| target.count(Delivery::Shed, 0, shed));
        }
        content.bytes.extend_from_slice(bytes);
        drop(content);
        if before == 0 || (before < MUCH && after >= MUCH) {
            self.changed.notify_one();
        }
    }

    /// Closes the inbox: no lines follow.
    pub(super) fn close(&self) {
        self.content.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for lines, and [`DELAY`] for more of them, or for other targets than `known`; then moves the lines to `bytes`.
    pub(super) async fn take(&self, bytes: &mut Vec<u8>, known: &Targets) -> Taken {
        let mut deadline = None;
        loop {
            let (len, is_urgent) = {
                let content = self.content.lock();
                (content.bytes.len(), content.is_closed || !Arc::ptr_eq(&content.targets, known))
            };
            if is_urgent || len >= MUCH || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            if len == 0 {
                self.changed.notified().await;
            } else {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + DELAY);
                let _ = timeout_at(deadline, self.changed.notified()).await; // the loop checks again in both cases
            }
        }
        bytes.clear();
        // The memory of a burst is given back.
        bytes.shrink_to(4 * MUCH);
        let mut content = self.content.lock();
        mem::swap(&mut content.bytes, bytes);
        let (before, targets) = (mem::take(&mut content.before), Arc::clone(&content.targets));
        Taken { is_open: !content.is_closed, before, targets }
    }
}

/// Collects the lines of one worker for the relay.
///
/// A worker must [flush](Self::flush) its tap before it waits for packets. It must not do so before the workers that
/// received earlier packets have flushed theirs, because lines are relayed in the order of their arrival.
#[derive(Debug)]
pub(crate) struct RelayTap {
    inbox: Arc<Inbox>,
    /// Lines, each with its `\n`.
    bytes: Vec<u8>,
}

impl RelayTap {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, bytes: Vec::new() }
    }

    /// Adds the lines of a datagram, or whole lines of a stream.
    pub(crate) fn lines(&mut self, bytes: &[u8]) {
        if !self.inbox.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        if bytes.last().is_some_and(|last| *last != b'\n') {
            self.bytes.push(b'\n');
        }
    }

    /// Whether the tap should be flushed before more lines are added.
    pub(crate) fn has_much(&self) -> bool {
        self.bytes.len() >= MUCH
    }

    /// Adds the whole lines of a datagram whose end is lost.
    pub(crate) fn cut_packet(&mut self, packet: &[u8]) {
        let whole = memrchr(b'\n', packet).map_or(0, |end| end + 1);
        self.lines(packet.get(..whole).unwrap_or_default());
    }

    /// Moves the collected lines to the inbox.
    pub(crate) fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.inbox.put(&self.bytes);
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::mapping::Rules;

    fn inbox() -> (Arc<Inbox>, Vec<Arc<Target>>) {
        let (config, _) = config::load("relay = [{ target = 'udp://192.0.2.1:1' }, { target = 'tcp://192.0.2.1:1' }]");
        let (rules, _) = Rules::compile(&config);
        let filters = rules.relay_filters.iter();
        let targets: Vec<_> =
            filters.map(|filter| (Arc::new(Target::new(filter.target.clone())), filter.clone())).collect();
        assert_eq!(targets.len(), 2);
        let inbox = Arc::new(Inbox::new());
        inbox.retarget(targets.clone().into(), 100);
        (inbox, targets.into_iter().map(|(target, _)| target).collect())
    }

    fn taken(inbox: &Inbox) -> (Vec<u8>, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut bytes = b"old".to_vec();
        let taken = runtime.block_on(inbox.take(&mut bytes, &inbox.targets()));
        (bytes, taken.is_open)
    }

    #[test]
    fn lines_keep_their_order_and_get_line_ends() {
        let (inbox, _) = inbox();
        let mut tap = RelayTap::new(Arc::clone(&inbox));
        for packet in [&b"a\nb"[..], b"c\n", b"", b"\n", b"d\r"] {
            tap.lines(packet);
        }
        tap.cut_packet(b"e\nf");
        tap.cut_packet(b"g");
        tap.flush();
        assert_eq!(taken(&inbox), (b"a\nb\nc\n\nd\r\ne\n".to_vec(), true));
        tap.lines(b"last");
        tap.flush();
        inbox.close();
        assert_eq!(taken(&inbox), (b"last\n".to_vec(), false));
    }

    #[test]
    fn lines_that_came_before_a_change_are_for_the_targets_before() {
        let (inbox, _) = inbox();
        let (before, mut bytes) = (inbox.targets(), Vec::new());
        let mut tap = RelayTap::new(Arc::clone(&inbox));
        tap.lines(b"before");
        tap.flush();
        inbox.retarget(Arc::from([]), 100);
        tap.lines(b"nobody gets this");
        tap.flush();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let taken = runtime.block_on(inbox.take(&mut bytes, &before));
        assert_eq!((bytes.as_slice(), taken.before, taken.targets.len()), (&b"before\n"[..], 7, 0));
        inbox.retarget(before, 100);
        tap.lines(b"after");
        tap.flush();
        let taken = runtime.block_on(inbox.take(&mut bytes, &taken.targets));
        assert_eq!((bytes.as_slice(), taken.before, taken.targets.len()), (&b"after\n"[..], 0, 2));
    }

    /// Every target counts them.
    #[test]
    fn lines_that_do_not_fit_are_counted() {
        let (inbox, targets) = inbox();
        let mut tap = RelayTap::new(Arc::clone(&inbox));
        // 128 bytes in three lines: one that would be relayed, an empty one, and one that is too long.
        let lines = [b"x".repeat(15), b"\n\n".to_vec(), b"y".repeat(110), b"\n".to_vec()].concat();
        let packet = lines.repeat(MUCH / lines.len());
        let fit = LIMIT / packet.len();
        assert_eq!((lines.len(), fit * packet.len()), (128, LIMIT));
        for _ in 0..fit + 3 {
            tap.lines(&packet);
            assert!(tap.has_much());
            tap.flush();
        }
        let expected = 3 * (MUCH / lines.len()) as u64;
        for target in targets {
            let snapshot = target.snapshot();
            assert_eq!(snapshot.lines[Delivery::Shed as usize], expected);
            assert_eq!((snapshot.lines[Delivery::Sent as usize], snapshot.packets), (0, [0; 4]));
        }
        assert_eq!(taken(&inbox), (packet.repeat(fit), true));
        tap.lines(&packet);
        tap.flush();
        assert_eq!(taken(&inbox), (packet, true), "there is room again");
    }
}
