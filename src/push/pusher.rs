//! The thread that pushes: it reads all series each interval of a receiver, and sends them.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep_until, timeout_at};

use super::encoder::QueueSink;
use super::receiver::Receiver;
use super::round::{Origins, Pushed, Round, end_all};
use crate::config::Config;
use crate::pipeline::Pipeline;
use crate::telemetry::{PushSnapshot, Snapshot};

/// The receivers of the config, before anything is pushed.
#[derive(Clone)]
pub(crate) struct PushTargets(Arc<[Receiver]>);

/// What is read each time.
pub(crate) struct PushSource {
    /// The series.
    pub(crate) pipeline: Arc<Pipeline>,
    /// Reads what is read only at a scrape.
    pub(crate) snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
    /// Waits until all lines that arrived before are applied, but not long. It blocks.
    pub(crate) catch_up: Box<dyn Fn() + Send + Sync>,
}

/// How pushing ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PushEnd {
    /// When the thread must end.
    pub(crate) at: Instant,
    /// Whether the receivers are told that all series have ended.
    pub(crate) ends_series: bool,
}

/// The running thread.
pub(crate) struct Pusher {
    end: watch::Sender<Option<PushEnd>>,
    thread: JoinHandle<()>,
}

impl PushTargets {
    /// Those of the config; `instance` names this sidecar. Reads certificates; connects to nobody.
    pub(crate) fn new(config: &Config, instance: &str) -> io::Result<Self> {
        let otlps = config.otlps.iter().map(|otlp| Receiver::otlp(otlp, instance));
        let remote_writes = config.remote_writes.iter().map(|target| Receiver::remote_write(target, instance));
        Ok(Self(otlps.chain(remote_writes).collect::<io::Result<_>>()?))
    }

    /// Reads the counts of every receiver.
    pub(crate) fn snapshot(&self) -> impl Fn() -> Vec<PushSnapshot> + Send + Sync + use<> {
        let Self(receivers) = self.clone();
        move || receivers.iter().map(Receiver::snapshot).collect()
    }

    /// Starts to push; `None` without receivers.
    pub(crate) fn start(self, source: PushSource) -> io::Result<Option<Pusher>> {
        let Self(receivers) = self;
        if receivers.is_empty() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ending) = watch::channel(None);
        let thread = thread::Builder::new()
            .name("push".to_owned())
            .spawn(move || runtime.block_on(run(receivers, Arc::new(source), ending)))?;
        Ok(Some(Pusher { end, thread }))
    }
}

impl Pusher {
    /// Pushes the last state, and returns when the receivers have it, or at the end.
    pub(crate) fn stop(self, end: PushEnd) {
        self.end.send_replace(Some(end));
        if self.thread.join().is_err() {
            tracing::error!("the thread that pushes had panicked");
        }
    }
}

async fn run(receivers: Arc<[Receiver]>, source: Arc<PushSource>, mut ending: watch::Receiver<Option<PushEnd>>) {
    let process = now();
    let clock = process.saturating_sub(u64::from(source.pipeline.clock.now()) * 1000);
    let origins = Origins { process, clock };
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for index in 0..receivers.len() {
        let (all, stopping) = (Arc::clone(&receivers), stopping.clone());
        tasks.spawn(async move {
            if let Some(receiver) = all.get(index) {
                receiver.send_all(stopping).await;
            }
        });
        let (all, source, ending) = (Arc::clone(&receivers), Arc::clone(&source), ending.clone());
        tasks.spawn(async move {
            if let Some(receiver) = all.get(index) {
                rounds(receiver, &source, origins, ending).await;
            }
        });
    }
    let end = ending.wait_for(Option::is_some).await.ok().and_then(|end| *end);
    stop.send_replace(true);
    // Dropping the set cancels the tasks that are not done by then.
    let at = end.map_or_else(Instant::now, |end| end.at);
    let _ = timeout_at(at.into(), async { while tasks.join_next().await.is_some() {} }).await;
    drop(tasks);
    receivers.iter().for_each(Receiver::give_up);
}

/// Queues all series each interval, and once more at the end.
async fn rounds(
    receiver: &Receiver,
    source: &PushSource,
    origins: Origins,
    mut ending: watch::Receiver<Option<PushEnd>>,
) {
    let mut encoder = receiver.encoder.lock().await;
    let mut sink = QueueSink { encoder: &mut encoder, queue: &receiver.queue };
    let (mut pushed, mut last) = (Pushed::new(), 0);
    // At a random moment, so that many sidecars do not push at once.
    let mut next = Instant::now() + receiver.interval.mul_f64(fastrand::f64());
    loop {
        let end = tokio::select! {
            () = sleep_until(next.into()) => None,
            end = ending.wait_for(Option::is_some) => end.ok().and_then(|end| *end),
        };
        if end.is_none() {
            (source.catch_up)();
        }
        // PushTargets take no sample that is older than the one before.
        last = now().max(last + 2);
        pushed = round(source, origins, last, pushed, &mut sink).await;
        if let Some(end) = end {
            if end.ends_series {
                end_all(&source.pipeline, &(source.snapshot)(), last + 1, pushed, &mut sink);
                sink.finish();
            }
            return receiver.queue.close();
        }
        // Rounds that were missed are left out.
        next = (next + receiver.interval).max(Instant::now() + receiver.interval / 2);
    }
}

/// Queues all series.
async fn round(source: &PushSource, origins: Origins, time: u64, before: Pushed, sink: &mut QueueSink<'_>) -> Pushed {
    let snapshot = (source.snapshot)();
    let mut round = Round::new(&source.pipeline, &snapshot, time, origins, before);
    while round.step(sink) {
        // Others use the thread in the meantime.
        yield_now().await;
    }
    sink.finish();
    round.into_pushed()
}

/// The time in milliseconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
