//! Starts everything, waits for the signal to end, and drains.

mod announce;
mod files;
mod loops;
mod process;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{error, fmt};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::config::{Address, Config};
use crate::forward::Relay;
use crate::http;
use crate::intake::{self, Socket, StreamSocket, Streams, Tickets};
use crate::mapping::Rules;
use crate::metric::Sharing;
use crate::pipeline::{Pipeline, Worker};
use crate::reject::Reject;
use crate::telemetry::Snapshot;

/// Why the sidecar could not run.
#[derive(Debug)]
pub enum Error {
    /// An address of the intake could not be bound.
    Listen(Address, io::Error),
    /// The address of the page could not be bound.
    Http(SocketAddr, io::Error),
    /// A target of the relay is a listener.
    Loop(Address, Address),
    /// An `init` series that cannot be.
    Initial(String, Reject),
    /// The system gave no thread, signal handler or standard output.
    System(&'static str, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) if address.ip().is_some() => {
                write!(f, "cannot listen for StatsD on {address}: {}", because(error))
            }
            Self::Listen(address, error) => write!(f, "cannot listen for StatsD on {address}: {error}"),
            Self::Http(address, error) => write!(f, "cannot serve metrics on http://{address}: {}", because(error)),
            Self::Loop(target, listener) => write!(
                f,
                "cannot relay to {target}: it is this program's own listener {listener}, and lines would go round for \
                 ever; choose another target, or another address to listen on"
            ),
            Self::Initial(name, reject) => {
                write!(f, "cannot make the init series {name}: {reject}: {}", reject.remedy())
            }
            Self::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl error::Error for Error {}

fn because(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program has this port; stop it, or choose another port".to_owned(),
        io::ErrorKind::PermissionDenied => format!("{error}; ports below 1024 need CAP_NET_BIND_SERVICE"),
        io::ErrorKind::AddrNotAvailable => format!("{error}; this machine has no such address"),
        _ => error.to_string(),
    }
}

/// The pipeline of a config whose rules are compiled, with its `init` series made.
pub fn pipeline(config: &Config, rules: Rules) -> Result<Pipeline, Error> {
    let pipeline = Pipeline::new(config, rules);
    for metric in pipeline.rules.initial() {
        pipeline.registry.get_or_create(metric, 0).map_err(|reject| Error::Initial(metric.name.clone(), reject))?;
    }
    Ok(pipeline)
}

/// Runs until SIGTERM, SIGINT or SIGHUP; then applies what the kernel has queued, and retickets.
pub fn run(config: &Config, rules: Rules) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::System("start the runtime", error))?;
    runtime.block_on(async {
        // Before anything is bound, so that a signal from here on ends it in order.
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| Error::System("watch SIGTERM", error))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Error::System("watch SIGINT", error))?;
        // That of a terminal that is closed.
        let mut hangup = signal(SignalKind::hangup()).map_err(|error| Error::System("watch SIGHUP", error))?;
        let (sockets, streams) = bind(config)?;
        let addresses = sockets.iter().map(|socket| socket.address());
        let addresses: Vec<Address> = addresses.chain(streams.iter().map(|stream| stream.address())).cloned().collect();
        let http = http::bind(config.http.listen).await.map_err(|error| Error::Http(config.http.listen, error))?;
        let page = http.local_addr().unwrap_or(config.http.listen);
        let pipeline = Arc::new(pipeline(config, rules)?);
        let relay = relay(&pipeline, &addresses)?;
        let intake = Intake::start(sockets, streams, &pipeline, relay.as_ref(), config)?;

        let snapshot = intake.snapshot(&pipeline, relay.as_ref());
        let state = http::State::new(Arc::clone(&pipeline), snapshot, intake.ready());
        announce::announce(&addresses, page).map_err(|error| Error::System("write to the standard output", error))?;
        tokio::select! {
            () = tell_time(&pipeline) => {}
            () = http::serve(http, Arc::new(state), config.http.max_connections) => {}
            _ = terminate.recv() => tracing::info!("SIGTERM: applying what is queued"),
            _ = interrupt.recv() => tracing::info!("SIGINT: applying what is queued"),
            _ = hangup.recv() => tracing::info!("SIGHUP: applying what is queued"),
        }
        let lines = intake.stop().await;
        relay.into_iter().for_each(Relay::stop);
        tracing::info!(lines, samples = pipeline.telemetry.applied(), "stopped");
        Ok(())
    })
}

/// Starts the relay, if there is one, beside listeners at these addresses.
fn relay(pipeline: &Arc<Pipeline>, listeners: &[Address]) -> Result<Option<Relay>, Error> {
    // The file was checked for it, but the command line has listeners too, the kernel chooses ports, and other names may
    // lead here.
    let targets = pipeline.rules.relay_filters().iter().map(|relay_filters| &relay_filters.target);
    let found = loops::find(targets, listeners).map_err(|error| Error::System("list its addresses", error))?;
    if let Some((target, listener)) = found {
        return Err(Error::Loop(target.clone(), listener.clone()));
    }
    Relay::start(pipeline).map_err(|error| Error::System("start the relay", error))
}

/// Sets the pipeline's clock each second, for ever, and takes out what is over by then.
async fn tell_time(pipeline: &Arc<Pipeline>) {
    let start = Instant::now();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        let now = start.elapsed().as_secs() as u32;
        if pipeline.set_time(now) {
            let pipeline = Arc::clone(pipeline);
            // The sweep waits for workers, and this thread must not.
            let _ = tokio::task::spawn_blocking(move || pipeline.sweep()).await;
        }
    }
}

/// What [`bind`] gives: the sockets for datagrams and those for streams.
type Sockets = (Vec<Arc<Socket>>, Vec<Arc<StreamSocket>>);

/// Binds every listener. An IPv6 wildcard takes IPv4 too, unless a listener of its own asks for that port.
fn bind(config: &Config) -> Result<Sockets, Error> {
    let (mut sockets, mut streams) = (Vec::new(), Vec::new());
    for address in &config.intake.listen {
        let only_v6 = config.intake.listen.iter().any(|other| is_ipv4_of(address, other));
        let failed = |error| Error::Listen(address.clone(), error);
        if let Some(stream) = StreamSocket::bind(address, only_v6, &config.intake).map_err(failed)? {
            tracing::info!(listener = %stream.address(), "listening");
            streams.push(Arc::new(stream));
        } else {
            let socket = Socket::bind(address, only_v6, &config.intake).map_err(failed)?;
            tracing::info!(listener = %socket.address(), receive_buffer_bytes = socket.receive_buffer(), "listening");
            sockets.push(Arc::new(socket));
        }
    }
    Ok((sockets, streams))
}

/// Whether `other` is what an IPv6 wildcard `address` would take too.
fn is_ipv4_of(address: &Address, other: &Address) -> bool {
    match (address, other) {
        (Address::Udp(six), Address::Udp(four)) | (Address::Tcp(six), Address::Tcp(four)) => {
            six.is_ipv6() && six.ip().is_unspecified() && four.is_ipv4() && six.port() == four.port()
        }
        _ => false,
    }
}

/// What reads the sockets: threads for datagrams, tasks for streams.
struct Intake {
    sockets: Arc<[Arc<Socket>]>,
    threads: Vec<thread::JoinHandle<()>>,
    /// How many of the threads are reading.
    reading: Arc<AtomicUsize>,
    stream_sockets: Arc<[Arc<StreamSocket>]>,
    /// `None` where there is no socket for streams.
    streams: Option<Streams>,
}

impl Intake {
    /// Starts `workers` threads for each socket, and the tasks for all streams.
    fn start(
        sockets: Vec<Arc<Socket>>,
        stream_sockets: Vec<Arc<StreamSocket>>,
        pipeline: &Arc<Pipeline>,
        relay: Option<&Relay>,
        config: &Config,
    ) -> Result<Self, Error> {
        let workers = config.intake.workers;
        let threads = sockets.len() * workers;
        // All streams together have one worker.
        let is_alone = threads + usize::from(!stream_sockets.is_empty()) == 1;
        let sharing = if is_alone { Sharing::SingleWriter } else { Sharing::Shared };
        let worker = move |pipeline| Worker::new(pipeline, sharing);
        let mut intake = Self {
            sockets: sockets.into(),
            threads: Vec::new(),
            reading: Arc::new(threads.into()),
            stream_sockets: stream_sockets.into(),
            streams: None,
        };
        for socket in &*Arc::clone(&intake.sockets) {
            let tickets = Arc::new(Tickets::default());
            for _ in 0..workers {
                let (socket, pipeline) = (Arc::clone(socket), Arc::clone(pipeline));
                let (tap, tickets) = (relay.map(Relay::tap), Arc::clone(&tickets));
                intake.spawn(move || match workers {
                    1 => intake::receive(&socket, worker(pipeline), tap),
                    _ => intake::receive_shared(&socket, worker(pipeline), tap, &tickets),
                })?;
            }
        }
        if !intake.stream_sockets.is_empty() {
            let sockets = intake.stream_sockets.iter().cloned();
            let room = files::room_for_streams(config);
            let (worker, tap) = (worker(Arc::clone(pipeline)), relay.map(Relay::tap));
            let streams = Streams::start(sockets, worker, tap, room, &config.intake);
            intake.streams = Some(streams.map_err(|error| Error::System("wait for connections", error))?);
        }
        Ok(intake)
    }

    fn spawn(&mut self, read: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let ended = Ended(Arc::clone(&self.reading));
        let thread = thread::Builder::new().name("intake".to_owned()).spawn(move || {
            let _ended = ended;
            read();
        });
        self.threads.push(thread.map_err(|error| Error::System("start a thread", error))?);
        Ok(())
    }

    fn snapshot(&self, pipeline: &Arc<Pipeline>, relay: Option<&Relay>) -> Box<dyn Fn() -> Snapshot + Send + Sync> {
        let (sockets, streams) = (Arc::clone(&self.sockets), Arc::clone(&self.stream_sockets));
        let (pipeline, relays) = (Arc::clone(pipeline), relay.map(Relay::snapshot));
        Box::new(move || {
            let counts = pipeline.registry.counts();
            Snapshot {
                series: counts.series,
                families: counts.families,
                series_limit: pipeline.registry.limit(),
                series_expired: pipeline.registry.expired(),
                listeners: (sockets.iter().map(|socket| socket.snapshot()))
                    .chain(streams.iter().map(|stream| stream.snapshot()))
                    .collect(),
                relays: relays.as_ref().map(|relays| relays()).unwrap_or_default(),
                process: process::snapshot(),
            }
        })
    }

    fn ready(&self) -> Box<dyn Fn() -> bool + Send + Sync> {
        let (all, reading) = (self.threads.len(), Arc::clone(&self.reading));
        let streams = self.streams.as_ref().map(Streams::ready);
        Box::new(move || reading.load(Ordering::Relaxed) == all && streams.as_ref().is_none_or(|ready| ready()))
    }

    /// Applies what the kernel has queued. Gives how many lines were received in all.
    async fn stop(self) -> u64 {
        self.sockets.iter().for_each(|socket| socket.stop());
        if let Some(streams) = self.streams {
            streams.stop().await;
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("an intake thread had panicked");
            }
        }
        let lines = self.sockets.iter().map(|socket| socket.lines());
        lines.chain(self.stream_sockets.iter().map(|socket| socket.lines())).sum()
    }
}

/// Counts a thread as ended however it ends.
struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
