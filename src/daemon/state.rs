//! What outlives the process: opened at the start, saved every few seconds and at the end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::error::Error;
use super::service_manager::ServiceManager;
use crate::config::StateConfig;
use crate::memory;
use crate::pipeline::{Pipeline, Restored};
use crate::registry;
use crate::retries::Retries;
use crate::state::{Legacy, StatePlaces, Store, StoreError};
use crate::telemetry::StateSnapshot;

/// The state, and what an earlier process has left of it.
pub(super) struct State {
    store: Store,
    legacy: Legacy,
    interval: Duration,
}

impl State {
    /// Opens the state of the config; `None`: it asks for none.
    pub(super) fn open(config: &StateConfig, manager: &mut ServiceManager) -> Result<Option<Self>, Error> {
        let Some(path) = &config.path else { return Ok(None) };
        let places = StatePlaces { snapshot: path.get_ref().into(), arena: config.arena().into() };
        let kept = manager.kept_file();
        let open = || Store::open(&places, registry::layout(), kept, |file| manager.keep(file));
        let opened = memory::of_an_earlier_process(open);
        let (store, legacy) = opened.map_err(|StoreError(path, error)| Error::State(path, error))?;
        legacy.warnings.iter().for_each(|warning| tracing::warn!("[state]: {warning}; its values are lost"));
        Ok(Some(Self { store, legacy, interval: config.interval }))
    }

    /// The store, which new series need.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Makes the series of the earlier process, and begins to save those of this one.
    pub(super) fn begin(self, pipeline: &Arc<Pipeline>) -> Result<Saver, Error> {
        let Self { mut store, legacy, interval } = self;
        let start = Instant::now();
        pipeline.clock.start_at(legacy.clock);
        let restored = memory::of_an_earlier_process(|| pipeline.restore(legacy));
        store.restored().map_err(|error| Error::System("note that the arena is ready", error))?;
        log_restored(&restored, start.elapsed());
        let saves = Arc::new(Saves { restored: restored.series, ..Saves::default() });
        Saver::start(store, Arc::clone(pipeline), saves, interval)
            .map_err(|error| Error::System("start a thread that saves the state", error))
    }
}

/// How many names a line of the log has.
const LOGGED_NAMES: usize = 10;

fn log_restored(restored: &Restored, took: Duration) {
    let Restored { series, changed, gone, rejected, invalid } = restored;
    let milliseconds = took.as_millis();
    tracing::info!(series, milliseconds, "the series of the last process go on");
    let names = |names: &std::collections::BTreeSet<String>| {
        let first: Vec<_> = names.iter().take(LOGGED_NAMES).map(String::as_str).collect();
        let more = names.len() - first.len();
        if more > 0 { format!("{} and {more} more", first.join(", ")) } else { first.join(", ") }
    };
    if !changed.is_empty() {
        tracing::warn!(metrics = names(changed), "these start anew: their type, buckets or window has changed");
    }
    if !gone.is_empty() {
        tracing::warn!(names = names(gone), "these are gone: the rules make other series of their lines, or none");
    }
    if let Some((series, reject)) = rejected {
        tracing::warn!(
            series,
            reason = reject.reason(),
            "some series of the last process cannot exist: {}",
            reject.remedy()
        );
    }
    if *invalid > 0 {
        tracing::warn!(series = invalid, "some series of the last process were damaged, and start anew");
    }
}

/// What is known of the snapshots.
#[derive(Debug, Default)]
struct Saves {
    restored: u64,
    saved: AtomicU64,
    failed: AtomicU64,
    /// When the last one was saved, in seconds since 1970; 0: none yet.
    last: AtomicU64,
    /// How long it took, in nanoseconds.
    took: AtomicU64,
}

/// The thread that saves the state.
pub(super) struct Saver {
    store: Arc<Store>,
    pipeline: Arc<Pipeline>,
    saves: Arc<Saves>,
    /// Dropped to end the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Saver {
    fn start(store: Store, pipeline: Arc<Pipeline>, saves: Arc<Saves>, interval: Duration) -> io::Result<Self> {
        let (end, ended) = channel::<()>();
        let mut saver = Self { store: Arc::new(store), pipeline, saves, end: Some(end), thread: None };
        let writer = saver.writer();
        let save = move || {
            // What it does can wait for everything else. Where that is not allowed, it goes on as all others do.
            let _ = rustix::process::setpriority_process(None, 19);
            let mut retries = Retries::new();
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                writer.save_and_log(&mut retries, interval);
            }
        };
        saver.thread = Some(thread::Builder::new().name("state".to_owned()).spawn(save)?);
        Ok(saver)
    }

    fn writer(&self) -> Writer {
        Writer { store: Arc::clone(&self.store), pipeline: Arc::clone(&self.pipeline), saves: Arc::clone(&self.saves) }
    }

    /// Reads what a scrape shows.
    pub(super) fn snapshot(&self) -> impl Fn() -> StateSnapshot + Send + Sync + use<> {
        let (saves, store, pipeline) = (Arc::clone(&self.saves), Arc::clone(&self.store), Arc::clone(&self.pipeline));
        move || {
            let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
            let arena = store.arena().size();
            StateSnapshot {
                arena_bytes: arena.bytes as u64,
                arena_series: arena.series as u64,
                outside_arena: pipeline.current().registry.outside_arena(),
                restored: saves.restored,
                saved: read(&saves.saved),
                failed: read(&saves.failed),
                last_saved: read(&saves.last),
                seconds: Duration::from_nanos(read(&saves.took)).as_secs_f64(),
            }
        }
    }

    /// Saves the state for the last time. To be called when nothing changes it any more.
    pub(super) fn stop(mut self) {
        self.end = None;
        // The thread may be in the middle of a snapshot that is older than this one.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.store.arena().leave();
        self.writer().save_and_log(&mut Retries::new(), Duration::ZERO);
    }
}

impl Drop for Saver {
    /// Series that are dropped with the pipeline would be gone from the arena too: when a start fails, for example.
    fn drop(&mut self) {
        self.store.arena().leave();
    }
}

/// Writes snapshots.
struct Writer {
    store: Arc<Store>,
    pipeline: Arc<Pipeline>,
    saves: Arc<Saves>,
}

impl Writer {
    fn save_and_log(&self, retries: &mut Retries, interval: Duration) {
        let start = Instant::now();
        match self.save() {
            Ok(()) => {
                self.saves.saved.fetch_add(1, Ordering::Relaxed);
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                self.saves.last.store(now, Ordering::Relaxed);
                self.saves.took.store(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
                retries.succeeded();
            }
            Err(error) => {
                self.saves.failed.fetch_add(1, Ordering::Relaxed);
                if let Some(unlogged) = retries.failed(Instant::now()).log {
                    let seconds = interval.as_secs();
                    tracing::warn!(
                        %error, more_since_the_last_warning = unlogged, next_in_seconds = seconds,
                        "cannot save the state; the last snapshot stays"
                    );
                }
            }
        }
    }

    fn save(&self) -> io::Result<()> {
        self.store.save(self.pipeline.clock.now(), |writer| self.pipeline.save(writer))
    }
}
