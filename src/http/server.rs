//! The server: its thread, and how it accepts connections.

use std::io;
use std::net;
use std::os::unix;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};

use super::activity::Timeouts;
use super::connection::{self, Shared};
use super::connections::Connections;
use super::pages::Pages;
use super::routes::Routes;
use super::socket::ClientStream;
use super::state::ServerState;
use crate::retries::{NextTry, Retries};

/// How many connections may wait to be accepted. A client beyond that connects a second later.
const BACKLOG: i32 = 4096;

/// A bound socket that listens.
#[derive(Debug)]
pub enum BoundListener {
    /// Of TCP.
    Tcp(net::TcpListener),
    /// A Unix socket.
    Unix(unix::net::UnixListener),
}

/// The same in the runtime.
enum HttpListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl HttpListener {
    /// Needs a runtime.
    fn new(listener: BoundListener) -> io::Result<Self> {
        match listener {
            BoundListener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                rustix::net::listen(&listener, BACKLOG)?;
                TcpListener::from_std(listener).map(Self::Tcp)
            }
            BoundListener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                rustix::net::listen(&listener, BACKLOG)?;
                UnixListener::from_std(listener).map(Self::Unix)
            }
        }
    }

    async fn accept(&self) -> io::Result<ClientStream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| ClientStream::Tcp(stream)),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| ClientStream::Unix(stream)),
        }
    }
}

/// A server on threads of its own: one for its connections, one for pages, and one that waits for arrivals. They end when
/// this is dropped.
#[derive(Debug)]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    /// The first one is that of the connections.
    threads: Vec<JoinHandle<()>>,
    /// Closed when the thread of the connections ends.
    running: oneshot::Receiver<()>,
}

impl Server {
    /// Starts to serve on all `listeners`. At most `max_connections` are open at a time.
    pub fn start(
        listeners: Vec<BoundListener>,
        state: ServerState,
        max_connections: usize,
        timeouts: Timeouts,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let listeners = listeners.into_iter().map(HttpListener::new).collect::<io::Result<Vec<_>>>()?;
        drop(entered);
        let state = Arc::new(state);
        let connections = Connections::new(max_connections, Arc::clone(&state.pipeline));
        let (pages, page_threads) = Pages::start(&state)?;
        let shared = Arc::new(Shared { routes: Routes { state, pages }, connections, timeouts });
        let (stop, stopped) = oneshot::channel();
        let (ended, running) = oneshot::channel::<()>();
        let serves = thread::Builder::new().name("http".to_owned()).spawn(move || {
            let _ended = ended;
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = accept_all(listeners, shared) => {}
                }
            });
        })?;
        let threads = [serves].into_iter().chain(page_threads).collect();
        Ok(Self { stop: Some(stop), threads, running })
    }

    /// Waits until the thread of the connections panics.
    pub async fn failed(&mut self) {
        let _ = (&mut self.running).await; // an error: nothing is ever sent
    }

    /// Closes all connections, and waits for the threads.
    pub fn stop(mut self) {
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the HTTP server had panicked");
            }
        }
    }
}

async fn accept_all(listeners: Vec<HttpListener>, shared: Arc<Shared>) {
    let mut tasks: JoinSet<()> = listeners.into_iter().map(|listener| accept(listener, Arc::clone(&shared))).collect();
    // Each of them accepts for ever. Dropping the others closes their addresses.
    let _ = tasks.join_next().await;
}

async fn accept(listener: HttpListener, shared: Arc<Shared>) {
    let mut retries = Retries::new();
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                // Most likely too many files are open, so that other connections must close first.
                let NextTry { pause, log } = retries.failed(Instant::now());
                if let Some(unlogged) = log {
                    tracing::warn!(
                        %error, more_since_the_last_warning = unlogged,
                        "cannot accept an HTTP connection; trying again"
                    );
                }
                tokio::time::sleep(pause).await;
                continue;
            }
        };
        retries.succeeded();
        let place = shared.connections.admit().await;
        tokio::spawn(connection::serve(stream, place, Arc::clone(&shared)));
        // The request may have arrived. It is read before another client can take the place.
        yield_now().await;
    }
}
