//! The running sidecar: starts every part, waits for a signal, and applies what is still queued before it ends.

mod announce;
mod config_watch;
mod error;
mod http_sockets;
mod job;
mod listeners;
mod loops;
mod loss_log;
mod process;
mod protection;
mod push_targets;
mod receivers;
mod reload;
mod service_manager;
mod state;
mod ticks;
mod watchdog;

pub use error::Error;
pub(crate) use job::JobSignals;
pub(crate) use protection::check_files;
pub(crate) use reload::{ConfigSource, LoadedConfig};

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::config::{Address, Config, HttpAddress};
use crate::forward::Relay;
use crate::http::{self, SharedProtection};
use crate::intake::BoundSocket;
use crate::log;
use crate::mapping::Rules;
use crate::memory;
use crate::pipeline::{Edition, Pipeline};
use crate::push::{PushEnd, PushSource, PushTargets, Pusher};
use crate::telemetry::{ListenerSnapshot, Snapshot};
use http_sockets::HttpSockets;
use job::Job;
use listeners::Sockets;
use loops::SharedLoops;
use loss_log::{LossLog, Warning};
use receivers::Receivers;
use reload::{Reloader, Running, Triggers};
use service_manager::ServiceManager;
use state::{Saver, State};
use ticks::Ticks;

/// How long the end may take. What is not applied or relayed by then is lost, so that a slow machine ends in 5 s too.
const END: Duration = Duration::from_secs(4);

/// How much of it is left to the relay.
const RELAY_END: Duration = Duration::from_millis(1500);

/// How long the last push may take after that. A job is done when it has ended, so it can wait longer for its receivers.
const PUSH_END: Duration = Duration::from_secs(3);
const JOB_PUSH_END: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT; then applies what the kernel has queued, and returns. SIGHUP has the config read again
/// from its `source`.
pub(crate) fn run(loaded: (&Config, Rules), source: ConfigSource) -> Result<(), Error> {
    on_runtime(async |manager| {
        // Before anything is bound, so that a signal always does what it is for.
        let end = end_signal()?;
        let triggers = Triggers { hangup: hangup()?, source: Some(source) };
        let config = loaded.0;
        let daemon = Daemon::start_under(manager, loaded, triggers, Timing::default()).await?;
        if let Err(error) = announce::announce(daemon.listeners(), daemon.http(), config.http.tls.is_some()) {
            // The addresses are good to know, and not needed to work.
            tracing::warn!(%error, "cannot write the addresses to the standard output; going on");
        }
        daemon.serve_until(end).await
    })
}

/// Runs until the command ends, which gets the signals of this process; then applies what the kernel has queued. Gives
/// the exit code of the command.
pub(crate) fn run_job(
    loaded: (&Config, Rules),
    source: ConfigSource,
    signals: JobSignals,
    command: &[OsString],
) -> Result<u8, Error> {
    on_runtime(async |manager| {
        let triggers = Triggers { hangup: None, source: Some(source) };
        let daemon = Daemon::start_under(manager, loaded, triggers, Timing::default()).await?;
        let listeners: Vec<_> = daemon.listeners().iter().map(Address::to_string).collect();
        tracing::info!(listeners = %listeners.join(" "), http = %daemon.http(), "starting the command");
        let mut job = match Job::start(signals, command, daemon.listeners()) {
            Ok(job) => job,
            Err(error) => {
                daemon.serve_until(async {}).await?;
                return Err(error);
            }
        };
        if daemon.pusher.is_none() && !daemon.relay.is_running() {
            tracing::warn!(
                "nothing is pushed, so what no scrape reads is lost when the command ends; add [[otlp]] or [[remote_write]]"
            );
        }
        let mut code = None;
        let served = daemon.for_job().serve_until(async { code = Some(job.ended().await) }).await;
        // The sidecar may break while the command works; the command must not end because of that.
        served.inspect_err(|error| tracing::error!("{error}")).ok();
        match code {
            Some(code) => code,
            None => job.ended().await,
        }
    })
}

/// Runs `run` with the sockets of the service manager to its end.
fn on_runtime<T>(run: impl AsyncFnOnce(ServiceManager) -> Result<T, Error>) -> Result<T, Error> {
    memory::share();
    // Before the program opens descriptors of its own.
    let manager = ServiceManager::from_environment()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::System("start the runtime", error))?;
    let ended = runtime.block_on(run(manager));
    // Nothing is waited for that still runs on a thread of its own, such as a sweep.
    runtime.shutdown_background();
    ended
}

/// Watches the signals that end the program; gives a future that waits for one.
fn end_signal() -> Result<impl Future<Output = ()>, Error> {
    let watch = |kind| signal(kind).map_err(|error| Error::System("watch signals", error));
    let (mut terminate, mut interrupt) = (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?);
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!("{name}: applying what is queued");
    })
}

/// Watches SIGHUP, unless it is ignored: the system sends it when the terminal closes, and a program under `nohup` is
/// started with the signal ignored, and must leave it so.
fn hangup() -> Result<Option<Signal>, Error> {
    if process::ignores_hangup() {
        return Ok(None);
    }
    signal(SignalKind::hangup()).map(Some).map_err(|error| Error::System("watch signals", error))
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
    relay: Relay,
    loops: SharedLoops,
    pusher: Option<Pusher>,
    /// How long the last push may take, and whether it ends the series.
    push_end: (Duration, bool),
    /// Reads what each listener has received.
    listened: Box<dyn Fn() -> Vec<ListenerSnapshot>>,
    http: HttpAddress,
    /// The Unix socket of HTTP, whose file is removed at the end.
    http_file: Option<BoundSocket>,
    server: http::Server,
    timing: Timing,
    manager: ServiceManager,
    /// Saves what outlives the process, if the config asks for it.
    saver: Option<Saver>,
    reloader: Reloader,
    protection: SharedProtection,
}

impl Daemon {
    /// Binds every address, and starts to receive and to serve. Needs a tokio runtime of a single thread.
    pub async fn start(config: &Config, rules: Rules, timing: Timing) -> Result<Self, Error> {
        Self::start_under(ServiceManager::default(), (config, rules), Triggers::default(), timing).await
    }

    /// The same with the sockets that a service manager has passed, and with reloads.
    async fn start_under(
        mut manager: ServiceManager,
        (config, rules): (&Config, Rules),
        triggers: Triggers,
        timing: Timing,
    ) -> Result<Self, Error> {
        let (reloader, reloads) = Reloader::new(config.clone(), triggers);
        let (config, addresses) = &listeners::resolve(config).await?;
        let sockets = Sockets::bind(config, &mut manager.sockets)?;
        let listeners = sockets.addresses();
        let http = HttpSockets::bind(config, addresses, &mut manager.sockets)?;
        manager.refuse_unwanted(config)?;
        let state = State::open(&config.state, &mut manager)?;
        let (pipeline, saver) = begin(config, rules, state)?;
        let loops = SharedLoops::default();
        let relay = Relay::new(loops.finder());
        let filters = pipeline.current().rules.relay_filters.clone();
        loops.set(loops::check(&listeners, &filters).await?);
        relay.start(&pipeline, &filters).map_err(|error| Error::System("start the relay", error))?;
        relay.retarget(&filters, config.intake.max_line);
        let receivers = Receivers::start(sockets, &pipeline, &relay, config)?;
        // Once more, because the buffers to receive with are no client's.
        memory::started();
        let listened = Box::new(receivers.snapshot());
        let targets = push_targets::of(config, addresses)?;
        let (pushed, saved) = (&targets, saver.as_ref());
        let snapshot = snapshot(receivers.snapshot(), Arc::clone(&pipeline), &relay, pushed, saved);
        let snapshot = Arc::new(snapshot);
        let (ready, catch_up) = (Box::new(receivers.ready()), Box::new(receivers.catch_up()));
        let source = PushSource {
            pipeline: Arc::clone(&pipeline),
            snapshot: {
                let snapshot = Arc::clone(&snapshot);
                Box::new(move || snapshot())
            },
            catch_up: Box::new(receivers.catch_up()),
        };
        let state = http::ServerState::new(Arc::clone(&pipeline), Box::new(move || snapshot()), ready, catch_up);
        let protection = SharedProtection::default();
        protection.set(protection::of(config, addresses, None)?);
        let state = state.with_protection(protection.clone()).with_reloads(reloads);
        let server = http::Server::start(http.listeners, state, config.http.max_connections, timing.http)
            .map_err(|error| Error::System("start the HTTP server", error))?;
        let pusher = targets.start(source).map_err(|error| Error::System("start to push", error))?;
        Ok(Self {
            pipeline,
            listeners,
            receivers,
            relay,
            loops,
            pusher,
            push_end: (PUSH_END, true),
            listened,
            http: http.address,
            http_file: http.unix,
            server,
            timing,
            manager,
            saver,
            reloader,
            protection,
        })
    }

    /// The same for a job, whose last values stay to be read.
    fn for_job(self) -> Self {
        Self { push_end: (JOB_PUSH_END, false), ..self }
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
        self.manager.tell(&NotifyState::Ready);
        let mut losses = LossLog::default();
        let ticks = Ticks::every(self.timing.tick).map_err(|error| Error::System("start the clock", error))?;
        let running = Running {
            pipeline: &self.pipeline,
            receivers: &self.receivers,
            relay: &self.relay,
            loops: &self.loops,
            protection: &self.protection,
            manager: &self.manager,
        };
        let ended = tokio::select! {
            () = self.reloader.run(running) => Ok(()),
            () = advance_clock(&self.pipeline, ticks, self.timing, |now| {
                let listeners = (self.listened)();
                self.pipeline.telemetry.advance(now, kernel_dropped(&listeners));
                losses.due(&self.pipeline, &listeners, now)
            }) => Ok(()),
            () = self.server.failed() => Err(Error::HttpPanicked),
            () = self.receivers.failed() => Err(Error::Panicked),
            () = self.receivers.keep_files(self.timing.tick) => Ok(()),
            fed = watchdog::feed(&self.manager, || self.receivers.progress()) => fed,
            () = stop => Ok(()),
        };
        self.manager.tell(&NotifyState::Stopping);
        drop(self.http_file);
        self.server.stop();
        let end = Instant::now() + END;
        let applied = if self.relay.is_running() { end - RELAY_END } else { end };
        let lines = self.receivers.stop(applied).await;
        self.saver.into_iter().for_each(Saver::stop);
        self.relay.stop(end);
        if let Some(pusher) = self.pusher {
            let (patience, ends_series) = self.push_end;
            pusher.stop(PushEnd { at: Instant::now() + patience, ends_series });
        }
        losses.due(&self.pipeline, &(self.listened)(), u32::MAX).iter().for_each(Warning::log);
        tracing::info!(lines, samples = self.pipeline.telemetry.applied(), "stopped");
        ended
    }
}

/// The edition of a config whose rules are compiled, with the series of its `init` keys.
pub fn edition(config: &Config, rules: Rules) -> Result<Edition, Error> {
    let edition = Edition::new(config, rules);
    memory::started();
    edition.make_initial(0).map_err(Error::Initial)?;
    Ok(edition)
}

/// The same with the series that an earlier process has left, and the thread that saves those of this one.
fn begin(config: &Config, rules: Rules, state: Option<State>) -> Result<(Arc<Pipeline>, Option<Saver>), Error> {
    let Some(state) = state else { return Ok((Arc::new(Pipeline::of(edition(config, rules)?)), None)) };
    let edition = Edition::new(config, rules).with_arena(Arc::clone(state.store().arena()));
    let pipeline = Arc::new(Pipeline::of(edition));
    memory::started();
    let saver = state.begin(&pipeline)?;
    pipeline.current().make_initial(pipeline.clock.now()).map_err(Error::Initial)?;
    Ok((pipeline, Some(saver)))
}

/// Reads what a scrape shows beside the counters of the pipeline.
fn snapshot<L: Fn() -> Vec<ListenerSnapshot> + Send + Sync>(
    listened: L,
    pipeline: Arc<Pipeline>,
    relay: &Relay,
    targets: &PushTargets,
    saver: Option<&Saver>,
) -> impl Fn() -> Snapshot + Send + Sync + use<L> {
    let (relays, start_time) = (relay.snapshot(), process::start_time());
    let (state, pushes) = (saver.map(Saver::snapshot), targets.snapshot());
    move || {
        let edition = pipeline.current();
        let counts = edition.registry.counts();
        Snapshot {
            series: counts.series,
            families: counts.families,
            series_limit: edition.registry.limit(),
            memory: edition.registry.budget().used(),
            memory_limit: edition.registry.budget().limit(),
            series_expired: edition.registry.expired(),
            merged_names: edition.registry.merged(),
            lost_log_lines: log::lost(),
            listeners: listened(),
            relays: relays(),
            pushes: pushes(),
            state: state.as_ref().map(|state| state()),
            process: process::snapshot(start_time),
        }
    }
}

/// How many packets the kernel has dropped, of all listeners.
fn kernel_dropped(listeners: &[ListenerSnapshot]) -> u64 {
    let datagrams = listeners.iter().filter_map(|listener| listener.socket.try_as_datagram_ref());
    datagrams.map(|datagram| datagram.dropped).sum()
}

/// Moves the pipeline's clock on by a second each `tick`, for ever. Removes the series that have expired, gives their
/// memory back to the system, and writes the warnings that are due to the log.
async fn advance_clock(
    pipeline: &Arc<Pipeline>,
    ticks: Ticks,
    Timing { tick, clock, .. }: Timing,
    mut warnings: impl FnMut(u32) -> Vec<Warning>,
) {
    let start = Instant::now();
    let mut sweep: Option<JoinHandle<_>> = None;
    let mut ebb = memory::Ebb::default();
    loop {
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
        ticks.next().await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn an_intake_thread_that_panics_ends_the_program_with_an_error() {
        let mut config = Config::default();
        config.intake.listen = vec!["udp://127.0.0.1:0".parse().expect("an address")];
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0)).into();
        let (rules, _) = Rules::compile(&config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let ended = runtime.block_on(async {
            let daemon = Daemon::start(&config, rules, Timing::default()).await.expect("it starts");
            daemon.receivers.run(|| panic!("as a bug would"));
            tokio::time::timeout(Duration::from_secs(30), daemon.serve_until(std::future::pending())).await
        });
        assert!(matches!(ended, Ok(Err(Error::Panicked))), "{ended:?}");
    }

    #[test]
    fn the_clock_moves_on_with_each_tick() {
        let (rules, _) = Rules::compile(&Config::default());
        let pipeline = Arc::new(Pipeline::new(&Config::default(), rules));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let tick = Duration::from_millis(5);
        let clock = async {
            let timing = Timing { tick, ..Timing::default() };
            let ticks = Ticks::every(tick).expect("a timer");
            tokio::time::timeout(tick * 20, advance_clock(&pipeline, ticks, timing, |_| Vec::new())).await
        };
        assert!(runtime.block_on(clock).is_err(), "the clock never stops");
        assert!(pipeline.clock.now() >= 10, "{}", pipeline.clock.now());
    }
}
