//! How a scrape waits until all that arrived before it is applied.
//!
//! The scrape first waits until the queue of a socket is empty, so all that arrived earlier was taken from it. Then it waits
//! for each thread that reads the socket, until one of two things shows that what the thread had taken is applied: the
//! thread has begun to receive anew, or it sleeps while it receives. A thread that has just taken datagrams does not sleep
//! until it has marked [`InHand`]; and the kernel lets no thread sleep before others see what it has marked.

use std::fs;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{Pid, gettid};

/// How often a scrape looks again. Waking it would cost the intake a system call for every batch.
const LOOK_AGAIN: Duration = Duration::from_micros(50);

/// What a thread has in hand: odd while it applies datagrams, even while it receives.
#[derive(Debug)]
pub(super) struct InHand {
    thread: Pid,
    mark: AtomicU64,
}

impl InHand {
    /// Of the thread that calls.
    pub(super) fn new() -> Self {
        Self { thread: gettid(), mark: AtomicU64::new(0) }
    }

    /// The thread has taken datagrams; they are applied when the result is dropped.
    #[inline]
    pub(super) fn begin(&self) -> Taking<'_> {
        self.advance();
        Taking(self)
    }

    /// Only the thread itself does so. `Release` orders what was applied before the mark.
    #[inline]
    fn advance(&self) {
        self.mark.store(self.mark() + 1, Ordering::Release);
    }

    pub(super) fn mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }

    /// Whether all that the thread had taken when the mark was `before` is applied.
    fn has_applied(&self, before: u64) -> bool {
        let now = self.mark();
        // It has received at least once since, or it sleeps and has nothing in hand.
        now >= before.next_multiple_of(2) + 2 || now.is_multiple_of(2) && self.is_asleep() && self.mark() == now
    }

    /// Whether the thread waits in the kernel. Unknown counts as awake.
    ///
    /// Source: `proc_pid_stat(5)`; the name of the thread, in parentheses, may contain anything.
    fn is_asleep(&self) -> bool {
        let stat = fs::read(format!("/proc/self/task/{}/stat", self.thread)).unwrap_or_default();
        let after_name = stat.iter().rposition(|&b| b == b')').and_then(|at| stat.get(at + 1..)).unwrap_or_default();
        after_name.starts_with(b" S ")
    }
}

/// A batch in hand.
pub(super) struct Taking<'a>(&'a InHand);

impl Drop for Taking<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.advance();
    }
}

/// Waits while `is_behind`, and then for what the threads have in hand; not longer than until `deadline`.
pub(super) fn catch_up<'a>(is_behind: impl Fn() -> bool, in_hand: impl Iterator<Item = &'a InHand>, deadline: Instant) {
    let wait_until = |holds: &dyn Fn() -> bool| {
        while !holds() && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
        }
    };
    wait_until(&|| !is_behind());
    for thread in in_hand {
        let before = thread.mark();
        wait_until(&|| thread.has_applied(before));
    }
}

/// Whether the queue of a socket has a datagram.
pub(super) fn is_readable(socket: BorrowedFd<'_>) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[test]
    fn a_thread_has_applied_when_it_sleeps_or_receives_anew() {
        let (sender, receiver) = mpsc::channel();
        let (marks, marked) = mpsc::channel();
        let thread = thread::spawn(move || {
            let in_hand = Arc::new(InHand::new());
            marks.send(Arc::clone(&in_hand)).expect("the test waits");
            while receiver.recv().is_ok() {
                let _taking = in_hand.begin();
            }
        });
        let in_hand = marked.recv().expect("the thread has begun");
        let before = in_hand.mark();
        while !in_hand.has_applied(before) {
            thread::yield_now();
        }
        sender.send(()).expect("the thread waits");
        while in_hand.mark() < 2 {
            thread::yield_now();
        }
        assert!(in_hand.has_applied(0), "it has received anew");
        drop(sender);
        thread.join().expect("it ends");
        assert!(!in_hand.has_applied(in_hand.mark()), "a thread that is gone is not known to sleep");
    }
}
