//! The socket of a client, which notes when the client sends and takes bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::activity::Activity;

/// How many bytes the kernel holds for a client at most; it doubles the figure for its own bookkeeping. So the page is
/// never far ahead of a slow client.
const SEND_BUFFER: usize = 128 << 10;

/// The stream of a client.
pub(super) enum ClientStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Calls a method that both kinds of streams have.
macro_rules! either {
    ($client:expr, $stream:ident => $call:expr) => {
        match $client {
            ClientStream::Tcp($stream) => $call,
            ClientStream::Unix($stream) => $call,
        }
    };
}

/// The connected socket of a client. Reading and writing change its [`Activity`].
pub(super) struct ClientSocket {
    stream: Arc<ClientStream>,
    activity: Arc<Activity>,
}

impl ClientSocket {
    pub(super) fn new(stream: ClientStream, activity: Arc<Activity>) -> Self {
        // Without these options a page comes a little later, and a slow client holds more memory of the kernel.
        if let ClientStream::Tcp(stream) = &stream {
            let _ = stream.set_nodelay(true);
        }
        let _ = either!(&stream, stream => set_socket_send_buffer_size(stream, SEND_BUFFER));
        Self { stream: Arc::new(stream), activity }
    }

    /// Waits until the connection breaks, even while nothing is read or written.
    pub(super) fn broken(&self) -> impl Future<Output = ()> + use<> {
        let stream = Arc::clone(&self.stream);
        async move { _ = either!(&*stream, stream => stream.ready(Interest::ERROR).await) }
    }

    /// Calls `write` when the socket takes bytes.
    fn poll_write_with(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&ClientStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let Poll::Ready(ready) = either!(&*self.stream, stream => stream.poll_write_ready(context)) else {
                self.activity.stalled();
                return Poll::Pending;
            };
            ready?;
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.activity.wrote();
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(either!(&*self.stream, stream => stream.poll_read_ready(context)))?;
            match either!(&*self.stream, stream => stream.try_read(buffer.initialize_unfilled())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(len) => {
                    if len > 0 {
                        self.activity.received();
                    }
                    buffer.advance(len);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |stream| either!(stream, stream => stream.try_write(bytes)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |stream| either!(stream, stream => stream.try_write_vectored(bytes)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// There is nothing to flush, because nothing is buffered.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(either!(&*self.stream, stream => shutdown(stream, Shutdown::Write))?))
    }
}
