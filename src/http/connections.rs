//! The open connections, and which one is closed in favour of a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

use super::activity::{Activity, STALLED, STALLED_BESIDE_NEW};
use crate::pipeline::Pipeline;
use crate::sync::Mutex;
use crate::telemetry::HttpClosed;

/// The open connections of all addresses together.
pub(super) struct Connections {
    limit: usize,
    open: Mutex<Vec<Arc<Activity>>>,
    /// How many new clients wait for a place.
    waiting: AtomicUsize,
    /// Notified when a connection has closed, or asks for nothing any more.
    changed: Arc<Notify>,
    pipeline: Arc<Pipeline>,
}

/// The place of an open connection.
pub(super) struct Place {
    connections: Arc<Connections>,
    pub(super) activity: Arc<Activity>,
}

impl Connections {
    pub(super) fn new(limit: usize, pipeline: Arc<Pipeline>) -> Arc<Self> {
        let (open, waiting, changed) = (Mutex::default(), AtomicUsize::new(0), Arc::default());
        Arc::new(Self { limit, open, waiting, changed, pipeline })
    }

    /// Waits for the place of a new connection. At the limit, the connection that has asked for nothing for the longest
    /// time is closed; without any, the one that has taken nothing of its answer for the longest time.
    pub(super) async fn admit(self: &Arc<Self>) -> Place {
        if let Some(place) = self.try_admit() {
            return place;
        }
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let changed = self.changed.notified();
            if let Some(place) = self.try_admit() {
                return place;
            }
            // A client stalls in silence.
            let _ = tokio::time::timeout(STALLED, changed).await;
        }
    }

    /// Whether a new client waits. If so, a connection must be closed after its answer.
    pub(super) fn are_awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn try_admit(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open.lock();
        if open.len() >= self.limit {
            let now = Instant::now();
            let is_beside_new = open.iter().any(|other| other.may_ask(now));
            let patience = if is_beside_new { STALLED_BESIDE_NEW } else { STALLED };
            let dispensable = open.iter().map(|other| other.dispensable(now, patience)).enumerate();
            let (_, at) = dispensable.filter_map(|(at, how)| Some((how?, at))).min()?;
            open.swap_remove(at).evicted.notify_one();
            self.closed(HttpClosed::Limit);
        }
        let activity = Arc::new(Activity::new(Arc::clone(&self.changed)));
        open.push(Arc::clone(&activity));
        Some(Place { connections: Arc::clone(self), activity })
    }

    pub(super) fn closed(&self, why: HttpClosed) {
        self.pipeline.telemetry.http_closed(why);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A connection that was closed for another one has lost its place already.
        self.connections.open.lock().retain(|other| !Arc::ptr_eq(other, &self.activity));
        self.connections.changed.notify_waiters();
    }
}

/// A new client that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
