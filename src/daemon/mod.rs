//! The running sidecar: starts every part, waits for a signal, and applies what is still queued before it ends.

mod announce;
mod error;
mod http_sockets;
mod listeners;
mod loops;
mod loss_log;
mod process;

pub use error::Error;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::config::{Address, Config, HttpAddress, TlsFiles};
use crate::forward::{FindLoop, Relay};
use crate::http;
use crate::intake::BoundSocket;
use crate::log;
use crate::mapping::Rules;
use crate::memory;
use crate::pipeline::Pipeline;
use crate::telemetry::{ListenerSnapshot, Snapshot};
use http_sockets::HttpSockets;
use listeners::{Receivers, Sockets};
use loops::Loops;
use loss_log::{LossLog, Warning};

/// How long the end may take. What is not applied or relayed by then is lost, so that a slow machine ends in 5 s too.
const END: Duration = Duration::from_secs(4);

/// How much of it is left to the relay.
const RELAY_END: Duration = Duration::from_millis(1500);

/// Runs until SIGTERM, SIGINT or SIGHUP; then applies what the kernel has queued, and returns.
pub(crate) fn run(config: &Config, rules: Rules) -> Result<(), Error> {
    memory::share();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::System("start the runtime", error))?;
    let ended = runtime.block_on(async {
        // Before anything is bound, so that a signal always ends the program in order.
        let end = end_signal()?;
        let daemon = Daemon::start(config, rules, Timing::default()).await?;
        if let Err(error) = announce::announce(daemon.listeners(), daemon.http(), config.http.tls.is_some()) {
            // The addresses are good to know, and not needed to work.
            tracing::warn!(%error, "cannot write the addresses to the standard output; going on");
        }
        daemon.serve_until(end).await
    });
    // Nothing is waited for that still runs on a thread of its own, such as a sweep.
    runtime.shutdown_background();
    ended
}

/// Watches the signals that end the program; gives a future that waits for one.
fn end_signal() -> Result<impl Future<Output = ()>, Error> {
    let watch = |kind| signal(kind).map_err(|error| Error::System("watch signals", error));
    let (mut terminate, mut interrupt) = (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?);
    // The system sends it when the terminal closes. A program under `nohup` is started with the signal ignored, and must
    // leave it so.
    let mut hangup = if process::ignores_hangup() { None } else { Some(watch(SignalKind::hangup())?) };
    let hangup = async move {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup => "SIGHUP",
        };
        tracing::info!("{name}: applying what is queued");
    })
}

/// Times that are not configurable. Tests use shorter ones.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// After this time the pipeline's clock moves on by one second.
    pub tick: Duration,
    /// A clock that a test sets, in seconds: each tick reads it instead of the time that has passed.
    pub clock: Option<&'static AtomicU32>,
    /// When the connection of a slow HTTP client is closed.
    pub http: http::Timeouts,
}

impl Default for Timing {
    fn default() -> Self {
        Self { tick: Duration::from_secs(1), clock: None, http: http::Timeouts::default() }
    }
}

/// A sidecar that receives StatsD and serves HTTP. [`Daemon::serve_until`] moves its clock, and stops it.
pub struct Daemon {
    pipeline: Arc<Pipeline>,
    listeners: Vec<Address>,
    receivers: Receivers,
    relay: Option<Relay>,
    /// Reads what each listener has received.
    listened: Box<dyn Fn() -> Vec<ListenerSnapshot>>,
    http: HttpAddress,
    /// The Unix socket of HTTP, whose file is removed at the end.
    http_file: Option<BoundSocket>,
    server: http::Server,
    timing: Timing,
}

impl Daemon {
    /// Binds every address, and starts to receive and to serve. Needs a tokio runtime of a single thread.
    pub async fn start(config: &Config, rules: Rules, timing: Timing) -> Result<Self, Error> {
        let (config, http) = &listeners::resolve(config).await?;
        let sockets = Sockets::bind(config)?;
        let listeners = sockets.addresses();
        let http = HttpSockets::bind(config, http)?;
        let pipeline = Arc::new(pipeline(config, rules)?);
        let relay = relay(&pipeline, &listeners).await?;
        let receivers = Receivers::start(sockets.clone(), &pipeline, relay.as_ref(), config)?;
        // Once more, because the buffers to receive with are no client's.
        memory::started();
        let listened = {
            let sockets = sockets.clone();
            Box::new(move || sockets.snapshot())
        };
        let snapshot = snapshot(sockets, Arc::clone(&pipeline), relay.as_ref());
        let (ready, catch_up) = (Box::new(receivers.ready()), Box::new(receivers.catch_up()));
        let state = http::ServerState::new(Arc::clone(&pipeline), Box::new(snapshot), ready, catch_up);
        let state = state.with_access(access(config)?).with_tls(tls(config)?);
        let server = http::Server::start(http.listeners, state, config.http.max_connections, timing.http)
            .map_err(|error| Error::System("start the HTTP server", error))?;
        Ok(Self {
            pipeline,
            listeners,
            receivers,
            relay,
            listened,
            http: http.address,
            http_file: http.unix,
            server,
            timing,
        })
    }

    /// Where it receives StatsD, with the ports that the kernel chose: datagrams first, then streams.
    pub fn listeners(&self) -> &[Address] {
        &self.listeners
    }

    /// Where it serves HTTP, with the port that the kernel chose.
    pub fn http(&self) -> &HttpAddress {
        &self.http
    }

    /// Moves the clock until `stop` is ready; then applies what the kernel has queued, and returns. If a thread or a task
    /// that reads a listener panics, or the thread of HTTP, that is an error, and ends the sidecar in the same way.
    pub async fn serve_until(mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let mut losses = LossLog::default();
        let ended = tokio::select! {
            () = advance_clock(&self.pipeline, self.timing, |now| losses.due(&self.pipeline, &(self.listened)(), now)) => {
                Ok(())
            }
            () = self.server.failed() => Err(Error::HttpPanicked),
            () = self.receivers.failed() => Err(Error::Panicked),
            () = self.receivers.keep_files(self.timing.tick) => Ok(()),
            () = stop => Ok(()),
        };
        drop(self.http_file);
        self.server.stop();
        let end = Instant::now() + END;
        let applied = if self.relay.is_some() { end - RELAY_END } else { end };
        let lines = self.receivers.stop(applied).await;
        self.relay.into_iter().for_each(|relay| relay.stop(end));
        losses.due(&self.pipeline, &(self.listened)(), u32::MAX).iter().for_each(Warning::log);
        tracing::info!(lines, samples = self.pipeline.telemetry.applied(), "stopped");
        ended
    }
}

/// The pipeline of a config whose rules are compiled, with the series of its `init` keys.
pub fn pipeline(config: &Config, rules: Rules) -> Result<Pipeline, Error> {
    let pipeline = Pipeline::new(config, rules);
    memory::started();
    for metric in &pipeline.rules.initial {
        pipeline.registry.get_or_create(metric, 0).map_err(|reject| Error::Initial(metric.name.clone(), reject))?;
    }
    Ok(pipeline)
}

/// Reads the files that `[http]` names, as the start does; an error says what is wrong with them.
pub(crate) fn check_files(config: &Config) -> Result<(), Error> {
    access(config)?;
    tls(config)?;
    Ok(())
}

/// Who may read the metrics.
fn access(config: &Config) -> Result<http::Access, Error> {
    let users = config.http.users.iter().map(|(name, hash)| (name.get_ref().clone(), hash.get_ref().clone()));
    let token_file = config.http.bearer_token_file.as_ref().map(PathBuf::from);
    http::Access::new(users.collect(), token_file).map_err(|error| Error::System("protect /metrics", error))
}

/// The certificate of the config and its key.
fn tls(config: &Config) -> Result<Option<http::Tls>, Error> {
    let open = |files: &TlsFiles| http::Tls::open(PathBuf::from(&files.certificate), PathBuf::from(&files.key));
    config.http.tls.as_ref().map(open).transpose().map_err(|error| Error::System("serve /metrics by TLS", error))
}

/// Starts the relay if the config has targets. None of them may lead back to one of `listeners`.
async fn relay(pipeline: &Arc<Pipeline>, listeners: &[Address]) -> Result<Option<Relay>, Error> {
    // `check` compares the targets with the config's listeners only. The command line may add listeners, the kernel
    // chooses ports, and a host has several addresses.
    if pipeline.rules.relay_filters.is_empty() {
        return Ok(None);
    }
    let loops = Loops::new(listeners).map_err(|error| Error::System("list its addresses", error))?;
    for filter in &pipeline.rules.relay_filters {
        if let Some(listener) = loops.find_by_name(&filter.target).await {
            return Err(Error::Loop(filter.target.clone(), listener.clone()));
        }
    }
    let find_loop: FindLoop = Arc::new(move |target| loops.find(target).cloned());
    Relay::start(pipeline, find_loop).map_err(|error| Error::System("start the relay", error))
}

/// Reads what a scrape shows beside the counters of the pipeline.
fn snapshot(
    sockets: Sockets,
    pipeline: Arc<Pipeline>,
    relay: Option<&Relay>,
) -> impl Fn() -> Snapshot + Send + Sync + use<> {
    let (relays, start_time) = (relay.map(Relay::snapshot), process::start_time());
    move || {
        let counts = pipeline.registry.counts();
        Snapshot {
            series: counts.series,
            families: counts.families,
            series_limit: pipeline.registry.limit(),
            memory: pipeline.registry.budget().used(),
            memory_limit: pipeline.registry.budget().limit(),
            series_expired: pipeline.registry.expired(),
            merged_names: pipeline.registry.merged(),
            lost_log_lines: log::lost(),
            listeners: sockets.snapshot(),
            relays: relays.as_ref().map(|relays| relays()).unwrap_or_default(),
            process: process::snapshot(start_time),
        }
    }
}

/// Moves the pipeline's clock on by a second each `tick`, for ever. Removes the series that have expired, gives their
/// memory back to the system, and writes the warnings that are due to the log.
async fn advance_clock(
    pipeline: &Arc<Pipeline>,
    Timing { tick, clock, .. }: Timing,
    mut warnings: impl FnMut(u32) -> Vec<Warning>,
) {
    let start = Instant::now();
    let mut sweep: Option<JoinHandle<_>> = None;
    let mut ebb = memory::Ebb::default();
    let mut ticks = tokio::time::interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let elapsed = (start.elapsed().as_nanos() / tick.as_nanos()) as u32;
        let now = clock.map_or(elapsed, |clock| clock.load(Ordering::Relaxed));
        if pipeline.set_time(now) && sweep.as_ref().is_none_or(JoinHandle::is_finished) {
            let pipeline = Arc::clone(pipeline);
            // The sweep waits for workers, which this thread must not. What it gives is dropped there, because the handle would
            // keep it until the next sweep.
            sweep = Some(tokio::task::spawn_blocking(move || drop(pipeline.sweep())));
        }
        if ebb.has_come() {
            tokio::task::spawn_blocking(memory::give_back);
        }
        warnings(now).iter().for_each(Warning::log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_on_with_each_tick() {
        let (rules, _) = Rules::compile(&Config::default());
        let pipeline = Arc::new(Pipeline::new(&Config::default(), rules));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let tick = Duration::from_millis(5);
        let clock = async {
            let timing = Timing { tick, ..Timing::default() };
            tokio::time::timeout(tick * 20, advance_clock(&pipeline, timing, |_| Vec::new())).await
        };
        assert!(runtime.block_on(clock).is_err(), "the clock never stops");
        assert!(pipeline.clock.now() >= 10, "{}", pipeline.clock.now());
    }
}
