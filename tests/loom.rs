//! Models of the cells, of a sweep, of a reload and of the arena, which loom runs in every order of the threads' steps.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom_cells" cargo test --profile loom --test loom --target-dir target/loom
//! ```
//!
//! The number of all orders would be too large, so each model bounds how often loom interrupts a thread. Two or three
//! interruptions are enough for every way in which two writers can meet between a load and its store.

#![cfg(loom_cells)]

#[path = "loom/arena.rs"]
mod arena;

use std::sync::Mutex;

use loom::sync::Arc;
use loom::thread;
use statsidecar::config;
use statsidecar::mapping::Rules;
use statsidecar::metric::{Bounds, Cells, Counter, Gauge, Histogram, Sharing, Total};
use statsidecar::pipeline::{Pipeline, Worker};
use statsidecar::registry::Series;
use statsidecar::telemetry::Listener;

/// Runs `model` in every order with at most so many interruptions. There must be more than ten orders.
fn check(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(interruptions);
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&runs);
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        model();
    });
    let runs = runs.load(std::sync::atomic::Ordering::Relaxed);
    println!("{runs} orders");
    assert!(runs > 10, "the threads never meet: {runs} orders");
}

fn histogram() -> Histogram {
    Histogram::new(Bounds::new(&[1.0]).expect("one bound rises"))
}

/// The cumulative counts and the sum.
fn read(histogram: &Histogram) -> (Vec<u64>, f64) {
    let mut cumulative = Vec::new();
    let sum = histogram.read(&mut cumulative);
    (cumulative, sum)
}

/// The observations of two writers, each with value and weight. The weights sum up to 8.75.
const OBSERVATIONS: [[(f64, f64); 2]; 2] = [[(0.5, 2.5), (4.0, 1.75)], [(0.5, 1.5), (2.0, 3.0)]];

#[test]
fn a_histogram_is_consistent_at_any_time() {
    check(2, || {
        let cells = Arc::new(histogram());
        let writers = OBSERVATIONS.map(|observations| {
            let cells = Arc::clone(&cells);
            thread::spawn(move || {
                observations.into_iter().for_each(|(value, weight)| cells.observe(value, weight, Sharing::Shared))
            })
        });
        let mut last = vec![0, 0];
        for _ in 0..2 {
            let (cumulative, sum) = read(&cells);
            assert!(cumulative.is_sorted(), "{cumulative:?}");
            assert!(cumulative.iter().zip(&last).all(|(now, before)| now >= before), "{cumulative:?} after {last:?}");
            assert!(cumulative[1] <= 9 && (0.0..=15.0).contains(&sum), "{cumulative:?} {sum}");
            last = cumulative;
        }
        for writer in writers {
            writer.join().expect("a writer does not panic");
        }
        // 2.5 + 1.75 + 1.5 + 3, and each value as often; every number here is exact in an f64.
        let (cumulative, sum) = read(&cells);
        assert_eq!((cumulative[1], sum), (8, 15.0));
        // The fractions of the writers are in the carry, so a quarter more makes the next whole count.
        cells.observe(0.5, 1.25, Sharing::Shared);
        assert_eq!(read(&cells).0[1], 10, "the carry is lost");
    });
}

/// The order decides which bucket gets the carry, so the count of a bucket is off by less than one.
#[test]
fn a_count_is_off_by_less_than_one() {
    let seen: &'static Mutex<Vec<u64>> = Box::leak(Box::default());
    check(3, move || {
        let cells = Arc::new(histogram());
        let writer = {
            let cells = Arc::clone(&cells);
            thread::spawn(move || cells.observe(0.5, 1.5, Sharing::Shared))
        };
        cells.observe(2.0, 1.5, Sharing::Shared);
        writer.join().expect("a writer does not panic");
        let (cumulative, sum) = read(&cells);
        assert_eq!((cumulative[1], sum), (3, 3.75));
        seen.lock().expect("no model panicked").push(cumulative[0]);
    });
    let mut seen = std::mem::take(&mut *seen.lock().expect("no model panicked"));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [1, 2], "both orders occur, and no other result");
}

#[test]
fn a_counter_loses_nothing() {
    check(3, || {
        let cells = Arc::new(Counter::new());
        let whole = {
            let cells = Arc::clone(&cells);
            thread::spawn(move || {
                cells.add_whole(3, Sharing::Shared);
                cells.add(0.5, Sharing::Shared);
            })
        };
        let real = {
            let cells = Arc::clone(&cells);
            thread::spawn(move || {
                cells.add(1.25, Sharing::Shared);
                cells.add(2.0, Sharing::Shared);
            })
        };
        let mut last = 0.0;
        for _ in 0..2 {
            let now = number(cells.total());
            assert!(now >= last && now <= 6.75, "{now} after {last}");
            last = now;
        }
        whole.join().expect("a writer does not panic");
        real.join().expect("a writer does not panic");
        assert_eq!(cells.total(), Total::Real(6.75));
        cells.add(0.25, Sharing::Shared);
        assert_eq!(cells.total(), Total::Whole(7));
    });
}

#[test]
fn a_counter_that_passes_2_to_the_64_is_not_reset() {
    check(3, || {
        let cells = Arc::new(Counter::new());
        cells.add_whole(u64::MAX - 1, Sharing::Shared);
        let writers = [2, 3].map(|n| {
            let cells = Arc::clone(&cells);
            thread::spawn(move || cells.add_whole(n, Sharing::Shared))
        });
        for writer in writers {
            writer.join().expect("a writer does not panic");
        }
        // Neither fits into what is left of the whole numbers.
        assert_eq!(cells.total(), Total::Real(18_446_744_073_709_551_616.0));
        cells.add(2.0_f64.powi(65), Sharing::Shared);
        assert_eq!(cells.total(), Total::Real(3.0 * 2.0_f64.powi(64)));
    });
}

/// A single writer loads and then stores, and a reader must not see a state in between. The reader is the spawned
/// thread, because loom would explore only one order of a spawned writer that loads before it stores.
#[test]
fn a_single_writer_keeps_the_cells_consistent() {
    check(3, || {
        let (counter, cells) = (Arc::new(Counter::new()), Arc::new(histogram()));
        let reader = {
            let (counter, cells) = (Arc::clone(&counter), Arc::clone(&cells));
            thread::spawn(move || {
                let (mut last_total, mut last) = (0.0, vec![0, 0]);
                for _ in 0..2 {
                    let (total, (now, sum)) = (number(counter.total()), read(&cells));
                    assert!(total >= last_total && total <= 4.5, "{total} after {last_total}");
                    assert!(now.is_sorted() && now[1] <= 4 && (0.0..=4.25).contains(&sum), "{now:?} {sum}");
                    assert!(now.iter().zip(&last).all(|(now, before)| now >= before), "{now:?} after {last:?}");
                    (last_total, last) = (total, now);
                }
            })
        };
        counter.add_whole(3, Sharing::SingleWriter);
        counter.add(1.5, Sharing::SingleWriter);
        cells.observe(0.5, 2.5, Sharing::SingleWriter);
        cells.observe(2.0, 1.5, Sharing::SingleWriter);
        reader.join().expect("the reader does not panic");
        assert_eq!((counter.total(), read(&cells)), (Total::Real(4.5), (vec![2, 4], 4.25)));
    });
}

/// Prometheus would take a fall by the last digit for a restart from 0.
#[test]
fn a_counter_does_not_fall_while_it_is_read() {
    check(2, || {
        let counter = Arc::new(Counter::new());
        for _ in 0..12 {
            counter.add(0.1, Sharing::SingleWriter);
        }
        let reader = {
            let counter = Arc::clone(&counter);
            thread::spawn(move || {
                let (one, two) = (number(counter.total()), number(counter.total()));
                assert!(two >= one, "{one} then {two}");
            })
        };
        counter.add(0.1, Sharing::SingleWriter);
        reader.join().expect("the reader does not panic");
    });
}

#[test]
fn a_gauge_has_the_value_of_some_order() {
    let seen: &'static Mutex<Vec<i64>> = Box::leak(Box::default());
    check(3, move || {
        let cells = Arc::new(Gauge::new());
        let set = {
            let cells = Arc::clone(&cells);
            thread::spawn(move || cells.set(10.0))
        };
        let moved = {
            let cells = Arc::clone(&cells);
            thread::spawn(move || {
                cells.add(1.0, Sharing::Shared);
                cells.add(-3.0, Sharing::Shared);
            })
        };
        let now = cells.value();
        assert!([0.0, 1.0, -2.0, 10.0, 11.0, 7.0, 8.0].contains(&now), "{now}");
        set.join().expect("a writer does not panic");
        moved.join().expect("a writer does not panic");
        seen.lock().expect("no model panicked").push(cells.value() as i64);
    });
    let mut seen = std::mem::take(&mut *seen.lock().expect("no model panicked"));
    seen.sort_unstable();
    seen.dedup();
    // The set comes before, between or after the moves. loom also allows -2, the moves without the set, because its
    // model has no order between a store and the exchanges of another thread.
    assert_eq!(seen, [-2, 7, 8, 10]);
}

#[test]
fn two_writers_both_move_a_gauge() {
    check(3, || {
        let cells = Arc::new(Gauge::new());
        let writers = [1.0, 2.5].map(|x| {
            let cells = Arc::clone(&cells);
            thread::spawn(move || {
                cells.add(x, Sharing::Shared);
                cells.add(x, Sharing::Shared);
            })
        });
        for writer in writers {
            writer.join().expect("a writer does not panic");
        }
        assert_eq!(cells.value(), 7.0);
    });
}

fn number(total: Total) -> f64 {
    match total {
        Total::Whole(n) => n as f64,
        Total::Real(x) => x,
    }
}

/// The value of a counter's series.
fn counted(series: &std::sync::Arc<Series>) -> u64 {
    match &series.cells {
        Cells::Counter(counter) => number(counter.total()) as u64,
        cells => panic!("{cells:?}"),
    }
}

/// A thread of the model with room for a worker, which the stack that loom gives by default does not have.
fn large(run: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::Builder::new().stack_size(1 << 17).spawn(run).expect("a thread")
}

/// The real pipeline: a worker and the sweeper take their locks in every order, and no sample is lost to a series that
/// expires.
#[test]
fn no_sample_is_lost_to_a_series_that_expires() {
    let seen: &'static Mutex<Vec<(usize, usize)>> = Box::leak(Box::default());
    let (config, _) = config::load("[defaults]\nttl = \"1s\"\n");
    let rules = Rules::compile(&config).0;
    check(2, move || {
        let (config, rules) = (config.clone(), rules.clone());
        let model = move || {
            let pipeline = std::sync::Arc::new(Pipeline::new(&config, rules));
            let mut worker = Worker::new(std::sync::Arc::clone(&pipeline), Sharing::Shared);
            let worker = large(move || {
                let listener = Listener::new("udp://model".to_owned());
                worker.begin(&listener, None).batch().packet(b"a:1|c");
                worker.begin(&listener, None).batch().packet(b"a:1|c");
            });
            // The model checker does not see the clock, so this is where the worker may be ahead of it.
            thread::yield_now();
            pipeline.set_time(2);
            let expired = pipeline.sweep();
            worker.join().expect("the worker does not panic");
            pipeline.set_time(9);
            let left = pipeline.sweep();
            assert_eq!(expired.iter().chain(&left).map(counted).sum::<u64>(), 2);
            seen.lock().expect("no model panicked").push((expired.len(), left.len()));
        };
        large(model).join().expect("the model does not panic");
    });
    let mut seen = std::mem::take(&mut *seen.lock().expect("no model panicked"));
    seen.sort_unstable();
    seen.dedup();
    // The sweep was before the first sample or behind the last; or the series expired in between and came back.
    assert_eq!(seen, [(0, 1), (1, 0), (1, 1)]);
}

/// The real pipeline: a worker and a reload take their locks in every order. The worker makes one series and adds to it
/// again; its rule stays, and another series changes its type meanwhile. Each sample is in the series that is shown.
#[test]
fn no_sample_is_lost_to_a_reload() {
    let seen: &'static Mutex<Vec<(usize, u64)>> = Box::leak(Box::default());
    let kept: &'static Mutex<Vec<usize>> = Box::leak(Box::default());
    let compiled = |source: &str| {
        let (config, _) = config::load(source);
        let rules = Rules::compile(&config).0;
        (config, rules)
    };
    let before = compiled("[defaults]\nttl = \"1s\"\n");
    let after = compiled("[defaults]\nttl = \"1s\"\n[[metric]]\nmatch = \"x\"\nname = \"x_total\"\ntype = \"gauge\"\n");
    check(3, move || {
        let (before, after) = (before.clone(), after.clone());
        let model = move || {
            let pipeline = std::sync::Arc::new(Pipeline::new(&before.0, before.1));
            let mut worker = Worker::new(std::sync::Arc::clone(&pipeline), Sharing::Shared);
            // The reload is the spawned thread, because loom would not explore a reload between two batches of a spawned
            // worker.
            let reload = {
                let pipeline = std::sync::Arc::clone(&pipeline);
                large(move || {
                    let changes = pipeline.reload(&after.0, after.1).expect("nothing is declared");
                    kept.lock().expect("no model panicked").push(changes.kept);
                })
            };
            let listener = Listener::new("udp://model".to_owned());
            worker.begin(&listener, None).batch().packet(b"a:1|c\nx:1|c");
            worker.begin(&listener, None).batch().packet(b"a:1|c\nx:1|c");
            reload.join().expect("the reload does not panic");
            // All series of the new rules expire, and so they can be read.
            pipeline.set_time(9);
            let left = pipeline.sweep();
            let total = |name: &str| {
                let series = left.iter().find(|series| series.text() == name)?;
                Some(match &series.cells {
                    Cells::Counter(counter) => number(counter.total()) as u64,
                    Cells::Gauge(gauge) => gauge.value() as u64,
                    cells => panic!("{cells:?}"),
                })
            };
            assert_eq!(total("a_total"), Some(2), "{left:?}");
            let x = total("x_total").unwrap_or_default();
            let kept = kept.lock().expect("no model panicked").pop();
            seen.lock().expect("no model panicked").push((kept.unwrap_or_default(), x));
        };
        large(model).join().expect("the model does not panic");
    });
    let mut seen = std::mem::take(&mut *seen.lock().expect("no model panicked"));
    seen.sort_unstable();
    seen.dedup();
    // `x` has the samples since the change. `a` was made before the reload, or behind it.
    assert_eq!(seen, [(0, 2), (1, 0), (1, 1), (1, 2)]);
}
