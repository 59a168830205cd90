//! Native histograms in protobuf, beside what another implementation makes of the same observations.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prometheus_client::encoding::prometheus_protobuf::encode_to_vec;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{BucketSpan, Histogram, MetricFamily};
use prometheus_client::metrics::histogram::{Histogram as OtherHistogram, NativeHistogramConfig};
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost::Message;

use crate::client::scrape_request;
use crate::support::{Daemon, Scratch, client, request, started};

const ACCEPT: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// The message of the histogram `took`, by a decoder of others.
fn decoded(mut families: &[u8]) -> Histogram {
    while !families.is_empty() {
        let family = MetricFamily::decode_length_delimited(&mut families).expect("a family");
        if family.name == "took" {
            return family.metric[0].histogram.clone().expect("a histogram");
        }
    }
    panic!("there is no histogram");
}

fn scraped(sidecar: &Daemon) -> Histogram {
    let (_, body) = request(sidecar.http, &scrape_request(&format!("Accept: {ACCEPT}\r\n")));
    decoded(&body)
}

/// The counts by the index of their bucket, without empty ones.
fn buckets(spans: &[BucketSpan], deltas: &[i64]) -> BTreeMap<i32, i64> {
    let (mut index, mut count) = (0, 0);
    let mut deltas = deltas.iter();
    let mut buckets = BTreeMap::new();
    for span in spans {
        index += span.offset;
        for _ in 0..span.length {
            count += deltas.next().expect("a delta for each bucket");
            if count != 0 {
                buckets.insert(index, count);
            }
            index += 1;
        }
    }
    assert_eq!(deltas.next(), None, "no delta without a bucket");
    buckets
}

/// What of a message says how many observations there were of which size.
fn essence(histogram: &Histogram) -> impl PartialEq + std::fmt::Debug + use<> {
    let classic: Vec<_> =
        histogram.bucket.iter().map(|bucket| (bucket.upper_bound.to_string(), bucket.cumulative_count)).collect();
    let classic: Vec<_> = classic.into_iter().filter(|(bound, _)| bound != "inf").collect();
    (
        (histogram.sample_count, classic, histogram.schema, histogram.zero_threshold, histogram.zero_count),
        buckets(&histogram.positive_span, &histogram.positive_delta),
        buckets(&histogram.negative_span, &histogram.negative_delta),
    )
}

/// What another implementation makes of the values.
fn expected(values: &[f64], schema: i8) -> Histogram {
    let other = OtherHistogram::new_classic_and_native([0.1, 1.0, 10.0], NativeHistogramConfig::with_schema(schema));
    values.iter().for_each(|value| other.observe(*value));
    let mut registry = Registry::default();
    registry.register("took", "help", other);
    decoded(&encode_to_vec(&registry).expect("it can be encoded"))
}

/// A value within a hundred times of 1, on either side, or 0.
fn value() -> impl Strategy<Value = f64> {
    let size = (-2.0..2.0_f64).prop_map(|power| 10_f64.powf(power));
    prop_oneof![8 => size.clone(), 2 => size.prop_map(|size| -size), 1 => Just(0.0), 1 => Just(1.0), 1 => Just(0.125)]
}

#[test]
fn native_histograms_are_those_of_another_implementation() {
    let mut runner = TestRunner::deterministic();
    // A hundred times of 1 is 6.6 powers of two, on either side of the first value.
    for schema in [-4, -1, 0, 1, 3, 4] {
        let scratch = Scratch::new("native");
        let config = format!(
            "[defaults]\nbuckets = [0.1, 1, 10]\nnative = {{ schema = {schema}, buckets = 512 }}\n[[metric]]\nmatch = \
             \"took\"\nname = \"took\"\n"
        );
        let sidecar = started(&["--config", &scratch.write("config.toml", &config)]);
        let values = prop::collection::vec(value(), 500).new_tree(&mut runner).expect("values").current();
        let socket = client(sidecar.udp[0]);
        for some in values.chunks(50) {
            let mut lines = String::new();
            some.iter().for_each(|value| writeln!(lines, "took:{value}|h").expect("text"));
            socket.send(lines.as_bytes()).expect("a packet");
        }
        sidecar.scrape_with(&["took_count 500"]);
        let (found, expected) = (scraped(&sidecar), expected(&values, schema));
        assert_eq!(format!("{:?}", essence(&found)), format!("{:?}", essence(&expected)), "schema {schema}");
        assert!((found.sample_sum - expected.sample_sum).abs() < 1e-9);
    }
}

#[test]
fn a_histogram_without_a_native_one_has_no_such_fields() {
    let scratch = Scratch::new("native-off");
    let config = "[[metric]]\nmatch = \"took\"\nname = \"took\"\nnative = false\n[defaults]\nnative = true\n";
    let sidecar = started(&["--config", &scratch.write("config.toml", config)]);
    client(sidecar.udp[0]).send(b"took:1|h\nother:1|h").expect("a packet");
    sidecar.scrape_with(&["took_count 1", "other_count 1"]);
    let found = scraped(&sidecar);
    assert_eq!((found.schema, found.zero_threshold, found.positive_span.len()), (0, 0.0, 0));
}

#[test]
fn a_native_histogram_alone_has_no_other_buckets() {
    let scratch = Scratch::new("native-alone");
    let config = "[[metric]]\nmatch = \"took\"\nname = \"took\"\nbuckets = []\nnative = true\n";
    let sidecar = started(&["--config", &scratch.write("config.toml", config)]);
    client(sidecar.udp[0]).send(b"took:1|h\ntook:-3|h\ntook:0|h|@0.5").expect("a packet");
    let page = sidecar.scrape_with(&["took_count 4"]);
    let lines: Vec<_> = page.lines().filter(|line| line.starts_with("took")).collect();
    assert_eq!(lines, ["took_bucket{le=\"+Inf\"} 4", "took_sum -2", "took_count 4"]);
    let found = scraped(&sidecar);
    assert!(found.bucket.iter().all(|bucket| bucket.upper_bound.is_infinite()), "{:?}", found.bucket);
    // With schema 3, bucket i ends at 2^(i/8): 1 is the end of bucket 0, and 3 lies in bucket 13, which ends at 3.08.
    assert_eq!((found.sample_count, found.zero_count), (4, 2));
    assert_eq!(buckets(&found.positive_span, &found.positive_delta), BTreeMap::from([(0, 1)]));
    assert_eq!(buckets(&found.negative_span, &found.negative_delta), BTreeMap::from([(13, 1)]));
}
