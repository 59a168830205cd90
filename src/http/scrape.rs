//! `/metrics`: each scrape writes an exposition and sends it meanwhile.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::mpsc;

use super::answer::{Body, END, Pieces, answer};
use super::exposition::{Exposition, PIECE};
use super::state::ServerState;
use crate::expose::text;

/// How many pieces may wait for the client to read them.
const AHEAD: usize = 2;

pub(super) fn respond<B>(request: &Request<B>, state: &Arc<ServerState>) -> Response<Body> {
    let gzip = takes_gzip(request.headers());
    let (sender, receiver) = mpsc::channel(AHEAD);
    // hyper never polls the body of an answer to HEAD.
    if request.method() != Method::HEAD {
        let state = Arc::clone(state);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = write(&state, gzip, &sender) {
                tracing::debug!(%error, "a scrape ended early");
            }
        });
    }
    let mut response = answer(StatusCode::OK, text::CONTENT_TYPE, Body::Right(Pieces(receiver)));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    if gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Writes an exposition and sends it, on a thread that may block.
///
/// Only one thread at a time writes, so that scrapes take no more than one core from the intake. It does not hold the
/// lock while it waits for its client, so that a slow client delays no other.
fn write(state: &ServerState, gzip: bool, client: &mpsc::Sender<Option<Bytes>>) -> io::Result<()> {
    (state.catch_up)();
    let mut writing = Duration::ZERO;
    let mut exposition = None;
    let mut encoder = Encoder { plain: Vec::new(), gzip: None };
    let mut is_more = true;
    while is_more {
        let mut piece = Bytes::new();
        let rendering = state.render_lock.lock();
        let begun = Instant::now();
        let exposition = exposition.get_or_insert_with(|| Exposition::new(&state.pipeline, &(state.snapshot)()));
        if gzip {
            encoder.gzip.get_or_insert_with(|| GzEncoder::new(Vec::new(), Compression::fast()));
        }
        while is_more && piece.is_empty() {
            is_more = exposition.write(&mut encoder.plain);
            piece = encoder.take(is_more)?;
        }
        writing += begun.elapsed();
        drop(rendering);
        if !is_more {
            // Before the end is sent, so that the next scrape of this client finds this one counted.
            state.pipeline.telemetry.scraped(writing.as_secs_f64());
        }
        client.blocking_send(Some(piece)).map_err(|_| io::ErrorKind::BrokenPipe)?;
    }
    client.blocking_send(END).map_err(|_| io::ErrorKind::BrokenPipe.into())
}

/// Makes pieces out of the text, compressed or not.
struct Encoder {
    /// The text that was written last.
    plain: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl Encoder {
    /// The next piece; empty if there is too little for one.
    fn take(&mut self, is_more: bool) -> io::Result<Bytes> {
        let Some(gzip) = &mut self.gzip else { return Ok(std::mem::take(&mut self.plain).into()) };
        gzip.write_all(&self.plain)?;
        self.plain.clear();
        if !is_more {
            gzip.try_finish()?;
        }
        let is_enough = !is_more || gzip.get_ref().len() >= PIECE;
        Ok(if is_enough { std::mem::take(gzip.get_mut()).into() } else { Bytes::new() })
    }
}

/// Whether the client accepts gzip. `*` is not enough.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#name-accept-encoding>.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_gzip && weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_clients_that_name_it() {
        for (asked, expected) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["GZip"], true),
            (&["deflate, gzip;q=0.5, br"], true),
            (&["deflate", "gzip"], true),
            (&["gzip ; q=0.001"], true),
            (&["gzip;q=0"], false),
            (&["gzip; Q=0.000"], false),
            (&["gzip;q=x"], false),
            (&["gzip;q=NaN"], false),
            (&["identity", "*"], false),
            (&["gzipped"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in asked {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(takes_gzip(&headers), expected, "{asked:?}");
        }
    }
}
