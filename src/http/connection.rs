//! One connection: its requests, one after the other, and its end.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::yield_now;
use tokio::time::{Instant as TokioInstant, sleep_until};

use super::activity::{Activity, Answering, Timeouts};
use super::answer::Body;
use super::connections::{Connections, Place};
use super::routes::{Routes, respond};
use super::socket::{ClientSocket, ClientStream};
use crate::telemetry::HttpClosed;

/// What all connections share.
pub(super) struct Shared {
    pub(super) routes: Routes,
    pub(super) connections: Arc<Connections>,
    pub(super) timeouts: Timeouts,
}

/// Why a connection ended.
enum Ended {
    /// The client closed it or violated the protocol.
    ByClient(io::Result<()>),
    /// The client has disconnected, or its host has.
    Broken,
    ByServer(HttpClosed),
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: ClientStream, place: Place, shared: Arc<Shared>) {
    let activity = &place.activity;
    let socket = ClientSocket::new(stream, Arc::clone(activity));
    let mut broken = pin!(socket.broken());
    let service = service_fn(|request| answer(request, activity, &shared));
    let mut http = hyper::server::conn::http1::Builder::new();
    // The timeouts of the activity hold. A client may close its sending side after the request and still read the answer.
    let http = http.header_read_timeout(None).half_close(true);
    let mut served = pin!(async {
        let tls = shared.routes.state.protection.get().tls;
        let Some(acceptor) = tls.map(|tls| tls.acceptor()) else {
            return http.serve_connection(TokioIo::new(socket), service).await.map_err(io::Error::other);
        };
        let stream = acceptor.accept(socket).await?;
        http.serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
    });
    let mut evicted = pin!(activity.evicted.notified());
    let mut timer = pin!(sleep_until(activity.due(&shared.timeouts).0.into()));
    let ended = poll_fn(|context| {
        if let Poll::Ready(result) = served.as_mut().poll(context) {
            return Poll::Ready(Ended::ByClient(result));
        }
        if evicted.as_mut().poll(context).is_ready() {
            // The place is counted where it is given to another client.
            return Poll::Ready(Ended::Broken);
        }
        if broken.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ended::Broken);
        }
        loop {
            let (due, why) = activity.due(&shared.timeouts);
            let due = TokioInstant::from(due);
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            match timer.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if Instant::now() >= due.into() => return Poll::Ready(Ended::ByServer(why)),
                Poll::Ready(()) => {}
            }
        }
    });
    match ended.await {
        Ended::ByClient(Err(error)) => tracing::debug!(%error, "an HTTP connection ended early"),
        Ended::ByServer(why) => shared.connections.closed(why),
        Ended::ByClient(Ok(())) | Ended::Broken => {}
    }
}

async fn answer(request: Request<Incoming>, activity: &Arc<Activity>, shared: &Shared) -> io::Result<Response<Answer>> {
    let answering = activity.asked();
    // A client that sends many requests at once must not keep the thread from the others.
    yield_now().await;
    let mut response = respond(&request, &shared.routes).await;
    if shared.connections.are_awaited() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Answer { body, _answering: answering }))
}

/// The body of an answer, which ends when this is dropped.
struct Answer {
    body: Body,
    _answering: Answering,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(context).map_err(io::Error::other)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
