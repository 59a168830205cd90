//! What workers hand over: bytes of lines, bounded, taken all at once.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memchr::memrchr;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::queue::lines;
use super::target::Target;

/// How many bytes wait at most until the relay's thread has its turn: what a fifth of a second brings at 1,000,000 lines
/// a second.
const LIMIT: usize = 8 * 1024 * 1024;

/// From so many bytes on they are taken at once, so that they leave evenly rather than in bursts.
const MUCH: usize = 64 * 1024;

/// How long less than that waits for more, so that packets are filled and the thread sleeps in between.
const DELAY: Duration = Duration::from_millis(100);

/// Where the taps of all workers end.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Locked once a batch of packets, for as long as it takes to copy them; the relay's thread only swaps what is in it.
    state: Mutex<State>,
    /// Told when there is something, when there is much, and at the end.
    changed: Notify,
    targets: Vec<Arc<Target>>,
    max_line: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Lines, each ended by `\n`.
    bytes: Vec<u8>,
    is_closed: bool,
}

impl Inbox {
    /// An empty one for `targets` that get no line longer than `max_line`.
    pub(super) fn new(targets: Vec<Arc<Target>>, max_line: usize) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), targets, max_line }
    }

    /// Adds whole lines; where they do not fit, all targets lose them.
    fn put(&self, bytes: &[u8]) {
        let mut state = self.lock();
        let before = state.bytes.len();
        let after = before + bytes.len();
        if after > LIMIT {
            drop(state);
            // Nobody has time to look which targets would have got them.
            let shed = lines(bytes, self.max_line).count() as u64;
            return self.targets.iter().for_each(|target| target.missed(shed));
        }
        state.bytes.extend_from_slice(bytes);
        drop(state);
        if before == 0 || (before < MUCH && after >= MUCH) {
            self.changed.notify_one();
        }
    }

    /// No more will be put.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for lines, and a little for more; swaps them with `bytes`, which is cleared. Gives whether it may be called
    /// again: at the end there may be some left, or none.
    pub(super) async fn take(&self, bytes: &mut Vec<u8>) -> bool {
        let mut deadline = None;
        loop {
            let (len, is_closed) = {
                let state = self.lock();
                (state.bytes.len(), state.is_closed)
            };
            if is_closed || len >= MUCH || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            if len == 0 {
                self.changed.notified().await;
            } else {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + DELAY);
                let _ = timeout_at(deadline, self.changed.notified()).await; // either way: look again
            }
        }
        bytes.clear();
        // One burst does not keep its memory for ever.
        bytes.shrink_to(4 * MUCH);
        let mut state = self.lock();
        mem::swap(&mut state.bytes, bytes);
        !state.is_closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Bytes are added at the end, or not: they are whole lines at any moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker's end of the relay. It must be [flushed](Self::flush) before its worker waits for packets, and not before
/// those have flushed theirs that took packets before it.
#[derive(Debug)]
pub struct Tap {
    inbox: Arc<Inbox>,
    /// Lines, each ended by `\n`.
    bytes: Vec<u8>,
}

impl Tap {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, bytes: Vec::new() }
    }

    /// Takes the lines of a datagram, or whole lines of a stream.
    pub fn lines(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if bytes.last().is_some_and(|last| *last != b'\n') {
            self.bytes.push(b'\n');
        }
    }

    /// Whether it has taken so much that it should be flushed before more comes.
    pub fn has_much(&self) -> bool {
        self.bytes.len() >= MUCH
    }

    /// Takes the whole lines of a datagram whose end is lost.
    pub fn cut_packet(&mut self, packet: &[u8]) {
        let whole = memrchr(b'\n', packet).map_or(0, |end| end + 1);
        self.lines(packet.get(..whole).unwrap_or_default());
    }

    /// Hands over what it took.
    pub fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.inbox.put(&self.bytes);
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Delivery;

    fn inbox() -> (Arc<Inbox>, Vec<Arc<Target>>) {
        let targets =
            ["udp://192.0.2.1:1", "tcp://192.0.2.1:1"].map(|target| Arc::new(Target::new(target.parse().unwrap())));
        (Arc::new(Inbox::new(targets.to_vec(), 100)), targets.to_vec())
    }

    fn taken(inbox: &Inbox) -> (Vec<u8>, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut bytes = b"old".to_vec();
        let is_open = runtime.block_on(inbox.take(&mut bytes));
        (bytes, is_open)
    }

    #[test]
    fn lines_are_ended_and_come_in_order() {
        let (inbox, _) = inbox();
        let mut tap = Tap::new(Arc::clone(&inbox));
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

    /// All targets count what does not fit.
    #[test]
    fn what_does_not_fit_is_counted() {
        let (inbox, targets) = inbox();
        let mut tap = Tap::new(Arc::clone(&inbox));
        // 128 bytes, of three lines: one that would be sent on, one that is empty, one that is too long.
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
            assert_eq!((snapshot.lines[Delivery::Sent as usize], snapshot.packets), (0, [0; 3]));
        }
        assert_eq!(taken(&inbox), (packet.repeat(fit), true));
        tap.lines(&packet);
        tap.flush();
        assert_eq!(taken(&inbox), (packet, true), "there is room again");
    }
}
