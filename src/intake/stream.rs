//! Streams: connections of TCP and Unix sockets, read on the thread of the runtime.
//!
//! All connections share one worker and one buffer, so that an open connection costs only the memory of its unfinished
//! line. A connection yields after each full read, so that a busy one delays neither the others nor HTTP; after any other
//! read it has to wait.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::io::{ioctl_fionread, retry_on_intr};
use rustix::net::{self, Shutdown, SocketFlags};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinError, JoinSet, yield_now};
use tokio::time::timeout;

use super::asked::{Answers, Asked};
use super::framing::{BadStream, End, Frames, Piece};
use super::stream_gathering::StreamGathering;
use super::stream_socket::StreamSocket;
use super::sys;
use crate::config::IntakeConfig;
use crate::forward::RelayTap;
use crate::pipeline::{Work, Worker};
use crate::reject::Reject;
use crate::retries::{NextTry, Retries};
use crate::sync::Mutex;
use crate::telemetry::Closed;

/// How many bytes are read from a connection at a time.
const READ: usize = 16 * 1024;

/// The tasks that read streams.
#[derive(Debug)]
pub(crate) struct Streams {
    shared: Arc<StreamContext>,
    tasks: JoinSet<()>,
    running: ListeningTasks,
    panicked: Arc<Notify>,
}

/// The sockets that are read, each with the task that accepts its connections.
type ListeningTasks = Arc<Mutex<Vec<(Arc<StreamSocket>, AbortHandle)>>>;

/// Tells of a task that panics.
struct Watched(Arc<Notify>);

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.notify_one();
        }
    }
}

/// What there was no time to read after [`StreamSocket::stop`].
#[derive(Debug, Default)]
struct Lost {
    connections: AtomicU64,
    /// What had arrived on the accepted ones among them.
    bytes: AtomicU64,
}

/// What the tasks share.
#[derive(Debug)]
struct StreamContext {
    /// Never contended, because all tasks run on one thread and none holds it while it waits.
    worker: Mutex<StreamWorker>,
    connections: Arc<Semaphore>,
    idle_timeout: Option<Duration>,
    /// How long lines may gather in the kernel.
    gather: Duration,
    lost: Lost,
    asked: Arc<Asked>,
}

/// The worker of all streams, with what it needs to read one.
#[derive(Debug)]
struct StreamWorker {
    worker: Worker,
    tap: Option<RelayTap>,
    buffer: Box<[u8]>,
}

impl Streams {
    /// Reads no socket yet. Accepts at most `max_connections` at a time, and applies their lines with `worker`. `panicked` is
    /// notified when a task that accepts connections panics.
    pub(crate) fn new(
        worker: Worker,
        tap: Option<RelayTap>,
        max_connections: usize,
        intake: &IntakeConfig,
        panicked: Arc<Notify>,
    ) -> Self {
        let shared = Arc::new(StreamContext {
            worker: Mutex::new(StreamWorker { worker, tap, buffer: vec![0; READ].into() }),
            connections: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
            idle_timeout: intake.idle_timeout,
            gather: intake.gather,
            lost: Lost::default(),
            asked: Arc::default(),
        });
        Self { shared, tasks: JoinSet::new(), running: ListeningTasks::default(), panicked }
    }

    /// Begins to read a socket until it is [stopped](StreamSocket::stop). `acceptor` waits for its connections. Needs a tokio
    /// runtime of a single thread.
    pub(crate) fn read(&mut self, socket: &Arc<StreamSocket>, acceptor: StreamAcceptor) {
        // Those of sockets that were removed.
        while self.tasks.try_join_next().is_some() {}
        let watched = Watched(Arc::clone(&self.panicked));
        let accept = accept(Arc::clone(socket), acceptor.0, Arc::clone(&self.shared));
        let task = self.tasks.spawn(async move {
            let _watched = watched;
            accept.await;
        });
        let mut running = self.running.lock();
        running.retain(|(socket, _)| !socket.is_stopping());
        running.push((Arc::clone(socket), task));
    }

    /// Waits until all that arrived before is applied, but not longer than until the given time. Not for the thread of the
    /// runtime.
    pub(crate) fn catch_up(&self) -> impl Fn(Instant) + Send + Sync + use<> {
        let asked = Arc::clone(&self.shared.asked);
        move |deadline| asked.wait(deadline)
    }

    /// Tells whether every socket accepts connections.
    pub(crate) fn ready(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let running = Arc::clone(&self.running);
        move || running.lock().iter().all(|(socket, task)| socket.is_stopping() || !task.is_finished())
    }

    /// Applies what has arrived by now, and closes all connections. What is not applied by `end` is lost.
    pub(crate) async fn stop(mut self, end: Instant) {
        self.running.lock().iter().for_each(|(socket, _)| socket.stop(end));
        while let Some(ended) = self.tasks.join_next().await {
            if ended.is_err() {
                tracing::error!("a task that reads streams had panicked");
            }
        }
        let Lost { connections, bytes } = &self.shared.lost;
        let [connections, bytes] = [connections, bytes].map(|lost| lost.load(Ordering::Relaxed));
        if connections > 0 {
            tracing::warn!(
                connections,
                bytes,
                "there was no time for all that waited at the signal on connections; it is lost"
            );
        }
    }
}

/// Waits for the connections of a socket.
#[derive(Debug)]
pub(crate) struct StreamAcceptor(AsyncFd<OwnedFd>);

impl StreamAcceptor {
    /// That of a socket. Needs a tokio runtime.
    pub(crate) fn new(socket: &StreamSocket) -> io::Result<Self> {
        socket.bound.fd.try_clone().and_then(sys::watch).map(Self)
    }
}

/// Accepts the connections of a socket until [`StreamSocket::stop`]. Then accepts the waiting ones, and waits until all are
/// read.
async fn accept(socket: Arc<StreamSocket>, mut acceptor: AsyncFd<OwnedFd>, shared: Arc<StreamContext>) {
    let mut stop = socket.stopped();
    let mut connections = JoinSet::new();
    let (mut answers, mut retries, mut panics) = (shared.asked.acceptor(), Retries::new(), Retries::new());
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => break,
            answer = answers.asked() => {
                // New connections are asked after this, because they exist by then.
                accept_waiting(&socket, &acceptor, &shared, &mut connections);
                answers.answer(answer);
                continue;
            }
            () = socket.restored.notified() => {
                accept_last(&socket, &acceptor, &shared, &mut connections);
                match socket.bound.fd.try_clone().and_then(sys::watch) {
                    Ok(new) => {
                        acceptor = new;
                        continue;
                    }
                    Err(error) => {
                        socket.restored.notify_one();
                        Err(error)
                    }
                }
            }
            Some(ended) = connections.join_next() => {
                log_panic(ended, &mut panics);
                continue;
            }
            accepted = acceptor.async_io(Interest::READABLE, accept_now) => accepted,
        };
        match accepted {
            Ok(client) => {
                retries.succeeded();
                spawn_connection(client, &socket, &shared, &mut connections);
            }
            Err(error) => {
                // Most likely too many files are open, so that other connections must close first.
                let NextTry { pause, log } = retries.failed(Instant::now());
                if let Some(unlogged) = log {
                    let listener = socket.address();
                    tracing::warn!(
                        %listener, %error, more_since_the_last_warning = unlogged,
                        "cannot accept a connection; trying again"
                    );
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stop.changed() => break,
                }
            }
        }
    }
    // The connections that wait at a passed socket are for the next process, which can read them to their end.
    if !socket.bound.is_passed {
        socket.bound.remove_file();
        accept_last(&socket, &acceptor, &shared, &mut connections);
    }
    while let Some(ended) = connections.join_next().await {
        log_panic(ended, &mut panics);
    }
}

/// Accepts the connections that wait now. On a Unix socket, no client can connect any more.
fn accept_last(
    socket: &Arc<StreamSocket>,
    acceptor: &AsyncFd<OwnedFd>,
    shared: &Arc<StreamContext>,
    connections: &mut JoinSet<()>,
) {
    if socket.address().unix().is_some() {
        // The connections that wait stay. TCP would reset them.
        let _ = net::shutdown(acceptor.get_ref(), Shutdown::Read);
    }
    accept_waiting(socket, acceptor, shared, connections);
}

/// Accepts the connections that wait now. Clients may go on connecting, and are not accepted here.
fn accept_waiting(
    socket: &Arc<StreamSocket>,
    acceptor: &AsyncFd<OwnedFd>,
    shared: &Arc<StreamContext>,
    connections: &mut JoinSet<()>,
) {
    for _ in 0..socket.waiting() {
        match accept_now(acceptor.get_ref()) {
            Ok(client) => spawn_connection(client, socket, shared, connections),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // One that broke while it waited, or one that is shut down.
            Err(_) => {}
        }
    }
}

/// Accepts a connection that waits already.
fn accept_now(fd: &OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    sys::watch(retry_on_intr(|| net::accept_with(fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK))?)
}

fn log_panic(ended: Result<(), JoinError>, panics: &mut Retries) {
    if ended.is_err()
        && let Some(unlogged) = panics.failed(Instant::now()).log
    {
        tracing::error!(more_since_the_last_error = unlogged, "a task that reads a connection had panicked");
    }
}

fn spawn_connection(
    client: AsyncFd<OwnedFd>,
    socket: &Arc<StreamSocket>,
    shared: &Arc<StreamContext>,
    connections: &mut JoinSet<()>,
) {
    socket.accepted.fetch_add(1, Ordering::Relaxed);
    if socket.allowed.as_ref().is_some_and(|allowed| !allowed.allows_peer_of(client.as_fd())) {
        return socket.closed(Closed::Denied);
    }
    let Ok(permit) = Arc::clone(&shared.connections).try_acquire_owned() else {
        return socket.closed(Closed::Limit);
    };
    let frames = Frames::new(socket.framing, shared.worker.lock().worker.max_line());
    let answers = shared.asked.connection();
    let (socket, shared) = (Arc::clone(socket), Arc::clone(shared));
    let connection = Connection { socket, frames, shared, answers, _permit: permit };
    connections.spawn(connection.run(client));
}

/// One connection.
struct Connection {
    socket: Arc<StreamSocket>,
    frames: Frames,
    shared: Arc<StreamContext>,
    answers: Answers,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(mut self, client: AsyncFd<OwnedFd>) {
        let Err(why) = self.read_all(&client).await;
        let end = if matches!(why, Some(Closed::End | Closed::Idle)) { End::Whole } else { End::Torn };
        let is_whole = self.end(end);
        match why {
            // A client that closes in the middle of a message has violated the framing.
            Some(Closed::End) if !is_whole => self.socket.closed(Closed::Framing),
            Some(why) => self.socket.closed(why),
            None => {}
        }
    }

    /// Reads until the connection must be closed; gives the reason, or `None` at [`StreamSocket::stop`].
    async fn read_all(&mut self, client: &AsyncFd<OwnedFd>) -> Result<Infallible, Option<Closed>> {
        let mut stop = self.socket.stopped();
        let mut gathering = StreamGathering::new(self.socket.address(), self.shared.gather);
        loop {
            let mut ready = tokio::select! {
                biased;
                _ = stop.changed() => return Err(self.drain(client.as_fd())),
                answer = self.answers.asked() => {
                    let closed = self.drain(client.as_fd());
                    self.answers.answer(answer);
                    match closed {
                        Some(why) => return Err(Some(why)),
                        None => continue,
                    }
                }
                ready = within(self.shared.idle_timeout, client.readable()) => Some(ready?.map_err(|_| Closed::Error)?),
                () = gathering.ended() => None,
            };
            let read = match self.read(client.as_fd()) {
                Ok(read) => read?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return Err(Some(Closed::Error)),
            };
            if read < READ {
                // Nothing is left. The kernel reports what arrives from now on, and an end stays reported.
                ready.iter_mut().for_each(AsyncFdReadyGuard::clear_ready);
                gathering.was_read(client.as_fd(), read == 0, READ);
            } else {
                yield_now().await;
            }
        }
    }

    /// Reads as many bytes as have arrived by now, because the client may go on sending. What there is no time for is lost.
    fn drain(&mut self, client: BorrowedFd<'_>) -> Option<Closed> {
        let mut arrived = ioctl_fionread(client).ok()?;
        loop {
            if arrived > 0 && self.socket.is_late() {
                self.shared.lost.connections.fetch_add(1, Ordering::Relaxed);
                self.shared.lost.bytes.fetch_add(arrived, Ordering::Relaxed);
                return None;
            }
            match self.read(client) {
                Ok(Ok(read)) => arrived = arrived.checked_sub(read as u64)?,
                Ok(Err(why)) => return Some(why),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                // The system tells an error once, and then an end. So this is the only sign that the last line is torn.
                Err(_) => return Some(Closed::Error),
            }
        }
    }

    /// Reads once and applies the lines; gives the number of bytes, or why the connection must be closed.
    fn read(&mut self, client: BorrowedFd<'_>) -> io::Result<Result<usize, Closed>> {
        let mut worker = self.shared.worker.lock();
        let StreamWorker { worker, tap, buffer } = &mut *worker;
        let len = retry_on_intr(|| rustix::io::read(client, &mut buffer[..]))?;
        if len == 0 {
            return Ok(Err(Closed::End));
        }
        let mut work = worker.begin(&self.socket.listener, None);
        work.received(0, len as u64);
        let read = buffer.get(..len).unwrap_or_default();
        let pushed = self.frames.push(read, |piece| apply(&mut work, tap, piece));
        tap.iter_mut().for_each(RelayTap::flush);
        Ok(pushed.map(|()| len).map_err(|bad| match bad {
            BadStream::Length(_) => Closed::Framing,
            BadStream::Http => Closed::Http,
        }))
    }

    /// Applies the unfinished line if it counts as whole; gives whether nothing was cut.
    fn end(&mut self, end: End) -> bool {
        let mut worker = self.shared.worker.lock();
        let StreamWorker { worker, tap, .. } = &mut *worker;
        let mut work = worker.begin(&self.socket.listener, None);
        let is_whole = self.frames.end(end, |piece| apply(&mut work, tap, piece));
        tap.iter_mut().for_each(RelayTap::flush);
        is_whole
    }
}

fn apply(work: &mut Work<'_>, tap: &mut Option<RelayTap>, piece: Piece<'_>) {
    if let (Some(tap), Piece::Lines(lines) | Piece::Message(lines)) = (tap, piece) {
        tap.lines(lines);
    }
    match piece {
        Piece::Lines(lines) => work.batch().lines(lines),
        Piece::Message(lines) => {
            work.received(1, 0);
            work.batch().lines(lines);
        }
        Piece::TooLong => work.lost_line(Reject::LineTooLong, &[]),
        Piece::Cut => work.lost_line(Reject::MalformedLine, &[]),
    }
}

async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Result<T, Closed> {
    match limit {
        Some(limit) => timeout(limit, future).await.map_err(|_| Closed::Idle),
        None => Ok(future.await),
    }
}
