//! What a connection does, and since when: so that it can be closed in time, or in favour of another one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::sync::Mutex;
use crate::telemetry::HttpClosed;

/// When the connection of a slow client is closed.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The time to send the head of a request, from its first byte, or from the connection.
    pub header: Duration,
    /// The time from an answer to the next request.
    pub idle: Duration,
    /// The time in which the client takes nothing of an answer.
    pub write: Duration,
    /// The time for a whole answer.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            // Prometheus asks once a minute by default.
            idle: Duration::from_secs(90),
            write: Duration::from_secs(30),
            answer: Duration::from_secs(60),
        }
    }
}

/// A client that takes nothing for so long may be disconnected in favour of another one.
pub(super) const STALLED: Duration = Duration::from_millis(10);

/// The same while a new client may still send its request. That client has its place for so short a time that it need not
/// cost one that has asked: on a busy machine, a good client too takes nothing for some ten milliseconds.
pub(super) const STALLED_BESIDE_NEW: Duration = Duration::from_millis(200);

/// A new client may send its request for so long before it may be disconnected in favour of another one. A thousand new
/// clients are through the default limit of 64 connections within half a second.
const GRACE: Duration = Duration::from_millis(20);

/// What a connection does. The server's thread alone changes it.
#[derive(Debug)]
pub(super) struct Activity {
    progress: Mutex<Progress>,
    /// Notified when the connection must be closed in favour of another one.
    pub(super) evicted: Notify,
    /// Notified when the connection could be closed in favour of another one.
    idle: Arc<Notify>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// Since when the client has asked for nothing, unless it waits for an answer.
    unasked: Instant,
    /// Since when the client takes nothing, if bytes wait for it.
    stalled: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client has not sent the whole head of its first request.
    New,
    /// The client has sent a part of the head of another request.
    Head,
    Answer,
    /// After an answer, before the next head.
    Idle,
}

impl Progress {
    fn may_ask(&self, now: Instant) -> bool {
        self.phase == Phase::New && now < self.unasked + GRACE
    }
}

/// Why a connection is the one to close in favour of another: the smaller, the sooner.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dispensable {
    /// It asks for nothing since then.
    Idle(Instant),
    /// It takes nothing of its answer since then.
    Stalled(Instant),
}

impl Activity {
    /// A new connection; `idle` is notified when it asks for nothing any more.
    pub(super) fn new(idle: Arc<Notify>) -> Self {
        let now = Instant::now();
        let progress = Progress { phase: Phase::New, since: now, unasked: now, stalled: None };
        Self { progress: Mutex::new(progress), evicted: Notify::new(), idle }
    }

    /// Bytes came from the client.
    pub(super) fn received(&self) {
        let mut progress = self.progress.lock();
        if progress.phase == Phase::Idle {
            (progress.phase, progress.since) = (Phase::Head, Instant::now());
        }
    }

    /// A request is whole. The answer is whole when the result is dropped.
    pub(super) fn asked(self: &Arc<Self>) -> Answering {
        let mut progress = self.progress.lock();
        (progress.phase, progress.since) = (Phase::Answer, Instant::now());
        Answering(Arc::clone(self))
    }

    /// The client takes no bytes.
    pub(super) fn stalled(&self) {
        self.progress.lock().stalled.get_or_insert_with(Instant::now);
    }

    /// The client has taken bytes.
    pub(super) fn wrote(&self) {
        self.progress.lock().stalled = None;
    }

    /// When the connection must be closed if nothing happens, and why.
    pub(super) fn due(&self, timeouts: &Timeouts) -> (Instant, HttpClosed) {
        let Progress { phase, since, stalled, .. } = *self.progress.lock();
        let of_phase = match phase {
            Phase::New | Phase::Head => (since + timeouts.header, HttpClosed::Head),
            Phase::Answer => (since + timeouts.answer, HttpClosed::Deadline),
            Phase::Idle => (since + timeouts.idle, HttpClosed::Idle),
        };
        match stalled.map(|stalled| (stalled + timeouts.write, HttpClosed::Write)) {
            Some(of_write) if of_write.0 < of_phase.0 => of_write,
            _ => of_phase,
        }
    }

    /// Whether the client has just connected and may still send its request.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        self.progress.lock().may_ask(now)
    }

    /// Whether, and how soon, the connection may be closed in favour of another one; `patience` is how long the client may
    /// take nothing.
    pub(super) fn dispensable(&self, now: Instant, patience: Duration) -> Option<Dispensable> {
        let progress = *self.progress.lock();
        match progress.stalled {
            Some(stalled) => (now >= stalled + patience).then_some(Dispensable::Stalled(stalled)),
            None if progress.phase == Phase::Answer || progress.may_ask(now) => None,
            None => Some(Dispensable::Idle(progress.unasked)),
        }
    }
}

/// Lives as long as an answer is made.
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut progress = self.0.progress.lock();
        (progress.phase, progress.since, progress.unasked) = (Phase::Idle, now, now);
        drop(progress);
        self.0.idle.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_due_by_what_it_does() {
        let timeouts = Timeouts::default();
        let activity = Arc::new(Activity::new(Arc::default()));
        let why = || activity.due(&timeouts).1;
        assert_eq!(why(), HttpClosed::Head, "a new connection");
        let begun = activity.due(&timeouts).0;
        activity.received();
        assert_eq!(activity.due(&timeouts), (begun, HttpClosed::Head), "more bytes give no more time");
        let answering = activity.asked();
        assert_eq!(why(), HttpClosed::Deadline);
        activity.stalled();
        assert_eq!(why(), HttpClosed::Write);
        activity.wrote();
        assert_eq!(why(), HttpClosed::Deadline);
        activity.stalled();
        drop(answering);
        assert_eq!(why(), HttpClosed::Write, "the end of the answer is not taken yet");
        activity.wrote();
        assert_eq!(why(), HttpClosed::Idle);
        activity.received();
        assert_eq!(why(), HttpClosed::Head);
    }

    #[test]
    fn idle_connections_are_dispensable_before_stalled_ones() {
        let activity = Arc::new(Activity::new(Arc::default()));
        assert_eq!(activity.dispensable(Instant::now(), STALLED), None, "it may still ask");
        let now = Instant::now() + GRACE;
        let idle = activity.dispensable(now, STALLED).expect("it asks for nothing");
        activity.received();
        assert_eq!(activity.dispensable(now, STALLED).as_ref(), Some(&idle), "a slow head makes it no younger");
        let answering = activity.asked();
        assert_eq!(activity.dispensable(now, STALLED), None);
        activity.stalled();
        assert_eq!(activity.dispensable(Instant::now(), STALLED), None, "it has stalled just now");
        let stalled = activity.dispensable(now + Duration::from_secs(1), STALLED).expect("it is stalled");
        assert!(idle < stalled);
        activity.wrote();
        drop(answering);
        let later = activity.dispensable(Instant::now(), STALLED).expect("it asks for nothing again");
        assert!(idle < later && later < stalled);
    }

    #[test]
    fn a_client_may_stall_for_longer_while_a_new_one_may_ask() {
        let (new, reader) = (Activity::new(Arc::default()), Arc::new(Activity::new(Arc::default())));
        let _answering = reader.asked();
        reader.stalled();
        let now = Instant::now();
        assert!(new.may_ask(now) && !new.may_ask(now + GRACE) && !reader.may_ask(now));
        let later = now + STALLED;
        assert!(reader.dispensable(later, STALLED).is_some());
        assert_eq!(reader.dispensable(later, STALLED_BESIDE_NEW), None);
        assert!(reader.dispensable(now + STALLED_BESIDE_NEW, STALLED_BESIDE_NEW).is_some());
    }
}
