//! Streams: connections of TCP and Unix sockets, read in turns on the thread of the runtime.
//!
//! All connections share one worker and one buffer, so that a connection costs no more than what is unfinished of it.
//! In its turn a connection is read once: however much it sends, the others and the page have theirs in between.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::{ioctl_fionread, retry_on_intr};
use rustix::net::sockopt;
use strum::EnumCount;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::timeout;

use super::bind::{self, SocketFile};
use super::client::{Acceptor, Client};
use super::framing::{BadLength, End, Frames, Piece};
use crate::config::{Address, Framing, IntakeConfig};
use crate::forward::Tap;
use crate::pipeline::{Work, Worker};
use crate::reject::Reject;
use crate::telemetry::{Closed, Listener, ListenerSnapshot, SocketSnapshot, StreamSnapshot};

/// How many bytes a connection is read in its turn.
const TURN: usize = 16 * 1024;

/// When a host that says nothing is asked whether it is still there, how often, and how many times until it is not.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 4);

/// A bound socket that connections come in by.
#[derive(Debug)]
pub struct StreamSocket {
    address: Address,
    listener: Arc<Listener>,
    framing: Framing,
    fd: OwnedFd,
    file: Option<SocketFile>,
    counts: Counts,
}

/// All are `Relaxed`: each is a number of its own.
#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    closed: [AtomicU64; Closed::COUNT],
}

impl StreamSocket {
    /// Binds `address`; `None` if its lines come in datagrams. With `only_v6`, an IPv6 wildcard leaves IPv4 to another
    /// socket.
    pub fn bind(address: &Address, only_v6: bool, intake: &IntakeConfig) -> io::Result<Option<Self>> {
        let Some(framing) = address.framing() else { return Ok(None) };
        let fd = bind::socket(address, only_v6)?;
        if address.ip().is_some() {
            // Connections of the program that was here before may linger for a minute.
            sockopt::set_socket_reuseaddr(&fd, true)?;
            // What is accepted inherits these.
            let (idle, interval, count) = KEEPALIVE;
            sockopt::set_socket_keepalive(&fd, true)?;
            sockopt::set_tcp_keepidle(&fd, idle)?;
            sockopt::set_tcp_keepintvl(&fd, interval)?;
            sockopt::set_tcp_keepcnt(&fd, count)?;
        }
        let (address, file) = bind::bind(&fd, address, intake)?;
        let listener = Listener::new(address.to_string());
        Ok(Some(Self { address, listener, framing, fd, file, counts: Counts::default() }))
    }

    /// The address that it is bound to, with the port that the kernel chose where none was asked for.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What it has received, and how many connections it has had.
    pub(crate) fn snapshot(&self) -> ListenerSnapshot {
        // What was closed is read first, so that it is never more than what was opened.
        let closed = self.counts.closed.each_ref().map(|count| count.load(Ordering::Relaxed));
        let accepted = self.counts.accepted.load(Ordering::Relaxed);
        self.listener.snapshot(SocketSnapshot::Stream(StreamSnapshot { accepted, closed }))
    }

    fn closed(&self, why: Closed) {
        self.counts.closed[why as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// The tasks that read streams.
#[derive(Debug)]
pub struct Streams {
    tasks: JoinSet<()>,
    running: Vec<AbortHandle>,
    stop: watch::Sender<bool>,
}

/// What the tasks share.
#[derive(Debug)]
struct Shared {
    /// All run on one thread, and none waits while it has this: the lock only says so to the compiler.
    turn: Mutex<Turn>,
    connections: Arc<Semaphore>,
    max_line: usize,
    idle_timeout: Option<Duration>,
    stop: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Turn {
    worker: Worker,
    tap: Option<Tap>,
    buffer: Box<[u8]>,
}

impl Streams {
    /// Starts to accept connections, so many at a time, and to hand their lines to `worker`. Needs a runtime of a single
    /// thread.
    pub fn start(
        sockets: &[Arc<StreamSocket>],
        worker: Worker,
        tap: Option<Tap>,
        max_connections: usize,
        intake: &IntakeConfig,
    ) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            turn: Mutex::new(Turn { worker, tap, buffer: vec![0; TURN].into() }),
            connections: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
            max_line: intake.max_line,
            idle_timeout: intake.idle_timeout,
            stop: stopped,
        });
        let (mut tasks, mut running) = (JoinSet::new(), Vec::new());
        for socket in sockets {
            let acceptor = Acceptor::new(socket.fd.try_clone()?, socket.address.ip().is_some())?;
            running.push(tasks.spawn(accept(Arc::clone(socket), acceptor, Arc::clone(&shared))));
        }
        Ok(Self { tasks, running, stop })
    }

    /// Tells whether every listener accepts.
    pub fn ready(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let running = self.running.clone();
        move || !running.iter().any(AbortHandle::is_finished)
    }

    /// Applies what has arrived, closes all connections, and returns.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true); // without a receiver there is no task to stop
        while let Some(ended) = self.tasks.join_next().await {
            if ended.is_err() {
                tracing::error!("a task that reads streams had panicked");
            }
        }
    }
}

/// Accepts the connections of a socket, until the end; then takes those that wait, and waits for all to be read.
async fn accept(socket: Arc<StreamSocket>, acceptor: Acceptor, shared: Arc<Shared>) {
    let mut stop = shared.stop.clone();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok(client) => take_in(client, &socket, &shared, &mut connections),
            Err(error) => {
                // Out of file descriptors, most likely: others have to end first.
                tracing::warn!(listener = %socket.address, %error, "accepting a connection failed; going on");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    socket.file.iter().for_each(SocketFile::remove);
    while let Ok(client) = acceptor.accept_now() {
        take_in(client, &socket, &shared, &mut connections);
    }
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err() {
        tracing::error!("a task that reads a connection had panicked");
    }
}

fn take_in(client: Client, socket: &Arc<StreamSocket>, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    socket.counts.accepted.fetch_add(1, Ordering::Relaxed);
    let Ok(permit) = Arc::clone(&shared.connections).try_acquire_owned() else {
        return socket.closed(Closed::Limit);
    };
    let frames = Frames::new(socket.framing, shared.max_line);
    let (socket, shared) = (Arc::clone(socket), Arc::clone(shared));
    let connection = Connection { socket, frames, shared, _permit: permit };
    connections.spawn(connection.run(client));
}

/// One client.
struct Connection {
    socket: Arc<StreamSocket>,
    frames: Frames,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(mut self, client: Client) {
        let Err(why) = self.read_all(&client).await;
        let end = if matches!(why, Some(Closed::End | Closed::Idle)) { End::Whole } else { End::Torn };
        let is_whole = self.end(end);
        match why {
            // A client that ends in the middle of a message does not keep to the framing either.
            Some(Closed::End) if !is_whole => self.socket.closed(Closed::Framing),
            Some(why) => self.socket.closed(why),
            None => {}
        }
    }

    /// Reads for as long as there may be more to read; gives why it is closed, or `None` at the stop.
    async fn read_all(&mut self, client: &Client) -> Result<Infallible, Option<Closed>> {
        let mut stop = self.shared.stop.clone();
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => return Err(self.drain(client.as_fd())),
                ready = within(self.shared.idle_timeout, client.readable()) => ready?.map_err(|_| Closed::Error)?,
            }
            match client.try_read(|fd| self.turn(fd)) {
                Ok(read) => _ = read?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Some(Closed::Error)),
            }
            yield_now().await;
        }
    }

    /// Reads what has arrived. The client may go on sending, so it ends when as much was read as was there.
    fn drain(&mut self, client: BorrowedFd<'_>) -> Option<Closed> {
        let mut arrived = ioctl_fionread(client).ok()?;
        loop {
            match self.turn(client) {
                Ok(Ok(read)) => arrived = arrived.checked_sub(read as u64)?,
                Ok(Err(why)) => return Some(why),
                Err(_) => return None,
            }
        }
    }

    /// Reads once and applies what came; gives how much, or why there will be no more.
    fn turn(&mut self, client: BorrowedFd<'_>) -> io::Result<Result<usize, Closed>> {
        let mut turn = self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Turn { worker, tap, buffer } = &mut *turn;
        let len = retry_on_intr(|| rustix::io::read(client, &mut buffer[..]))?;
        if len == 0 {
            return Ok(Err(Closed::End));
        }
        let mut work = worker.begin(&self.socket.listener, None);
        work.received(0, len as u64);
        let read = buffer.get(..len).unwrap_or_default();
        let pushed = self.frames.push(read, |piece| apply(&mut work, tap, piece));
        tap.iter_mut().for_each(Tap::flush);
        Ok(pushed.map(|()| len).map_err(|BadLength(_)| Closed::Framing))
    }

    /// Applies what is left, if it is whole; gives whether it is.
    fn end(&mut self, end: End) -> bool {
        let mut turn = self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Turn { worker, tap, .. } = &mut *turn;
        let mut work = worker.begin(&self.socket.listener, None);
        let is_whole = self.frames.end(end, |piece| apply(&mut work, tap, piece));
        tap.iter_mut().for_each(Tap::flush);
        is_whole
    }
}

fn apply(work: &mut Work<'_>, tap: &mut Option<Tap>, piece: Piece<'_>) {
    if let (Some(tap), Piece::Lines(lines) | Piece::Message(lines)) = (tap, piece) {
        tap.lines(lines);
    }
    match piece {
        Piece::Lines(lines) => work.batch().lines(lines),
        Piece::Message(lines) => {
            work.received(1, 0);
            work.batch().lines(lines);
        }
        Piece::TooLong => work.lost_line(Reject::LineTooLong),
        Piece::Cut => work.lost_line(Reject::MalformedLine),
    }
}

async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Result<T, Closed> {
    match limit {
        Some(limit) => timeout(limit, future).await.map_err(|_| Closed::Idle),
        None => Ok(future.await),
    }
}
