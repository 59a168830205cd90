//! Letting packets gather in the kernel before a thread reads again.
//!
//! A lone packet wakes the thread that waits for it, which costs several times what the packet itself does. Where packets
//! come one by one and fast, a thread that pauses for some milliseconds reads many at once. The kernel keeps them meanwhile.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// What the kernel charges the receive buffer for a small packet, in bytes.
const PACKET_CHARGE: usize = 768;

/// A pause is so short that a sender of this many packets a second fills half of the receive buffer at most.
const FASTEST: usize = 1_000_000;

/// A buffer that allows only shorter pauses has no room to spare: with the system's 208 KiB, pauses of 0.1 ms halved the
/// largest burst of new names that was taken without a loss.
const SHORTEST: Duration = Duration::from_millis(1);

/// Pauses begin when more packets than this would come in one.
const WORTHWHILE: u32 = 2;

/// The pauses of the threads that read a socket.
#[derive(Debug)]
pub(super) struct Gathering {
    length: Duration,
    /// Readable while a pause must end.
    interrupt: OwnedFd,
}

impl Gathering {
    /// Pauses of at most `longest`, for a socket with this receive buffer. `None` if they would have no length.
    pub(super) fn new(longest: Duration, receive_buffer: usize) -> io::Result<Option<Self>> {
        let length = longest.min(length(receive_buffer));
        if length.is_zero() {
            return Ok(None);
        }
        let interrupt = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Some(Self { length, interrupt }))
    }

    /// How a thread decides when to pause.
    pub(super) fn pacer(&self) -> Pacer {
        Pacer::new(self.length)
    }

    /// Ends the pause of a thread, or the next one if none pauses: what has arrived is to be read now.
    pub(super) fn interrupt(&self) {
        // It fails only if the counter is full, and then a pause ends in any case.
        let _ = rustix::io::write(&self.interrupt, &1_u64.to_ne_bytes());
    }

    /// Sleeps for the length of a pause, or until an interrupt.
    pub(super) fn pause(&self) {
        let length = Timespec { tv_sec: 0, tv_nsec: i64::from(self.length.subsec_nanos()) };
        let mut fds = [PollFd::new(&self.interrupt, PollFlags::IN)];
        if poll(&mut fds, Some(&length)).is_ok_and(|ready| ready > 0) {
            let _ = rustix::io::read(&self.interrupt, &mut [0; 8]); // another thread may have read it
        }
    }
}

/// The longest pause for a socket with this receive buffer; zero if it would be shorter than [`SHORTEST`].
fn length(receive_buffer: usize) -> Duration {
    let packets = (receive_buffer / PACKET_CHARGE / 2) as u64;
    let length = Duration::from_nanos(packets * 1_000_000_000 / FASTEST as u64).min(Duration::from_millis(10));
    if length < SHORTEST { Duration::ZERO } else { length }
}

/// Decides after each batch whether to pause: only while pauses pay.
#[derive(Debug)]
pub(super) struct Pacer {
    length: Duration,
    /// When the last batch came.
    last: Option<Instant>,
    is_pausing: bool,
}

impl Pacer {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, last: None, is_pausing: false }
    }

    /// Whether to pause after a batch that was not full and came at `now`. `has_paid` is for a pause before the batch:
    /// whether it has saved anything.
    pub(super) fn pauses(&mut self, has_paid: bool, now: Instant) -> bool {
        let before = self.last.replace(now);
        self.is_pausing = match self.is_pausing {
            true => has_paid,
            false => before.is_some_and(|before| (now - before) * WORTHWHILE < self.length),
        };
        self.is_pausing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_buffer_stays_free_for_a_fast_sender() {
        // 2 * 768 bytes for each microsecond.
        assert_eq!(length(1_536_000), Duration::from_millis(1));
        assert_eq!(length(1_535_999), Duration::ZERO, "too short");
        assert_eq!(length(212_992), Duration::ZERO, "the system's buffer");
        assert_eq!(length(8 << 20), Duration::from_micros(5461));
        assert_eq!(length(16 << 20), Duration::from_millis(10), "10 ms is the most");
        assert_eq!(length(0), Duration::ZERO);
    }

    #[test]
    fn a_thread_pauses_while_that_pays() {
        let start = Instant::now();
        let at = |micros| start + Duration::from_micros(micros);
        let mut pacer = Pacer::new(Duration::from_millis(10));
        assert!(!pacer.pauses(false, at(0)), "the first packet says nothing");
        assert!(!pacer.pauses(true, at(5_000)), "two in a pause, and no more");
        assert!(pacer.pauses(false, at(9_999)), "more than two in a pause");
        assert!(pacer.pauses(true, at(20_000)));
        assert!(!pacer.pauses(false, at(30_000)), "the pause has not paid");
        assert!(!pacer.pauses(true, at(35_000)));
    }

    #[test]
    fn an_interrupt_ends_a_pause_and_is_not_lost() {
        let gathering = Gathering::new(Duration::from_millis(10), 16 << 20).expect("an eventfd").expect("a length");
        let gathering = Gathering { length: Duration::from_millis(900), ..gathering };
        let begun = Instant::now();
        gathering.interrupt();
        gathering.interrupt();
        gathering.pause();
        assert!(begun.elapsed() < gathering.length, "it is not waited for");
        let begun = Instant::now();
        gathering.pause();
        assert!(begun.elapsed() >= gathering.length, "interrupts before a pause end one pause");
    }
}
