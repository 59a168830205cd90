//! The parts of the path, each by itself, and the parts beside the path.
//!
//! Run it with `cargo bench --bench micro [-- FILTER]`. Compare figures of one run only with each other. To see whether
//! a change made a line more expensive, use `benches/instructions`, because other programs do not disturb its figures.

#[path = "../tests/support/pipeline.rs"]
mod pipeline;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use statsidecar::config::{DEFAULT_BUCKETS, Dialects};
use statsidecar::http;
use statsidecar::mapping::Context;
use statsidecar::metric::{
    Bounds, Cells, Counter, Gauge, Histogram, MemoryBudget, NativeSpec, Quantiles, Set, Sharing, Summary, Update,
    Window,
};
use statsidecar::parse::tags::Tagged;
use statsidecar::parse::{self, StatsdType, tags, value};
use statsidecar::pipeline::Worker;
use statsidecar::telemetry::{Listener, Snapshot};
use statsidecar::workload::{Mix, Packet, Workload};

/// The size of packets that fit an Ethernet frame; `load` uses it too.
const PACKET: usize = 1432;

/// Parses a line with the reader of simple lines, with the general reader, and with another crate.
fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for (name, line) in [
        ("plain", "etl.stage07.instance00042.batch_took:1234.5|ms"),
        ("rated and tagged", "etl.pipeline.batch_took:1234.5|ms|@0.5|#stage:stage07,instance:00042,tag2:value2"),
    ] {
        assert!(parse::simple_line(line.as_bytes()).is_some() && statsd_parser::parse(line).is_ok());
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("plain", name), |bencher| {
            bencher.iter(|| parse::simple_line(black_box(line.as_bytes())));
        });
        group.bench_function(BenchmarkId::new("groups", name), |bencher| {
            bencher.iter(|| {
                for group in parse::groups(black_box(line.as_bytes())) {
                    let _ = black_box(group.map(|group| (value::number(group.values), group)));
                }
            });
        });
        // The other crate returns tags as pairs, which the path needs only once a series.
        group.bench_function(BenchmarkId::new("groups and pairs of tags", name), |bencher| {
            bencher.iter(|| {
                for group in parse::groups(black_box(line.as_bytes())).flatten() {
                    black_box(value::number(group.values)).expect("the value is a number");
                    let tags = std::str::from_utf8(group.tags).expect("the tags are text");
                    for tag in tags::dogstatsd(tags) {
                        let _ = black_box(tag);
                    }
                }
            });
        });
        group.bench_function(BenchmarkId::new("statsd-parser", name), |bencher| {
            bencher.iter(|| statsd_parser::parse(black_box(line)));
        });
    }
    group.finish();
}

/// Packets of known lines, through the whole worker. The time is that of one line.
fn worker(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("worker");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(3));
    for series in [1000, 100_000] {
        for tags in [0, 3] {
            let workload = Workload::new(series, tags, Mix::default(), PACKET);
            let mut worker = Worker::new(pipeline::pipeline(""), Sharing::SingleWriter);
            let listener = Listener::new("udp://bench".to_owned());
            let mut round = || {
                let packets = workload.packets().iter();
                packets.for_each(|Packet { bytes, .. }| worker.begin(&listener, None).batch().packet(bytes));
            };
            round();
            group.throughput(Throughput::Elements(workload.packets().iter().map(|packet| packet.lines).sum()));
            let id = BenchmarkId::new(format!("{series} series"), format!("{tags} tags"));
            group.bench_function(id, |bencher| bencher.iter(&mut round));
        }
    }
    group.finish();
}

/// Packets of lines that each make a series, from an empty start. The time is that of one series.
fn new_series(criterion: &mut Criterion) {
    const SERIES: usize = 100_000;
    let mut group = criterion.benchmark_group("new series");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(SERIES as u64));
    for tags in [0, 3] {
        let workload = Workload::of_new_series(SERIES, tags, Mix::default(), PACKET);
        let listener = Listener::new("udp://bench".to_owned());
        let new_worker = || Worker::new(pipeline::pipeline(""), Sharing::SingleWriter);
        group.bench_function(BenchmarkId::from_parameter(format!("{tags} tags")), |bencher| {
            // The worker is returned, so that the time to free its series does not count.
            bencher.iter_batched(
                new_worker,
                |mut worker| {
                    let packets = workload.packets().iter();
                    packets.for_each(|Packet { bytes, .. }| worker.begin(&listener, None).batch().packet(bytes));
                    worker
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Long lines in the older packing beside short lines of the same samples. The throughput is in bytes, so that it shows
/// whether the cost of a byte grows with the line.
fn packed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packed");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for (shape, start, piece) in [
        ("short lines", "", "a:1|c\n"),
        ("pairs", "a", ":1|c"),
        ("pairs with rates", "a", ":1|c|@0.5"),
        ("pairs with bad values", "a", ":x|c"),
    ] {
        for len in [1024, 8192, 65_000] {
            let packet = [start, &piece.repeat(len / piece.len())].concat();
            let mut worker = Worker::new(pipeline::pipeline(""), Sharing::SingleWriter);
            let listener = Listener::new("udp://bench".to_owned());
            group.throughput(Throughput::Bytes(packet.len() as u64));
            group.bench_function(BenchmarkId::new(shape, len), |bencher| {
                bencher.iter(|| worker.begin(&listener, None).batch().packet(packet.as_bytes()));
            });
        }
    }
    group.finish();
}

/// One update of each type, by a single writer and by one of several.
fn cells(criterion: &mut Criterion) {
    let bounds = Bounds::new(&DEFAULT_BUCKETS).expect("the bounds rise");
    let (counter, gauge) = (Cells::Counter(Counter::new()), Cells::Gauge(Gauge::new()));
    let histogram = Cells::Histogram(Histogram::new(bounds.clone()));
    let [native, both] = [Bounds::default(), bounds]
        .map(|bounds| Cells::Histogram(Histogram::with(bounds, Some(NativeSpec::default()), None)));
    let set = Cells::Set(Set::new(Window::new(60), MemoryBudget::UNLIMITED).into());
    let quantiles = Quantiles::new(&[0.5, 0.99]).expect("they rise");
    let summary = Cells::Summary(Summary::new(quantiles, Window::new(600), MemoryBudget::UNLIMITED).into());
    let mut group = criterion.benchmark_group("cells");
    for (name, cells, change) in [
        ("counter, whole", &counter, Update::Count(1)),
        ("counter, real", &counter, Update::Add(1.5)),
        ("gauge, set", &gauge, Update::Set(1.5)),
        ("gauge, moved", &gauge, Update::Move(1.5)),
        ("histogram", &histogram, Update::Observe { value: 0.3, weight: 1.0 }),
        ("histogram, native alone", &native, Update::Observe { value: 0.3, weight: 1.0 }),
        ("histogram, native too", &both, Update::Observe { value: 0.3, weight: 1.0 }),
        ("set", &set, Update::Member(b"a member that was seen before")),
        ("summary", &summary, Update::Observe { value: 0.3, weight: 1.0 }),
        ("histogram, sampled", &histogram, Update::Observe { value: 0.3, weight: 1.0 / 0.3 }),
    ] {
        for writers in [Sharing::SingleWriter, Sharing::Shared] {
            let id = BenchmarkId::new(name, format!("{writers:?}"));
            group.bench_function(id, |bencher| bencher.iter(|| cells.apply(black_box(change), black_box(writers), 0)));
        }
    }
    group.finish();
}

/// The mapping of one series. The last rule matches.
fn mapping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mapping");
    for rules in [0, 1, 200] {
        let config: String = (1..=rules)
            .rev()
            .map(|n| {
                format!(
                    "[[metric]]\nmatch = \"etl.*.job{n}.took\"\nname = \"job_seconds\"\nlabels = {{ stage = \"$1\" }}\n"
                )
            })
            .collect();
        let edition = pipeline::pipeline(&config).current();
        let tagged = Tagged::new("etl.stage07.job1.took", "instance:00042,env:prod,team:data", Dialects::ALL);
        let context = Context { name: &tagged.name, statsd_type: StatsdType::Timer, tags: &tagged.tags, container: "" };
        assert_eq!(edition.rules.map(context).rule.map(|(index, _)| index + 1).unwrap_or(0), rules);
        group.bench_function(BenchmarkId::from_parameter(format!("{rules} rules")), |bencher| {
            bencher.iter(|| edition.rules.map(black_box(context)));
        });
    }
    many_rules(&mut group);
    group.finish();
}

/// New names on 100 globs and 100 regexes. Some match one of the last rules, others match none.
fn many_rules(group: &mut BenchmarkGroup<'_, WallTime>) {
    let rule = |n| {
        format!(
            "[[metric]]\nmatch = 'etl.*.job{n}.took'\nname = 'job_seconds'\nlabels = {{ stage = '$1' }}\n[[metric]]\n\
             match_regex = '(?P<svc>[a-z]+)\\.(\\w+)\\.op{n}\\.(ok|failed)'\nname = 'ops_total'\n\
             labels = {{ svc = '${{svc}}', host = '$2', outcome = '$3' }}\n"
        )
    };
    let edition = pipeline::pipeline(&(1..=100).rev().map(rule).collect::<String>()).current();
    for (case, name, rule) in [
        ("a glob", "etl.stage{}.job1.took", Some(198)),
        ("a regex", "checkout.host{}.op1.failed", Some(199)),
        ("none", "checkout.host{}.queue.length", None),
    ] {
        let names: Vec<_> = (0..1000).map(|n| name.replace("{}", &format!("{n:04}"))).collect();
        let tags = Tagged::new("", "env:prod,team:data", Dialects::ALL).tags;
        let context = |name| Context { name, statsd_type: StatsdType::Counter, tags: &tags, container: "" };
        assert!(names.iter().all(|name| edition.rules.map(context(name)).rule.map(|(index, _)| index) == rule));
        let mut names = names.iter().cycle();
        group.bench_function(BenchmarkId::new("100 globs and 100 regexes", case), |bencher| {
            bencher.iter(|| edition.rules.map(black_box(context(names.next().expect("it is a cycle")))));
        });
    }
}

/// A scrape. The time is that of one series.
fn page(criterion: &mut Criterion) {
    const SERIES: usize = 10_000;
    let mut group = criterion.benchmark_group("page");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    for tags in [0, 3] {
        let pipeline = pipeline::pipeline("");
        let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
        let listener = Listener::new("udp://bench".to_owned());
        for packet in Workload::new(SERIES, tags, Mix::default(), PACKET).packets() {
            worker.begin(&listener, None).batch().packet(&packet.bytes);
        }
        assert_eq!(pipeline.current().registry.len(), SERIES);
        group.throughput(Throughput::Elements(SERIES as u64));
        group.bench_function(BenchmarkId::new(format!("{SERIES} series"), format!("{tags} tags")), |bencher| {
            bencher.iter(|| http::exposition(&pipeline, &Snapshot::default()));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(1200));
    targets = parse, worker, new_series, packed, cells, mapping, page
}
criterion_main!(benches);
