//! Other rules take over from the ones before while lines arrive: what stays, what starts anew, and that nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;
use statsidecar::http;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::{Pipeline, Worker};
use statsidecar::telemetry::{Listener, Snapshot};

#[path = "support/pipeline.rs"]
mod pipeline;

use pipeline::{compiled, pipeline};

/// A pipeline with one worker.
struct Fed {
    pipeline: Arc<Pipeline>,
    worker: Worker,
    listener: Arc<Listener>,
}

impl Fed {
    fn new(config: &str) -> Self {
        let pipeline = pipeline(config);
        let worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
        Self { pipeline, worker, listener: Listener::new("udp://test".to_owned()) }
    }

    fn feed(&mut self, lines: &str) {
        self.worker.begin(&self.listener, None).batch().packet(lines.as_bytes());
    }

    fn reload(&self, config: &str) {
        let (config, rules) = compiled(config);
        self.pipeline.reload(&config, rules).expect("the series of init can be made");
    }

    /// The exposition without the sidecar's own metrics.
    fn page(&self) -> String {
        page(&self.pipeline)
    }
}

fn page(pipeline: &Pipeline) -> String {
    let page = String::from_utf8(http::exposition(pipeline, &Snapshot::default())).expect("text");
    let is_own =
        |line: &&str| line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ").starts_with("statsidecar_");
    page.lines().filter(|line| !is_own(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn values_stay_and_help_changes_at_once() {
    let mut fed = Fed::new("");
    fed.feed("a:3|c|#k:v\nb:5|g\nc:20|ms");
    fed.reload("[[metric]]\nmatch = 'a'\nname = 'a_total'\nhelp = 'New.'\n");
    let page = fed.page();
    assert!(page.contains("# HELP a_total New.\n# TYPE a_total counter\na_total{k=\"v\"} 3\n"), "{page}");
    assert!(page.contains("\nb 5\n") && page.contains("c_seconds_count 1\n"), "{page}");
    fed.feed("a:1|c|#k:v\nb:+1|g\nc:20|ms");
    let page = fed.page();
    assert!(page.contains("a_total{k=\"v\"} 4\n"), "{page}");
    assert!(page.contains("\nb 6\n") && page.contains("c_seconds_count 2\n"), "{page}");
}

#[test]
fn a_series_whose_type_or_buckets_change_starts_anew_and_is_in_no_conflict() {
    let mut fed = Fed::new("");
    fed.feed("a:3|c\na:1|c|#k:v\nb:20|ms\nc:1|c");
    fed.reload(
        "[[metric]]\nmatch = 'a'\nname = 'a_total'\ntype = 'gauge'\n[[metric]]\nmatch = 'b'\nname = 'b_seconds'\nbuckets = [1]\n",
    );
    assert_eq!(
        fed.page(),
        "# HELP c_total Counter fed by StatsD; no rule gives it a help text.\n# TYPE c_total counter\nc_total 1\n"
    );
    fed.feed("a:3|c\nb:20|ms");
    let page = fed.page();
    assert!(page.contains("# TYPE a_total gauge\na_total 3\n"), "{page}");
    assert!(page.contains("b_seconds_bucket{le=\"1\"} 1\nb_seconds_bucket{le=\"+Inf\"} 1\n"), "{page}");
    assert!(!page.contains("k=\"v\""), "{page}");
}

#[test]
fn a_changed_ttl_holds_for_living_series_in_both_directions() {
    let mut fed = Fed::new("[[metric]]\nmatch = 'long'\nttl = '1h'\n[[metric]]\nmatch = 'never'\nttl = '1s'");
    fed.feed("long:1|c\nnever:1|c\nnew:1|c");
    fed.reload("[defaults]\nttl = '2s'\n[[metric]]\nmatch = 'never'\nttl = '0'");
    assert!(fed.pipeline.set_time(3));
    assert_eq!(fed.pipeline.sweep().len(), 2);
    assert!(fed.page().ends_with("never_total 1\n"));
    assert_eq!(fed.pipeline.current().registry.len(), 1);
    fed.feed("long:1|c");
    assert!(fed.page().contains("long_total 1\n"), "it starts from 0");
}

#[test]
fn limits_hold_at_once_and_cost_no_series_that_exists() {
    let mut fed = Fed::new("[limits]\nseries = 2");
    fed.feed("a:1|c\nb:1|c\nc:1|c");
    fed.reload("[limits]\nseries = 3");
    fed.feed("c:1|c\nd:1|c");
    assert_eq!(fed.pipeline.current().registry.len(), 3);
    fed.reload("[limits]\nseries = 1");
    fed.feed("a:1|c\nd:1|c");
    assert!(fed.page().contains("a_total 2\n"));
    assert_eq!(fed.pipeline.current().registry.len(), 3);
    fed.reload("[limits]\nseries = 1\noverflow = 'collapse'");
    fed.feed("a:1|c|#k:v");
    assert!(fed.page().contains("a_total{overflow=\"true\"} 1\n"));
    fed.reload("[limits]\nseries = 9");
    assert!(!fed.page().contains("overflow"), "nothing feeds it any more");
}

#[test]
fn declared_series_keep_their_values_while_they_are_declared() {
    const RULE: &str = "[[metric]]\nmatch = 'a'\nname = 'a_total'\ntype = 'counter'\n";
    let mut fed = Fed::new(&format!("{RULE}ttl = '1s'\n"));
    fed.feed("a:2|c");
    let declared = format!("{RULE}init = [{{}}, {{ k = 'v' }}]\n");
    fed.reload(&declared);
    assert!(fed.page().ends_with("a_total 2\na_total{k=\"v\"} 0\n"), "{}", fed.page());
    assert!(!fed.pipeline.set_time(9), "it does not expire any more");
    fed.feed("a:1|c|#k:v");
    fed.reload(&declared);
    assert!(fed.page().ends_with("a_total 2\na_total{k=\"v\"} 1\n"), "{}", fed.page());
    fed.reload(RULE);
    assert!(fed.page().ends_with("a_total 2\n"), "the other was made by the declaration: {}", fed.page());
}

#[test]
fn a_series_of_init_that_cannot_be_made_changes_nothing() {
    let mut fed = Fed::new("");
    fed.feed("a:1|c|#k:long\nb:1|c");
    let before = fed.page();
    let (config, rules) = compiled(
        "[limits]\nlabel_value = 3\n[[metric]]\nmatch = 'x'\nname = 'x'\ntype = 'gauge'\ninit = [{ k = 'long' }]",
    );
    let error = fed.pipeline.reload(&config, rules).expect_err("the label is too long");
    assert_eq!(error.metric, "x");
    assert_eq!(fed.page(), before);
    fed.feed("a:1|c|#k:long");
    assert!(fed.page().contains("a_total{k=\"long\"} 2\n"));
}

#[test]
fn two_names_that_the_new_rules_join_are_added_up_from_then_on() {
    let mut fed = Fed::new("");
    fed.feed("a:1|c\nb:2|c");
    fed.reload("[[metric]]\nmatch_regex = 'a|b'\nname = 'a_total'\n");
    assert!(fed.page().ends_with("a_total 1\n"), "{}", fed.page());
    fed.feed("a:1|c\nb:2|c");
    assert!(fed.page().ends_with("a_total 4\n"), "{}", fed.page());
}

/// The variants of the rules of `x`. The others are not concerned by them.
const VARIANTS: [&str; 6] = [
    "[[metric]]\nmatch = 'x'\nname = 'x'\ntype = 'counter'\n",
    "[[metric]]\nmatch = 'x'\nname = 'x'\ntype = 'gauge'\n",
    "[[metric]]\nmatch = 'x'\nname = 'x'\ntype = 'gauge'\ntags = 'drop'\n",
    "[[metric]]\nmatch = 'x'\nname = 'y'\ntype = 'counter'\nlabels = { l = '1' }\n",
    "[[metric]]\nmatch = 'x'\ndrop = true\n",
    "",
];

/// Rules of the other names: the same but for help, time to live and place.
const OTHERS: [&str; 3] = [
    "[[metric]]\nmatch = 't.*'\nname = 't_seconds'\nbuckets = [0.01, 1]\nhelp = 'T.'\nlabels = { part = '$1' }\n",
    "[[metric]]\nmatch = 't.*'\nname = 't_seconds'\nbuckets = [0.01, 1]\nhelp = 'Other.'\nttl = '1h'\nlabels = { part = '$1' }\n",
    "[[metric]]\nmatch = 'unused'\nname = 'unused'\n[[metric]]\nmatch = 't.*'\nname = 't_seconds'\nbuckets = [0.01, 1]\n\
     help = 'T.'\nlabels = { part = '$1' }\n",
];

#[derive(Clone, Debug)]
enum Step {
    Lines(String),
    Reload(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let line = prop_oneof![
        (0..3u8, 1..9u8).prop_map(|(k, n)| format!("a:{n}|c|#k:{k}")),
        (1..9u8).prop_map(|n| format!("b:{n}|g")),
        (0..2u8, 1..50u8).prop_map(|(part, n)| format!("t.{part}:{n}|ms")),
        (0..4u8).prop_map(|n| format!("s:m{n}|s")),
        (0..2u8, 1..9u8).prop_map(|(k, n)| format!("x:{n}|c|#k:{k}")),
    ];
    let lines = prop::collection::vec(line, 1..6).prop_map(|lines| Step::Lines(lines.join("\n")));
    let reload = (0..VARIANTS.len(), 0..OTHERS.len()).prop_map(|(x, other)| Step::Reload(x, other));
    prop::collection::vec(prop_oneof![3 => lines, 2 => reload], 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A pipeline that is reloaded shows what one shows that begins with the last rules and gets all lines of unchanged
    /// rules, and those of changed ones since the change.
    #[test]
    fn a_reload_equals_a_fresh_start_for_unchanged_rules(steps in steps()) {
        let config = |x: usize, other: usize| format!("{}{}", OTHERS[other], VARIANTS[x]);
        let mut fed = Fed::new(&config(0, 0));
        let (mut now, mut lines) = ((0, 0), Vec::new());
        for step in &steps {
            match step {
                Step::Lines(some) => {
                    fed.feed(some);
                    lines.extend(some.lines());
                }
                Step::Reload(x, other) => {
                    fed.reload(&config(*x, *other));
                    if *x != now.0 {
                        lines.retain(|line| !line.starts_with('x'));
                    }
                    now = (*x, *other);
                }
            }
        }
        let mut fresh = Fed::new(&config(now.0, now.1));
        lines.iter().for_each(|line| fresh.feed(line));
        prop_assert_eq!(fed.page(), fresh.page());
    }
}

/// Four workers make and feed series while the rules change all the time. Those of `kept` names have the same rule in both.
#[test]
fn no_line_is_lost_while_workers_make_series() {
    const CONFIGS: [&str; 2] = [
        "[[metric]]\nmatch = 'other.*'\nname = 'other'\ntype = 'counter'\nhelp = 'One.'\n",
        "[[metric]]\nmatch = 'other.*'\nname = 'other'\ntype = 'gauge'\nhelp = 'Two.'\n[[metric]]\nmatch = 'kept.**'\nhelp = 'Kept.'\nttl = '1h'\n",
    ];
    const ROUNDS: usize = 400;
    let pipeline = pipeline(CONFIGS[0]);
    let done = AtomicBool::new(false);
    let reloads = thread::scope(|scope| {
        let reloader = scope.spawn(|| {
            let mut reloads = 0;
            while !done.load(Ordering::Relaxed) || reloads < 20 {
                let (config, rules) = compiled(CONFIGS[(reloads + 1) % 2]);
                pipeline.reload(&config, rules).expect("nothing is declared");
                reloads += 1;
            }
            reloads
        });
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let pipeline = Arc::clone(&pipeline);
                scope.spawn(move || {
                    let listener = Listener::new("udp://test".to_owned());
                    let mut fed = Worker::new(pipeline, Sharing::Shared);
                    for round in 0..ROUNDS {
                        // Some series are old, some are new, and all workers meet at some.
                        let own = format!(
                            "kept.own.{worker}.{round}:1|c\nkept.shared.{round}:1|c\nkept.old:1|c\nother.a:1|c"
                        );
                        fed.begin(&listener, None).batch().packet(own.as_bytes());
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().expect("it has not panicked"));
        done.store(true, Ordering::Relaxed);
        reloader.join().expect("it has not panicked")
    });
    let page = page(&pipeline);
    let total = |start: &str| -> u64 {
        let values = page.lines().filter(|line| line.starts_with(start)).filter_map(|line| line.rsplit_once(' '));
        values.map(|(_, value)| value.parse::<u64>().expect("a whole number")).sum()
    };
    let rounds = ROUNDS as u64;
    assert!(reloads >= 20);
    assert_eq!(
        [total("kept_own_"), total("kept_shared_"), total("kept_old_total")],
        [4 * rounds, 4 * rounds, 4 * rounds],
        "after {reloads} reloads"
    );
}
