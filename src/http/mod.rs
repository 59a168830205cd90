//! The page and what stands around it, over HTTP/1.1: one route match, read-only.

mod body;
mod exposition;
mod scrape;
mod status;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutWriter;

use crate::pipeline::Pipeline;
use crate::telemetry::Snapshot;

use body::Body;
pub use exposition::exposition;

/// How long a client may take until its connection is closed.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The time to send the head of a request, which is also how long a connection may be idle.
    pub header: Duration,
    /// The time in which the client reads nothing of an answer.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { header: Duration::from_secs(10), write: Duration::from_secs(30) }
    }
}

/// What the handlers serve. The rest of the program is asked through the two functions, so that this module knows no
/// socket but its own.
pub struct State {
    /// The metrics.
    pub pipeline: Arc<Pipeline>,
    /// What is read at the moment of a scrape.
    pub snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
    /// Whether every listener is bound and being read.
    pub ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// Who has it is at work on a page. It guards no data, only the CPU.
    turn: Mutex<()>,
}

impl State {
    /// What the handlers serve.
    pub fn new(
        pipeline: Arc<Pipeline>,
        snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
        ready: Box<dyn Fn() -> bool + Send + Sync>,
    ) -> Self {
        Self { pipeline, snapshot, ready, turn: Mutex::default() }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

/// Serves `listener` for as long as it is polled, `max_connections` at a time; a further one waits for its turn.
pub async fn serve(listener: TcpListener, state: Arc<State>, max_connections: usize, timeouts: Timeouts) {
    let permits = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: others have to end first.
                tracing::warn!(%error, "accepting an HTTP connection failed; going on");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            connection(stream, state, timeouts).await;
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, state: Arc<State>, timeouts: Timeouts) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(respond(&request, &state)) }
    });
    // What is not sent yet waits for the client, and so does the thread that writes more of it.
    let mut stream = Box::pin(TimeoutWriter::new(stream));
    stream.as_mut().set_timeout_pinned(Some(timeouts.write));
    let served = hyper::server::conn::http1::Builder::new()
        // Without a timer the header timeout is silently off.
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.header)
        // A client that has said all it has to say still waits for the page.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

fn respond(request: &Request<Incoming>, state: &Arc<State>) -> Response<Body> {
    // hyper leaves out the body of an answer to HEAD, and keeps its length.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are served here.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => status::page(state),
        "/metrics" => scrape::respond(request, state),
        "/-/healthy" => text(StatusCode::OK, "statsidecar is healthy.\n"),
        "/-/ready" => match (state.ready)() {
            true => text(StatusCode::OK, "statsidecar is ready.\n"),
            false => text(StatusCode::SERVICE_UNAVAILABLE, "statsidecar is not ready: not every listener is read.\n"),
        },
        _ => text(StatusCode::NOT_FOUND, "There is nothing here; try / or /metrics.\n"),
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", whole(body))
}

fn whole(body: impl Into<Bytes>) -> Body {
    Body::Whole(Full::new(body.into()))
}

fn answer(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Binds the address of the page.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}
