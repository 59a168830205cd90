//! A round: all series are read once, some at a time, for one receiver.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;
use std::vec;

use super::point::{FamilyText, Point, PointValue};
use crate::expose::text::label_pairs;
use crate::mapping::{FamilyMetadata, Rules};
use crate::metric::{Cells, MetricType, Native, Total};
use crate::pipeline::Pipeline;
use crate::registry::{Families, Series};
use crate::telemetry::{OwnFamily, OwnValue, Snapshot};

/// How many series are copied from their families at a time.
const CHUNK: usize = 256;

/// Takes the points of a round.
pub(super) trait PointSink {
    fn add(&mut self, point: &Point<'_>);
}

/// The series of a round, in the order of their names and labels. The next round compares its own with them.
pub(super) type Pushed = Vec<PushedSeries>;

/// A series that was pushed. It is kept until the next round, so that its end can be told.
#[derive(Debug)]
pub(super) struct PushedSeries {
    metadata: Arc<FamilyMetadata>,
    series: Arc<Series>,
}

impl PushedSeries {
    fn key(&self) -> (&str, &str) {
        (self.series.name(), self.series.braced_labels())
    }
}

/// From when on values count, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origins {
    /// When the process started, from which its own metrics count.
    pub(super) process: u64,
    /// When the pipeline's clock was 0, by which the start of a series is told.
    pub(super) clock: u64,
}

/// A round that is being read.
pub(super) struct Round {
    /// The constant labels.
    rules: Arc<Rules>,
    own: Vec<OwnFamily>,
    families: Families,
    /// The family from which series are copied next, and the labels of the last one that was copied from it.
    from: usize,
    after: Option<String>,
    before: vec::IntoIter<PushedSeries>,
    pushed: Pushed,
    /// The time of the points, in milliseconds since the Unix epoch.
    time: u64,
    origins: Origins,
    /// Whether the sidecar's own series end too.
    is_last: bool,
    /// The time of the pipeline's clock, for sets and summaries.
    now: u32,
    /// Memory for the counts of histograms and the quantiles of summaries.
    cumulative: Vec<u64>,
    values: Vec<f64>,
}

impl Round {
    /// A round at `time`; `before` is what the round before has pushed.
    pub(super) fn new(pipeline: &Pipeline, snapshot: &Snapshot, time: u64, origins: Origins, before: Pushed) -> Self {
        let edition = pipeline.current();
        Self {
            rules: Arc::clone(&edition.rules),
            own: pipeline.telemetry.families(snapshot),
            families: edition.registry.families(),
            from: 0,
            after: None,
            pushed: Vec::with_capacity(before.len()),
            before: before.into_iter(),
            time,
            origins,
            is_last: false,
            now: pipeline.clock.now(),
            cumulative: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Reads the next series; gives whether more may follow.
    pub(super) fn step(&mut self, sink: &mut impl PointSink) -> bool {
        let copied = self.copy();
        if copied.is_empty() {
            self.end_before(None, sink);
            let own = std::mem::take(&mut self.own);
            own.iter().for_each(|family| self.own_family(family, sink));
            return false;
        }
        for next in copied {
            self.end_before(Some(&next), sink);
            self.series(&next, false, self.time, sink);
            self.pushed.push(next);
        }
        true
    }

    /// What was pushed, once all is read.
    pub(super) fn into_pushed(self) -> Pushed {
        self.pushed
    }

    fn copy(&mut self) -> Vec<PushedSeries> {
        let mut copied: Vec<PushedSeries> = Vec::new();
        while copied.len() < CHUNK
            && let Some(family) = self.families.get(self.from)
        {
            let (before, room) = (copied.len(), CHUNK - copied.len());
            family.copy_after(self.after.as_deref(), room, &mut copied, |series| PushedSeries {
                metadata: Arc::clone(family.metadata()),
                series: Arc::clone(series),
            });
            if copied.len() - before == room {
                self.after = copied.last().map(|last| last.series.braced_labels().to_owned());
            } else {
                (self.from, self.after) = (self.from + 1, None);
            }
        }
        copied
    }

    /// Ends the series of the round before that come before `next` and are not there any more.
    fn end_before(&mut self, next: Option<&PushedSeries>, sink: &mut impl PointSink) {
        while let Some(first) = self.before.as_slice().first() {
            let order = next.map_or(Ordering::Less, |next| first.key().cmp(&next.key()));
            if order == Ordering::Greater {
                return;
            }
            let Some(ended) = self.before.next() else { return };
            match next {
                Some(next) if order == Ordering::Equal => {
                    // A metric that came back as another type has other samples. Their time is earlier, because some may have
                    // the same name.
                    if shape(&ended) != shape(next) {
                        self.series(&ended, true, self.time - 1, sink);
                    }
                    return;
                }
                _ => self.series(&ended, true, self.time, sink),
            }
        }
    }

    fn series(&mut self, pushed: &PushedSeries, is_stale: bool, time: u64, sink: &mut impl PointSink) {
        let PushedSeries { metadata, series } = pushed;
        let labels: Vec<_> = label_pairs(series.labels()).map(|(key, value)| (Cow::Borrowed(key), value)).collect();
        let native = match &series.cells {
            Cells::Histogram(histogram) => histogram.native().map(Native::read),
            _ => None,
        };
        let value = match &series.cells {
            Cells::Counter(counter) => PointValue::Number(real(counter.total())),
            Cells::Gauge(gauge) => PointValue::Number(gauge.value()),
            Cells::Histogram(histogram) => {
                let sum = histogram.read(&mut self.cumulative);
                PointValue::Histogram(histogram.bounds(), &self.cumulative, sum, native.as_ref())
            }
            Cells::Set(set) => PointValue::Number(set.count(self.now)),
            Cells::Summary(summary) => {
                let (sum, count) = summary.read(self.now, &mut self.values);
                PointValue::Summary(summary.quantiles(), &self.values, sum, count)
            }
        };
        let family = FamilyText {
            name: series.name(),
            help: &metadata.help,
            unit: metadata.unit.as_deref(),
            metric_type: metadata.metric_type(),
        };
        let start = self.origins.clock + u64::from(series.created()) * 1000;
        sink.add(&Point { family, labels: &labels, value, time, start, is_stale });
    }

    /// An own metric: its labels, and those constant labels that it has not itself.
    fn own_family(&mut self, own: &OwnFamily, sink: &mut impl PointSink) {
        let (name, help, metric_type) = (own.metric.name, own.metric.help, own.metric.metric_type);
        let family = FamilyText { name, help, unit: None, metric_type };
        for row in &own.rows {
            let own = row.labels.iter().map(|(key, value)| (Cow::Borrowed(*key), Cow::Borrowed(value.as_str())));
            let mut labels: Vec<(Cow<'_, str>, Cow<'_, str>)> = own.collect();
            for (key, value) in &self.rules.constants {
                if !row.labels.iter().any(|(own, _)| own == key) {
                    labels.push((key.as_str().into(), value.as_str().into()));
                }
            }
            labels.sort_unstable();
            let value = match &row.value {
                OwnValue::Number(total) => PointValue::Number(real(*total)),
                OwnValue::Histogram(bounds, cumulative, sum) => PointValue::Histogram(bounds, cumulative, *sum, None),
            };
            let (time, start) = (self.time, self.origins.process);
            sink.add(&Point { family, labels: &labels, value, time, start, is_stale: self.is_last });
        }
    }
}

/// Ends every series that was pushed.
pub(super) fn end_all(pipeline: &Pipeline, snapshot: &Snapshot, time: u64, pushed: Pushed, sink: &mut impl PointSink) {
    let mut round = Round::new(pipeline, snapshot, time, Origins::default(), pushed);
    (round.families, round.is_last) = (Families::default(), true);
    round.step(sink);
}

/// The types that have the same samples.
fn shape(pushed: &PushedSeries) -> Option<MetricType> {
    let metric_type = pushed.metadata.metric_type();
    matches!(metric_type, MetricType::Histogram | MetricType::Summary).then_some(metric_type)
}

fn real(total: Total) -> f64 {
    match total {
        Total::Whole(n) => n as f64,
        Total::Real(x) => x,
    }
}
