//! Starts everything, waits for the signal to end, and drains.

mod process;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{error, fmt};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::config::{Address, Config};
use crate::http;
use crate::intake::{self, Socket, Turns};
use crate::mapping::Rules;
use crate::pipeline::{Pipeline, Worker};
use crate::reject::Reject;
use crate::telemetry::Facts;

/// Why the sidecar could not run.
#[derive(Debug)]
pub enum Error {
    /// An address of the intake could not be bound.
    Listen(Address, io::Error),
    /// The address of the page could not be bound.
    Http(SocketAddr, io::Error),
    /// An `init` series that cannot be.
    Initial(String, Reject),
    /// The system gave no thread, signal handler or standard output.
    System(&'static str, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen for StatsD on {address}: {}", because(error)),
            Self::Http(address, error) => write!(f, "cannot serve metrics on http://{address}: {}", because(error)),
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
pub fn pipeline(config: &Config, rules: Rules, listeners: &[Address]) -> Result<Pipeline, Error> {
    let pipeline = Pipeline::new(config, rules, listeners.iter().map(Address::to_string));
    for metric in pipeline.rules.initial() {
        pipeline.registry.get_or_create(metric, 0).map_err(|reject| Error::Initial(metric.name.clone(), reject))?;
    }
    Ok(pipeline)
}

/// Runs until SIGTERM or SIGINT; then applies what the kernel has queued, and returns.
pub fn run(config: &Config, rules: Rules) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::System("start the runtime", error))?;
    runtime.block_on(async {
        // Before anything is bound, so that a signal from here on ends it in order.
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| Error::System("watch SIGTERM", error))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Error::System("watch SIGINT", error))?;
        let sockets = bind(config)?;
        let addresses: Vec<Address> = sockets.iter().map(|socket| socket.address().clone()).collect();
        let http = http::bind(config.http.listen).await.map_err(|error| Error::Http(config.http.listen, error))?;
        let page = http.local_addr().unwrap_or(config.http.listen);
        let pipeline = Arc::new(pipeline(config, rules, &addresses)?);
        let intake = Intake::start(sockets, &pipeline, config.intake.workers)?;

        let state = http::State::new(Arc::clone(&pipeline), intake.facts(&pipeline), intake.ready());
        announce(&addresses, page).map_err(|error| Error::System("write to the standard output", error))?;
        tokio::select! {
            () = tell_time(&pipeline) => {}
            () = http::serve(http, Arc::new(state), config.http.max_connections) => {}
            _ = terminate.recv() => tracing::info!("SIGTERM: applying what is queued"),
            _ = interrupt.recv() => tracing::info!("SIGINT: applying what is queued"),
        }
        intake.stop();
        let lines: u64 = pipeline.telemetry.listeners().iter().map(|listener| listener.received().1).sum();
        tracing::info!(lines, samples = pipeline.telemetry.applied(), "stopped");
        Ok(())
    })
}

/// Sets the pipeline's clock each second, for ever, and takes out what is over by then.
async fn tell_time(pipeline: &Pipeline) {
    let start = Instant::now();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        let now = start.elapsed().as_secs() as u32;
        pipeline.clock.set(now);
        while pipeline.registry.sweep(now).is_some() {
            tokio::task::yield_now().await;
        }
    }
}

/// Binds every listener. An IPv6 wildcard takes IPv4 too, unless a listener of its own asks for that port.
fn bind(config: &Config) -> Result<Vec<Arc<Socket>>, Error> {
    let listen = &config.intake.listen;
    listen
        .iter()
        .map(|address| {
            let port = address.socket.port();
            let only_v6 = address.socket.is_ipv6()
                && listen.iter().any(|other| other.socket.is_ipv4() && other.socket.port() == port);
            let socket = Socket::bind(address, only_v6, config.intake.receive_buffer)
                .map_err(|error| Error::Listen(address.clone(), error))?;
            let facts = socket.facts();
            tracing::info!(listener = %facts.address, receive_buffer_bytes = facts.receive_buffer, "listening");
            Ok(Arc::new(socket))
        })
        .collect()
}

/// The threads that read the sockets.
struct Intake {
    sockets: Arc<[Arc<Socket>]>,
    threads: Vec<thread::JoinHandle<()>>,
    /// How many of the threads are reading.
    reading: Arc<AtomicUsize>,
}

impl Intake {
    /// Starts `workers` threads for each socket.
    fn start(sockets: Vec<Arc<Socket>>, pipeline: &Arc<Pipeline>, workers: usize) -> Result<Self, Error> {
        let threads = sockets.len() * workers;
        let mut intake = Self { sockets: sockets.into(), threads: Vec::new(), reading: Arc::new(threads.into()) };
        for (socket, listener) in Arc::clone(&intake.sockets).iter().zip(pipeline.telemetry.listeners()) {
            let turns = Arc::new(Turns::default());
            for _ in 0..workers {
                let (socket, listener, pipeline) = (Arc::clone(socket), Arc::clone(listener), Arc::clone(pipeline));
                let turns = Arc::clone(&turns);
                intake.spawn(move || {
                    if threads == 1 {
                        intake::receive(&socket, Worker::alone(pipeline), &listener);
                    } else if workers == 1 {
                        intake::receive(&socket, Worker::new(pipeline), &listener);
                    } else {
                        intake::receive_shared(&socket, Worker::new(pipeline), &listener, &turns);
                    }
                })?;
            }
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

    fn facts(&self, pipeline: &Arc<Pipeline>) -> Box<dyn Fn() -> Facts + Send + Sync> {
        let (sockets, pipeline) = (Arc::clone(&self.sockets), Arc::clone(pipeline));
        Box::new(move || {
            let (series, families) = pipeline.registry.counts();
            Facts {
                series,
                families,
                series_limit: pipeline.registry.limit(),
                series_expired: pipeline.registry.expired(),
                sockets: sockets.iter().map(|socket| socket.facts()).collect(),
                process: process::facts(),
            }
        })
    }

    fn ready(&self) -> Box<dyn Fn() -> bool + Send + Sync> {
        let (all, reading) = (self.threads.len(), Arc::clone(&self.reading));
        Box::new(move || reading.load(Ordering::Relaxed) == all)
    }

    fn stop(self) {
        self.sockets.iter().for_each(|socket| socket.stop());
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("an intake thread had panicked");
            }
        }
    }
}

/// Counts a thread as ended however it ends.
struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells the person at the terminal where everything is, and one line to try.
fn announce(listeners: &[Address], page: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for listener in listeners {
        writeln!(out, "listening for StatsD on {listener}")?;
    }
    writeln!(out, "serving metrics on http://{page}/metrics")?;
    if let Some(Address { socket, .. }) = listeners.first() {
        let v6 = if socket.is_ipv6() { "-6 " } else { "" };
        writeln!(out, "try: printf 'jobs.done:3|c\\n' | nc {v6}-u -w0 {} {}", reachable(*socket), socket.port())?;
        writeln!(out, "     curl -s http://{}:{}/metrics | grep jobs", url_host(reachable(page)), page.port())?;
    }
    out.flush()
}

/// Where this machine reaches a socket that may be bound to every address.
fn reachable(socket: SocketAddr) -> std::net::IpAddr {
    match socket {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    }
}

fn url_host(ip: std::net::IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}
