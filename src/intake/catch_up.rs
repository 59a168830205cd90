//! How a scrape waits until all that arrived before it is applied.
//!
//! A thread that reads a socket marks [`InHand`] before it takes datagrams from the queue, and again when they are applied.
//! The scrape first waits until the queue is empty, so all that arrived earlier was taken. A thread that took some of it had
//! set its mark before, so the scrape sees either that mark, and waits for the next one, or that the work is done.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How often a scrape looks again. Waking it would cost the intake a system call for every batch.
const LOOK_AGAIN: Duration = Duration::from_micros(50);

/// Counts the batches of a thread: odd while it may hold datagrams that are not applied.
///
/// `SeqCst`, because the mark must be visible before the datagrams leave the queue, which is the kernel's memory.
#[derive(Debug, Default)]
pub(super) struct InHand(AtomicU64);

impl InHand {
    /// The thread is about to take datagrams; they are applied when the result is dropped.
    pub(super) fn begin(&self) -> Taking<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Taking(self)
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A batch in hand.
pub(super) struct Taking<'a>(&'a InHand);

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        let Self(in_hand) = self;
        in_hand.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits while `is_behind`, and then for the batches that are in hand; not longer than until `deadline`.
pub(super) fn catch_up(is_behind: impl Fn() -> bool, in_hand: &[Arc<InHand>], deadline: Instant) {
    let wait_while = |holds: &dyn Fn() -> bool| {
        while holds() && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
        }
    };
    wait_while(&is_behind);
    for thread in in_hand {
        let count = thread.count();
        wait_while(&|| count % 2 == 1 && thread.count() == count);
    }
}

/// Whether the queue of a socket has a datagram.
pub(super) fn is_readable(socket: BorrowedFd<'_>) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// Waits until a socket has a datagram or an error; `false`: a signal came first.
pub(super) fn wait_for_packets(socket: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    // Another error means that the kernel lacks memory; the next call to receive waits or tells.
    poll(&mut fds, None) != Err(Errno::INTR)
}
