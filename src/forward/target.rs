//! A target of the relay: its queue, and the task that sends the queued packets.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use strum::EnumCount;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::link::{Failure, Link};
use super::lookup::FindLoop;
use super::queue::{LIMIT, Packing, Queue};
use super::udp_link::UdpHost;
use crate::config::Address;
use crate::sync::Mutex;
use crate::telemetry::{Delivery, RelaySnapshot};

/// The first and the longest wait before the next attempt to connect. It doubles each time, and starts again after a
/// connection that lasted longer than the longest wait.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The wait before the next attempt to open a UDP socket, which costs nearly nothing, and after a packet for which the
/// system had no memory. It is short, because the queue must not overflow meanwhile.
const UDP_RETRY: Duration = Duration::from_millis(50);

/// The log has at most one line about a target in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A target with its queue and its counts.
#[derive(Debug)]
pub(super) struct Target {
    address: Address,
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
    pub(super) fn new(address: Address) -> Self {
        let packing = if address.framing().is_some() { Packing::Stream } else { Packing::Datagrams };
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        let queue = Mutex::new(Queue::new(packing, LIMIT));
        let in_flight = AtomicU64::new(0);
        Self { address, queue, filled: Notify::new(), packets: zeros(), lines: zeros(), in_flight }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
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
    pub(super) async fn send_all(&self, find_loop: FindLoop, mut stopping: watch::Receiver<bool>) {
        let host = match self.address() {
            Address::Udp(endpoint) => Some(UdpHost::new(self.address(), endpoint, &find_loop)),
            _ => None,
        };
        let (mut link, mut backoff, mut log) = (None, Backoff(RETRY.0), FailureLog::default());
        loop {
            let sent = match self.has_packet(&mut link, &mut stopping).await {
                Ok(true) => match self.open(&mut link, host.as_ref(), &find_loop).await {
                    Ok(()) => self.send(&mut link, &mut log).await,
                    Err(error) => Err(error),
                },
                Ok(false) => {
                    if let Some((link, _)) = &mut link {
                        link.finish().await;
                    }
                    return;
                }
                Err(closed) => Err(closed),
            };
            let Err(error) = sent else { continue };
            log.warn(self.address(), &error);
            if let (Address::Udp(_), None) = (self.address(), &link) {
                if *stopping.borrow() {
                    return;
                }
                pause(UDP_RETRY, &mut stopping).await;
                continue;
            }
            let lasted = link.take().map(|(_, since): (Link, Instant)| since.elapsed());
            if lasted.is_none() && *stopping.borrow() {
                return;
            }
            backoff.wait(lasted, &mut stopping).await;
        }
    }

    /// Opens the link, unless it is open.
    async fn open(
        &self,
        link: &mut Option<(Link, Instant)>,
        host: Option<&UdpHost>,
        find_loop: &FindLoop,
    ) -> io::Result<()> {
        if link.is_none() {
            *link = Some((Link::open(self.address(), host, find_loop).await?, Instant::now()));
        }
        Ok(())
    }

    /// Sends one packet over `link`. After an error the link is of no use.
    ///
    /// A UDP packet that fails costs the lines in it and no wait, except for a moment if the system has no memory.
    async fn send(&self, link: &mut Option<(Link, Instant)>, log: &mut FailureLog) -> io::Result<()> {
        let Some((open, _)) = link else { return Ok(()) };
        let Some(packet) = self.queue.lock().take() else { return Ok(()) };
        self.in_flight.store(packet.lines, Ordering::Relaxed);
        let sent = open.send(&packet.bytes).await;
        self.in_flight.store(0, Ordering::Relaxed);
        match sent {
            Ok(()) => self.count(Delivery::Sent, 1, packet.lines),
            Err(error) => {
                self.count(Delivery::Failed, 1, packet.lines);
                match open.failure(&error) {
                    Failure::Link => return Err(error),
                    Failure::Packet => {}
                    Failure::Memory => sleep(UDP_RETRY).await,
                    Failure::Route => *link = None,
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

/// Waits; stopping the relay ends the wait.
async fn pause(wait: Duration, stopping: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = sleep(wait) => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}

/// The wait before the next attempt to connect.
struct Backoff(Duration);

impl Backoff {
    /// Waits after a link that `lasted` this long, or that could not be opened (`None`).
    async fn wait(&mut self, lasted: Option<Duration>, stopping: &mut watch::Receiver<bool>) {
        if lasted.is_some_and(|lasted| lasted > RETRY.1) {
            self.0 = RETRY.0;
        }
        pause(self.0, stopping).await;
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
