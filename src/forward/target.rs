//! A target: its queue, and the task that sends what is in it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strum::EnumCount;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::link::Link;
use super::queue::{LIMIT, Packing, Queue, Shed};
use crate::config::Address;
use crate::telemetry::{Delivery, RelaySnapshot};

/// How long to wait after a connection broke, or none could be made; doubled each time, up to the second, until one has
/// lasted longer than that.
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
    packets: [AtomicU64; Delivery::COUNT],
    lines: [AtomicU64; Delivery::COUNT],
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
    pub(super) fn snapshot(&self) -> RelaySnapshot {
        let read = |counts: &[AtomicU64; Delivery::COUNT]| counts.each_ref().map(|n| n.load(Ordering::Relaxed));
        RelaySnapshot { target: self.address.to_string(), packets: read(&self.packets), lines: read(&self.lines) }
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
        let (mut link, mut retry, mut trouble) = (None, Retry(RETRY.0), Trouble::default());
        loop {
            let broken = match self.next(link.as_ref(), &mut ended).await {
                Next::End => return,
                Next::Send => self.send(&mut link, &mut trouble).await,
                Next::Broken(error) => Err(error),
            };
            let Err(error) = broken else { continue };
            trouble.tell(&self.address, &error);
            let lasted = link.take().map(|(_, since): (Link, Instant)| since.elapsed());
            if lasted.is_none() && *ended.borrow() {
                return;
            }
            retry.rest(lasted, &mut ended).await;
        }
    }

    /// Sends one packet, by a link that is made for it if there is none. An error is that of the link.
    async fn send(&self, link: &mut Option<(Link, Instant)>, trouble: &mut Trouble) -> io::Result<()> {
        let (open, _) = match link {
            Some(open) => open,
            None => link.insert((Link::open(&self.address).await?, Instant::now())),
        };
        let Some(packet) = self.queue().take() else { return Ok(()) };
        self.under_way.store(packet.lines, Ordering::Relaxed);
        let sent = open.send(&packet.bytes).await;
        self.under_way.store(0, Ordering::Relaxed);
        match sent {
            Ok(()) => self.count(Delivery::Sent, 1, packet.lines),
            Err(error) => {
                self.count(Delivery::Failed, 1, packet.lines);
                if !open.outlives(&error) {
                    return Err(error);
                }
                trouble.tell(&self.address, &error);
            }
        }
        Ok(())
    }

    /// Waits for something to send, or for the end. That the other end closes a link meanwhile comes before all else, so
    /// that nothing is sent to nobody.
    async fn next(&self, link: Option<&(Link, Instant)>, ended: &mut watch::Receiver<bool>) -> Next {
        loop {
            let is_empty = self.queue().is_empty();
            if is_empty && *ended.borrow() {
                return Next::End;
            }
            tokio::select! {
                biased;
                error = closed(link) => return Next::Broken(error),
                () = std::future::ready(()), if !is_empty => return Next::Send,
                () = self.filled.notified() => {}
                _ = ended.changed() => {}
            }
        }
    }

    fn shed(&self, shed: Shed) {
        self.count(Delivery::Shed, shed.packets, shed.lines);
    }

    fn count(&self, outcome: Delivery, packets: u64, lines: u64) {
        self.packets[outcome as usize].fetch_add(packets, Ordering::Relaxed);
        self.lines[outcome as usize].fetch_add(lines, Ordering::Relaxed);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a target's task does next.
enum Next {
    Send,
    /// The link is of no use any more.
    Broken(io::Error),
    End,
}

async fn closed(link: Option<&(Link, Instant)>) -> io::Error {
    match link {
        Some((link, _)) => link.closed().await,
        None => std::future::pending().await,
    }
}

/// How long to wait before the next link is made.
struct Retry(Duration);

impl Retry {
    /// Sleeps after a link that `lasted` so long, or could not be made; but not past the end.
    async fn rest(&mut self, lasted: Option<Duration>, ended: &mut watch::Receiver<bool>) {
        if lasted.is_some_and(|lasted| lasted > RETRY.1) {
            self.0 = RETRY.0;
        }
        tokio::select! {
            () = sleep(self.0) => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
        self.0 = RETRY.1.min(self.0 * 2);
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
