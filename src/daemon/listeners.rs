//! The StatsD listeners: their sockets, and the threads and tasks that read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::error::Error;
use super::files;
use crate::config::{Address, Config};
use crate::forward::Relay;
use crate::intake::{self, Socket, StreamSocket, Streams, Tickets};
use crate::metric::Sharing;
use crate::pipeline::{Pipeline, Worker};
use crate::telemetry::ListenerSnapshot;

/// The bound sockets of all listeners.
#[derive(Clone, Default)]
pub(super) struct Sockets {
    datagrams: Vec<Arc<Socket>>,
    streams: Vec<Arc<StreamSocket>>,
}

impl Sockets {
    /// Binds every listener. An IPv6 wildcard takes IPv4 too, unless another listener asks for that port.
    pub(super) fn bind(config: &Config) -> Result<Self, Error> {
        let mut sockets = Self::default();
        for address in &config.intake.listen {
            let only_v6 = config.intake.listen.iter().any(|other| is_ipv4_of(address, other));
            let failed = |error| Error::Listen(address.clone(), error);
            if let Some(stream) = StreamSocket::bind(address, only_v6, &config.intake).map_err(failed)? {
                tracing::info!(listener = %stream.address(), "listening");
                sockets.streams.push(Arc::new(stream));
            } else {
                let socket = Socket::bind(address, only_v6, &config.intake).map_err(failed)?;
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

    /// What each listener has received, and what its socket knows.
    pub(super) fn snapshot(&self) -> Vec<ListenerSnapshot> {
        let datagrams = self.datagrams.iter().map(|socket| socket.snapshot());
        datagrams.chain(self.streams.iter().map(|socket| socket.snapshot())).collect()
    }
}

/// Whether an IPv6 wildcard `address` would also take what is sent to `other`.
fn is_ipv4_of(address: &Address, other: &Address) -> bool {
    match (address, other) {
        (Address::Udp(six), Address::Udp(four)) | (Address::Tcp(six), Address::Tcp(four)) => {
            six.is_ipv6() && six.ip().is_unspecified() && four.is_ipv4() && six.port() == four.port()
        }
        _ => false,
    }
}

/// What reads the sockets: threads for datagrams, tasks for streams.
pub(super) struct Receivers {
    sockets: Sockets,
    threads: Vec<JoinHandle<()>>,
    /// How many of the threads are still running.
    running: Arc<AtomicUsize>,
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
        let threads = sockets.datagrams.len() * workers;
        // All streams together have one worker.
        let is_alone = threads + usize::from(!sockets.streams.is_empty()) == 1;
        let sharing = if is_alone { Sharing::SingleWriter } else { Sharing::Shared };
        let worker = move |pipeline| Worker::new(pipeline, sharing);
        let streams = if sockets.streams.is_empty() {
            None
        } else {
            let room = files::room_for_streams(config);
            let (worker, tap) = (worker(Arc::clone(pipeline)), relay.map(Relay::tap));
            let streams = Streams::start(&sockets.streams, worker, tap, room, &config.intake);
            Some(streams.map_err(|error| Error::System("wait for connections", error))?)
        };
        let running = Arc::new(threads.into());
        let mut receivers = Self { sockets, threads: Vec::new(), running, streams };
        for socket in receivers.sockets.datagrams.clone() {
            let tickets = Arc::new(Tickets::default());
            for _ in 0..workers {
                let (socket, pipeline) = (Arc::clone(&socket), Arc::clone(pipeline));
                let (tap, tickets) = (relay.map(Relay::tap), Arc::clone(&tickets));
                receivers.spawn(move || match workers {
                    1 => intake::receive(&socket, worker(pipeline), tap),
                    _ => intake::receive_shared(&socket, worker(pipeline), tap, &tickets),
                })?;
            }
        }
        Ok(receivers)
    }

    fn spawn(&mut self, receive: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let guard = RunningGuard(Arc::clone(&self.running));
        let thread = thread::Builder::new().name("intake".to_owned()).spawn(move || {
            let _guard = guard;
            receive();
        });
        self.threads.push(thread.map_err(|error| Error::System("start a thread", error))?);
        Ok(())
    }

    /// Tells whether every listener is being read.
    pub(super) fn ready(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let (all, running) = (self.threads.len(), Arc::clone(&self.running));
        let streams = self.streams.as_ref().map(Streams::ready);
        move || running.load(Ordering::Relaxed) == all && streams.as_ref().is_none_or(|ready| ready())
    }

    /// Applies what the kernel has queued, and ends all threads and tasks. Gives how many lines were received in all.
    pub(super) async fn stop(self) -> u64 {
        self.sockets.datagrams.iter().for_each(|socket| socket.stop());
        if let Some(streams) = self.streams {
            streams.stop().await;
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("an intake thread had panicked");
            }
        }
        self.sockets.snapshot().iter().map(|listener| listener.lines).sum()
    }
}

/// Counts a thread as ended, even if it panics.
struct RunningGuard(Arc<AtomicUsize>);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
