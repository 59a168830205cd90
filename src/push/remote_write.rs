//! Remote write 2.0: messages of `io.prometheus.write.v2`; and the same requests as remote write 1.0.
//!
//! Sources: <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>,
//! <https://prometheus.io/docs/specs/prw/remote_write_spec/>.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;
use snap::raw::{Decoder, Encoder};

use super::body::{MAX_BYTES, MAX_SAMPLES, PushBody};
use super::point::{Point, PointValue};
use super::round::PointSink;
use crate::expose::protobuf::native_side;
use crate::expose::text::bound;
use crate::expose::wire::{FieldValue, bytes, double, fields, fixed64, message, packed, signed, varint, whole};
use crate::metric::{MetricType, NativeReading};

/// The value that ends a series.
///
/// Source: `StaleNaN` of `github.com/prometheus/prometheus/model/value`.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A request that is being written.
#[derive(Debug, Default)]
pub(super) struct RemoteWriteEncoder {
    /// Labels of every series that has no such label itself.
    external: Vec<(String, String)>,
    symbols: Symbols,
    /// The `timeseries` of the request.
    series: Vec<u8>,
    samples: u64,
}

/// Texts, each once. The first is empty.
#[derive(Debug, Default)]
struct Symbols {
    numbers: HashMap<Box<str>, u64>,
    /// The `symbols` of the request.
    written: Vec<u8>,
}

impl Symbols {
    fn number(&mut self, text: &str) -> u64 {
        if self.numbers.is_empty() && !text.is_empty() {
            self.number("");
        }
        let next = self.numbers.len() as u64;
        match self.numbers.get(text) {
            Some(number) => *number,
            None => {
                self.numbers.insert(text.into(), next);
                bytes(&mut self.written, 4, text.as_bytes());
                next
            }
        }
    }
}

impl RemoteWriteEncoder {
    /// With these labels of every series that has no such label itself.
    pub(super) fn new(external: Vec<(String, String)>) -> Self {
        Self { external, ..Self::default() }
    }

    /// Whether the request has as many bytes or samples as one may have.
    pub(super) fn is_full(&self) -> bool {
        self.samples >= MAX_SAMPLES || self.symbols.written.len() + self.series.len() >= MAX_BYTES
    }

    /// The request, unless it has no samples.
    pub(super) fn take(&mut self) -> Option<PushBody> {
        let samples = std::mem::take(&mut self.samples);
        if samples == 0 {
            return None;
        }
        // Receivers that read the request once need the symbols first.
        let mut request = std::mem::take(&mut self.symbols).written;
        request.append(&mut self.series);
        Some(PushBody { bytes: compressed(&request), samples })
    }

    /// One series of a number: the point's labels and a label of its own.
    fn sample(&mut self, point: &Point<'_>, suffix: &str, own: Option<(&str, &str)>, value: f64) {
        let start = point.start();
        self.series(point, suffix, own, |out| {
            message(out, 2, |out| {
                fixed64(out, 1, if point.is_stale { STALE } else { value.to_bits() });
                whole(out, 2, point.time);
                start.into_iter().for_each(|start| whole(out, 3, start));
            });
        });
    }

    /// One series of a native histogram.
    fn native(&mut self, point: &Point<'_>, native: &NativeReading, sum: f64) {
        let start = point.start();
        self.series(point, "", None, |out| {
            message(out, 3, |out| {
                whole(out, 1, native.count());
                fixed64(out, 3, if point.is_stale { STALE } else { sum.to_bits() });
                signed(out, 4, native.schema.into());
                double(out, 5, native.zero_threshold);
                whole(out, 6, native.zero_count);
                native_side(out, 8, &native.negative);
                native_side(out, 11, &native.positive);
                whole(out, 15, point.time);
                start.into_iter().for_each(|start| whole(out, 17, start));
            });
        });
    }

    /// One series with the labels and the metadata of the point; `value` writes its only sample.
    fn series(&mut self, point: &Point<'_>, suffix: &str, own: Option<(&str, &str)>, value: impl FnOnce(&mut Vec<u8>)) {
        let name = [point.family.name, suffix].concat();
        let mut labels: Vec<(&str, &str)> = point.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
        labels.extend(own);
        for (key, value) in &self.external {
            if !labels.iter().any(|(known, _)| known == key) {
                labels.push((key, value));
            }
        }
        labels.push(("__name__", &name));
        labels.sort_unstable();
        let mut refs = Vec::with_capacity(labels.len() * 4);
        for (key, value) in labels {
            // A label with an empty value is a label that is not there.
            if !value.is_empty() {
                varint(&mut refs, self.symbols.number(key));
                varint(&mut refs, self.symbols.number(value));
            }
        }
        let help = self.symbols.number(point.family.help);
        let unit = self.symbols.number(point.family.unit.unwrap_or_default());
        let type_number = match point.family.metric_type {
            MetricType::Counter => 1,
            MetricType::Gauge | MetricType::Set => 2,
            MetricType::Histogram => 3,
            MetricType::Summary => 5,
        };
        message(&mut self.series, 5, |out| {
            bytes(out, 1, &refs);
            value(out);
            message(out, 5, |out| {
                whole(out, 1, type_number);
                whole(out, 3, help);
                whole(out, 4, unit);
            });
            // Receivers of drafts of 2.0, Prometheus 3.5 among them, have it here.
            point.start().into_iter().for_each(|start| whole(out, 6, start));
        });
        self.samples += 1;
    }
}

impl PointSink for RemoteWriteEncoder {
    fn add(&mut self, point: &Point<'_>) {
        match point.value {
            PointValue::Number(value) => self.sample(point, "", None, value),
            PointValue::Histogram(bounds, cumulative, sum, native) => {
                native.into_iter().for_each(|native| self.native(point, native, sum));
                let all = bounds.as_slice().iter().copied().chain([f64::INFINITY]);
                for (bound, count) in all.zip(cumulative) {
                    self.sample(point, "_bucket", Some(("le", &bound_text(bound))), *count as f64);
                }
                self.sample(point, "_sum", None, sum);
                self.sample(point, "_count", None, cumulative.last().copied().unwrap_or_default() as f64);
            }
            PointValue::Summary(quantiles, values, sum, count) => {
                for (quantile, value) in quantiles.as_slice().iter().zip(values) {
                    self.sample(point, "", Some(("quantile", &bound_text(*quantile))), *value);
                }
                self.sample(point, "_sum", None, sum);
                self.sample(point, "_count", None, count as f64);
            }
        }
    }
}

/// The number as a scrape by Prometheus has it in `le` and `quantile`: as OpenMetrics writes it.
fn bound_text(x: f64) -> Cow<'static, str> {
    bound(x, true)
}

/// Compresses a request, as remote write wants it: a block without frames.
fn compressed(request: &[u8]) -> Bytes {
    // It fails only for requests of 4 GiB.
    Encoder::new().compress_vec(request).unwrap_or_default().into()
}

/// What a receiver understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WriteDialect {
    /// Remote write 2.0.
    #[default]
    Version2,
    /// The same without native histograms.
    Version2WithoutNative,
    /// Remote write 1.0, also without them: many receivers of that time fail for a request that has one.
    Version1,
}

/// The request in this dialect, and how many of its samples are left out. The buckets of native histograms stay.
pub(super) fn in_dialect(body: &Bytes, dialect: WriteDialect) -> (Bytes, u64) {
    if dialect == WriteDialect::Version2 {
        return (body.clone(), 0);
    }
    let request = Decoder::new().decompress_vec(body).unwrap_or_default();
    let native = of_field(&request, 5).filter(|series| has_native(series)).count() as u64;
    let request = match dialect {
        WriteDialect::Version1 => version_1(&request),
        _ => without_native(&request),
    };
    (compressed(&request), native)
}

/// The texts and messages in the fields of this number.
fn of_field(message: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |(field, value)| match value {
        FieldValue::Bytes(bytes) if field == wanted => Some(bytes),
        _ => None,
    })
}

fn has_native(series: &[u8]) -> bool {
    of_field(series, 3).next().is_some()
}

fn without_native(request: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(request.len());
    of_field(request, 4).for_each(|symbol| bytes(&mut out, 4, symbol));
    of_field(request, 5).filter(|series| !has_native(series)).for_each(|series| bytes(&mut out, 5, series));
    out
}

/// The request in remote write 1.0, in which labels have no table, and metadata stands beside the series.
fn version_1(request: &[u8]) -> Vec<u8> {
    let symbols: Vec<&[u8]> = of_field(request, 4).collect();
    let symbol = |number: u64| usize::try_from(number).ok().and_then(|n| symbols.get(n).copied()).unwrap_or_default();
    let (mut out, mut described) = (Vec::with_capacity(request.len() * 2), HashMap::new());
    for series in of_field(request, 5).filter(|series| !has_native(series)) {
        let mut name = &b""[..];
        message(&mut out, 1, |out| {
            for (field, value) in fields(series) {
                match (field, value) {
                    (1, FieldValue::Bytes(refs)) => name = labels_1(out, &packed(refs).map(symbol).collect::<Vec<_>>()),
                    (2, FieldValue::Bytes(sample)) => message(out, 2, |out| sample_1(out, sample)),
                    _ => {}
                }
            }
        });
        let metadata = of_field(series, 5).next();
        if let Some(metadata) = metadata
            && let Entry::Vacant(entry) = described.entry(family(name, metadata))
        {
            let name = entry.key();
            message(&mut out, 3, |out| metadata_1(out, name, metadata, symbol));
            entry.insert(());
        }
    }
    out
}

/// Writes the labels, and gives the name of the metric.
fn labels_1<'s>(out: &mut Vec<u8>, symbols: &[&'s [u8]]) -> &'s [u8] {
    let mut name = &b""[..];
    for [key, value] in symbols.as_chunks().0 {
        if *key == b"__name__" {
            name = value;
        }
        message(out, 1, |out| {
            bytes(out, 1, key);
            bytes(out, 2, value);
        });
    }
    name
}

/// A sample without the time of its start.
fn sample_1(out: &mut Vec<u8>, sample: &[u8]) {
    for field in fields(sample) {
        match field {
            (1, FieldValue::Fixed64(value)) => fixed64(out, 1, value),
            (2, FieldValue::Varint(time)) => whole(out, 2, time),
            _ => {}
        }
    }
}

/// The name of the family of a series.
fn family<'n>(name: &'n [u8], metadata: &[u8]) -> &'n [u8] {
    let has_suffixes = fields(metadata).any(|field| matches!(field, (1, FieldValue::Varint(3 | 5))));
    let suffixes: &[&[u8]] = if has_suffixes { &[b"_bucket", b"_sum", b"_count"] } else { &[] };
    suffixes.iter().find_map(|suffix| name.strip_suffix(*suffix)).unwrap_or(name)
}

fn metadata_1<'s>(out: &mut Vec<u8>, name: &[u8], metadata: &[u8], symbol: impl Fn(u64) -> &'s [u8]) {
    bytes(out, 2, name);
    for field in fields(metadata) {
        match field {
            (1, FieldValue::Varint(metric_type)) => whole(out, 1, metric_type),
            (3, FieldValue::Varint(help)) => bytes(out, 4, symbol(help)),
            (4, FieldValue::Varint(unit)) => bytes(out, 5, symbol(unit)),
            _ => {}
        }
    }
}
