//! What is sent to a client, whole or piece by piece, and how long that may take.

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
    /// All of it is there, and its length is said.
    Whole(Full<Bytes>),
    /// It comes piece by piece. [`END`] ends it; where that does not come, the client must not take what it got for the
    /// whole.
    Pieces(mpsc::Receiver<Option<Bytes>>),
}

/// What comes after the last piece.
pub(super) const END: Option<Bytes> = None;

impl Body {
    /// The body of an answer to HEAD where that to GET comes in pieces: never asked for any.
    pub fn unsent() -> Self {
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
                None => Some(Err(io::Error::other("the rest of the page could not be made"))),
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
    use super::*;

    fn wait_for<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn pieces_without_an_end_are_an_error() {
        use http_body_util::BodyExt;
        wait_for(async {
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
