//! `/metrics`: the page, made anew for each scrape, and sent while it is made.

use std::io::{self, Write as _};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::mpsc;

use super::body::{Body, END};
use super::exposition::{Exposition, PIECE};
use super::{State, answer};
use crate::expose::text;

/// How many pieces may be ready that the client has not taken.
const AHEAD: usize = 2;

pub(super) fn respond<B>(request: &Request<B>, state: &Arc<State>) -> Response<Body> {
    let gzip = takes_gzip(request.headers());
    let body = match *request.method() {
        Method::HEAD => Body::unsent(),
        _ => {
            let (sender, receiver) = mpsc::channel(AHEAD);
            let state = Arc::clone(state);
            tokio::task::spawn_blocking(move || {
                if let Err(error) = make(&state, gzip, &sender) {
                    tracing::debug!(%error, "a scrape ended early");
                }
            });
            Body::Pieces(receiver)
        }
    };
    let mut response = answer(StatusCode::OK, text::CONTENT_TYPE, body);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    if gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Makes the page on a thread that may wait, and sends it. Only one page is worked on at any moment, so that scrapes
/// take no more than one core from the intake; but none keeps its turn while it waits for its client, so that a slow
/// client is waited for by nobody else.
fn make(state: &State, gzip: bool, client: &mpsc::Sender<Option<Bytes>>) -> io::Result<()> {
    let mut making = Duration::ZERO;
    let mut page = None;
    let mut encoder = Encoder { plain: Vec::new(), gzip: None };
    let mut is_more = true;
    while is_more {
        let mut piece = Bytes::new();
        let turn = state.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let page = page.get_or_insert_with(|| Exposition::new(&state.pipeline, &(state.snapshot)()));
        if gzip {
            encoder.gzip.get_or_insert_with(|| GzEncoder::new(Vec::new(), Compression::fast()));
        }
        while is_more && piece.is_empty() {
            is_more = page.write(&mut encoder.plain);
            piece = encoder.take(is_more)?;
        }
        making += begun.elapsed();
        drop(turn);
        if !is_more {
            // Before its end is sent: who scrapes next finds this scrape counted.
            state.pipeline.telemetry.scraped(making.as_secs_f64());
        }
        client.blocking_send(Some(piece)).map_err(|_| io::ErrorKind::BrokenPipe)?;
    }
    client.blocking_send(END).map_err(|_| io::ErrorKind::BrokenPipe.into())
}

/// Turns what is written into pieces to send.
struct Encoder {
    /// What was written last.
    plain: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl Encoder {
    /// The next piece to send; empty where what was written so far is too little for one.
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

/// Whether the client asks for gzip by its name.
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
    fn gzip_is_for_those_who_ask_for_it() {
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
