//! Answers: their status, headers and body.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

/// The body of an answer: whole and with a length, or piece by piece.
pub(super) type Body = Either<Full<Bytes>, Pieces>;

/// Pieces up to [`END`]. Without [`END`] the connection breaks, so that no client mistakes a part for the whole.
#[derive(Debug)]
pub(super) struct Pieces(pub(super) mpsc::Receiver<Option<Bytes>>);

/// Follows the last piece.
pub(super) const END: Option<Bytes> = None;

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(match ready!(self.0.poll_recv(context)) {
            Some(piece) => piece.map(|piece| Ok(Frame::data(piece))),
            None => Some(Err(io::Error::other("the rest of the exposition could not be written"))),
        })
    }
}

pub(super) fn answer(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", Either::Left(text.into()))
}

pub(super) fn html(html: String) -> Response<Body> {
    answer(StatusCode::OK, "text/html; charset=utf-8", Either::Left(html.into()))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn pieces_without_an_end_are_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            for (is_whole, last) in [(true, Some(END)), (false, None)] {
                let (sender, receiver) = mpsc::channel(2);
                sender.send(Some(Bytes::from_static(b"a 1\n"))).await.expect("there is room");
                if let Some(last) = last {
                    sender.send(last).await.expect("there is room");
                }
                drop(sender);
                assert_eq!(Pieces(receiver).collect().await.is_ok(), is_whole);
            }
        });
    }
}
