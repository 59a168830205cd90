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

use super::inbox::{Inbox, RelayTap, Targets};
use super::lookup::FindLoop;
use super::queue::{content, lines};
use super::target::Target;
use super::watermark::{self, Watermark};
use crate::config::Dialects;
use crate::mapping::RelayFilter;
use crate::parse::tags::Tagged;
use crate::parse::{event, groups};
use crate::pipeline::Pipeline;
use crate::sync::Mutex;
use crate::telemetry::{Delivery, RelaySnapshot};

/// How long the relay goes on sending what is queued after it was stopped, if there is time.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long after its start the relay first looks for loops, and how often then.
const MARK_INTERVAL: Duration = Duration::from_secs(10);

/// The relay. Its thread runs from the first target on.
pub(crate) struct Relay {
    inbox: Arc<Inbox>,
    find_loop: FindLoop,
    /// When the thread must end; `None` until [`stop`](Self::stop).
    end: Arc<OnceLock<Instant>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Relay {
    /// A relay without targets. It asks `find_loop` about each address to which a name is resolved.
    pub(crate) fn new(find_loop: FindLoop) -> Self {
        Self { inbox: Arc::new(Inbox::new()), find_loop, end: Arc::default(), thread: Mutex::default() }
    }

    /// Starts the thread, unless there are no `filters` or it runs, so that [`retarget`](Self::retarget) cannot fail.
    pub(crate) fn start(&self, pipeline: &Arc<Pipeline>, filters: &[RelayFilter]) -> io::Result<()> {
        let mut thread = self.thread.lock();
        if filters.is_empty() || thread.is_some() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (inbox, find_loop) = (Arc::clone(&self.inbox), Arc::clone(&self.find_loop));
        let run = run(Arc::clone(pipeline), inbox, find_loop, Arc::clone(&self.end));
        *thread = Some(thread::Builder::new().name("relay".to_owned()).spawn(move || runtime.block_on(run))?);
        Ok(())
    }

    /// Sends the lines that come from now on to the targets of these filters. Targets that there were before keep what is
    /// queued for them, and their connections.
    pub(crate) fn retarget(&self, filters: &[RelayFilter], max_line: usize) {
        let before = self.inbox.targets();
        let target = |filter: &RelayFilter| {
            let known = before.iter().find(|(known, _)| *known.address() == filter.target);
            let target =
                known.map_or_else(|| Target::new(filter.target.clone()).into(), |(known, _)| Arc::clone(known));
            (target, filter.clone())
        };
        self.inbox.retarget(filters.iter().map(target).collect(), max_line);
    }

    /// Whether it has had a target.
    pub(crate) fn is_running(&self) -> bool {
        self.thread.lock().is_some()
    }

    /// A tap for one worker.
    pub(crate) fn tap(&self) -> RelayTap {
        RelayTap::new(Arc::clone(&self.inbox))
    }

    /// Reads the counts of every target.
    pub(crate) fn snapshot(&self) -> impl Fn() -> Vec<RelaySnapshot> + Send + Sync + use<> {
        let inbox = Arc::clone(&self.inbox);
        move || inbox.targets().iter().map(|(target, _)| target.snapshot()).collect()
    }

    /// Sends what is queued, for [`STOP_TIMEOUT`] and until `end` at most, and returns.
    pub(crate) fn stop(self, end: Instant) {
        let _ = self.end.set(end.min(Instant::now() + STOP_TIMEOUT)); // nobody else sets it
        self.inbox.close();
        if self.thread.lock().take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the relay's thread had panicked");
        }
    }
}

async fn run(pipeline: Arc<Pipeline>, inbox: Arc<Inbox>, find_loop: FindLoop, end: Arc<OnceLock<Instant>>) {
    let (mut senders, mut routes) = (JoinSet::new(), Vec::new());
    let mut targets: Targets = Arc::from([]);
    let (mut bytes, mut is_open) = (Vec::new(), true);
    while is_open {
        let taken = inbox.take(&mut bytes, &targets).await;
        is_open = taken.is_open;
        let is_same = Arc::ptr_eq(&targets, &taken.targets);
        let (before, after) = bytes.split_at(if is_same { 0 } else { taken.before });
        distribute(before, &pipeline, &mut routes);
        if !is_same {
            targets = taken.targets;
            routes = changed(routes, &targets, &find_loop, &mut senders);
        }
        distribute(after, &pipeline, &mut routes);
        yield_now().await;
    }
    routes.iter().for_each(TargetRoute::stop);
    // Dropping the set cancels the tasks that are not done by then.
    let end = end.get().copied().unwrap_or_else(Instant::now);
    let _ = timeout_at(end.into(), async { while senders.join_next().await.is_some() {} }).await;
    drop(senders);
    routes.iter().for_each(|route| give_up(&route.target));
}

/// The ways to these targets. Those to targets that there were before stay; the others send what is queued, and end.
fn changed(
    before: Vec<TargetRoute>,
    targets: &Targets,
    find_loop: &FindLoop,
    senders: &mut JoinSet<()>,
) -> Vec<TargetRoute> {
    while senders.try_join_next().is_some() {}
    let mut before = before;
    let mut route = |(target, filter): &(Arc<Target>, RelayFilter)| {
        if let Some(known) = before.iter().position(|known| Arc::ptr_eq(&known.target, target)) {
            return TargetRoute { filter: filter.clone(), ..before.swap_remove(known) };
        }
        let (route, stopping) = TargetRoute::new(Arc::clone(target), filter.clone());
        let (target, find_loop) = (Arc::clone(target), Arc::clone(find_loop));
        senders.spawn(async move {
            target.send_all(find_loop, stopping).await;
            give_up(&target);
        });
        route
    };
    let routes = targets.iter().map(&mut route).collect();
    before.iter().for_each(TargetRoute::stop);
    routes
}

/// Sheds what is queued for a target, and tells of it.
fn give_up(target: &Target) {
    let lines = target.give_up();
    if lines > 0 {
        tracing::warn!(target = %target.address(), lines, "lines were not relayed before the end");
    }
}

/// Adds each line to the queues of the targets whose filters accept it.
fn distribute(bytes: &[u8], pipeline: &Pipeline, routes: &mut [TargetRoute]) {
    let edition = pipeline.current();
    let dialects = edition.rules.dialects;
    if watermark::any(bytes) {
        routes.iter_mut().for_each(|route| route.find_loop(bytes));
    }
    let now = Instant::now();
    for line in lines(bytes, edition.max_line) {
        let found = OnceCell::new();
        for route in &mut *routes {
            let name = match route.filter.asks_for_names() {
                true => found.get_or_init(|| name(content(line), dialects)).as_deref(),
                false => None,
            };
            if route.filter.takes(name) {
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
    /// Which lines it gets.
    filter: RelayFilter,
    /// Tells the task that sends to end when the queue is empty.
    stop: watch::Sender<bool>,
    mark: Watermark,
    /// When the next line is marked.
    mark_next: Instant,
    /// Whether a marked line came back. From then on the target gets nothing, because each line would come back without
    /// an end, and be counted each time.
    leads_back: bool,
}

impl TargetRoute {
    /// The way to a target, and what its task hears when it must end.
    fn new(target: Arc<Target>, filter: RelayFilter) -> (Self, watch::Receiver<bool>) {
        let (stop, stopping) = watch::channel(false);
        let (mark, mark_next) = (Watermark::new(fastrand::u64(..)), Instant::now() + MARK_INTERVAL);
        (Self { target, filter, stop, mark, mark_next, leads_back: false }, stopping)
    }

    fn stop(&self) {
        self.stop.send_replace(true);
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
                 on the way out, and reload"
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
