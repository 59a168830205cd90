//! Remote write 2.0 and 1.0.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::protobuf::Message;
use crate::stub::{Request, Stub, WRITTEN};
use crate::support::Scratch;
use crate::{send, sidecar};

/// The value that ends a series.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A sample as it was pushed.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The bits of the value.
    pub bits: u64,
    pub time: u64,
    pub start: Option<u64>,
}

/// The samples of a request, by `name{key="value"}`, and the metadata by name: type, help, unit.
pub type Samples = BTreeMap<String, Sample>;
pub type Metadata = BTreeMap<String, (u64, String, String)>;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970").as_millis() as u64
}

fn series(labels: &[(String, String)]) -> (String, String) {
    assert!(labels.is_sorted(), "{labels:?}");
    let name = labels.iter().find(|(key, _)| key == "__name__").expect("a name").1.clone();
    let others = labels.iter().filter(|(key, _)| key != "__name__").map(|(key, value)| format!("{key}={value:?}"));
    (format!("{name}{{{}}}", others.collect::<Vec<_>>().join(",")), name)
}

fn body(request: &Request) -> Message {
    assert_eq!(request.line, "POST /api/v1/write HTTP/1.1");
    assert_eq!(request.header("content-encoding"), "snappy");
    let agent = concat!("statsidecar/", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.header("user-agent"), agent);
    Message::new(&snap::raw::Decoder::new().decompress_vec(&request.body).expect("snappy"))
}

/// Reads a request of 2.0.
pub fn version_2(request: &Request) -> (Samples, Metadata) {
    assert_eq!(request.header("content-type"), "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    assert_eq!(request.header("x-prometheus-remote-write-version"), "2.0.0");
    let body = body(request);
    let symbols: Vec<String> = body.all_bytes(4).into_iter().map(|text| String::from_utf8(text).unwrap()).collect();
    assert_eq!(symbols[0], "");
    let (mut samples, mut metadata) = (Samples::new(), Metadata::new());
    for each in body.messages(5) {
        let refs = each.packed(1);
        let labels: Vec<_> =
            refs.chunks(2).map(|pair| (symbols[pair[0] as usize].clone(), symbols[pair[1] as usize].clone())).collect();
        let (text, name) = series(&labels);
        let Some(sample) = each.messages(2).pop() else {
            assert_eq!(each.messages(3).len(), 1, "a native histogram");
            continue;
        };
        let start = sample.number(3);
        assert_eq!(each.number(6), start, "the same for receivers of drafts");
        let sample = Sample { bits: sample.number(1).unwrap(), time: sample.number(2).unwrap(), start };
        assert_eq!(samples.insert(text.clone(), sample), None, "{text} is there once");
        let meta = each.message(5);
        let symbol = |field| symbols[meta.number(field).unwrap() as usize].clone();
        metadata.insert(name, (meta.number(1).unwrap(), symbol(3), symbol(4)));
    }
    (samples, metadata)
}

/// Reads a request of 1.0.
fn version_1(request: &Request) -> (Samples, Metadata) {
    assert_eq!(request.header("content-type"), "application/x-protobuf");
    assert_eq!(request.header("x-prometheus-remote-write-version"), "0.1.0");
    let body = body(request);
    let (mut samples, mut metadata) = (Samples::new(), Metadata::new());
    for each in body.messages(1) {
        let labels: Vec<_> = each.messages(1).iter().map(|label| (label.text(1), label.text(2))).collect();
        let sample = each.message(2);
        let sample = Sample { bits: sample.number(1).unwrap(), time: sample.number(2).unwrap(), start: None };
        assert_eq!(samples.insert(series(&labels).0, sample), None);
    }
    for each in body.messages(3) {
        let described = (each.number(1).unwrap(), each.text(4), each.text(5));
        assert_eq!(metadata.insert(each.text(2), described), None, "each family is described once");
    }
    (samples, metadata)
}

fn values<'s>(samples: &'s Samples, prefixes: &[&str]) -> Vec<(&'s str, f64)> {
    let wanted = samples.iter().filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    wanted.map(|(name, sample)| (name.as_str(), f64::from_bits(sample.bits))).collect()
}

fn config(stub: &Stub, more: &str) -> String {
    format!("[[remote_write]]\nurl = \"http://{}/api/v1/write\"\ninterval = \"1s\"\n{more}", stub.address)
}

const NO_LABELS: &str = "labels = { job = \"\", instance = \"\" }\n";

const LABELS: &str = "labels = { job = \"shop\", instance = \"\", zone = \"a\" }\n";

const RULES: &str = "[[metric]]\nmatch = \"took\"\nname = \"took_seconds\"\nunit = \"seconds\"\nhelp = \"Time.\"\nbuckets = [0.25, 1]\n\
                     [[metric]]\nmatch = \"size\"\ntype = \"summary\"\nquantiles = [0.5]\n";

const LINES: &str =
    "jobs:3|c|#queue:fa\"st\nwaiting:-5.5|g|#zone:b\ntook:320|ms\ntook:20|ms|@0.5\nusers:a|s\nusers:b|s\nsize:4|h";

/// What the lines become, in the order of the names.
fn expected() -> Vec<(&'static str, f64)> {
    let bucket: &dyn Fn(&'static str, f64) -> (String, f64) =
        &|bound, count| (format!("took_seconds_bucket{{job=\"shop\",le=\"{bound}\",zone=\"a\"}}"), count);
    let mut all = vec![
        (r#"jobs_total{job="shop",queue="fa\"st",zone="a"}"#.to_owned(), 3.0),
        (r#"size_count{job="shop",zone="a"}"#.to_owned(), 1.0),
        (r#"size_sum{job="shop",zone="a"}"#.to_owned(), 4.0),
        bucket("+Inf", 3.0),
        bucket("0.25", 2.0),
        bucket("1.0", 3.0),
        (r#"took_seconds_count{job="shop",zone="a"}"#.to_owned(), 3.0),
        (r#"took_seconds_sum{job="shop",zone="a"}"#.to_owned(), 0.36),
        (r#"users{job="shop",zone="a"}"#.to_owned(), 2.0),
        (r#"waiting{job="shop",zone="b"}"#.to_owned(), -5.5),
    ];
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all.into_iter().map(|(name, value)| (&*name.leak(), value)).collect()
}

const NAMES: [&str; 5] = ["jobs", "size_", "took", "users", "waiting"];

#[test]
fn version_2_has_labels_values_metadata_and_start_times() {
    let before = now();
    let stub = Stub::start(|_| (204, WRITTEN, Vec::new()));
    let scratch = Scratch::new("rw2");
    let daemon = sidecar(&scratch, &format!("{}{RULES}", config(&stub, LABELS)));
    send(&daemon, LINES, &["users 2"]);
    let (samples, metadata) = stub.find(|request| {
        let (samples, metadata) = version_2(request);
        samples.keys().any(|name| name.starts_with("jobs")).then_some((samples, metadata))
    });
    assert_eq!(values(&samples, &NAMES), expected());
    assert!(samples.contains_key(r#"size{job="shop",quantile="0.5",zone="a"}"#), "{:?}", samples.keys());
    assert_eq!(metadata["took_seconds_bucket"], (3, "Time.".to_owned(), "seconds".to_owned()));
    assert_eq!((metadata["jobs_total"].0, metadata["waiting"].0, metadata["size_sum"].0), (1, 2, 5));
    let after = now();
    for (name, Sample { time, start, .. }) in &samples {
        assert!((before..=after).contains(time), "{name}: {time}");
        let is_cumulative = metadata[name.split('{').next().unwrap()].0 != 2;
        assert_eq!(start.is_some(), is_cumulative, "{name}");
        assert!(start.is_none_or(|start| (before - 2000..=*time).contains(&start)), "{name}: {start:?}");
    }
    assert!(samples.keys().any(|name| name.starts_with("statsidecar_lines_total{")), "its own metrics go along");
}

#[test]
fn a_receiver_of_version_1_gets_the_same_request_again() {
    // One says that it does not know the type. The other reads what it does not understand.
    for first in [415, 204] {
        let stub = Stub::start(move |request| {
            let is_new = request.header("content-type").contains("v2");
            if is_new { (first, "", Vec::new()) } else { (204, "", Vec::new()) }
        });
        let scratch = Scratch::new("rw1");
        let daemon = sidecar(&scratch, &format!("{}{RULES}", config(&stub, LABELS)));
        let (new, _) = version_2(&stub.next());
        let (old, _) = version_1(&stub.next());
        let same = |samples: &Samples| samples.values().map(|sample| (sample.bits, sample.time)).collect::<Vec<_>>();
        assert_eq!(same(&new).len(), same(&old).len());
        assert_eq!(
            new.values().map(|sample| sample.time).collect::<Vec<_>>(),
            old.values().map(|sample| sample.time).collect::<Vec<_>>()
        );
        send(&daemon, LINES, &["users 2"]);
        let (samples, metadata) = stub.find(|request| {
            let (samples, metadata) = version_1(request);
            samples.keys().any(|name| name.starts_with("jobs")).then_some((samples, metadata))
        });
        assert_eq!(values(&samples, &NAMES), expected());
        assert_eq!(metadata["took_seconds"], (3, "Time.".to_owned(), "seconds".to_owned()));
        assert_eq!(metadata["size"].0, 5);
    }
}

const NATIVE: &str = "[[metric]]\nmatch = \"took\"\ntype = \"histogram\"\nbuckets = [1]\nnative = { schema = 0 }\n";

/// The native histogram of a request.
fn native(request: &Request) -> Option<Message> {
    body(request).messages(5).iter().find_map(|series| series.messages(3).pop())
}

#[test]
fn native_histograms_go_along_in_version_2() {
    let stub = Stub::start(|_| (204, WRITTEN, Vec::new()));
    let scratch = Scratch::new("native");
    let daemon = sidecar(&scratch, &format!("{}{NATIVE}", config(&stub, NO_LABELS)));
    send(&daemon, "took:3|h\ntook:3.5|h\ntook:17|h\ntook:0|h\ntook:-2|h", &["took_count 5"]);
    let native = stub.find(|request| native(request).filter(|native| native.number(1) == Some(5)));
    assert_eq!((native.double(3), native.number(4), native.number(6)), (Some(21.5), Some(0), Some(1)));
    // Of schema 0, bucket i has the values up to 2^i: 3 and 3.5 are in bucket 2, 17 in bucket 5, and -2 in bucket 1. The
    // numbers of offsets and of differences are 2n, and -2n-1 if n is below 0.
    let spans = |field| native.messages(field).iter().map(|span| (span.number(1), span.number(2))).collect::<Vec<_>>();
    assert_eq!(spans(11), [(Some(4), Some(1)), (Some(4), Some(1))]);
    assert_eq!(native.numbers(12), [4, 1]);
    assert_eq!((spans(8), native.numbers(9)), (vec![(Some(2), Some(1))], vec![2]));
    assert!(native.number(15) >= native.number(17), "{native:?}");
}

/// As Prometheus 3.5 says it. The buckets stay, and what is left out is counted.
#[test]
fn native_histograms_are_left_out_where_the_receiver_does_not_take_them() {
    let stub = Stub::start(|request| match native(request) {
        Some(_) => (500, "", b"native histograms are disabled\n".to_vec()),
        None => (204, WRITTEN, Vec::new()),
    });
    let scratch = Scratch::new("no-native");
    let daemon = sidecar(&scratch, &format!("{}{NATIVE}", config(&stub, NO_LABELS)));
    send(&daemon, "took:3|h", &["took_count 1"]);
    stub.find(native);
    let (samples, _) = version_2(&stub.next());
    assert_eq!(samples["took_bucket{le=\"+Inf\"}"].bits, 1.0_f64.to_bits());
    daemon.scrape_until("a sample is refused", |page| {
        page.lines().any(|line| line.contains("push_samples_total{outcome=\"refused\"") && !line.ends_with(" 0"))
    });
}

/// A series that expires is ended, and so are all at the end.
#[test]
fn series_that_end_are_marked() {
    let stub = Stub::start(|_| (204, WRITTEN, Vec::new()));
    let scratch = Scratch::new("stale");
    let rules = "[[metric]]\nmatch = \"short\"\nttl = \"1s\"\ntype = \"histogram\"\nbuckets = [1]\n";
    let daemon = sidecar(&scratch, &format!("{}{rules}", config(&stub, NO_LABELS)));
    send(&daemon, "short:1|h\nlong:1|c", &["long_total 1"]);
    let short = ["short_bucket{le=\"+Inf\"}", "short_bucket{le=\"1.0\"}", "short_count{}", "short_sum{}"];
    let ended = stub.find(|request| {
        let (samples, _) = version_2(request);
        samples.get(short[0]).is_some_and(|sample| sample.bits == STALE).then_some(samples)
    });
    for name in short {
        assert_eq!((ended[name].bits, ended[name].start), (STALE, None), "{name}");
    }
    assert_eq!(ended["long_total{}"].bits, 1.0_f64.to_bits());
    let (after, _) = version_2(&stub.next());
    assert!(short.iter().all(|name| !after.contains_key(*name)), "they end once");
    send(&daemon, "long:2|c", &["long_total 3"]);
    daemon.signal("TERM");
    let last = stub.find(|request| {
        let (samples, _) = version_2(request);
        (samples["long_total{}"].bits == 3.0_f64.to_bits()).then_some(samples)
    });
    let ended = stub.find(|request| {
        let (samples, _) = version_2(request);
        (samples["long_total{}"].bits == STALE).then_some(samples)
    });
    assert!(ended.values().all(|sample| sample.bits == STALE), "{ended:?}");
    assert_eq!(ended.keys().collect::<Vec<_>>(), last.keys().collect::<Vec<_>>());
    assert!(ended["long_total{}"].time > last["long_total{}"].time);
    let end = daemon.wait();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

/// The last values of a job stay to be read, and a job of a moment loses nothing.
#[test]
fn a_job_pushes_its_last_state_and_does_not_end_it() {
    let stub = Stub::start(|_| (204, WRITTEN, Vec::new()));
    let scratch = Scratch::new("job");
    let file = scratch.write(
        "job.toml",
        &config(&stub, "labels = { job = \"backup\", instance = \"db\" }\n").replace("\"1s\"", "\"1h\""),
    );
    let program = env!("CARGO_BIN_EXE_statsidecar");
    let line = "\"$0\" send --to udp://$STATSD_HOST:$STATSD_PORT 'done:3|c'; exit 4";
    let args = ["run", "--until-exit", "--config", &file, "--", "sh", "-c", line, program];
    let ended = crate::support::run_in(scratch.path(), &args);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(4), ""));
    let (samples, _) = version_2(&stub.next());
    assert_eq!(samples[r#"done_total{instance="db",job="backup"}"#].bits, 3.0_f64.to_bits());
}
