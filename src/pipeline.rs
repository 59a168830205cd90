//! A line becomes a metric: this file is the whole way, and `explain` walks it too.
//!
//! ```text
//! packet -> plain lines -> batch: route ----------------------------> change -> cells
//!      `-> other lines -> groups: route `- miss: map -> register -'
//!                   `-> events: counted
//! ```

mod batch;
mod order;
mod routes;

pub use batch::Batch;
pub use order::{Order, Turn};

use std::sync::Arc;

use memchr::{memchr, memrchr};

use crate::clock::Clock;
use crate::config::{Config, Dialects};
use crate::mapping::{Context, Conversion, Metric, Outcome, Rules, TagErrors};
use crate::metric::{MetricType, Sharing, Update};
use crate::parse::tags::{self, Tagged};
use crate::parse::{self, Group, Number, StatsdType, Value, value};
use crate::registry::{Presence, Registry, Series};
use crate::reject::Reject;
use crate::telemetry::{Listener, Telemetry, WorkerStats};
use routes::{Fate, Key, Meaning, Routes};

/// What all workers share.
#[derive(Debug)]
pub struct Pipeline {
    /// What lines mean.
    pub rules: Rules,
    /// The series that exist.
    pub registry: Registry,
    /// What the sidecar counts of itself.
    pub telemetry: Telemetry,
    /// The longest line that is read, in bytes.
    pub max_line: usize,
    /// The time.
    pub clock: Clock,
}

impl Pipeline {
    /// The pipeline of a config whose rules are compiled; it has no series yet.
    pub fn new(config: &Config, rules: Rules) -> Self {
        Self {
            rules,
            registry: Registry::new(config.limits.clone()),
            telemetry: Telemetry::new(),
            max_line: config.intake.max_line,
            clock: Clock::default(),
        }
    }
}

/// One thread's way from packets to cells, with its private route table.
#[derive(Debug)]
pub struct Worker {
    pipeline: Arc<Pipeline>,
    routes: Routes,
    stats: WorkerStats,
    sharing: Sharing,
    /// What others see of it, and whether they see it at work.
    presence: Arc<Presence>,
    is_working: bool,
    /// The time at the last packet.
    now: u32,
    /// Where others read the same socket: when this one's gauges come.
    turn: Option<Turn>,
    /// Whether others have still to apply what came before, so that changes of gauges wait.
    is_ahead: bool,
    /// The changes of gauges that wait, by the index of their route.
    waiting: Vec<(usize, Update<'static>)>,
}

impl Worker {
    /// A worker that knows no series yet, one of several.
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        let routes = Routes::new(pipeline.registry.limit());
        let presence = pipeline.registry.join();
        Self {
            pipeline,
            routes,
            stats: WorkerStats::default(),
            sharing: Sharing::Shared,
            presence,
            is_working: false,
            now: 0,
            turn: None,
            is_ahead: false,
            waiting: Vec::new(),
        }
    }

    /// The only worker of its pipeline: what it changes, nobody else does.
    pub fn alone(pipeline: Arc<Pipeline>) -> Self {
        Self { sharing: Sharing::SingleWriter, ..Self::new(pipeline) }
    }

    /// What comes until the next [`Worker::flush`] has this place among what the workers of its socket took.
    pub fn takes_turn(&mut self, turn: Turn) {
        self.is_ahead = !turn.has_come();
        self.turn = Some(turn);
    }

    /// Applies the lines of one datagram, in their order.
    pub fn packet(&mut self, packet: &[u8]) {
        self.received(1, packet.len() as u64);
        self.lines(packet);
    }

    /// Takes the lines of one of several datagrams, in their order. Some are left in `batch`, for
    /// [`Worker::apply_batch`] to apply once there are no more, or before anything that is not taken by this.
    pub fn packet_of<'p>(&mut self, packet: &'p [u8], batch: &mut Batch<'p>) {
        self.received(1, packet.len() as u64);
        self.each_line(packet, batch, |_, _| false);
    }

    /// Applies the whole lines of a datagram whose end is lost; what is left counts as one line that is too long.
    #[cold]
    pub fn cut_packet(&mut self, packet: &[u8]) {
        let whole = memrchr(b'\n', packet).map_or(0, |end| end + 1);
        self.received(1, packet.len() as u64);
        self.lines(packet.get(..whole).unwrap_or_default());
        self.lost_line(Reject::LineTooLong);
    }

    /// Applies lines of a stream, in their order: whole ones, with `\n` between them.
    pub fn lines(&mut self, lines: &[u8]) {
        let mut batch = Batch::default();
        // A lone line has nobody to wait for.
        self.each_line(lines, &mut batch, |batch, is_last| is_last && batch.is_empty());
        self.apply_batch(&mut batch);
    }

    /// Counts what came in by other ways than [`packet`](Self::packet).
    pub fn received(&mut self, packets: u64, bytes: u64) {
        self.stats.packets += packets;
        self.stats.bytes += bytes;
    }

    /// Counts a line of which there is not all.
    pub fn lost_line(&mut self, reject: Reject) {
        self.stats.lines += 1;
        self.stats.rejected(reject, 1);
    }

    /// Takes lines. One that `is_alone`, told by what waits before it and whether it is the last, is applied at once.
    // Twice in the program, so that a datagram of one line pays for no call.
    #[inline(always)]
    fn each_line<'p>(&mut self, lines: &'p [u8], batch: &mut Batch<'p>, is_alone: impl Fn(&Batch<'p>, bool) -> bool) {
        if !self.is_working {
            self.enter();
        }
        let mut rest = lines;
        while !rest.is_empty() {
            let len = match parse::simple_line(rest) {
                Some((plain, len)) if len <= self.pipeline.max_line => {
                    self.stats.lines += 1;
                    if is_alone(batch, len + 1 >= rest.len()) {
                        return self.plain(&plain);
                    }
                    if batch.push(plain, &self.routes) {
                        self.apply_batch(batch);
                    }
                    len
                }
                // Lines are applied in their order: what is waiting comes before this one.
                _ => {
                    self.apply_batch(batch);
                    let len = memchr(b'\n', rest).unwrap_or(rest.len());
                    self.line(rest.get(..len).unwrap_or_default());
                    len
                }
            };
            rest = rest.get(len + 1..).unwrap_or_default();
        }
    }

    /// Begins to apply: from here to [`Worker::flush`], no series leaves that there is a route to.
    fn enter(&mut self) {
        self.is_working = true;
        let Self { pipeline, routes, .. } = self;
        pipeline.registry.enter(&self.presence, || routes.review());
        self.now = pipeline.clock.now();
    }

    /// Applies one line, without its `\n`. What is wrong with it is counted and costs nothing else.
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        self.stats.lines += 1;
        if line.len() > self.pipeline.max_line {
            let name = line.split(|&b| b == b':').next().unwrap_or(line);
            let name = tags::before_tags(name, self.pipeline.rules.dialects());
            self.stats.over_limit(name, Reject::LineTooLong);
            return self.stats.rejected(Reject::LineTooLong, 1);
        }
        if let Some(event) = parse::event(line) {
            return match event {
                Ok(()) => self.stats.event(),
                Err(reject) => self.reject(line, reject),
            };
        }
        for group in parse::groups(line).tagged(self.pipeline.rules.dialects()) {
            if let Err(reject) = group.and_then(|group| self.group(line, &group)) {
                self.reject(line, reject);
            }
        }
    }

    /// Ends a batch: applies what waits for others, and adds what was counted to the telemetry.
    pub fn flush(&mut self, listener: &Listener) {
        if self.turn.is_some() {
            self.catch_up();
            self.turn = None;
        }
        if std::mem::take(&mut self.is_working) {
            self.pipeline.registry.leave(&self.presence);
        }
        self.pipeline.telemetry.add(listener, &mut self.stats, self.sharing);
    }

    /// Waits for the workers whose packets came before, and applies the changes of gauges that had to wait.
    pub fn catch_up(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.wait();
        }
        self.is_ahead = false;
        for (at, update) in self.waiting.drain(..) {
            if let (Some(series), _) = self.routes.get(at) {
                series.cells.apply(update, self.sharing, self.now);
            }
        }
    }

    fn group(&mut self, line: &[u8], group: &Group<'_>) -> Result<(), Reject> {
        if group.unknown {
            group.unknown_sections().for_each(|section| self.stats.unknown_section(section));
        }
        match value::value(group.values, group.statsd_type) {
            Ok(value) => {
                let at = self.route(group, value)?;
                self.apply_in_turn(at, group.statsd_type, value, group.rate)?;
                self.kept(at);
                Ok(())
            }
            Err(_) if group.each_value().nth(1).is_some() => self.packed(line, group),
            Err(reject) => Err(reject),
        }
    }

    /// Several values in one group: each is applied or rejected by itself.
    fn packed(&mut self, line: &[u8], group: &Group<'_>) -> Result<(), Reject> {
        std::str::from_utf8(line).map_err(|_| Reject::NotUtf8)?;
        let (mut route, mut kept) = (None, None);
        for text in group.each_value() {
            let result = value::value(text, group.statsd_type).and_then(|value| {
                let route = match route {
                    Some(route) => route,
                    None => *route.insert(self.route(group, value)?),
                };
                self.apply_in_turn(route, group.statsd_type, value, group.rate)?;
                kept = Some(route);
                Ok(())
            });
            if let Err(reject) = result {
                self.stats.rejected(reject, 1);
            }
        }
        if let Some(route) = kept {
            self.kept(route);
        }
        Ok(())
    }

    /// Where the samples of a group go: known, or found out with the first of them.
    fn route(&mut self, group: &Group<'_>, value: Value<'_>) -> Result<usize, Reject> {
        let container: &[u8] = if self.pipeline.rules.uses_container() { group.container } else { &[] };
        let key = Key { name: group.name, statsd_type: group.statsd_type, tags: group.tags, container };
        let hash = self.routes.hash(&key);
        match self.routes.find(&key, hash) {
            Some(at) => Ok(at),
            None => {
                let (series, meaning) = self.miss(group, value)?;
                if self.is_ahead {
                    // A full table starts anew, and what waits knows its routes by their places in it.
                    self.catch_up();
                }
                Ok(self.routes.insert(&key, hash, series, meaning))
            }
        }
    }

    /// Counts the tags that were left out or mended while a sample of the group was kept.
    #[inline(always)]
    fn kept(&mut self, at: usize) {
        let errors = self.routes.get(at).1.tag_errors;
        if !errors.is_empty() {
            errors.iter().for_each(|(error, count)| self.stats.tag_error(error, count));
        }
    }

    /// Applies a sample, or keeps it where it changes a gauge whose turn has not come.
    fn apply_in_turn(
        &mut self,
        at: usize,
        statsd_type: StatsdType,
        value: Value<'_>,
        rate: Result<f64, Reject>,
    ) -> Result<(), Reject> {
        if self.is_ahead
            && let Value::Number(number) = value
            && self.routes.get(at).0.is_some_and(|series| series.cells.type_of() == MetricType::Gauge)
        {
            return self.hold(at, statsd_type, number, rate);
        }
        self.apply(at, statsd_type, value, rate)
    }

    #[inline(always)]
    fn apply(
        &mut self,
        at: usize,
        statsd_type: StatsdType,
        value: Value<'_>,
        rate: Result<f64, Reject>,
    ) -> Result<(), Reject> {
        let (series, meaning) = self.routes.get(at);
        match (meaning.fate, series) {
            (Fate::Apply(conversion), Some(series)) => {
                let update = conversion.update(value, rate?)?;
                series.touch(self.now);
                series.cells.apply(update, self.sharing, self.now);
                self.stats.applied(statsd_type, meaning.is_mapped);
            }
            (Fate::Collapse(..), _) => return self.collapse(at, statsd_type, value, rate),
            (Fate::Reject(reject), _) => return Err(self.rejected(at, reject)),
            (Fate::Drop | Fate::Apply(_), _) => self.stats.dropped(1),
        }
        Ok(())
    }

    /// Keeps the change of a gauge for when its turn comes.
    #[cold]
    fn hold(
        &mut self,
        at: usize,
        statsd_type: StatsdType,
        number: Number,
        rate: Result<f64, Reject>,
    ) -> Result<(), Reject> {
        let (series, meaning) = self.routes.get(at);
        if let Fate::Apply(conversion) | Fate::Collapse(conversion, _) = meaning.fate {
            self.waiting.push((at, conversion.update_by(number, rate?)?));
            self.stats.applied(statsd_type, meaning.is_mapped);
        }
        series.inspect(|series| series.touch(self.now));
        if let (Fate::Collapse(_, limit), Some(series)) = (meaning.fate, series) {
            self.stats.over_limit(series.name().as_bytes(), limit);
        }
        Ok(())
    }

    /// Applies a sample to the series that takes what is over a limit.
    #[cold]
    fn collapse(
        &mut self,
        at: usize,
        statsd_type: StatsdType,
        value: Value<'_>,
        rate: Result<f64, Reject>,
    ) -> Result<(), Reject> {
        let (series, meaning) = self.routes.get(at);
        if let (Fate::Collapse(conversion, limit), Some(series)) = (meaning.fate, series) {
            let update = conversion.update(value, rate?)?;
            series.touch(self.now);
            series.cells.apply(update, self.sharing, self.now);
            self.stats.applied(statsd_type, meaning.is_mapped);
            self.stats.over_limit(series.name().as_bytes(), limit);
        }
        Ok(())
    }

    /// Notes whose sample is rejected, where that is for a limit.
    #[cold]
    fn rejected(&mut self, at: usize, reject: Reject) -> Reject {
        if reject == Reject::TagLimit {
            // A bomb of tags is one name, wherever they stand.
            let name = tags::before_tags(self.routes.name(at), self.pipeline.rules.dialects());
            self.stats.over_limit(name, reject);
        }
        reject
    }

    /// The way of a series that this worker has not met: mapped by the rules, found or made in the registry.
    ///
    /// A sample that would be rejected makes no series. What rejects every sample alike is a route too; a limit on
    /// series is not, for it may be raised and must not be paid for with memory.
    #[cold]
    fn miss(&mut self, group: &Group<'_>, value: Value<'_>) -> Result<(Option<Arc<Series>>, Meaning), Reject> {
        let Pipeline { rules, registry, .. } = &*self.pipeline;
        let tagged = tagged(group, rules.dialects())?;
        let mapping = rules.map(context(group, &tagged)?);
        let made = match mapping.outcome {
            Ok(Outcome::Drop) => Ok((None, Fate::Drop)),
            Ok(Outcome::Feed(metric, conversion)) => {
                first_change(registry, &metric, &conversion, value, group.rate)?;
                match registry.get_or_collapse(&metric, rules.constants(), self.now) {
                    Ok((series, None)) => Ok((Some(series), Fate::Apply(conversion))),
                    Ok((series, Some(limit))) => Ok((Some(series), Fate::Collapse(conversion, limit))),
                    Err(limit @ (Reject::SeriesLimit | Reject::FamilySeriesLimit)) => {
                        self.stats.over_limit(metric.name.as_bytes(), limit);
                        return Err(limit);
                    }
                    Err(reject) => Err(reject),
                }
            }
            Err(reject) => Err(reject),
        };
        let ((series, fate), tag_errors) = match made {
            Ok(made) => (made, mapping.tag_errors),
            Err(reject) => ((None, Fate::Reject(reject)), TagErrors::NONE),
        };
        Ok((series, Meaning { fate, tag_errors, is_mapped: mapping.rule.is_some() }))
    }

    #[cold]
    fn reject(&mut self, line: &[u8], reject: Reject) {
        // Known bytes are not looked at twice, so this is asked only once something else is wrong.
        let reject = if std::str::from_utf8(line).is_err() { Reject::NotUtf8 } else { reject };
        self.stats.rejected(reject, 1);
    }
}

/// The change that a sample makes to the series of `metric`, which is about to be found or made. Where the sample is
/// wrong and the series would conflict with others, it is the conflict that is said: that is what is said of it too
/// once the way of the series is known.
pub fn first_change<'v>(
    registry: &Registry,
    metric: &Metric,
    conversion: &Conversion,
    value: Value<'v>,
    rate: Result<f64, Reject>,
) -> Result<Update<'v>, Reject> {
    let update = rate.and_then(|rate| conversion.update(value, rate));
    update.map_err(|reject| registry.conflict(metric).unwrap_or(reject))
}

/// What identifies the series of a group, as text.
pub fn context<'a>(group: &Group<'a>, tagged: &'a Tagged<'a>) -> Result<Context<'a>, Reject> {
    Ok(Context {
        name: &tagged.name,
        statsd_type: group.statsd_type,
        tags: &tagged.tags,
        container: text(group.container)?,
    })
}

/// The name of a group and all its tags, told apart.
pub fn tagged<'a>(group: &Group<'a>, dialects: Dialects) -> Result<Tagged<'a>, Reject> {
    Ok(Tagged::new(text(group.name)?, text(group.tags)?, dialects))
}

fn text(bytes: &[u8]) -> Result<&str, Reject> {
    std::str::from_utf8(bytes).map_err(|_| Reject::NotUtf8)
}
