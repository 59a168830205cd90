//! Answers: their status, headers and body.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

/// The body of an answer: whole and with a length, or piece by piece.
pub(super) type Body = Either<Full<Bytes>, Pieces>;

/// A part of a body.
pub(super) struct BodyPiece {
    pub(super) bytes: Bytes,
    pub(super) is_last: bool,
}

impl BodyPiece {
    /// Whether it tells the client nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.bytes.is_empty() && !self.is_last
    }
}

/// Pieces up to the last one. Without it the connection breaks, so that no client mistakes a part for the whole.
pub(super) struct Pieces {
    receiver: mpsc::Receiver<BodyPiece>,
    is_whole: bool,
}

impl Pieces {
    pub(super) fn new(receiver: mpsc::Receiver<BodyPiece>) -> Self {
        Self { receiver, is_whole: false }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_whole {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match ready!(self.receiver.poll_recv(context)) {
            Some(piece) => {
                self.is_whole = piece.is_last;
                Ok(Frame::data(piece.bytes))
            }
            None => Err(io::Error::other("the rest of the exposition could not be written")),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole
    }
}

pub(super) fn answer(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // No page of another site may take it as a script or an image either.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", Either::Left(text.into()))
}

pub(super) fn json(json: Bytes) -> Response<Body> {
    answer(StatusCode::OK, "application/json", Either::Left(json.into()))
}

/// What the page may load: its own files and `/api`, and no script that is written in it. No other page may show it in a
/// frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn html(html: Bytes) -> Response<Body> {
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", Either::Left(html.into()));
    let headers = response.headers_mut();
    headers.insert("content-security-policy", HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    response
}

/// An answer that says why there is nothing else.
pub(super) fn refused(status: StatusCode, why: String) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", Either::Left(Bytes::from(why).into()))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn pieces_without_the_last_are_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            for is_whole in [true, false] {
                let (sender, receiver) = mpsc::channel(2);
                for is_last in [false, is_whole] {
                    let piece = BodyPiece { bytes: Bytes::from_static(b"a 1\n"), is_last };
                    assert!(sender.send(piece).await.is_ok(), "there is room");
                }
                drop(sender);
                assert_eq!(Pieces::new(receiver).collect().await.is_ok(), is_whole);
            }
        });
    }
}
