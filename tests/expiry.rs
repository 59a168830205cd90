//! Series that leave while samples come: none of these may be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use statsidecar::config::{self, Severity};
use statsidecar::http;
use statsidecar::mapping::Rules;
use statsidecar::metric::{Cells, Total};
use statsidecar::pipeline::{Pipeline, Worker};
use statsidecar::registry::Series;
use statsidecar::telemetry::{Listener, Snapshot};

fn pipeline(config: &str) -> Arc<Pipeline> {
    let (config, mut diagnostics) = config::load(config);
    let (rules, more) = Rules::compile(&config);
    diagnostics.extend(more);
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error), "{diagnostics:?}");
    Arc::new(Pipeline::new(&config, rules))
}

/// The clock moves on by a second; gives what leaves.
fn second(pipeline: &Pipeline) -> Vec<Arc<Series>> {
    let now = pipeline.clock.now() + 1;
    pipeline.clock.set(now);
    std::iter::from_fn(|| pipeline.registry.sweep(now)).flatten().collect()
}

fn series(pipeline: &Pipeline) -> Vec<Arc<Series>> {
    let (mut all, mut chunk) = (Vec::new(), Vec::new());
    loop {
        pipeline.registry.next(all.last().cloned(), &mut chunk);
        if chunk.is_empty() {
            return all;
        }
        all.append(&mut chunk);
    }
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

fn texts(pipeline: &Pipeline) -> Vec<String> {
    series(pipeline).iter().map(|series| series.text().to_owned()).collect()
}

/// One thread at a time: when a series leaves, and what it takes along.
#[test]
fn a_series_leaves_when_its_time_is_over() {
    let pipeline = pipeline(
        "[defaults]\nttl = \"3s\"\n[[metric]]\nmatch = \"short\"\nttl = \"1s\"\n[[metric]]\nmatch = \"kept\"\nttl = \"0\"\n",
    );
    let listener = Listener::new("udp://test".to_owned());
    let mut worker = Worker::alone(Arc::clone(&pipeline));
    let mut send = |lines: &str| {
        worker.packet(lines.as_bytes());
        worker.flush(&listener);
    };
    send("short:5|c\nlong:1|c\nkept:1|c\nx:1|ms");
    send("x_seconds_count:1|g\nlong_total:1|g");
    assert_eq!(texts(&pipeline), ["kept_total", "long_total", "short_total", "x_seconds"]);
    second(&pipeline);
    assert_eq!(pipeline.registry.len(), 4, "its second may not be over");
    send("long:1|c");
    second(&pipeline);
    assert_eq!(texts(&pipeline), ["kept_total", "long_total", "x_seconds"]);
    assert_eq!(pipeline.registry.expired(), 1);
    send("short:2|c");
    assert_eq!(total(&series(&pipeline)[2]), 2, "it starts from 0");
    second(&pipeline);
    second(&pipeline);
    // Known at 0, and for `long` at 1: three seconds later the first are over.
    assert_eq!(texts(&pipeline), ["kept_total", "long_total"]);
    second(&pipeline);
    assert_eq!(texts(&pipeline), ["kept_total"]);
    assert_eq!(pipeline.registry.counts().0.iter().sum::<u64>(), 1);
    assert_eq!(pipeline.registry.counts().1.iter().sum::<u64>(), 1, "a family goes with its last series");
    send("x_seconds_count:1|g\nlong_total:1|g");
    assert_eq!(texts(&pipeline), ["kept_total", "long_total", "x_seconds_count"], "the names are free");
    assert!(http::page(&pipeline, &Snapshot::default()).ends_with(b"\n"));
}

/// A worker that has not come to the end of its batch keeps its series.
#[test]
fn a_series_stays_while_a_worker_may_hold_it() {
    let pipeline = pipeline("[defaults]\nttl = \"1s\"\n");
    let listener = Listener::new("udp://test".to_owned());
    let mut worker = Worker::alone(Arc::clone(&pipeline));
    worker.packet(b"a:1|c");
    (0..5).for_each(|_| assert!(second(&pipeline).is_empty()));
    assert_eq!(pipeline.registry.len(), 1, "announced, but not gone");
    worker.packet(b"a:1|c");
    worker.flush(&listener);
    // What came last was read by the time of the batch's beginning, so that it is over at once.
    second(&pipeline);
    assert_eq!(pipeline.registry.len(), 0);
    worker.packet(b"a:7|c");
    assert_eq!(total(&series(&pipeline)[0]), 7);
}

/// Workers and sweeps as fast as they can: what a series has come to when it leaves is what it stays at, and all that
/// was sent is in those that left and those that are there.
#[test]
fn no_sample_is_lost_to_a_series_that_leaves() {
    const WORKERS: u64 = 3;
    const PACKETS: u64 = 20_000;
    let pipeline = pipeline("[defaults]\nttl = \"1s\"\n");
    let listener = Listener::new("udp://test".to_owned());
    let sending = AtomicBool::new(true);
    let mut gone = Vec::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|seed| {
                let mut worker = Worker::new(Arc::clone(&pipeline));
                let listener = Arc::clone(&listener);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    for _ in 0..PACKETS {
                        let lines: Vec<_> = (0..10).map(|_| format!("n{}:1|c", random.usize(..2000))).collect();
                        worker.packet(lines.join("\n").as_bytes());
                        if random.bool() {
                            worker.flush(&listener);
                        }
                    }
                    worker.flush(&listener);
                })
            })
            .collect();
        let sweeper = scope.spawn(|| {
            let mut gone = Vec::new();
            while sending.load(Ordering::Relaxed) {
                for series in second(&pipeline) {
                    let total = total(&series);
                    gone.push((series, total));
                }
            }
            gone
        });
        workers.into_iter().for_each(|worker| worker.join().expect("no worker panics"));
        sending.store(false, Ordering::Relaxed);
        gone = sweeper.join().expect("the sweeper does not panic");
    });
    assert!(gone.len() > 1000, "only {} have left", gone.len());
    for (series, at_the_end) in &gone {
        assert_eq!(total(series), *at_the_end, "{} grew after it had left", series.text());
    }
    let left: u64 = gone.iter().map(|(_, total)| total).sum();
    let there: u64 = series(&pipeline).iter().map(|series| total(series)).sum();
    assert_eq!(left + there, WORKERS * PACKETS * 10);
    assert_eq!(pipeline.registry.expired(), gone.len() as u64);
}
