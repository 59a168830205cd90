//! The kernel's timer, which wakes a thread once a tick. The timers of tokio wake it twice, and an idle program should cost
//! nothing that can be saved.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::intake::watch;

/// Ticks, for ever.
#[derive(Debug)]
pub(super) struct Ticks(AsyncFd<OwnedFd>);

impl Ticks {
    /// One tick each `period`, which must be longer than zero. Needs a runtime of tokio.
    pub(super) fn every(period: Duration) -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let period = Timespec::try_from(period).map_err(io::Error::other)?;
        let spec = Itimerspec { it_interval: period, it_value: period };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec)?;
        watch(timer).map(Self)
    }

    /// Waits for the next tick. Ticks that nobody has waited for are one.
    pub(super) async fn next(&self) {
        let mut count = [0; 8];
        loop {
            // An error would mean that the runtime ends.
            let Ok(mut ready) = self.0.readable().await else { return std::future::pending().await };
            // A read of a timer fails only if there is no tick yet.
            if let Ok(Ok(_)) = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut count)?)) {
                return;
            }
        }
    }
}
