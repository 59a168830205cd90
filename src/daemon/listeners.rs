//! The StatsD listeners: their sockets, and the threads and tasks that read them.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::error::Error;
use super::process;
use crate::config::{Address, Config, Endpoint, HttpAddress, IntakeConfig, UnixName};
use crate::forward::{Relay, lookup};
use crate::intake::{self, Socket, StreamSocket, Streams, Tickets};
use crate::metric::Sharing;
use crate::pipeline::{Pipeline, Worker};
use crate::sync::Mutex;
use crate::telemetry::ListenerSnapshot;

/// How long a scrape waits at most for what arrived before it. Only a flood that fills the receive buffers takes so long.
const CATCH_UP: Duration = Duration::from_millis(100);

/// The config with resolved listeners, and the addresses for HTTP by TCP. A host name is every address that it has.
pub(super) async fn resolve(config: &Config) -> Result<(Config, Vec<SocketAddr>), Error> {
    let (mut listen, mut names): (Vec<Address>, _) = (Vec::new(), String::new());
    let mut name = |endpoint: &Endpoint, found: &[SocketAddr]| {
        if endpoint.ip().is_none() {
            found.iter().for_each(|to| names += &format!("; {endpoint} is {to} here"));
        }
    };
    for listener in &config.intake.listen {
        match listener.endpoint() {
            None => listen.push(listener.clone()),
            Some(endpoint) => {
                let found = lookup(endpoint).await.map_err(|error| Error::Listen(listener.clone(), error))?;
                name(endpoint, &found);
                listen.extend(found.into_iter().map(|to| listener.at(to)));
            }
        }
    }
    let http = match &config.http.listen {
        HttpAddress::Unix(_) => Vec::new(),
        HttpAddress::Tcp(endpoint) => {
            let found = lookup(endpoint).await.map_err(|error| Error::Http(config.http.listen.clone(), error))?;
            name(endpoint, &found);
            found
        }
    };
    let mut config = Config { intake: IntakeConfig { listen, ..config.intake.clone() }, ..config.clone() };
    for address in &http {
        config.http.listen = (*address).into();
        if let Some(overlap) = config.overlap() {
            return Err(Error::Overlap(overlap + &names));
        }
    }
    Ok((config, http))
}

/// The bound sockets of all listeners.
#[derive(Clone, Default)]
pub(super) struct Sockets {
    datagrams: Vec<Arc<Socket>>,
    streams: Vec<Arc<StreamSocket>>,
}

impl Sockets {
    /// Binds every listener.
    pub(super) fn bind(config: &Config) -> Result<Self, Error> {
        let mut sockets = Self::default();
        for address in &config.intake.listen {
            let failed = |error| Error::Listen(address.clone(), error);
            if let Some(stream) = StreamSocket::bind(address, &config.intake).map_err(failed)? {
                tracing::info!(listener = %stream.address(), "listening");
                sockets.streams.push(Arc::new(stream));
            } else {
                let socket = match Socket::bind(address, &config.intake) {
                    Err(error) if config.intake.listens_by_default() && is_missing(&error) => {
                        tracing::info!(%address, "this machine has no such address; going on without it");
                        continue;
                    }
                    bound => bound.map_err(failed)?,
                };
                tracing::info!(listener = %socket.address(), receive_buffer_bytes = socket.receive_buffer(), "listening");
                sockets.datagrams.push(Arc::new(socket));
            }
        }
        Ok(sockets)
    }

    /// The bound addresses, with the ports that the kernel chose: datagrams first, then streams.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let datagrams = self.datagrams.iter().map(|socket| socket.address());
        datagrams.chain(self.streams.iter().map(|socket| socket.address())).cloned().collect()
    }

    /// Binds the Unix sockets anew whose files are lost. May block for some time.
    fn restore(&self, intake: &IntakeConfig) {
        self.datagrams.iter().for_each(|socket| socket.restore(intake));
        self.streams.iter().for_each(|socket| socket.restore(intake));
    }

    /// Whether clients find every socket.
    fn are_bound(&self) -> bool {
        self.datagrams.iter().all(|socket| socket.is_bound()) && self.streams.iter().all(|socket| socket.is_bound())
    }

    /// What each listener has received, and what its socket knows.
    pub(super) fn snapshot(&self) -> Vec<ListenerSnapshot> {
        let datagrams = self.datagrams.iter().map(|socket| socket.snapshot());
        datagrams.chain(self.streams.iter().map(|socket| socket.snapshot())).collect()
    }
}

/// Whether a machine does not have the address, or no addresses of its family.
fn is_missing(error: &io::Error) -> bool {
    let family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(family)
}

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

/// What reads the sockets: threads for datagrams, tasks for streams.
#[derive(Default)]
pub(super) struct Receivers {
    intake: Arc<IntakeConfig>,
    sockets: Sockets,
    threads: Vec<JoinHandle<()>>,
    /// One for each thread, which owns its value until it ends or panics.
    alive: Vec<Weak<Alive>>,
    panicked: Arc<Notify>,
    /// `None` without a socket for streams.
    streams: Option<Streams>,
}

impl Receivers {
    /// Starts `workers` threads for each socket of datagrams, and the tasks for all streams.
    pub(super) fn start(
        sockets: Sockets,
        pipeline: &Arc<Pipeline>,
        relay: Option<&Relay>,
        config: &Config,
    ) -> Result<Self, Error> {
        let workers = config.intake.workers;
        // The two sockets of the default share a worker, because few clients use the second. Cells that only one worker
        // updates need no locked instructions.
        let shares = workers == 1 && config.intake.listens_by_default();
        let datagram_workers = if shares { 1 } else { sockets.datagrams.len() * workers };
        // All streams together have one worker.
        let is_alone = datagram_workers + usize::from(!sockets.streams.is_empty()) == 1;
        let sharing = if is_alone { Sharing::SingleWriter } else { Sharing::Shared };
        let worker = move |pipeline| Worker::new(pipeline, sharing);
        let shared = shares.then(|| Arc::new(Mutex::new(worker(Arc::clone(pipeline)))));
        let streams = if sockets.streams.is_empty() {
            None
        } else {
            let room = process::room_for_streams(config);
            let (worker, tap) = (worker(Arc::clone(pipeline)), relay.map(Relay::tap));
            let streams = Streams::start(&sockets.streams, worker, tap, room, &config.intake);
            Some(streams.map_err(|error| Error::System("wait for connections", error))?)
        };
        let intake = Arc::new(config.intake.clone());
        let mut receivers = Self { intake, sockets, streams, ..Self::default() };
        let (started, has_started) = mpsc::channel();
        for socket in receivers.sockets.datagrams.clone() {
            let tickets = Arc::new(Mutex::new(Tickets::default()));
            for _ in 0..workers {
                let own = || Arc::new(Mutex::new(worker(Arc::clone(pipeline))));
                let worker = shared.clone().unwrap_or_else(own);
                let (socket, tap, tickets) = (Arc::clone(&socket), relay.map(Relay::tap), Arc::clone(&tickets));
                let started = started.clone();
                receivers.spawn(move || {
                    let started = || drop(started);
                    intake::receive(&socket, worker, tap, (workers > 1).then_some(&*tickets), started);
                })?;
            }
        }
        drop(started);
        // Each thread drops its sender when it has its buffers, which are part of what the start takes.
        let _: Result<(), _> = has_started.recv();
        Ok(receivers)
    }

    fn spawn(&mut self, receive: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let alive = Arc::new(Alive { panicked: Arc::clone(&self.panicked) });
        self.alive.push(Arc::downgrade(&alive));
        let thread = thread::Builder::new().name("intake".to_owned()).spawn(move || {
            let _alive = alive;
            receive();
        });
        self.threads.push(thread.map_err(|error| Error::System("start a thread", error))?);
        Ok(())
    }

    /// Waits until a thread or a task that reads a listener panics.
    pub(super) async fn failed(&self) {
        let streams = async {
            match &self.streams {
                Some(streams) => streams.failed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.panicked.notified() => {}
            () = streams => {}
        }
    }

    /// Tells whether clients find every listener, and whether it is being read.
    pub(super) fn ready(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let (alive, streams) = (self.alive.clone(), self.streams.as_ref().map(Streams::ready));
        let sockets = self.sockets.clone();
        move || {
            sockets.are_bound()
                && alive.iter().all(|thread| thread.strong_count() > 0)
                && streams.as_ref().is_none_or(|ready| ready())
        }
    }

    /// Looks at the files of the Unix sockets each `tick`, for ever, and makes those anew that are lost.
    pub(super) async fn keep_files(&self, tick: Duration) {
        if self.intake.listen.iter().all(|listener| !matches!(listener.unix(), Some(UnixName::File(_)))) {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(tick).await;
            let (sockets, intake) = (self.sockets.clone(), Arc::clone(&self.intake));
            // To bind may block, which this thread must not.
            let _ = tokio::task::spawn_blocking(move || sockets.restore(&intake)).await;
        }
    }

    /// Waits until all that arrived before is applied, but not longer than [`CATCH_UP`]. Not for the thread of the runtime.
    pub(super) fn catch_up(&self) -> impl Fn() + Send + Sync + use<> {
        let (datagrams, streams) = (self.sockets.datagrams.clone(), self.streams.as_ref().map(Streams::catch_up));
        move || {
            let deadline = Instant::now() + CATCH_UP;
            datagrams.iter().for_each(|socket| socket.catch_up(deadline));
            streams.iter().for_each(|catch_up| catch_up(deadline));
        }
    }

    /// Applies what the kernel has queued by now, and ends all threads and tasks. What is not applied by `end` is lost.
    /// Gives how many lines were received in all.
    pub(super) async fn stop(self, end: Instant) -> u64 {
        self.sockets.datagrams.iter().for_each(|socket| socket.stop(end));
        if let Some(streams) = self.streams {
            streams.stop(end).await;
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("an intake thread had panicked");
            }
        }
        self.sockets.datagrams.iter().for_each(|socket| socket.log_lost());
        self.sockets.snapshot().iter().map(|listener| listener.lines).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_thread_that_panics_is_noticed_and_one_that_ends_is_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut receivers = Receivers::default();
            receivers.spawn(|| {}).expect("a thread");
            assert!(timeout(Duration::from_millis(50), receivers.failed()).await.is_err());
            receivers.spawn(|| panic!("as a bug would")).expect("a thread");
            timeout(Duration::from_secs(10), receivers.failed()).await.expect("it is noticed");
            assert!(!receivers.ready()());
            assert_eq!(receivers.stop(Instant::now()).await, 0);
        });
    }
}
