//! A target: its queue, and the task that sends what is in it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::link::Link;
use super::queue::{LIMIT, Packing, Queue, Shed};
use crate::config::Address;
use crate::telemetry::{Delivery, RelayFacts};

/// How long to wait after a connection broke; doubled each time that none can be made, up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How often the same trouble is worth a line in the log.
const SILENCE: Duration = Duration::from_secs(60);

/// Somebody who gets lines.
#[derive(Debug)]
pub(super) struct Target {
    address: Address,
    /// Used by the relay's thread alone, and never held while it waits.
    queue: Mutex<Queue>,
    /// Told when there is something to send.
    filled: Notify,
    /// All are `Relaxed`: each is a number of its own.
    packets: [AtomicU64; Delivery::ALL.len()],
    lines: [AtomicU64; Delivery::ALL.len()],
    /// The lines of the packet that is being sent.
    under_way: AtomicU64,
}

impl Target {
    pub(super) fn new(address: Address) -> Self {
        let packing = if address.framing().is_some() { Packing::Stream } else { Packing::Datagrams };
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        let queue = Mutex::new(Queue::new(packing, LIMIT));
        let under_way = AtomicU64::new(0);
        Self { address, queue, filled: Notify::new(), packets: zeros(), lines: zeros(), under_way }
    }

    /// What became of its lines.
    pub(super) fn facts(&self) -> RelayFacts {
        let read = |counts: &[AtomicU64; Delivery::ALL.len()]| counts.each_ref().map(|n| n.load(Ordering::Relaxed));
        RelayFacts { target: self.address.to_string(), packets: read(&self.packets), lines: read(&self.lines) }
    }

    /// Adds a line to its queue; to be followed by [`wake`](Self::wake).
    pub(super) fn push(&self, line: &[u8]) {
        let shed = self.queue().push(line);
        if shed.lines > 0 {
            self.shed(shed);
        }
    }

    /// There may be something to send.
    pub(super) fn wake(&self) {
        self.filled.notify_one();
    }

    /// Counts lines for which there was no room before any were packed.
    pub(super) fn missed(&self, lines: u64) {
        self.shed(Shed { packets: 0, lines });
    }

    /// Gives up on what is left, once nothing is sent any more; gives how many lines that were.
    pub(super) fn give_up(&self) -> u64 {
        let cut = self.under_way.swap(0, Ordering::Relaxed);
        self.count(Delivery::Failed, u64::from(cut > 0), cut);
        let shed = self.queue().shed();
        self.shed(shed);
        shed.lines + cut
    }

    /// Sends what is in its queue, until that is empty once `ended` says that nothing more will come. A target that
    /// cannot be reached by then is given up.
    pub(super) async fn send_all(&self, mut ended: watch::Receiver<bool>) {
        let (mut link, mut pause, mut trouble) = (None, RETRY.0, Trouble::default());
        while self.wait(&mut link, &mut ended).await {
            let open = match &link {
                Some(open) => open,
                None => match Link::open(&self.address).await {
                    Ok(open) => link.insert(open),
                    Err(error) => {
                        trouble.tell(&self.address, &error);
                        if *ended.borrow() {
                            return;
                        }
                        rest(pause, &mut ended).await;
                        pause = RETRY.1.min(pause * 2);
                        continue;
                    }
                },
            };
            let Some(packet) = self.queue().take() else { continue };
            self.under_way.store(packet.lines, Ordering::Relaxed);
            let sent = open.send(&packet.bytes).await;
            self.under_way.store(0, Ordering::Relaxed);
            match sent {
                Ok(()) => {
                    self.count(Delivery::Sent, 1, packet.lines);
                    pause = RETRY.0;
                }
                Err(error) => {
                    self.count(Delivery::Failed, 1, packet.lines);
                    trouble.tell(&self.address, &error);
                    if !open.outlives(&error) {
                        link = None;
                        rest(RETRY.0, &mut ended).await;
                    }
                }
            }
        }
    }

    /// Waits for something to send; gives whether there is any, which is not so at the end alone. A link that its other
    /// end closes meanwhile is taken away, so that nothing is sent to nobody.
    async fn wait(&self, link: &mut Option<Link>, ended: &mut watch::Receiver<bool>) -> bool {
        loop {
            let is_empty = self.queue().is_empty();
            if is_empty && *ended.borrow() {
                return false;
            }
            tokio::select! {
                biased;
                _ = closed(link.as_ref()) => {
                    *link = None;
                    rest(RETRY.0, ended).await;
                }
                () = std::future::ready(()), if !is_empty => return true,
                () = self.filled.notified() => {}
                _ = ended.changed() => {}
            }
        }
    }

    fn shed(&self, shed: Shed) {
        self.count(Delivery::Shed, shed.packets, shed.lines);
    }

    fn count(&self, outcome: Delivery, packets: u64, lines: u64) {
        for (counts, n) in [(&self.packets, packets), (&self.lines, lines)] {
            if let Some(count) = counts.get(outcome as usize) {
                count.fetch_add(n, Ordering::Relaxed);
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn closed(link: Option<&Link>) -> io::Error {
    match link {
        Some(link) => link.closed().await,
        None => std::future::pending().await,
    }
}

/// Sleeps, but not past the end.
async fn rest(pause: Duration, ended: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = sleep(pause) => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
}

/// What was said of a target in the log: now and then, however often it fails.
#[derive(Debug, Default)]
struct Trouble(Option<Instant>);

impl Trouble {
    fn tell(&mut self, target: &Address, error: &io::Error) {
        if self.0.is_none_or(|last| last.elapsed() >= SILENCE) {
            self.0 = Some(Instant::now());
            tracing::warn!(%target, %error, "relaying fails; going on, and statsidecar_relay_lines_total counts what is lost");
        }
    }
}
