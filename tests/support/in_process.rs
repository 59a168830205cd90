//! The sidecar within the process of a test, so that the test can set how fast time goes by.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use statsidecar::config::{self, Severity};
use statsidecar::daemon::{Daemon, Timing};
use statsidecar::mapping::Rules;
use tokio::sync::oneshot;

use super::{PATIENCE, get};

/// A sidecar on a thread of its own; it is stopped when this is dropped.
pub struct InProcess {
    /// Where it receives StatsD: datagrams first, then streams.
    pub listeners: Vec<String>,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl InProcess {
    /// Starts a sidecar with this config, on these listeners and on a free port for HTTP.
    pub fn start(config: &str, listen: &[&str], timing: Timing) -> Self {
        let (mut config, mut diagnostics) = config::load(config);
        let (rules, more) = Rules::compile(&config);
        diagnostics.extend(more);
        assert!(diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error), "{diagnostics:?}");
        config.intake.listen = listen.iter().map(|address| address.parse().expect("a listener")).collect();
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));

        let (started, addresses) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let daemon = Daemon::start(&config, rules, timing).await.unwrap_or_else(|error| panic!("{error}"));
                let listeners = daemon.listeners().iter().map(ToString::to_string).collect();
                started.send((listeners, daemon.http())).expect("the test waits for the addresses");
                daemon.serve_until(async { _ = stopped.await }).await;
            });
        });
        let (listeners, http) = addresses.recv_timeout(PATIENCE).expect("the sidecar starts");
        Self { listeners, http, stop: Some(stop), thread: Some(thread) }
    }

    /// The metrics, now.
    pub fn scrape(&self) -> String {
        get(self.http, "/metrics")
    }

    /// The address of the first listener, which is UDP or TCP.
    pub fn address(&self) -> SocketAddr {
        let (_, address) = self.listeners[0].split_once("://").expect("an address has a scheme");
        address.parse().expect("an address with a port")
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || !matches!(ended, Some(Err(_))), "the sidecar has panicked");
    }
}
