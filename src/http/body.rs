//! The body of an answer, whole or piece by piece.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it, with a length.
    Whole(Full<Bytes>),
    /// Piece by piece, up to [`END`]. Without [`END`] the connection breaks, so that no client mistakes a part for the
    /// whole.
    Pieces(mpsc::Receiver<Option<Bytes>>),
}

/// Follows the last piece.
pub(super) const END: Option<Bytes> = None;

impl Body {
    /// The body of an answer to HEAD, if the answer to GET has pieces. hyper asks it for none.
    pub(super) fn unsent() -> Self {
        Self::Pieces(mpsc::channel(1).1)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(whole) => {
                Pin::new(whole).poll_frame(context).map_err(|never: std::convert::Infallible| match never {})
            }
            Self::Pieces(pieces) => Poll::Ready(match ready!(pieces.poll_recv(context)) {
                Some(Some(piece)) => Some(Ok(Frame::data(piece))),
                Some(END) => {
                    *self = Self::Whole(Full::default());
                    None
                }
                None => Some(Err(io::Error::other("the rest of the exposition could not be written"))),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
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
                assert_eq!(Body::Pieces(receiver).collect().await.is_ok(), is_whole);
            }
        });
    }
}
