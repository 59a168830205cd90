//! Families and series in Prometheus' protocol buffers.
//!
//! A family is one message, because some clients keep only the last one of a name. Its length stands before it, so it is
//! made in memory first. A long message is then handed out in pieces.

use bytes::{Buf, Bytes};

use super::exposures::Exposure;
use super::own_texts::own_labels;
use crate::expose::protobuf;
use crate::expose::wire;
use crate::metric::{Cells, MetricType, Native, Total};
use crate::registry::{Family, Series};
use crate::telemetry::{OwnFamily, OwnValue};

/// From when on values count, in milliseconds since the Unix epoch. They are read once, because the start of a series must
/// be the same in each scrape.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartTimes {
    /// When the process started, from which its own metrics count.
    pub(super) process: u64,
    /// When the pipeline's clock was 0, by which the start of a series is told.
    pub(super) clock: u64,
}

/// Writes families and series, one after the other, in protocol buffers.
#[derive(Clone, Default)]
pub(super) struct ProtobufWriter {
    /// The time, for sets and summaries.
    now: u32,
    starts: Option<StartTimes>,
    /// How long a message may be that is written at once.
    piece: usize,
    /// The message of the family that is being written.
    message: Vec<u8>,
    /// The rest of a long message.
    ready: Bytes,
    /// Memory for a histogram's counts.
    cumulative: Vec<u64>,
    /// Memory for a summary's quantiles.
    values: Vec<f64>,
}

impl ProtobufWriter {
    pub(super) fn new(now: u32, starts: Option<StartTimes>, piece: usize) -> Self {
        Self { now, starts, piece, ..Self::default() }
    }

    /// Begins a family. The one before must have ended.
    pub(super) fn enter(&mut self, family: &Family, exposure: Option<&Exposure>) {
        let metadata = family.metadata();
        let name = exposure.and_then(|exposure| exposure.name.as_deref()).unwrap_or(family.name());
        let unit = metadata.unit.as_deref();
        protobuf::family(&mut self.message, name, metadata.metric_type(), &metadata.help, unit);
    }

    pub(super) fn series(&mut self, series: &Series) {
        let created = self.starts.map(|starts| starts.clock + u64::from(series.created()) * 1000);
        let Self { now, message, cumulative, values, .. } = self;
        protobuf::metric(message, series.labels(), |out| match &series.cells {
            Cells::Counter(counter) => protobuf::counter(out, real(counter.total()), created),
            Cells::Gauge(gauge) => protobuf::gauge(out, gauge.value()),
            Cells::Histogram(histogram) => {
                let sum = histogram.read(cumulative);
                match histogram.native().map(Native::read) {
                    Some(native) => {
                        protobuf::histogram_with_native(out, histogram.bounds(), cumulative, sum, &native, created);
                    }
                    None => protobuf::histogram(out, histogram.bounds(), cumulative, sum, created),
                }
            }
            Cells::Set(set) => protobuf::gauge(out, set.count(*now)),
            Cells::Summary(summary) => {
                let (sum, count) = summary.read(*now, values);
                protobuf::summary(out, (summary.quantiles(), values), sum, count, created);
            }
        });
    }

    /// Ends the family, if there is one; gives whether it is long, and has to be poured before anything else is written.
    pub(super) fn leave(&mut self, out: &mut Vec<u8>) -> bool {
        if self.message.is_empty() {
            return false;
        }
        wire::varint(out, self.message.len() as u64);
        if self.message.len() <= self.piece {
            out.append(&mut self.message);
            return false;
        }
        self.ready = std::mem::take(&mut self.message).into();
        true
    }

    /// Adds what is left of a long message to `out`, up to the length of a piece; gives whether nothing is left.
    pub(super) fn pour(&mut self, out: &mut Vec<u8>) -> bool {
        let len = self.piece.saturating_sub(out.len()).min(self.ready.len());
        out.extend_from_slice(&self.ready.split_to(len));
        !self.ready.has_remaining()
    }

    /// One of the sidecar's own metrics, with those constant labels that it has not itself.
    pub(super) fn own(
        &self,
        family: &OwnFamily,
        constants: &[(String, String)],
        exposure: Option<&Exposure>,
    ) -> Vec<u8> {
        let (metric, mut message) = (family.metric, Vec::new());
        let created = self.starts.map(|starts| starts.process);
        let name = exposure.and_then(|exposure| exposure.name.as_deref()).unwrap_or(metric.name);
        protobuf::family(&mut message, name, metric.metric_type, metric.help, None);
        for row in &family.rows {
            protobuf::metric(&mut message, &own_labels(row, constants), |out| match &row.value {
                OwnValue::Number(total) if metric.metric_type == MetricType::Counter => {
                    protobuf::counter(out, real(*total), created);
                }
                OwnValue::Number(total) => protobuf::gauge(out, real(*total)),
                OwnValue::Histogram(bounds, cumulative, sum) => {
                    protobuf::histogram(out, bounds, cumulative, *sum, created)
                }
            });
        }
        let mut out = Vec::new();
        wire::varint(&mut out, message.len() as u64);
        out.append(&mut message);
        out
    }
}

fn real(total: Total) -> f64 {
    match total {
        Total::Whole(n) => n as f64,
        Total::Real(x) => x,
    }
}
