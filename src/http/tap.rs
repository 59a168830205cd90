//! `/api/v1/tap`: lines as they arrive, until the client leaves.

use std::collections::VecDeque;
use std::io;
use std::str;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Either;
use hyper::{Request, Response, StatusCode};
use memchr::memchr;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::admin::AdminVerdict;
use super::answer::{Body, BodyPiece, Pieces, answer, refused, text};
use super::state::ServerState;
use crate::mapping::NameFilter;
use crate::parse::tags;
use crate::pipeline::Pipeline;
use crate::tap::{TapEvent, TappedLine};
use crate::telemetry::{WatchFilter, WatchId, WatchedLine};

/// The time between two pieces of the answer.
const PIECE: Duration = Duration::from_millis(100);

/// After so many pieces the client hears of skipped lines, and that the sidecar is still there.
const PIECES_A_SECOND: u32 = 10;

/// An answer ends after this time, which is shorter than the deadline of an answer. `statsidecar tap` asks again.
const LENGTH: Duration = Duration::from_secs(50);

/// What a client asks for.
#[derive(Debug, Default)]
struct TapQuery {
    filter: Option<NameFilter>,
    is_for_rejected: bool,
}

pub(super) fn respond<B>(request: &Request<B>, state: &Arc<ServerState>, verdict: AdminVerdict) -> Response<Body> {
    if !verdict.served {
        return refused(StatusCode::FORBIDDEN, format!("Lines of clients are not shown: {}.\n", verdict.why));
    }
    let query = match TapQuery::parse(request.uri().query().unwrap_or_default()) {
        Ok(query) => query,
        Err(why) => return refused(StatusCode::BAD_REQUEST, format!("{why}\n")),
    };
    let Some(watching) = Watching::begin(&state.pipeline, query) else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "Too many clients watch lines already; try again later.\n");
    };
    // hyper drops the body of an answer to HEAD, which ends the watch.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(watching.send(sender));
    answer(StatusCode::OK, "application/x-ndjson", Either::Right(Pieces::new(receiver)))
}

impl TapQuery {
    fn parse(query: &str) -> Result<Self, String> {
        let mut parsed = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*key, &*value) {
                ("match", glob) => parsed.filter = Some(NameFilter::new(glob)?),
                ("rejected", "" | "1" | "true") => parsed.is_for_rejected = true,
                ("rejected", "0" | "false") => parsed.is_for_rejected = false,
                _ => return Err("The query may have match=GLOB and rejected=true.".to_owned()),
            }
        }
        Ok(parsed)
    }
}

/// A watch that ends when this is dropped.
struct Watching {
    pipeline: Arc<Pipeline>,
    id: WatchId,
}

impl Watching {
    /// `None` if there are too many.
    fn begin(pipeline: &Arc<Pipeline>, TapQuery { filter, is_for_rejected }: TapQuery) -> Option<Self> {
        let dialects = pipeline.current().rules.dialects;
        let takes = move |line: &[u8]| {
            let Some(filter) = &filter else { return true };
            let name = line.get(..memchr(b':', line).unwrap_or(line.len())).unwrap_or_default();
            str::from_utf8(tags::before_tags(name, dialects)).is_ok_and(|name| filter.takes(name))
        };
        let id = pipeline.telemetry.watches.add(WatchFilter { takes: Box::new(takes), is_for_rejected })?;
        Some(Self { pipeline: Arc::clone(pipeline), id })
    }

    /// Sends lines until the client leaves, or until the answer is long enough.
    async fn send(self, to: mpsc::Sender<BodyPiece>) {
        let end = Instant::now() + LENGTH;
        let mut ticks = interval(PIECE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut pieces, mut skipped) = (0, 0);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = to.closed() => return,
            }
            let (lines, more) = self.pipeline.telemetry.watches.drain(self.id);
            (pieces, skipped) = (pieces + 1, skipped + more);
            let is_last = Instant::now() >= end;
            let tells = pieces % PIECES_A_SECOND == 0 || is_last;
            if lines.is_empty() && !tells {
                continue;
            }
            let told = tells.then(|| std::mem::take(&mut skipped));
            let Ok(bytes) = piece(lines, told) else { return };
            if to.send(BodyPiece { bytes, is_last }).await.is_err() || is_last {
                return;
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.pipeline.telemetry.watches.remove(self.id);
    }
}

/// Lines, and how many were skipped, as lines of JSON.
fn piece(lines: VecDeque<WatchedLine>, skipped: Option<u64>) -> io::Result<Bytes> {
    let lines = lines.into_iter().map(|WatchedLine { listener, reject, text }| {
        let reason = reject.map(|reject| reject.to_string());
        TapEvent::Line(TappedLine { listener: listener.to_string(), reason, text })
    });
    let mut piece = Vec::new();
    for event in lines.chain(skipped.map(TapEvent::Skipped)) {
        serde_json::to_writer(&mut piece, &event)?;
        piece.push(b'\n');
    }
    Ok(piece.into())
}
