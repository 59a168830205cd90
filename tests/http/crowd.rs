//! Many bad clients at once, each of which connects again when it is disconnected.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// What a bad client does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    /// It connects and sends nothing.
    Silent,
    /// It sends a head byte by byte.
    SlowHead,
    /// It asks for `/-/healthy` every second, on one connection.
    Chatty,
    /// It asks for the page and reads 100 KB/s of it.
    SlowReader,
    /// It asks for the page, compressed, and disconnects at once.
    Aborts,
}

/// How long a client waits until it connects again.
const PAUSE: Duration = Duration::from_millis(100);

/// Clients on a thread of their own; they end when this is dropped.
pub(crate) struct Crowd {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    connects: Arc<AtomicU64>,
}

impl Crowd {
    pub(crate) fn start(clients: usize, habit: Habit, server: SocketAddr) -> Self {
        let (stop, stopped) = oneshot::channel();
        let connects = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&connects);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for _ in 0..clients {
                    let count = Arc::clone(&count);
                    tokio::spawn(async move {
                        loop {
                            if let Ok(stream) = connect(habit, server).await {
                                count.fetch_add(1, Ordering::Relaxed);
                                let _ = behave(habit, stream).await; // it ends when it is disconnected
                            }
                            sleep(if matches!(habit, Habit::Aborts) { Duration::ZERO } else { PAUSE }).await;
                        }
                    });
                }
                let _ = stopped.await;
            });
        });
        Self { stop: Some(stop), thread: Some(thread), connects }
    }

    /// How often a client has connected.
    pub(crate) fn connects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn connect(habit: Habit, server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if matches!(habit, Habit::SlowReader) {
        socket.set_recv_buffer_size(16 << 10)?;
    }
    socket.connect(server).await
}

async fn behave(habit: Habit, mut stream: TcpStream) -> std::io::Result<()> {
    match habit {
        Habit::Silent => _ = stream.read_to_end(&mut Vec::new()).await?,
        Habit::SlowHead => {
            for byte in b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
                stream.write_all(&[*byte]).await?;
                sleep(Duration::from_millis(100)).await;
            }
        }
        Habit::Chatty => loop {
            stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await?;
            if stream.read(&mut [0; 1000]).await? == 0 {
                return Ok(());
            }
            sleep(Duration::from_secs(1)).await;
        },
        Habit::SlowReader => {
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await?;
            let mut buffer = [0; 10_000];
            while stream.read(&mut buffer).await? > 0 {
                sleep(Duration::from_millis(100)).await;
            }
        }
        Habit::Aborts => {
            let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n";
            stream.write_all(request).await?;
        }
    }
    Ok(())
}
