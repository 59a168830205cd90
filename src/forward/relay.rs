//! The relay's thread: it moves lines from the inbox to the queues of the targets.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout_at;

use super::inbox::{Inbox, Tap};
use super::lookup::FindLoop;
use super::queue::{content, lines};
use super::target::Target;
use super::watermark::{self, Watermark};
use crate::config::Dialects;
use crate::parse::tags::Tagged;
use crate::parse::{event, groups};
use crate::pipeline::Pipeline;
use crate::telemetry::{Delivery, RelaySnapshot};

/// How long the relay goes on sending what is queued after it was stopped, if there is time.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long after its start the relay first looks for loops, and how often then.
const MARK_INTERVAL: Duration = Duration::from_secs(10);

/// The running relay.
#[derive(Debug)]
pub(crate) struct Relay {
    inbox: Arc<Inbox>,
    targets: Vec<Arc<Target>>,
    /// When the thread must end; `None` until [`stop`](Self::stop).
    end: Arc<OnceLock<Instant>>,
    thread: JoinHandle<()>,
}

impl Relay {
    /// Starts the relay to the targets of the rules; `None` without targets. It asks `find_loop` about each address to which
    /// a name is resolved.
    pub(crate) fn start(pipeline: &Arc<Pipeline>, find_loop: FindLoop) -> io::Result<Option<Self>> {
        let filters = &pipeline.rules.relay_filters;
        let targets: Vec<_> = filters.iter().map(|filter| Arc::new(Target::new(filter.clone()))).collect();
        if targets.is_empty() {
            return Ok(None);
        }
        let inbox = Arc::new(Inbox::new(targets.clone(), pipeline.max_line));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let end = Arc::new(OnceLock::new());
        let run = run(Arc::clone(pipeline), Arc::clone(&inbox), targets.clone(), find_loop, Arc::clone(&end));
        let thread = thread::Builder::new().name("relay".to_owned()).spawn(move || runtime.block_on(run))?;
        Ok(Some(Self { inbox, targets, end, thread }))
    }

    /// A tap for one worker.
    pub(crate) fn tap(&self) -> Tap {
        Tap::new(Arc::clone(&self.inbox))
    }

    /// Reads the counts of every target.
    pub(crate) fn snapshot(&self) -> impl Fn() -> Vec<RelaySnapshot> + Send + Sync + use<> {
        let targets = self.targets.clone();
        move || targets.iter().map(|target| target.snapshot()).collect()
    }

    /// Sends what is queued, for [`STOP_TIMEOUT`] and until `end` at most, and returns.
    pub(crate) fn stop(self, end: Instant) {
        let _ = self.end.set(end.min(Instant::now() + STOP_TIMEOUT)); // nobody else sets it
        self.inbox.close();
        if self.thread.join().is_err() {
            tracing::error!("the relay's thread had panicked");
        }
    }
}

async fn run(
    pipeline: Arc<Pipeline>,
    inbox: Arc<Inbox>,
    targets: Vec<Arc<Target>>,
    find_loop: FindLoop,
    end: Arc<OnceLock<Instant>>,
) {
    let (stop, stopping) = watch::channel(false);
    let mut senders = JoinSet::new();
    for target in &targets {
        let (target, find_loop, stopping) = (Arc::clone(target), Arc::clone(&find_loop), stopping.clone());
        senders.spawn(async move { target.send_all(find_loop, stopping).await });
    }
    let mut routes: Vec<_> = targets.iter().map(|target| TargetRoute::new(Arc::clone(target))).collect();
    let (mut bytes, mut is_open) = (Vec::new(), true);
    while is_open {
        is_open = inbox.take(&mut bytes).await;
        distribute(&bytes, &pipeline, &mut routes);
        yield_now().await;
    }
    stop.send_replace(true);
    // Dropping the set cancels the tasks that are not done by then.
    let end = end.get().copied().unwrap_or_else(Instant::now);
    let _ = timeout_at(end.into(), async { while senders.join_next().await.is_some() {} }).await;
    drop(senders);
    for target in &targets {
        let lines = target.give_up();
        if lines > 0 {
            tracing::warn!(target = %target.address(), lines, "lines were not relayed before the end");
        }
    }
}

/// Adds each line to the queues of the targets whose filters accept it.
fn distribute(bytes: &[u8], pipeline: &Pipeline, routes: &mut [TargetRoute]) {
    let dialects = pipeline.rules.dialects;
    if watermark::any(bytes) {
        routes.iter_mut().for_each(|route| route.find_loop(bytes));
    }
    let now = Instant::now();
    for line in lines(bytes, pipeline.max_line) {
        let found = OnceCell::new();
        for route in &mut *routes {
            let name = match route.target.filter.asks_for_names() {
                true => found.get_or_init(|| name(content(line), dialects)).as_deref(),
                false => None,
            };
            if route.target.filter.takes(name) {
                route.push(line, now);
            }
        }
    }
    routes.iter().for_each(|route| route.target.wake());
}

/// The way to a target, which ends when it leads back to this sidecar.
#[derive(Debug)]
struct TargetRoute {
    target: Arc<Target>,
    mark: Watermark,
    /// When the next line is marked.
    mark_next: Instant,
    /// Whether a marked line came back. From then on the target gets nothing, because each line would come back without
    /// an end, and be counted each time.
    leads_back: bool,
}

impl TargetRoute {
    fn new(target: Arc<Target>) -> Self {
        let mark = Watermark::new(fastrand::u64(..));
        Self { target, mark, mark_next: Instant::now() + MARK_INTERVAL, leads_back: false }
    }

    fn push(&mut self, line: &[u8], now: Instant) {
        if self.leads_back {
            return self.target.count(Delivery::Looped, 0, 1);
        }
        if now >= self.mark_next
            && let Some(marked) = self.mark.mark(line)
        {
            self.mark_next = now + MARK_INTERVAL;
            return self.target.push(&marked);
        }
        self.target.push(line);
    }

    /// Looks for a line that went to the target among lines that have arrived.
    fn find_loop(&mut self, arrived: &[u8]) {
        if !self.leads_back && self.mark.is_in(arrived) {
            self.leads_back = true;
            tracing::error!(
                target = %self.target.address(),
                "lines that are relayed there come back, so nothing more is relayed there; take one of the [[relay]] tables \
                 on the way out, and restart"
            );
        }
    }
}

/// The name of a line without its tags; `None` for events, for lines without a name, and for names that are not UTF-8.
fn name(line: &[u8], dialects: Dialects) -> Option<Cow<'_, str>> {
    if event(line).is_some() {
        return None;
    }
    let name = groups(line).tagged(dialects).name()?;
    Some(Tagged::new(std::str::from_utf8(name).ok()?, "", dialects).name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_ones_that_rules_match() {
        for (line, expected) in [
            (&b"a.b:1|c"[..], Some("a.b")),
            (b"a.b:1|c|#k:v", Some("a.b")),
            (b"a.b,k=v;x:1|c", Some("a.b")),
            (b"a.b;url=http://x:80:1|c", Some("a.b")),
            (b"a[k=v].b:1|c", Some("a.b")),
            (b"a.b:x|c", Some("a.b")),
            (b"a.b:1|unknown", Some("a.b")),
            (b"a.b:1|c|#\xff", Some("a.b")),
            (b"a.b:", Some("a.b")),
            (b"_sc|a.b|0", Some("a.b")),
            (b"_sc|a.b|9", None),
            (b"_e{1,1}:a|b", None),
            (b"a.b", None),
            (b":1|c", None),
            (b"a\xff:1|c", None),
        ] {
            assert_eq!(name(line, Dialects::ALL).as_deref(), expected, "{}", line.escape_ascii());
        }
        assert_eq!(name(b"a,k=v:1|c", Dialects::NONE).as_deref(), Some("a,k=v"));
    }
}
