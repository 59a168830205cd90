//! What reads the StatsD listeners: threads for datagrams, tasks for streams.

use std::sync::{Arc, Weak, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::error::Error;
use super::listeners::{SocketChanges, Sockets};
use super::process;
use crate::config::{Address, Config, IntakeConfig};
use crate::forward::Relay;
use crate::intake::{self, Socket, StreamAcceptor, StreamSocket, Streams, Tickets};
use crate::metric::Sharing;
use crate::pipeline::{Pipeline, Worker};
use crate::sync::Mutex;
use crate::telemetry::ListenerSnapshot;

/// How long a scrape waits at most for what arrived before it. Only a flood that fills the receive buffers takes so long.
const CATCH_UP: Duration = Duration::from_millis(100);

/// How long a listener that is removed may take to apply what has arrived.
const DRAIN: Duration = Duration::from_secs(4);

/// Lives as long as a thread that reads a socket.
struct Alive {
    panicked: Arc<Notify>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        if thread::panicking() {
            self.panicked.notify_one();
        }
    }
}

/// A thread that reads a socket of datagrams.
struct IntakeThread {
    socket: Option<Arc<Socket>>,
    thread: JoinHandle<()>,
    /// The thread owns the value until it ends or panics.
    alive: Weak<Alive>,
}

/// What reads the sockets. A reload adds some and removes others.
pub(super) struct Receivers {
    pipeline: Arc<Pipeline>,
    /// The config at the start. What a reload changes is in the sockets and in the current edition.
    config: Config,
    sockets: Arc<Mutex<Sockets>>,
    threads: Arc<Mutex<Vec<IntakeThread>>>,
    panicked: Arc<Notify>,
    /// Notified when there are other sockets.
    changed: Notify,
    /// `None` until there is a socket for streams.
    streams: Arc<Mutex<Option<Streams>>>,
}

/// Sockets that are bound, with threads and acceptors that wait to read them. Dropped, they end without having read.
pub(super) struct NewReceivers {
    changes: SocketChanges,
    threads: Vec<(IntakeThread, mpsc::Sender<()>)>,
    acceptors: Vec<(Arc<StreamSocket>, StreamAcceptor)>,
}

impl Receivers {
    /// Starts `workers` threads for each socket of datagrams, and the tasks for all streams.
    pub(super) fn start(
        sockets: Sockets,
        pipeline: &Arc<Pipeline>,
        relay: &Relay,
        config: &Config,
    ) -> Result<Self, Error> {
        let receivers = Self {
            pipeline: Arc::clone(pipeline),
            config: config.clone(),
            sockets: Arc::default(),
            threads: Arc::default(),
            panicked: Arc::default(),
            changed: Notify::new(),
            streams: Arc::default(),
        };
        let changes = SocketChanges { kept: Sockets::default(), new: sockets, removed: Sockets::default() };
        // The two sockets of the default share a worker, because few clients use the second. Cells that only one worker
        // updates need no locked instructions.
        let shares = config.intake.workers == 1 && config.intake.listens_by_default();
        let (started, has_started) = mpsc::channel();
        let new = receivers.make(changes, relay, shares, &started)?;
        receivers.begin(new);
        drop(started);
        // Each thread drops its sender when it has its buffers, which are part of what the start takes.
        let _: Result<(), _> = has_started.recv();
        Ok(receivers)
    }

    /// Binds what `intake` listens on and the receivers do not read yet, so that [`change`](Self::change) cannot fail. `None`
    /// if it changes nothing.
    pub(super) fn prepare(&self, intake: &IntakeConfig, relay: &Relay) -> Result<Option<NewReceivers>, Error> {
        let changes = self.sockets.lock().clone().bind_changes(intake)?;
        if changes.new.is_empty() && changes.removed.is_empty() {
            return Ok(None);
        }
        let (started, _) = mpsc::channel();
        self.make(changes, relay, false, &started).map(Some)
    }

    /// Where they receive, if `new` takes hold.
    pub(super) fn addresses(&self, new: Option<&NewReceivers>) -> Vec<Address> {
        match new {
            Some(NewReceivers { changes, .. }) => changes.kept.clone().with(&changes.new).addresses(),
            None => self.sockets.lock().addresses(),
        }
    }

    /// Begins to read new sockets, and ends to read those that were removed, when what has arrived there is applied.
    pub(super) async fn change(&self, new: NewReceivers) {
        // Workers that are no longer alone must know it before another one begins.
        let (pipeline, removed) = (Arc::clone(&self.pipeline), new.changes.removed.clone());
        let _ = spawn_blocking(move || pipeline.share(Sharing::Shared)).await;
        self.begin(new);
        let end = Instant::now() + DRAIN;
        removed.datagrams.iter().for_each(|(_, socket)| socket.stop(end));
        removed.streams.iter().for_each(|(_, socket)| socket.stop(end));
        let is_removed = |thread: &IntakeThread| {
            thread
                .socket
                .as_ref()
                .is_some_and(|socket| removed.datagrams.iter().any(|(_, one)| Arc::ptr_eq(one, socket)))
        };
        let (ended, others) = std::mem::take(&mut *self.threads.lock()).into_iter().partition(is_removed);
        *self.threads.lock() = others;
        let ended: Vec<IntakeThread> = ended;
        let _ = spawn_blocking(move || {
            ended.into_iter().for_each(|IntakeThread { thread, .. }| drop(thread.join()));
            removed.datagrams.iter().for_each(|(_, socket)| socket.log_lost());
        })
        .await;
    }

    /// Makes what reads the new sockets.
    fn make(
        &self,
        changes: SocketChanges,
        relay: &Relay,
        shares: bool,
        started: &mpsc::Sender<()>,
    ) -> Result<NewReceivers, Error> {
        let all = changes.kept.clone().with(&changes.new);
        let sharing = if changes.removed.is_empty() && changes.kept.is_empty() {
            sharing(&all, self.config.intake.workers, shares)
        } else {
            Sharing::Shared
        };
        let worker = || Arc::new(Mutex::new(Worker::new(Arc::clone(&self.pipeline), sharing)));
        let shared = shares.then(worker);
        let mut threads = Vec::new();
        for (_, socket) in &changes.new.datagrams {
            let tickets = Arc::new(Mutex::new(Tickets::default()));
            let workers = self.config.intake.workers;
            for _ in 0..workers {
                let worker = shared.clone().unwrap_or_else(worker);
                let (receiver, tap, tickets) = (Arc::clone(socket), Some(relay.tap()), Arc::clone(&tickets));
                let (begin, may_begin) = mpsc::channel();
                let started = started.clone();
                let mut thread = self.spawn(move || {
                    if may_begin.recv().is_ok() {
                        let started = || drop(started);
                        intake::receive(&receiver, worker, tap, (workers > 1).then_some(&*tickets), started);
                    }
                })?;
                thread.socket = Some(Arc::clone(socket));
                threads.push((thread, begin));
            }
        }
        let acceptor = |socket: &Arc<StreamSocket>| Ok((Arc::clone(socket), StreamAcceptor::new(socket)?));
        let acceptors = changes.new.streams.iter().map(|(_, socket)| acceptor(socket)).collect::<Result<Vec<_>, _>>();
        let acceptors = acceptors.map_err(|error| Error::System("wait for connections", error))?;
        // The tasks of all streams together have one worker, which is made with the first of them.
        let mut streams = self.streams.lock();
        if !acceptors.is_empty() && streams.is_none() {
            let worker = Worker::new(Arc::clone(&self.pipeline), sharing);
            let (room, panicked) = (process::room_for_streams(&self.config), Arc::clone(&self.panicked));
            *streams = Some(Streams::new(worker, Some(relay.tap()), room, &self.config.intake, panicked));
        }
        drop(streams);
        Ok(NewReceivers { changes, threads, acceptors })
    }

    fn begin(&self, NewReceivers { changes, threads, acceptors }: NewReceivers) {
        for (thread, begin) in threads {
            let _ = begin.send(()); // it waits for this
            self.threads.lock().push(thread);
        }
        if let Some(streams) = &mut *self.streams.lock() {
            acceptors.into_iter().for_each(|(socket, acceptor)| streams.read(&socket, acceptor));
        }
        *self.sockets.lock() = changes.kept.with(&changes.new);
        self.changed.notify_one();
    }

    /// A thread that tells when it panics.
    fn spawn(&self, receive: impl FnOnce() + Send + 'static) -> Result<IntakeThread, Error> {
        let alive = Arc::new(Alive { panicked: Arc::clone(&self.panicked) });
        let weak = Arc::downgrade(&alive);
        let thread = thread::Builder::new().name("intake".to_owned()).spawn(move || {
            let _alive = alive;
            receive();
        });
        let thread = thread.map_err(|error| Error::System("start a thread", error))?;
        Ok(IntakeThread { socket: None, thread, alive: weak })
    }

    /// Runs a thread among those that read a listener.
    #[cfg(test)]
    pub(super) fn run(&self, receive: fn()) {
        self.threads.lock().push(self.spawn(receive).expect("a thread"));
    }

    /// Waits until a thread or a task that reads a listener panics.
    pub(super) async fn failed(&self) {
        self.panicked.notified().await;
    }

    /// Reads what each listener has received, and what its socket knows.
    pub(super) fn snapshot(&self) -> impl Fn() -> Vec<ListenerSnapshot> + Send + Sync + use<> {
        let sockets = Arc::clone(&self.sockets);
        move || sockets.lock().clone().snapshot()
    }

    /// Tells whether clients find every listener, and whether it is being read.
    pub(super) fn ready(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let (threads, streams) = (Arc::clone(&self.threads), Arc::clone(&self.streams));
        let sockets = Arc::clone(&self.sockets);
        move || {
            sockets.lock().clone().are_bound()
                && threads.lock().iter().all(|thread| thread.alive.strong_count() > 0)
                && streams.lock().as_ref().is_none_or(|streams| streams.ready()())
        }
    }

    /// Looks at the files of the Unix sockets each `tick`, for ever, and makes those anew that are lost.
    pub(super) async fn keep_files(&self, tick: Duration) {
        loop {
            let sockets = self.sockets.lock().clone();
            if !sockets.have_files() {
                self.changed.notified().await;
                continue;
            }
            tokio::time::sleep(tick).await;
            let intake = self.config.intake.clone();
            // To bind may block, which this thread must not.
            let _ = spawn_blocking(move || sockets.restore(&intake)).await;
        }
    }

    /// How far each thread that reads datagrams is, as [`Socket::progress`] says.
    pub(super) fn progress(&self) -> Vec<u64> {
        self.sockets.lock().datagrams.iter().flat_map(|(_, socket)| socket.progress()).collect()
    }

    /// Waits until all that arrived before is applied, but not longer than [`CATCH_UP`]. Not for the thread of the runtime.
    pub(super) fn catch_up(&self) -> impl Fn() + Send + Sync + use<> {
        let (sockets, streams) = (Arc::clone(&self.sockets), Arc::clone(&self.streams));
        move || {
            let deadline = Instant::now() + CATCH_UP;
            let datagrams = sockets.lock().datagrams.clone();
            datagrams.iter().for_each(|(_, socket)| socket.catch_up(deadline));
            let streams = streams.lock().as_ref().map(Streams::catch_up);
            streams.iter().for_each(|catch_up| catch_up(deadline));
        }
    }

    /// Applies what the kernel has queued by now, and ends all threads and tasks. What is not applied by `end` is lost.
    /// Gives how many lines were received in all.
    pub(super) async fn stop(self, end: Instant) -> u64 {
        let sockets = self.sockets.lock().clone();
        sockets.datagrams.iter().for_each(|(_, socket)| socket.stop(end));
        let streams = self.streams.lock().take();
        if let Some(streams) = streams {
            streams.stop(end).await;
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        for IntakeThread { thread, .. } in threads {
            if thread.join().is_err() {
                tracing::error!("an intake thread had panicked");
            }
        }
        sockets.datagrams.iter().for_each(|(_, socket)| socket.log_lost());
        sockets.snapshot().iter().map(|listener| listener.lines).sum()
    }
}

/// Whether the workers of these sockets update the same cells. All streams together have one worker.
fn sharing(sockets: &Sockets, workers: usize, shares: bool) -> Sharing {
    let datagram_workers = if shares { 1 } else { sockets.datagrams.len() * workers };
    let is_alone = datagram_workers + usize::from(!sockets.streams.is_empty()) == 1;
    if is_alone { Sharing::SingleWriter } else { Sharing::Shared }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::mapping::Rules;

    #[test]
    fn a_thread_that_panics_is_noticed_and_one_that_ends_is_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let config = Config::default();
        let pipeline = Arc::new(Pipeline::new(&config, Rules::compile(&config).0));
        let relay = Relay::new(Arc::new(|_| None));
        runtime.block_on(async {
            let receivers = Receivers::start(Sockets::default(), &pipeline, &relay, &config).expect("nothing to start");
            receivers.run(|| {});
            assert!(timeout(Duration::from_millis(50), receivers.failed()).await.is_err());
            receivers.run(|| panic!("as a bug would"));
            timeout(Duration::from_secs(10), receivers.failed()).await.expect("it is noticed");
            assert!(!receivers.ready()());
            assert_eq!(receivers.stop(Instant::now()).await, 0);
        });
    }
}
