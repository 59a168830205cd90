//! OTLP: messages of `opentelemetry.proto.collector.metrics.v1`, with cumulative values.
//!
//! Source: <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto>.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::body::{MAX_BYTES, MAX_SAMPLES, PushBody};
use super::point::{FamilyText, Point, PointValue};
use super::round::PointSink;
use crate::expose::wire::{FieldValue, bytes, double, fields, fixed64, message, signed, varint, whole};
use crate::metric::MetricType;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`.
const NO_RECORDED_VALUE: u64 = 1;

/// A request that is being written.
#[derive(Debug)]
pub(super) struct OtlpEncoder {
    /// The `Resource`.
    resource: Vec<u8>,
    is_gzip: bool,
    /// The name of the family whose points are written.
    family: Option<OwnedFamily>,
    points: Vec<u8>,
    /// The `metrics` of the request.
    metrics: Vec<u8>,
    samples: u64,
}

/// What is written in front of the points of a family.
#[derive(Debug)]
struct OwnedFamily {
    name: String,
    /// Name, description and unit.
    head: Vec<u8>,
    metric_type: MetricType,
    /// Whether its points are exponential histograms.
    is_exponential: bool,
}

impl OtlpEncoder {
    /// For a resource with these attributes.
    pub(super) fn new<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>, is_gzip: bool) -> Self {
        let mut resource = Vec::new();
        attributes.for_each(|(key, value)| attribute(&mut resource, 1, key, value));
        Self { resource, is_gzip, family: None, points: Vec::new(), metrics: Vec::new(), samples: 0 }
    }

    /// Ends the family.
    fn end_family(&mut self) {
        let Some(family) = self.family.take() else { return };
        let points = std::mem::take(&mut self.points);
        let (field, has_temporality) = match family.metric_type {
            MetricType::Gauge | MetricType::Set => (5, false),
            MetricType::Counter => (7, true),
            MetricType::Histogram if family.is_exponential => (10, true),
            MetricType::Histogram => (9, true),
            MetricType::Summary => (11, false),
        };
        message(&mut self.metrics, 2, |out| {
            out.extend_from_slice(&family.head);
            message(out, field, |out| {
                out.extend_from_slice(&points);
                if has_temporality {
                    whole(out, 2, CUMULATIVE);
                }
                if family.metric_type == MetricType::Counter {
                    whole(out, 3, 1); // monotonic
                }
            });
        });
    }

    /// Whether the request has as many bytes or points as one may have.
    pub(super) fn is_full(&self) -> bool {
        self.samples >= MAX_SAMPLES || self.metrics.len() + self.points.len() >= MAX_BYTES
    }

    /// The request, unless it has no points.
    pub(super) fn take(&mut self) -> Option<PushBody> {
        self.end_family();
        let samples = std::mem::take(&mut self.samples);
        if samples == 0 {
            return None;
        }
        let mut request = Vec::with_capacity(self.metrics.len() + self.resource.len() + 128);
        message(&mut request, 1, |out| {
            bytes(out, 1, &self.resource);
            // Without a scope, because some receivers make labels of its name and its version.
            bytes(out, 2, &self.metrics);
        });
        self.metrics.clear();
        // Memory can always be written to.
        let compressed = if self.is_gzip { gzip(&request).unwrap_or_default() } else { request };
        Some(PushBody { bytes: Bytes::from(compressed), samples })
    }
}

impl PointSink for OtlpEncoder {
    fn add(&mut self, point: &Point<'_>) {
        let family = point.family;
        let is_exponential = matches!(point.value, PointValue::Histogram(.., Some(_)));
        let is_same = |last: &OwnedFamily| {
            last.name == family.name && (last.metric_type, last.is_exponential) == (family.metric_type, is_exponential)
        };
        if !self.family.as_ref().is_some_and(is_same) {
            self.end_family();
            self.family = Some(OwnedFamily {
                name: family.name.to_owned(),
                head: head(&family),
                metric_type: family.metric_type,
                is_exponential,
            });
        }
        let out = &mut self.points;
        match point.value {
            PointValue::Number(value) => message(out, 1, |out| {
                times(out, point, family.metric_type == MetricType::Counter);
                if !point.is_stale {
                    double(out, 4, value);
                }
                attributes(out, 7, point);
                flags(out, 8, point);
            }),
            PointValue::Histogram(_, _, sum, Some(native)) => message(out, 1, |out| {
                attributes(out, 1, point);
                times(out, point, true);
                if !point.is_stale {
                    fixed64(out, 4, native.count());
                    double(out, 5, sum);
                    signed(out, 6, native.schema.into());
                    fixed64(out, 7, native.zero_count);
                    exponential_side(out, 8, &native.positive);
                    exponential_side(out, 9, &native.negative);
                    double(out, 14, native.zero_threshold);
                }
                flags(out, 10, point);
            }),
            PointValue::Histogram(bounds, cumulative, sum, None) => message(out, 1, |out| {
                times(out, point, true);
                if !point.is_stale {
                    fixed64(out, 4, cumulative.last().copied().unwrap_or_default());
                    double(out, 5, sum);
                    let before = [0].iter().chain(cumulative);
                    let counts = cumulative.iter().zip(before).flat_map(|(n, before)| (n - before).to_le_bytes());
                    bytes(out, 6, &counts.collect::<Vec<u8>>());
                    let bounds = bounds.as_slice().iter().flat_map(|bound| bound.to_le_bytes());
                    bytes(out, 7, &bounds.collect::<Vec<u8>>());
                }
                attributes(out, 9, point);
                flags(out, 10, point);
            }),
            PointValue::Summary(quantiles, values, sum, count) => message(out, 1, |out| {
                times(out, point, true);
                if !point.is_stale {
                    fixed64(out, 4, count);
                    double(out, 5, sum);
                    for (quantile, value) in quantiles.as_slice().iter().zip(values) {
                        message(out, 6, |out| {
                            double(out, 1, *quantile);
                            double(out, 2, *value);
                        });
                    }
                }
                attributes(out, 7, point);
                flags(out, 8, point);
            }),
        }
        self.samples += 1;
    }
}

/// Writes the buckets of one side of 0. OTLP numbers a bucket by its lower bound, and has those without values too.
fn exponential_side(out: &mut Vec<u8>, field: u64, buckets: &[(i32, u64)]) {
    let Some((first, _)) = buckets.first() else { return };
    let (mut counts, mut next) = (Vec::new(), *first);
    for (index, count) in buckets {
        (next..*index).for_each(|_| varint(&mut counts, 0));
        varint(&mut counts, *count);
        next = index + 1;
    }
    message(out, field, |out| {
        signed(out, 1, i64::from(*first) - 1);
        bytes(out, 2, &counts);
    });
}

/// The name, the description and the unit of a metric.
///
/// Prometheus appends the unit to a name that does not have it, so it is told only a unit that the name has.
fn head(family: &FamilyText<'_>) -> Vec<u8> {
    let mut head = Vec::new();
    bytes(&mut head, 1, family.name.as_bytes());
    bytes(&mut head, 2, family.help.as_bytes());
    let base = family.name.strip_suffix("_total").unwrap_or(family.name);
    if let Some(unit) = family.unit.filter(|unit| base.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))) {
        bytes(&mut head, 3, ucum(unit).as_bytes());
    }
    head
}

/// The unit as OTLP has it, which is UCUM: `s` for `seconds`.
///
/// Source: <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>.
fn ucum(unit: &str) -> &str {
    match unit {
        "days" => "d",
        "hours" => "h",
        "minutes" => "min",
        "seconds" => "s",
        "milliseconds" => "ms",
        "microseconds" => "us",
        "nanoseconds" => "ns",
        "bytes" => "By",
        "kibibytes" => "KiBy",
        "mebibytes" => "MiBy",
        "gibibytes" => "GiBy",
        "meters" => "m",
        "volts" => "V",
        "amperes" => "A",
        "joules" => "J",
        "watts" => "W",
        "grams" => "g",
        "celsius" => "Cel",
        "hertz" => "Hz",
        "percent" => "%",
        // A unit in braces is an annotation, which adds nothing to a name.
        _ => "",
    }
}

fn times(out: &mut Vec<u8>, point: &Point<'_>, has_start: bool) {
    const NANOS_A_MILLI: u64 = 1_000_000;
    if has_start {
        fixed64(out, 2, point.start * NANOS_A_MILLI);
    }
    fixed64(out, 3, point.time * NANOS_A_MILLI);
}

fn attributes(out: &mut Vec<u8>, field: u64, point: &Point<'_>) {
    point.labels.iter().for_each(|(key, value)| attribute(out, field, key, value));
}

fn attribute(out: &mut Vec<u8>, field: u64, key: &str, value: &str) {
    message(out, field, |out| {
        bytes(out, 1, key.as_bytes());
        message(out, 2, |out| bytes(out, 1, value.as_bytes()));
    });
}

fn flags(out: &mut Vec<u8>, field: u64, point: &Point<'_>) {
    if point.is_stale {
        whole(out, field, NO_RECORDED_VALUE);
    }
}

fn gzip(request: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(request.len() / 8), Compression::fast());
    gzip.write_all(request)?;
    gzip.finish()
}

/// How many points the receiver has rejected, and why, as its answer says.
pub(super) fn rejected(answer: &[u8]) -> Option<(u64, String)> {
    let (_, FieldValue::Bytes(partial)) = fields(answer).find(|(field, _)| *field == 1)? else { return None };
    let (mut points, mut why) = (0, String::new());
    for field in fields(partial) {
        match field {
            (1, FieldValue::Varint(n)) => points = n,
            (2, FieldValue::Bytes(text)) => why = String::from_utf8_lossy(text).into_owned(),
            _ => {}
        }
    }
    (points > 0 || !why.is_empty()).then_some((points, why))
}
