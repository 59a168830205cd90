//! The cost of a line: it grows with the line and not with its square, whatever the line holds.
//!
//! Each figure is compared with one of the same run, and is the least of several, because other programs disturb times.
//! They may slow one figure and not the other, so a comparison that fails is made again a few times.

#[path = "support/pipeline.rs"]
mod pipeline;

use std::time::{Duration, Instant};

use statsidecar::metric::Sharing;
use statsidecar::pipeline::Worker;
use statsidecar::telemetry::Listener;

use pipeline::pipeline;

/// A line of at most `len` bytes: `start`, `piece` as often as possible, and `end`.
fn line(start: &str, piece: &str, end: &str, len: usize) -> String {
    let times = (len - start.len() - end.len()) / piece.len();
    [start, &piece.repeat(times), end].concat()
}

/// The time that a worker takes for a byte of `packet` once it knows its series, in nanoseconds.
fn nanoseconds_a_byte(config: &str, packet: &str) -> f64 {
    let mut worker = Worker::new(pipeline(config), Sharing::SingleWriter);
    let listener = Listener::new("udp://packed".to_owned());
    let mut round = || {
        let began = Instant::now();
        worker.begin(&listener, None).batch().packet(packet.as_bytes());
        began.elapsed()
    };
    round();
    let least = (0..10).map(|_| round()).min().unwrap_or(Duration::MAX);
    least.as_nanos() as f64 / packet.len() as f64
}

const LONG: usize = 65_000;

/// Shapes of lines that were dear once, or that make the reader look ahead. `{long}` is a name of half the line.
const SHAPES: [(&str, &str, &str); 19] = [
    ("a", ":1|c", ""),
    ("a", ":1|c|@0.5", ""),
    ("a", ":1|c:1|g:1|ms:x|s", ""),
    ("a", ":1:1:1:1|c", ""),
    ("a", ":1", "|c"),
    ("a", ":x|c", ""),
    ("a", ":-1|c", ""),
    ("a", ":1|q", ""),
    ("a", ":1|c|@7", ""),
    ("a", ":|", ""),
    ("a:1|c", "|", ""),
    ("a:1|c", "|x|@1", ""),
    ("a", ":1|c", "|#k:v"),
    ("a;b:", "c;d:", ":1|c"),
    ("a", ":b", "|c"),
    ("a", ":1|c|c:x|@1:1|c|c:y|@1", ""),
    ("{long}", ":1|c", ""),
    ("{long}", ":1|c:1|c|c:x|@1:1|c|c:y|@1", ""),
    ("{long};k=v", ":1|c|c:x|@1:1|g", ""),
];

/// Makes a comparison until it holds, at most five times. `compare` gives a figure, what it is compared with, and words.
fn holds(most: f64, mut compare: impl FnMut() -> (f64, f64, String)) {
    let (mut one, mut other, mut what) = compare();
    for _ in 0..4 {
        if one <= most * other {
            return;
        }
        (one, other, what) = compare();
    }
    assert!(one <= most * other, "{what}: {one:.1} ns, more than {most} times {other:.1} ns");
}

/// The bar is three times as much a byte as the plainest of short lines; these have the reader of simple lines.
#[test]
fn a_packed_line_costs_about_what_its_samples_cost_in_lines_of_their_own() {
    const CONTAINERS: &str = "[defaults]\ncontainer_label = true\n";
    for (start, piece, end) in SHAPES {
        let of = |len: usize| {
            let start = start.replace("{long}", &"n".repeat(len / 2));
            nanoseconds_a_byte(CONTAINERS, &line(&start, piece, end, len))
        };
        // The shapes with wrong values have no fast reader, and builds without optimization favour neither.
        holds(6.0, || {
            let short = nanoseconds_a_byte(CONTAINERS, &"a:1|c\n".repeat(LONG / 6));
            (of(LONG), short, format!("a byte of {start}{piece}{end}, beside short lines"))
        });
        holds(3.0, || (of(LONG), of(LONG / 8), format!("a byte of {start}{piece}{end}, beside an eighth of it")));
    }
}

/// The time that a worker takes for a tag of a line whose series is new, in nanoseconds.
fn nanoseconds_a_tag(write: fn(usize, &str) -> String, tags: usize) -> f64 {
    let config = "[limits]\ntags = 4096\nseries_length = 65536\n";
    let mut worker = Worker::new(pipeline(config), Sharing::SingleWriter);
    let listener = Listener::new("udp://tags".to_owned());
    let all = (0..tags).map(|n| format!("k{n:04}=v")).collect::<Vec<_>>().join(",");
    let round = |n| {
        let line = write(n, &all);
        let began = Instant::now();
        worker.begin(&listener, None).batch().packet(line.as_bytes());
        began.elapsed()
    };
    let least = (0..10).map(round).min().unwrap_or(Duration::MAX);
    least.as_nanos() as f64 / tags as f64
}

/// Each tag is looked up among the others once. If it were compared with all of them, sixteen times as many would cost
/// sixteen times as much each.
#[test]
fn a_tag_costs_about_the_same_among_many() {
    let dialects: [fn(usize, &str) -> String; 3] = [
        |n, tags| format!("a{n}:1|c|#{}", tags.replace('=', ":")),
        |n, tags| format!("a{n},{tags}:1|c"),
        |n, tags| format!("a{n}[{tags}]:1|c"),
    ];
    for write in dialects {
        holds(4.0, || {
            let what = format!("a tag of 4,096 in {}, beside one of 256", write(0, "k=v"));
            (nanoseconds_a_tag(write, 4096), nanoseconds_a_tag(write, 256), what)
        });
    }
}

/// The time that a worker takes for a line whose series is new, in nanoseconds.
fn nanoseconds_a_new_name(config: &str, name: fn(usize) -> String) -> f64 {
    let mut worker = Worker::new(pipeline(config), Sharing::SingleWriter);
    let listener = Listener::new("udp://names".to_owned());
    let mut round = |n| {
        let line =
            format!("{}:1|c|#{}", name(n), (0..50).map(|tag| format!("t{tag}:{n}")).collect::<Vec<_>>().join(","));
        let began = Instant::now();
        worker.begin(&listener, None).batch().packet(line.as_bytes());
        began.elapsed().as_nanos() as f64
    };
    let mut times: Vec<_> = (0..200).map(&mut round).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Configs that made a new name cost hundreds of times as much as without rules.
#[test]
fn a_new_name_is_cheap_under_any_rules() {
    let name = |n: usize| (0..20).map(|part| format!("x{}y{}.", (n * 31 + part * 17) % 1000, n % 1000)).collect();
    let rules = |rule: fn(usize) -> String| (0..1000).map(rule).collect::<String>();
    // The first is searched for the text of each rule.
    for (what, most, config) in [
        ("regexes with gaps", 100.0, rules(|n| format!("[[metric]]\nmatch_regex = '.*x{n}.*y{n}.*'\nname = 'm'\n"))),
        (
            "a policy of 20,000 tags",
            10.0,
            format!(
                "[[metric]]\nmatch = '**'\nname = 'm'\ndrop_tags = [{}]\n",
                (0..20_000).map(|n| format!("'k{n}'")).collect::<Vec<_>>().join(",")
            ),
        ),
    ] {
        holds(most, || {
            let bare = nanoseconds_a_new_name("", name);
            (nanoseconds_a_new_name(&config, name), bare, format!("a name under {what}, beside one without rules"))
        });
    }
}
