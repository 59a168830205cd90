//! A target of the relay: its queue, and the task that sends the queued packets.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use strum::EnumCount;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::link::Link;
use super::queue::{LIMIT, Packing, Queue};
use crate::config::Address;
use crate::mapping::RelayFilter;
use crate::sync::Mutex;
use crate::telemetry::{Delivery, RelaySnapshot};

/// The first and the longest wait before the next attempt to connect. It doubles each time, and starts again after a
/// connection that lasted longer than the longest wait.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The log has at most one line about a target in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A target with its queue and its counts.
#[derive(Debug)]
pub(super) struct Target {
    /// Which lines it gets.
    pub(super) filter: RelayFilter,
    /// Only the relay's thread locks this, and never while it waits.
    queue: Mutex<Queue>,
    /// Notified when the queue may have packets.
    filled: Notify,
    /// Packets, in the order of [`Delivery`]. All counts are `Relaxed`: each is a number of its own.
    packets: [AtomicU64; Delivery::COUNT],
    /// The lines in them, and those shed before they were packed.
    lines: [AtomicU64; Delivery::COUNT],
    /// The lines of the packet that is being sent.
    in_flight: AtomicU64,
}

impl Target {
    pub(super) fn new(filter: RelayFilter) -> Self {
        let packing = if filter.target.framing().is_some() { Packing::Stream } else { Packing::Datagrams };
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        let queue = Mutex::new(Queue::new(packing, LIMIT));
        let in_flight = AtomicU64::new(0);
        Self { filter, queue, filled: Notify::new(), packets: zeros(), lines: zeros(), in_flight }
    }

    pub(super) fn address(&self) -> &Address {
        &self.filter.target
    }

    /// Reads the counts.
    pub(super) fn snapshot(&self) -> RelaySnapshot {
        let read = |counts: &[AtomicU64; Delivery::COUNT]| counts.each_ref().map(|n| n.load(Ordering::Relaxed));
        RelaySnapshot { target: self.address().to_string(), packets: read(&self.packets), lines: read(&self.lines) }
    }

    /// Adds a line to the queue. The caller calls [`wake`](Self::wake) after the last line.
    pub(super) fn push(&self, line: &[u8]) {
        let shed = self.queue.lock().push(line);
        if shed.lines > 0 {
            self.count(Delivery::Shed, shed.packets, shed.lines);
        }
    }

    /// Wakes the task that sends.
    pub(super) fn wake(&self) {
        self.filled.notify_one();
    }

    /// Sheds the rest of the queue, and gives how many lines are lost. The task that sends must have ended.
    pub(super) fn give_up(&self) -> u64 {
        let cut = self.in_flight.swap(0, Ordering::Relaxed);
        self.count(Delivery::Failed, u64::from(cut > 0), cut);
        let shed = self.queue.lock().shed_all();
        self.count(Delivery::Shed, shed.packets, shed.lines);
        shed.lines + cut
    }

    /// Sends packets until the relay is stopping and the queue is empty. When the relay is stopping, a target that cannot be
    /// reached is given up.
    pub(super) async fn send_all(&self, mut stopping: watch::Receiver<bool>) {
        let (mut link, mut backoff, mut log) = (None, Backoff(RETRY.0), FailureLog::default());
        loop {
            let sent = match self.has_packet(&mut link, &mut stopping).await {
                Ok(true) => self.send(&mut link, &mut log).await,
                Ok(false) => return,
                Err(closed) => Err(closed),
            };
            let Err(error) = sent else { continue };
            log.warn(self.address(), &error);
            let lasted = link.take().map(|(_, since): (Link, Instant)| since.elapsed());
            if lasted.is_none() && *stopping.borrow() {
                return;
            }
            backoff.wait(lasted, &mut stopping).await;
        }
    }

    /// Sends one packet over `link`, which it opens if necessary. After an error the link is of no use.
    async fn send(&self, link: &mut Option<(Link, Instant)>, log: &mut FailureLog) -> io::Result<()> {
        let (open, _) = match link {
            Some(open) => open,
            None => link.insert((Link::open(self.address()).await?, Instant::now())),
        };
        let Some(packet) = self.queue.lock().take() else { return Ok(()) };
        self.in_flight.store(packet.lines, Ordering::Relaxed);
        let sent = open.send(&packet.bytes).await;
        self.in_flight.store(0, Ordering::Relaxed);
        match sent {
            Ok(()) => self.count(Delivery::Sent, 1, packet.lines),
            Err(error) => {
                self.count(Delivery::Failed, 1, packet.lines);
                if !open.survives(&error) {
                    return Err(error);
                }
                log.warn(self.address(), &error);
            }
        }
        Ok(())
    }

    /// Waits for a packet; gives false if none is left when the relay is stopping. If the link is closed or broken, that
    /// error is reported first, because a packet sent then would be lost.
    async fn has_packet(
        &self,
        link: &mut Option<(Link, Instant)>,
        stopping: &mut watch::Receiver<bool>,
    ) -> io::Result<bool> {
        loop {
            let is_empty = self.queue.lock().is_empty();
            if is_empty && *stopping.borrow() {
                return Ok(false);
            }
            tokio::select! {
                biased;
                error = closed(link) => return Err(error),
                () = std::future::ready(()), if !is_empty => return Ok(true),
                () = self.filled.notified() => {}
                _ = stopping.changed() => {}
            }
        }
    }

    /// Counts `packets` and the `lines` in them. Lines that are shed before they are packed have no packet.
    pub(super) fn count(&self, outcome: Delivery, packets: u64, lines: u64) {
        self.packets[outcome as usize].fetch_add(packets, Ordering::Relaxed);
        self.lines[outcome as usize].fetch_add(lines, Ordering::Relaxed);
    }
}

async fn closed(link: &mut Option<(Link, Instant)>) -> io::Error {
    match link {
        Some((link, _)) => link.closed().await,
        None => std::future::pending().await,
    }
}

/// The wait before the next attempt to connect.
struct Backoff(Duration);

impl Backoff {
    /// Waits after a link that `lasted` this long, or that could not be opened (`None`). Stopping the relay ends the wait.
    async fn wait(&mut self, lasted: Option<Duration>, stopping: &mut watch::Receiver<bool>) {
        if lasted.is_some_and(|lasted| lasted > RETRY.1) {
            self.0 = RETRY.0;
        }
        tokio::select! {
            () = sleep(self.0) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        self.0 = RETRY.1.min(self.0 * 2);
    }
}

/// Limits how often the log tells of a target that fails.
#[derive(Debug, Default)]
struct FailureLog(Option<Instant>);

impl FailureLog {
    fn warn(&mut self, target: &Address, error: &io::Error) {
        if self.0.is_none_or(|last| last.elapsed() >= LOG_INTERVAL) {
            self.0 = Some(Instant::now());
            tracing::warn!(%target, %error, "cannot relay; trying again, and statsidecar_relay_lines_total counts what is lost");
        }
    }
}
