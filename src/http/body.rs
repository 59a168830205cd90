//! What is sent to a client, whole or piece by piece, and how long that may take.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

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

/// A connection that fails once its client has taken nothing for so long: what is written waits for the client, and
/// with it the memory that holds it and the thread that makes more.
#[derive(Debug)]
pub(super) struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// Runs while the client takes nothing.
    limit: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, limit: None }
    }

    fn limited<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.limit = None;
            return written;
        }
        let limit = self.limit.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        ready!(limit.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing any more")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limited(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limited(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::io::Read;
    use std::thread;
    use std::time::Instant;

    fn wait_for<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn a_client_that_takes_nothing_is_given_up() {
        const PATIENCE: Duration = Duration::from_millis(200);
        wait_for(async {
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
            ours.set_nonblocking(true).expect("it can be");
            let ours = tokio::net::UnixStream::from_std(ours).expect("it is a socket");
            let mut ours = Impatient::new(ours, PATIENCE);
            // It takes a little now and then, for longer than that; then it takes nothing.
            let client = thread::spawn(move || {
                let mut some = vec![0; 512 << 10]; // more than the socket holds
                for _ in 0..6 {
                    thread::sleep(PATIENCE / 2);
                    theirs.read_exact(&mut some).expect("it is sent");
                }
                theirs
            });
            let piece = vec![0; 64 << 10];
            let begun = Instant::now();
            let error = loop {
                if let Err(error) = poll_fn(|context| Pin::new(&mut ours).poll_write(context, &piece)).await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(begun.elapsed() >= PATIENCE * 4, "{:?}", begun.elapsed());
            assert!(client.join().is_ok());
        });
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
