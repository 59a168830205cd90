//! A line of a known series allocates nothing: a counting allocator looks on.

#![allow(unsafe_code, reason = "an allocator cannot be written without it")]

#[path = "support/pipeline.rs"]
mod pipeline;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use statsidecar::http;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::Worker;
use statsidecar::telemetry::{Listener, Snapshot};

use pipeline::pipeline;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The system's allocator, which counts its calls: by thread, since the test harness has threads of its own.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and nothing to measure.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came. Counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count();
        unsafe { System.dealloc(old, layout) }
    }
}

/// How often `act` calls the allocator, to take memory or to give it back.
fn calls(act: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    act();
    CALLS.get() - before
}

const CONFIG: &str = r#"
[labels]
team = "data"

[defaults]
container_label = true

[limits]
family_series = 5
tags = 8
overflow = "collapse"

[[metric]]
match = "noise.**"
drop = true

[[metric]]
match = "jobs.*.duration"
name = "job_duration_seconds"
type = "histogram"
labels = { job = "$1" }

[[metric]]
match = "rpc.*.took"
name = "rpc_seconds"
type = "summary"
labels = { rpc = "$1" }

[[metric]]
match = "pool.*.size"
name = "pool_${1}_size"
type = "gauge"
"#;

/// What is sent: the lines, and what each must count on the page as often as it is sent.
const LINES: &[(&str, &str)] = &[
    // Every type that a line can carry.
    ("requests:1|c", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("meter:2|m", r#"statsidecar_samples_total{team="data",type="m"}"#),
    ("temperature:21.5|g", r#"statsidecar_samples_total{team="data",type="g"}"#),
    ("latency:320|ms", r#"statsidecar_samples_total{team="data",type="ms"}"#),
    ("size:5e3|h", r#"statsidecar_samples_total{team="data",type="h"}"#),
    ("spread:17|d", r#"statsidecar_samples_total{team="data",type="d"}"#),
    ("users:alice|s", r#"statsidecar_samples_total{team="data",type="s"}"#),
    ("_sc|db.up|0|h:web1|#k:v", r#"statsidecar_dropped_samples_total{team="data"}"#),
    ("_e{5,4}:title|text|#k:v", r#"statsidecar_events_total{team="data"}"#),
    // Ways to write a sample.
    ("requests:1|c|@0.3", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("latency:3.25|ms|@0.3", r#"statsidecar_samples_total{team="data",type="ms"}"#),
    ("temperature:+1|g", r#"statsidecar_samples_total{team="data",type="g"}"#),
    ("temperature:-0.5|g", r#"statsidecar_samples_total{team="data",type="g"}"#),
    ("requests:12345678901234567.5|c", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("requests:1|c|#table:raw,env:prod,flag", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("requests:1|c|#a:1|@0.5|#b:2|c:ci-9|T1656581400", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("jobs.a/b.ü:1|c|#größe:ü", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("req[table=raw]uests,env=prod:1|c", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("requests;url=http://x:80:1|c", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("with.cr:1|c\r", r#"statsidecar_samples_total{team="data",type="c"}"#),
    // Rules.
    ("jobs.etl.duration:12|ms|@0.1|#env:prod", r#"statsidecar_samples_total{team="data",type="ms"}"#),
    ("rpc.get.took:12.5|ms|@0.3", r#"statsidecar_samples_total{team="data",type="ms"}"#),
    ("rpc.get.took:-3|h", r#"statsidecar_samples_total{team="data",type="h"}"#),
    ("pool.db.size:1|c", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("noise.a.b:1|c|#k:v", r#"statsidecar_dropped_samples_total{team="data"}"#),
    // Over a limit: the sixth goes to the series for all such.
    ("crowd:1|c|#n:1", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("crowd:1|c|#n:2", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("crowd:1|c|#n:3", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("crowd:1|c|#n:4", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("crowd:1|c|#n:5", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("crowd:1|c|#n:6", r#"crowd_total{overflow="true",team="data"}"#),
    // What is counted beside the sample.
    ("requests:1|c|x:new|#table:raw", r#"statsidecar_unknown_sections_total{section="x",team="data"}"#),
    ("tagged:1|c|#k:v,,k:w,:x,le:1", r#"statsidecar_tag_errors_total{reason="reserved_key",team="data"}"#),
    // What is rejected.
    ("crowd:1|c|#1,2,3,4,5,6,7,8,9", r#"statsidecar_rejected_samples_total{reason="tag_limit",team="data"}"#),
    ("requests_total:1|g", r#"statsidecar_rejected_samples_total{reason="type_conflict",team="data"}"#),
    ("size_count:1|c", r#"statsidecar_samples_total{team="data",type="c"}"#),
    ("size_count:1|g", r#"statsidecar_rejected_samples_total{reason="name_collision",team="data"}"#),
    ("requests:-1|c", r#"statsidecar_rejected_samples_total{reason="negative_counter",team="data"}"#),
    ("requests:x|c", r#"statsidecar_rejected_samples_total{reason="bad_value",team="data"}"#),
    ("users:|s", r#"statsidecar_rejected_samples_total{reason="bad_value",team="data"}"#),
    ("users:1|h", r#"statsidecar_rejected_samples_total{reason="type_conflict",team="data"}"#),
    ("_sc|db.up", r#"statsidecar_rejected_samples_total{reason="malformed_line",team="data"}"#),
    ("requests:1|c|@2", r#"statsidecar_rejected_samples_total{reason="bad_sample_rate",team="data"}"#),
    ("requests:1|x", r#"statsidecar_rejected_samples_total{reason="unknown_type",team="data"}"#),
    ("requests", r#"statsidecar_rejected_samples_total{reason="malformed_line",team="data"}"#),
    ("statsidecar_lines_total:1|c", r#"statsidecar_rejected_samples_total{reason="reserved_name",team="data"}"#),
];

/// Lines that stand for more than one sample: they are sent too, and only have to allocate nothing.
const PACKED: [&str; 5] =
    ["latency:1:2:3.5|ms", "latency:1:NaN:3|ms|@0.5|#a:b", "old:1|c:2|c:3|c|@0.1:4|c", "spread:1:2|d\r", ""];

#[test]
fn known_lines_allocate_nothing() {
    let pipeline = pipeline(CONFIG);
    let page = || String::from_utf8(http::exposition(&pipeline, &Snapshot::default())).expect("the page is UTF-8");
    let listener = Listener::new("udp://test".to_owned());
    let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::Shared);

    // Each line by itself, and all of them in one packet, with one that is no text and one that is too long.
    let mut packets: Vec<Vec<u8>> = LINES.iter().map(|(line, _)| line.as_bytes().to_vec()).collect();
    packets.extend(PACKED.map(|line| line.as_bytes().to_vec()));
    let mut all = packets.join(&b'\n');
    all.extend_from_slice(b"\nrequests:1|c|x\xff\n");
    all.extend_from_slice(&vec![b'x'; pipeline.current().max_line + 1]);
    packets.push(all);

    let mut pass = || {
        let mut work = worker.begin(&listener, None);
        for packet in &packets {
            work.batch().packet(packet);
        }
    };
    assert!(calls(&mut pass) > 0, "the first pass makes the series, so the allocator is looked at");
    // The newest rejected lines are kept in buffers, some for each reason, which are all there after a few passes.
    (0..8).for_each(|_| pass());
    let (before, series) = (page(), pipeline.current().registry.len());
    const PASSES: u64 = 100;
    assert_eq!(calls(|| (0..PASSES).for_each(|_| pass())), 0, "calls of the allocator");

    let after = page();
    assert_eq!(pipeline.current().registry.len(), series, "no series came, so every line was known");
    for (line, counter) in LINES {
        let rise = value(&after, counter) - value(&before, counter);
        // Once by itself and once in the packet of all; other lines may count here too.
        assert!(rise >= 2 * PASSES, "{line} does not raise {counter}: {rise}");
    }
}

/// The key of a line is resolved once, however many of its samples are refused: each time would cost allocations, and
/// as much time as the name is long.
#[test]
fn many_refused_samples_of_a_line_cost_no_more_calls_than_few() {
    for (config, before, sample) in [
        ("", "", ":-1"),
        ("", "", ":1:-1:NaN"),
        ("", "|c", ":-1|c"),
        ("", "|c", ":-1|c:1|x:-1|m:1|h|@2"),
        ("limits.series = 1", "", ":1:-1"),
        ("limits.series = 1", "|c", ":1|c:5|g:1|ms"),
        ("limits = { series = 1, overflow = \"collapse\" }", "|c", ":1|c:5|g:1|ms"),
        ("limits.tags = 1", "|c", ":1|c:5|g"),
        ("metric = [{ match_regex = '.*', drop = true }]", "", ":1"),
    ] {
        let few_and_many = [5, 500].map(|times| {
            let pipeline = pipeline(config);
            let listener = Listener::new("udp://test".to_owned());
            let mut worker = Worker::new(pipeline, Sharing::SingleWriter);
            worker.begin(&listener, None).batch().packet(b"other:1|s");
            let name = format!("{}[k=v,l=w]", "long".repeat(1000));
            // A first value that is refused, so that no series is made where the others are.
            let line = format!("{name}:-1{before}{}|c", sample.repeat(times));
            calls(|| worker.begin(&listener, None).batch().packet(line.as_bytes()))
        });
        let [few, many] = few_and_many;
        // Hashes are random, so a table may grow once more.
        let is_same = many.abs_diff(few) <= 8;
        assert!(few > 0 && is_same, "{few} calls for few samples {sample:?} with {config:?}, {many} for many");
    }
}

#[test]
fn the_allocator_counts() {
    assert_eq!(calls(|| ()), 0);
    assert_eq!(calls(|| drop(black_box(Box::new(1_u8)))), 2, "taken and given back");
    assert_eq!(calls(|| drop(black_box(vec![0_u8; 100]))), 2, "zeroed");
    let mut vec = vec![0_u8; 100];
    assert_eq!(calls(|| black_box(&mut vec).reserve_exact(10_000)), 1, "moved");
}

fn value(page: &str, series: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{series} is not on the page"))
}
