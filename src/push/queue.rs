//! The requests of one receiver that wait to be sent, and what became of the others.

use std::collections::VecDeque;

use tokio::sync::Notify;

use super::body::PushBody;
use crate::sync::Mutex;
use crate::telemetry::{PushAttempt, PushOutcome};

/// Requests in the order in which they are sent. The counts are under the same lock, so that each sample is always in
/// exactly one place.
#[derive(Debug)]
pub(super) struct PushQueue {
    waiting: Mutex<WaitingBodies>,
    /// Notified when a request is added, and at the end.
    changed: Notify,
    /// The most bytes that may wait.
    limit: usize,
}

#[derive(Debug, Default)]
struct WaitingBodies {
    bodies: VecDeque<PushBody>,
    bytes: usize,
    /// Whether the first one is being sent.
    is_sending: bool,
    /// Whether no request is added any more.
    is_closed: bool,
    counts: PushCounts,
}

/// What became of samples and requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PushCounts {
    /// In the order of [`PushOutcome`].
    pub(super) samples: [u64; PushOutcome::ALL.len()],
    /// In the order of [`PushAttempt`].
    pub(super) requests: [u64; PushAttempt::ALL.len()],
    /// Samples that wait.
    pub(super) waiting: u64,
    /// Why the last request was not taken.
    pub(super) last_error: Option<String>,
}

impl PushCounts {
    fn count(&mut self, outcome: PushOutcome, samples: u64) {
        self.samples.get_mut(outcome as usize).into_iter().for_each(|count| *count += samples);
    }

    fn attempt(&mut self, attempt: PushAttempt) {
        self.requests.get_mut(attempt as usize).into_iter().for_each(|count| *count += 1);
    }
}

impl PushQueue {
    /// An empty queue for so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: Mutex::default(), changed: Notify::new(), limit }
    }

    /// Adds a request. If it does not fit, the oldest are dropped, but not the one that is being sent, and not the new one.
    pub(super) fn push(&self, body: PushBody) {
        let mut waiting = self.waiting.lock();
        let kept = usize::from(waiting.is_sending);
        waiting.bytes += body.bytes.len();
        waiting.bodies.push_back(body);
        while waiting.bytes > self.limit
            && waiting.bodies.len() > kept + 1
            && let Some(dropped) = waiting.bodies.remove(kept)
        {
            waiting.bytes -= dropped.bytes.len();
            waiting.counts.count(PushOutcome::Shed, dropped.samples);
        }
        self.changed.notify_one();
    }

    /// Waits for a request to send, and gives it; `None` once the queue is closed and empty. It stays the first one until
    /// [`done`](Self::done).
    pub(super) async fn first(&self) -> Option<PushBody> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if let Some(first) = waiting.bodies.front().cloned() {
                    waiting.is_sending = true;
                    return Some(first);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// The first request was not taken, for this reason, and is sent again.
    pub(super) fn failed(&self, why: &str) {
        let mut waiting = self.waiting.lock();
        waiting.counts.attempt(PushAttempt::Failed);
        waiting.counts.last_error = Some(why.to_owned());
    }

    /// The receiver has taken so many samples of the first request, and has refused the others for this reason.
    pub(super) fn done(&self, taken: u64, refused: Option<&str>) {
        let mut waiting = self.waiting.lock();
        waiting.is_sending = false;
        let Some(body) = waiting.bodies.pop_front() else { return };
        waiting.bytes -= body.bytes.len();
        let taken = taken.min(body.samples);
        waiting.counts.count(PushOutcome::Sent, taken);
        waiting.counts.count(PushOutcome::Refused, body.samples - taken);
        waiting.counts.attempt(if refused.is_some() { PushAttempt::Refused } else { PushAttempt::Sent });
        if let Some(why) = refused {
            waiting.counts.last_error = Some(why.to_owned());
        }
    }

    /// No request is added any more.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Drops all that wait; gives how many samples that are.
    pub(super) fn give_up(&self) -> u64 {
        let mut waiting = self.waiting.lock();
        let samples = waiting.bodies.drain(..).map(|body| body.samples).sum();
        (waiting.bytes, waiting.is_sending) = (0, false);
        waiting.counts.count(PushOutcome::Shed, samples);
        samples
    }

    /// What became of all samples by now.
    pub(super) fn counts(&self) -> PushCounts {
        let waiting = self.waiting.lock();
        PushCounts { waiting: waiting.bodies.iter().map(|body| body.samples).sum(), ..waiting.counts.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize, samples: u64) -> PushBody {
        PushBody { bytes: vec![0; bytes].into(), samples }
    }

    #[test]
    fn each_sample_is_sent_waiting_or_lost() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let queue = PushQueue::new(100);
        let counts = |queue: &PushQueue| {
            let counts = queue.counts();
            (counts.samples, counts.waiting)
        };
        queue.push(body(40, 1));
        queue.push(body(40, 2));
        assert_eq!(runtime.block_on(queue.first()).map(|first| first.samples), Some(1));
        queue.push(body(40, 4));
        assert_eq!(counts(&queue), ([0, 0, 2], 5), "the one that is being sent stays");
        queue.push(body(101, 8));
        assert_eq!(counts(&queue), ([0, 0, 6], 9), "the new one stays, whatever its size");
        queue.push(body(40, 16));
        assert_eq!(counts(&queue), ([0, 0, 14], 17));
        queue.failed("503");
        queue.done(1, None);
        assert_eq!(counts(&queue), ([0, 1, 14], 16));
        assert_eq!(runtime.block_on(queue.first()).map(|first| first.samples), Some(16));
        queue.done(10, Some("400"));
        assert_eq!(counts(&queue), ([6, 11, 14], 0));
        queue.push(body(40, 32));
        queue.close();
        assert!(runtime.block_on(queue.first()).is_some());
        assert_eq!(queue.give_up(), 32);
        assert_eq!(counts(&queue), ([6, 11, 46], 0));
        assert_eq!(runtime.block_on(queue.first()).map(|first| first.samples), None);
        let counts = queue.counts();
        assert_eq!((counts.requests, counts.last_error.as_deref()), ([1, 1, 1], Some("400")));
    }
}
