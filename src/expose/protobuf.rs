//! Messages of `io.prometheus.client`, the format that Prometheus calls `PrometheusProto`.
//!
//! Source: <https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>.

use super::text::label_pairs;
use super::wire::{double, message, signed, text, whole};
use crate::metric::{Bounds, MetricType, NativeReading, Quantiles};

/// Writes the fields of a `MetricFamily` that come before its metrics.
pub(crate) fn family(out: &mut Vec<u8>, name: &str, metric_type: MetricType, help: &str, unit: Option<&str>) {
    let type_number = match metric_type {
        MetricType::Counter => 0,
        MetricType::Gauge | MetricType::Set => 1,
        MetricType::Summary => 2,
        MetricType::Histogram => 4,
    };
    text(out, 1, name);
    text(out, 2, help);
    whole(out, 3, type_number);
    unit.into_iter().for_each(|unit| text(out, 5, unit));
}

/// Writes a `Metric` into its family. `labels` is the text between the braces in the text formats; `value` writes the field
/// that depends on the type.
pub(crate) fn metric(out: &mut Vec<u8>, labels: &str, value: impl FnOnce(&mut Vec<u8>)) {
    message(out, 4, |out| {
        for (key, value) in label_pairs(labels) {
            message(out, 1, |out| {
                text(out, 1, key);
                text(out, 2, &value);
            });
        }
        value(out);
    });
}

/// Writes a `Counter` into its metric. `created` is when it was 0, in milliseconds since the Unix epoch, if that is known.
pub(crate) fn counter(out: &mut Vec<u8>, value: f64, created: Option<u64>) {
    message(out, 3, |out| {
        double(out, 1, value);
        timestamp(out, 3, created);
    });
}

/// Writes a `google.protobuf.Timestamp`, if there is one.
fn timestamp(out: &mut Vec<u8>, field: u64, milliseconds: Option<u64>) {
    if let Some(milliseconds) = milliseconds {
        message(out, field, |out| {
            whole(out, 1, milliseconds / 1000);
            whole(out, 2, milliseconds % 1000 * 1_000_000);
        });
    }
}

/// Writes a `Gauge` into its metric.
pub(crate) fn gauge(out: &mut Vec<u8>, value: f64) {
    message(out, 2, |out| double(out, 1, value));
}

/// Writes a `Histogram` into its metric. `cumulative` has a count for each bound, and then the count of all observations.
pub(crate) fn histogram(out: &mut Vec<u8>, bounds: &Bounds, cumulative: &[u64], sum: f64, created: Option<u64>) {
    message(out, 7, |out| {
        classic_fields(out, bounds, cumulative, sum);
        timestamp(out, 15, created);
    });
}

fn classic_fields(out: &mut Vec<u8>, bounds: &Bounds, cumulative: &[u64], sum: f64) {
    whole(out, 1, cumulative.last().copied().unwrap_or_default());
    double(out, 2, sum);
    let all = bounds.as_slice().iter().copied().chain([f64::INFINITY]);
    for (bound, &count) in all.zip(cumulative) {
        message(out, 3, |out| {
            whole(out, 1, count);
            double(out, 2, bound);
        });
    }
}

/// The same with a native histogram of the same observations. Both are read while observations arrive, and the native one
/// counts: no bucket has more than all of its observations.
pub(crate) fn histogram_with_native(
    out: &mut Vec<u8>,
    bounds: &Bounds,
    cumulative: &mut [u64],
    sum: f64,
    native: &NativeReading,
    created: Option<u64>,
) {
    let count = native.count();
    cumulative.iter_mut().for_each(|up_to| *up_to = count.min(*up_to));
    cumulative.last_mut().into_iter().for_each(|all| *all = count);
    message(out, 7, |out| {
        classic_fields(out, bounds, cumulative, sum);
        signed(out, 5, native.schema.into());
        double(out, 6, native.zero_threshold);
        whole(out, 7, native.zero_count);
        native_side(out, 9, &native.negative);
        native_side(out, 12, &native.positive);
        if native.zero_threshold == 0.0 && native.positive.is_empty() && native.negative.is_empty() {
            // Without a span, a reader could not tell it from a histogram that is not native.
            message(out, 12, |_| {});
        }
        timestamp(out, 15, created);
    });
}

/// Writes the buckets of one side of 0: the spans, in the field `spans`, and the differences of the counts behind it.
pub(crate) fn native_side(out: &mut Vec<u8>, spans: u64, buckets: &[(i32, u64)]) {
    let mut end = 0;
    for span in buckets.chunk_by(|(one, _), (next, _)| one + 1 == *next) {
        let start = span.first().map_or(0, |(index, _)| *index);
        message(out, spans, |out| {
            signed(out, 1, i64::from(start) - end);
            whole(out, 2, span.len() as u64);
        });
        end = i64::from(start) + span.len() as i64;
    }
    let mut before = 0_u64;
    for (_, count) in buckets {
        signed(out, spans + 1, count.wrapping_sub(before) as i64);
        before = *count;
    }
}

/// Writes a `Summary` into its metric. `values` has a value for each quantile, or NaN if there are no observations.
pub(crate) fn summary(
    out: &mut Vec<u8>,
    (quantiles, values): (&Quantiles, &[f64]),
    sum: f64,
    count: u64,
    created: Option<u64>,
) {
    message(out, 4, |out| {
        whole(out, 1, count);
        double(out, 2, sum);
        for (&quantile, &value) in quantiles.as_slice().iter().zip(values) {
            message(out, 3, |out| {
                double(out, 1, quantile);
                double(out, 2, value);
            });
        }
        timestamp(out, 4, created);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    /// Written by hand from the specification.
    #[test]
    fn a_counter_with_a_label_is_written() {
        let metric = written(|out| metric(out, "k=\"v\\\"\"", |out| counter(out, 1.0, None)));
        let label = [0x0a, 7, 0x0a, 1, b'k', 0x12, 2, b'v', b'"'];
        let counter = [0x1a, 9, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
        assert_eq!(metric, [&[0x22, 20][..], &label, &counter].concat());
        let head = written(|out| family(out, "a", MetricType::Histogram, "h", Some("s")));
        assert_eq!(head, [0x0a, 1, b'a', 0x12, 1, b'h', 0x18, 4, 0x2a, 1, b's']);
    }

    #[test]
    fn long_messages_have_long_lengths() {
        for len in [0, 1, 120, 121, 122, 200, 20_000] {
            let long = "x".repeat(len);
            let out = written(|out| message(out, 4, |out| text(out, 1, &long)));
            let inner = written(|out| text(out, 1, &long));
            let mut expected = vec![0x22];
            crate::expose::wire::varint(&mut expected, inner.len() as u64);
            expected.extend(inner);
            assert_eq!(out, expected, "{len}");
        }
    }
}
