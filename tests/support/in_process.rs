//! The sidecar in the process of a test, so that the test can set its clock.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use statsidecar::daemon::{Daemon, Timing};
use tokio::sync::oneshot;

use super::pipeline::compiled;
use super::{Metrics, PATIENCE, get};

/// How often a sidecar reads a clock that the test sets.
const POLL: Duration = Duration::from_millis(2);

/// A sidecar on a thread of its own; it is stopped when this is dropped.
pub struct InProcess {
    /// Where it receives StatsD: datagrams first, then streams.
    pub listeners: Vec<String>,
    metrics: Metrics,
    clock: &'static AtomicU32,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl InProcess {
    /// Starts a sidecar with this config, on these listeners and on a free port for HTTP.
    pub fn start(config: &str, listen: &[&str], timing: Timing) -> Self {
        Self::spawn(config, listen, timing, Box::leak(Box::default()))
    }

    /// The same with a clock that stands at 0 until [`advance`](Self::advance) moves it.
    pub fn start_with_clock(config: &str, listen: &[&str]) -> Self {
        // The sidecar runs on a thread that may outlive a failed test, so the clock is never freed.
        let clock: &'static AtomicU32 = Box::leak(Box::default());
        Self::spawn(config, listen, Timing { tick: POLL, clock: Some(clock), ..Timing::default() }, clock)
    }

    /// Moves the clock of [`start_with_clock`](Self::start_with_clock), and waits until the sidecar follows: a line sent
    /// later arrives at this time.
    pub fn advance(&self, seconds: u32) {
        let now = self.clock.fetch_add(seconds, Ordering::Relaxed) + seconds;
        let follows = format!("\"uptime_seconds\":{now},");
        let deadline = Instant::now() + PATIENCE;
        while !get(self.http, "/api/v1/status").contains(&follows) {
            assert!(Instant::now() < deadline, "the sidecar's clock does not reach {now}");
            thread::sleep(POLL);
        }
    }

    fn spawn(config: &str, listen: &[&str], timing: Timing, clock: &'static AtomicU32) -> Self {
        let (mut config, rules) = compiled(config);
        config.intake.listen = listen.iter().map(|address| address.parse().expect("a listener")).collect();
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0)).into();

        let (started, addresses) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let daemon = Daemon::start(&config, rules, timing).await.unwrap_or_else(|error| panic!("{error}"));
                let listeners = daemon.listeners().iter().map(ToString::to_string).collect();
                let http = daemon.http().ip().expect("it is served by TCP");
                started.send((listeners, http)).expect("the test waits for the addresses");
                daemon.serve_until(async { _ = stopped.await }).await.unwrap_or_else(|error| panic!("{error}"));
            });
        });
        let (listeners, http) = addresses.recv_timeout(PATIENCE).expect("the sidecar starts");
        Self { listeners, metrics: Metrics { http }, clock, stop: Some(stop), thread: Some(thread) }
    }

    /// The address of the first listener, which is UDP or TCP.
    pub fn address(&self) -> SocketAddr {
        let (_, address) = self.listeners[0].split_once("://").expect("an address has a scheme");
        address.parse().expect("an address with a port")
    }
}

impl Deref for InProcess {
    type Target = Metrics;

    fn deref(&self) -> &Metrics {
        &self.metrics
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || !matches!(ended, Some(Err(_))), "the sidecar has panicked");
    }
}
