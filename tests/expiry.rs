//! Series expire while samples arrive, and no sample is lost.

#[path = "support/pipeline.rs"]
mod pipeline;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use statsidecar::http;
use statsidecar::metric::{Cells, Sharing, Total};
use statsidecar::pipeline::{Pipeline, Worker};
use statsidecar::registry::Series;
use statsidecar::telemetry::{Listener, Snapshot};

use pipeline::{pipeline, pipeline_with_arena};

/// One worker with its listener.
struct Sender(Worker, Arc<Listener>);

impl Sender {
    fn new(pipeline: &Arc<Pipeline>, sharing: Sharing) -> Self {
        Self(Worker::new(Arc::clone(pipeline), sharing), Listener::new("udp://test".to_owned()))
    }

    fn send(&mut self, packet: &str) {
        self.0.begin(&self.1, None).batch().packet(packet.as_bytes());
    }
}

/// Lets a second pass; gives the series that expired.
fn second(pipeline: &Pipeline) -> Vec<Arc<Series>> {
    pipeline.set_time(pipeline.clock.now() + 1);
    pipeline.sweep()
}

/// Every series of the exposition with its value, the sidecar's own aside.
fn series(pipeline: &Pipeline) -> BTreeMap<String, f64> {
    let exposition = String::from_utf8(http::exposition(pipeline, &Snapshot::default())).expect("it is UTF-8");
    let rows = exposition.lines().filter(|line| !line.starts_with('#') && !line.starts_with("statsidecar_"));
    rows.map(|row| row.rsplit_once(' ').expect("a series and its value"))
        .map(|(series, value)| (series.to_owned(), value.parse().expect("a number")))
        .collect()
}

/// The names of all series, a histogram by its count.
fn names(pipeline: &Pipeline) -> Vec<String> {
    let series = series(pipeline);
    let is_part = |name: &str| name.contains("_bucket{") || name.ends_with("_sum");
    series.into_keys().filter(|name| !is_part(name)).collect()
}

fn total(series: &Series) -> u64 {
    match &series.cells {
        Cells::Counter(counter) => match counter.total() {
            Total::Whole(n) => n,
            Total::Real(x) => panic!("{x}"),
        },
        cells => panic!("{cells:?}"),
    }
}

/// Tests series that have their values themselves, and series whose values are in an arena.
fn either_way(config: &str, test: fn(Arc<Pipeline>)) {
    test(pipeline(config));
    test(pipeline_with_arena(config));
}

#[test]
fn a_series_expires_when_its_ttl_is_over() {
    either_way(
        "[defaults]\nttl = \"3s\"\n[[metric]]\nmatch = \"short\"\nttl = \"1s\"\n[[metric]]\nmatch = \"kept\"\nttl = \"0\"\n",
        expires_when_its_ttl_is_over,
    );
}

fn expires_when_its_ttl_is_over(pipeline: Arc<Pipeline>) {
    let mut sender = Sender::new(&pipeline, Sharing::SingleWriter);
    sender.send("short:5|c\nlong:1|c\nkept:1|c\nx:1|ms");
    sender.send("x_seconds_count:1|g\nlong_total:1|g");
    assert_eq!(names(&pipeline), ["kept_total", "long_total", "short_total", "x_seconds_count"]);
    second(&pipeline);
    assert_eq!(pipeline.current().registry.len(), 4, "its second may not be over");
    sender.send("long:1|c");
    second(&pipeline);
    assert_eq!(names(&pipeline), ["kept_total", "long_total", "x_seconds_count"]);
    assert_eq!(pipeline.current().registry.expired(), 1);
    sender.send("short:2|c");
    assert_eq!(series(&pipeline)["short_total"], 2.0, "it starts from 0");
    second(&pipeline);
    second(&pipeline);
    // `x` arrived at 0 and `long` at 1, and three seconds later they expire.
    assert_eq!(names(&pipeline), ["kept_total", "long_total"]);
    second(&pipeline);
    assert_eq!(names(&pipeline), ["kept_total"]);
    assert_eq!(pipeline.current().registry.counts().series.iter().sum::<u64>(), 1);
    assert_eq!(
        pipeline.current().registry.counts().families.iter().sum::<u64>(),
        1,
        "a family goes with its last series"
    );
    sender.send("x_seconds_count:7|g\nlong_total:1|g");
    assert_eq!(series(&pipeline)["x_seconds_count"], 7.0, "the name is free for a gauge");
    assert_eq!(names(&pipeline), ["kept_total", "long_total", "x_seconds_count"]);
}

/// A batch has the time of its beginning. A sample that a later batch has brought first must not be forgotten for it.
#[test]
fn a_batch_that_is_overtaken_does_not_make_a_series_older() {
    either_way("[defaults]\nttl = \"5s\"\n", an_overtaken_batch_makes_nothing_older);
}

fn an_overtaken_batch_makes_nothing_older(pipeline: Arc<Pipeline>) {
    let (mut early, mut late) = (Sender::new(&pipeline, Sharing::Shared), Sender::new(&pipeline, Sharing::Shared));
    early.send("a:1|c");
    let mut work = early.0.begin(&early.1, None);
    pipeline.set_time(4);
    late.send("a:1|c");
    work.batch().packet(b"a:1|c");
    drop(work);
    pipeline.set_time(6);
    assert_eq!(pipeline.sweep().len(), 0, "the last sample arrived at 4, not at 0");
    pipeline.set_time(10);
    assert_eq!(pipeline.sweep().iter().map(|series| total(series)).collect::<Vec<_>>(), [3]);
}

/// A sample that is rejected for its value keeps nothing alive, and the next one of the same second does.
#[test]
fn only_samples_that_are_applied_keep_a_series() {
    either_way("[defaults]\nttl = \"2s\"\n", only_what_is_applied_counts);
}

fn only_what_is_applied_counts(pipeline: Arc<Pipeline>) {
    let mut sender = Sender::new(&pipeline, Sharing::SingleWriter);
    sender.send("a:1|c\nb:1|c\ng:1|g");
    pipeline.set_time(2);
    // Lines that are read in one go, of known names; a counter takes no number below 0.
    sender.send("a:-1|c\nb:-1|c\nb:1|c\ng:2|g");
    pipeline.set_time(4);
    assert_eq!(pipeline.sweep().iter().map(|series| series.text().to_owned()).collect::<Vec<_>>(), ["a_total"]);
    assert_eq!(names(&pipeline), ["b_total", "g"]);
    pipeline.set_time(5);
    assert_eq!(pipeline.sweep().len(), 2);
}

/// A key over a limit gets a series of its own once another series has expired, whatever its worker did in the meantime.
#[test]
fn a_key_leaves_the_overflow_series_when_a_place_is_free() {
    either_way(
        "[limits]\nfamily_series = 1\noverflow = \"collapse\"\n[[metric]]\nmatch = \"a\"\nttl = \"1s\"\n",
        a_free_place_is_taken,
    );
}

fn a_free_place_is_taken(pipeline: Arc<Pipeline>) {
    let mut sender = Sender::new(&pipeline, Sharing::Shared);
    for round in 0..200 {
        let (first, second) = (format!("a:1|c|#n:{round}"), format!("a:1|c|#n:{round}x"));
        sender.send(&first);
        sender.send(&second);
        assert_eq!(names(&pipeline), [format!("a_total{{n=\"{round}\"}}"), "a_total{overflow=\"true\"}".to_owned()]);
        let swept = AtomicBool::new(false);
        thread::scope(|scope| {
            let sweeper = scope.spawn(|| {
                let now = pipeline.clock.now();
                (1..=3).for_each(|second| _ = (pipeline.set_time(now + second), pipeline.sweep()));
                swept.store(true, Ordering::Release);
            });
            // The worker is at work on the key at every moment of the sweep.
            while !swept.load(Ordering::Acquire) {
                sender.send(&second);
            }
            sweeper.join().expect("the sweeper does not panic");
        });
        sender.send(&second);
        let own = format!("a_total{{n=\"{round}x\"}}");
        assert!(names(&pipeline).contains(&own), "round {round}: {:?}", names(&pipeline));
        pipeline.set_time(pipeline.clock.now() + 10);
        pipeline.sweep();
        assert!(pipeline.current().registry.is_empty());
    }
}

/// Workers and sweeps run as fast as they can, until enough series have expired. A series that has expired never changes
/// again, and the expired series and those that exist have all samples.
#[test]
fn no_sample_is_lost_to_a_series_that_expires() {
    either_way("[defaults]\nttl = \"1s\"\n", no_sample_is_lost);
}

fn no_sample_is_lost(pipeline: Arc<Pipeline>) {
    const WORKERS: u64 = 3;
    const PACKETS: u64 = 5_000;
    const EXPIRED: u64 = 2_000;
    let sending = AtomicBool::new(true);
    let (mut expired, mut sent) = (Vec::new(), 0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|seed| {
                let mut sender = Sender::new(&pipeline, Sharing::Shared);
                let pipeline = &pipeline;
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    let mut sent = 0;
                    while sent < PACKETS || pipeline.current().registry.expired() < EXPIRED {
                        // Some pieces of work hold their series for several packets.
                        let mut work = sender.0.begin(&sender.1, None);
                        for _ in 0..random.u64(1..4) {
                            let lines: Vec<_> = (0..10).map(|_| format!("n{}:1|c", random.usize(..20_000))).collect();
                            let packet = lines.join("\n");
                            work.batch().packet(packet.as_bytes());
                            sent += 1;
                        }
                    }
                    sent
                })
            })
            .collect();
        let sweeper = scope.spawn(|| {
            let mut expired = Vec::new();
            while sending.load(Ordering::Relaxed) {
                for series in second(&pipeline) {
                    let total = total(&series);
                    expired.push((series, total));
                }
            }
            expired
        });
        sent = workers.into_iter().map(|worker| worker.join().expect("no worker panics")).sum();
        sending.store(false, Ordering::Relaxed);
        expired = sweeper.join().expect("the sweeper does not panic");
    });
    for (series, at_the_end) in &expired {
        assert_eq!(total(series), *at_the_end, "{} grew after it had expired", series.text());
    }
    let gone: u64 = expired.iter().map(|(_, total)| total).sum();
    let there: f64 = series(&pipeline).values().sum();
    assert_eq!(gone + there as u64, sent * 10);
    assert_eq!(pipeline.current().registry.expired(), expired.len() as u64);
}
