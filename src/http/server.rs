//! The server: it accepts connections and routes requests.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutWriter;

use super::answer::{Body, text};
use super::state::ServerState;
use super::{scrape, status};
use crate::retries::{NextTry, Retries};

/// When the connection of a slow client is closed.
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

/// Serves `max_connections` at a time, for as long as it is polled. Further connections wait until one is closed.
pub async fn serve(listener: TcpListener, state: Arc<ServerState>, max_connections: usize, timeouts: Timeouts) {
    let permits = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    let mut retries = Retries::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
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
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            serve_connection(stream, state, timeouts).await;
            drop(permit);
        });
    }
}

async fn serve_connection(stream: TcpStream, state: Arc<ServerState>, timeouts: Timeouts) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(respond(&request, &state)) }
    });
    // Without this timeout, a client that reads nothing would keep the rest of its answer in memory for ever.
    let mut stream = Box::pin(TimeoutWriter::new(stream));
    stream.as_mut().set_timeout_pinned(Some(timeouts.write));
    let served = hyper::server::conn::http1::Builder::new()
        // Without a timer, hyper ignores the header timeout.
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.header)
        // A client may close its sending side after the request and still read the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

fn respond(request: &Request<Incoming>, state: &Arc<ServerState>) -> Response<Body> {
    // hyper drops the body of an answer to HEAD, and keeps its length.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are served here.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => status::respond(state),
        "/metrics" => scrape::respond(request, state),
        "/-/healthy" => text(StatusCode::OK, "statsidecar is healthy.\n"),
        "/-/ready" => match (state.ready)() {
            true => text(StatusCode::OK, "statsidecar is ready.\n"),
            false => text(StatusCode::SERVICE_UNAVAILABLE, "statsidecar is not ready: not every listener is read.\n"),
        },
        _ => text(StatusCode::NOT_FOUND, "There is nothing here; try / or /metrics.\n"),
    }
}
