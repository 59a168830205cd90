//! A stream socket of a listener: what it is bound to, and what is counted of it.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use strum::EnumCount;
use tokio::sync::{Notify, watch};

use super::bind::{BoundSocket, MAX_WAITING};
use super::peers::AllowedPeers;
use super::sys;
use crate::config::{Address, Framing, IntakeConfig};
use crate::telemetry::{Closed, Listener, ListenerSnapshot, SocketSnapshot, StreamSnapshot};

/// A bound stream socket of a listener.
#[derive(Debug)]
pub(crate) struct StreamSocket {
    pub(super) bound: BoundSocket,
    pub(super) listener: Arc<Listener>,
    pub(super) framing: Framing,
    /// Notified when the socket is bound anew.
    pub(super) restored: Notify,
    /// The users who may connect; `None` is all.
    pub(super) allowed: Option<AllowedPeers>,
    /// Connections accepted. All counts are `Relaxed`: each is a number of its own.
    pub(super) accepted: AtomicU64,
    /// Connections closed, in the order of [`Closed`].
    closed: [AtomicU64; Closed::COUNT],
    /// When all tasks that read it must end; `None` until [`stop`](Self::stop).
    stop: watch::Sender<Option<Instant>>,
}

impl StreamSocket {
    /// Of a socket that is bound and listens, with this framing.
    pub(crate) fn new(bound: BoundSocket, framing: Framing, intake: &IntakeConfig) -> io::Result<Self> {
        let allowed = AllowedPeers::of(&bound.address, intake)?;
        let listener = Listener::new(bound.address.to_string());
        let closed = std::array::from_fn(|_| AtomicU64::new(0));
        let (restored, accepted, stop) = (Notify::new(), AtomicU64::new(0), watch::Sender::new(None));
        Ok(Self { bound, listener, framing, restored, allowed, accepted, closed, stop })
    }

    /// The bound address, with the port that the kernel chose for port 0.
    pub(crate) fn address(&self) -> &Address {
        &self.bound.address
    }

    /// Binds the socket anew if its file is lost. The connections stay.
    pub(crate) fn restore(&self, intake: &IntakeConfig) {
        if self.bound.restore(intake).is_some() {
            self.restored.notify_one();
        }
    }

    /// Whether clients find the socket.
    pub(crate) fn is_bound(&self) -> bool {
        self.bound.is_bound()
    }

    /// Whether it has a file that [`restore`](Self::restore) looks at.
    pub(crate) fn has_file(&self) -> bool {
        self.bound.has_file()
    }

    /// What it has received, and how many connections it has had.
    pub(crate) fn snapshot(&self) -> ListenerSnapshot {
        // The closed connections are read first, so that there are never more of them than accepted ones.
        let closed = self.closed.each_ref().map(|count| count.load(Ordering::Relaxed));
        let accepted = self.accepted.load(Ordering::Relaxed);
        self.listener.snapshot(SocketSnapshot::Stream(StreamSnapshot { accepted, closed }))
    }

    /// How many connections wait to be accepted now, at most.
    pub(super) fn waiting(&self) -> usize {
        // The queue of a Unix socket has no figure that the process can read.
        sys::waiting(self.bound.fd.as_fd()).unwrap_or(MAX_WAITING)
    }

    pub(super) fn closed(&self, why: Closed) {
        self.closed[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the tasks that read it to apply what has arrived by now, and to end. What is not applied by `end` is lost.
    pub(crate) fn stop(&self, end: Instant) {
        self.stop.send_replace(Some(end));
    }

    /// Watches for [`stop`](Self::stop), also if that was before.
    pub(super) fn stopped(&self) -> watch::Receiver<Option<Instant>> {
        let mut stopped = self.stop.subscribe();
        if self.is_stopping() {
            stopped.mark_changed();
        }
        stopped
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Whether all tasks must end now.
    pub(super) fn is_late(&self) -> bool {
        self.stop.borrow().is_some_and(|end| Instant::now() >= end)
    }
}
