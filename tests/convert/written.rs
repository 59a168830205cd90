//! What `convert` writes.

use statsidecar::config;
use statsidecar::config::statsd_exporter::{Converted, convert};

/// Whole, so that nobody changes it unawares: the order, the words and what is left out.
const MAPPING: &str = r##"# Nobody reads this.
defaults:
  observer_type: histogram
  match_type: glob
  ttl: 1h1m20s
  histogram_options:
    buckets: [ .01, 1, 1e3, .inf ]
    native_histogram_bucket_factor: 1.1
mappings:
- match: '(\d+)\.end'
  match_type: regex
  name: "n_${1}"
  labels: { all: "$0", path: 'C:\' }
  match_metric_type: counter
  scale: 0.001
- match: "jobs.*.took"
  observer_type: summary
  summary_options:
    quantiles:
    - { quantile: 0.99, error: 0.001 }
    - { quantile: 0.5, error: 0.05 }
    max_age: 30s
    age_buckets: 3
  name: "job_took"
  help: "It \"took\"."
  ttl: 0
  labels:
    job: "$1"
    what: "$2%"
  honor_labels: true
- match: jobs
  action: drop
- match: jobs
  name: other
"##;

const TOML: &str = r##"# A mapping file of statsd_exporter, by `statsidecar convert`.

[tags]
# statsd_exporter takes Graphite's tags for a part of the name. Add "graphite" to have them read.
dialects = ["dogstatsd", "influxdb", "librato", "signalfx"]

[defaults]
naming = "verbatim"
timer = "histogram"
buckets = [0.01, 1, 1000]
# Without a counterpart, and left out: native_histogram_bucket_factor.
ttl = "1h1m20s"
# statsd_exporter always makes a label of the container. Take this out to have fewer series.
container_label = true

# All globs stand before all regexes (the first is on line 10), as statsd_exporter tries
# them in this order. Here the first rule that matches wins, whatever it is.

# Line 16.
# In the label what, ${2} stands for nothing and is left out.
# Without a counterpart, and left out: age_buckets.
# Its max_age is left out: [defaults] summary_window holds for all summaries.
# statsd_exporter has a bug by which ttl: 0 does not win over the default.
[[metric]]
match = "jobs.*.took"
match_type = ["ms", "h", "d"]
name = "job_took"
type = "summary"
help = 'It "took".'
labels = { job = "$1", what = "%" }
prefer = "tag"
quantiles = [0.5, 0.99]
ttl = "0"

[[metric]]
match = "jobs.*.took"
name = "job_took"
help = 'It "took".'
labels = { job = "$1", what = "%" }
prefer = "tag"
ttl = "0"

# Line 31.
# statsd_exporter has a bug by which it never uses this: a longer match before it begins so.
[[metric]]
match = "jobs"
drop = true

# Line 33 is left out: its lines go to the same match on line 31, as the first one wins.

# Line 10.
[[metric]]
match_regex = '.*?((\d+)\.end).*'
match_type = "c"
name = "n_$2"
labels = { all = "$1", path = 'C:\' }
scale = 0.001
"##;

/// A file in which nothing is wrong.
fn converted(source: &str) -> Converted {
    let converted = convert(source).expect("YAML");
    assert_eq!(config::render("m.yml", source, &converted.found), "");
    converted
}

#[test]
fn the_whole_of_a_file() {
    let converted = converted(MAPPING);
    assert_eq!(converted.toml, TOML);
}

/// What differs is said where it does.
#[test]
fn comments_name_what_differs() {
    for (mapping, comment) in [
        ("mappings:\n- {match: a.*, name: a, labels: {x: $0}}", "In the label x, $0 is the whole name; before 0.31,"),
        (
            "mappings:\n- {match: a.*, name: a, labels: {x: $1%}}",
            "In the label x, statsd_exporter has a bug by which a %",
        ),
        ("mappings:\n- {match: a.b, name: a}\n- {match: a, name: b}", "# Line 3.\n# statsd_exporter has a bug"),
        ("mappings:\n- {match: a, name: b}\n- {match: a, name: a}", "# Line 3 is left out: "),
        (
            "mappings:\n- {match: a, match_metric_type: gauge, name: b}\n- {match: a, match_metric_type: gauge, name: a}",
            "on line 2, as",
        ),
        (
            "defaults: {glob_disable_ordering: yes}\nmappings: [{match: a, name: b}, {match: b, name: a}]",
            "# The globs are sorted",
        ),
        (
            "mappings: [{match: a, name: b, histogram_options: {}}]",
            "but no observer_type: statsd_exporter makes it a summary",
        ),
        ("defaults: {summary_options: {buf_cap: 1}}", "Without a counterpart, and left out: buf_cap."),
        ("a: 1\n---\nb: 1".replace("a: 1", "mappings: []").as_str(), "What follows the second ---"),
    ] {
        let converted = converted(mapping);
        assert!(converted.toml.contains(comment), "{comment}\n{}", converted.toml);
    }
}

/// Each level sorts by itself: a word before a star, and else as they are listed.
#[test]
fn without_an_order_words_go_before_stars() {
    let globs = ["*.*", "*.b", "a.*", "a.*.c", "*", "a.b", "z", "a.b.*"];
    let list: String = globs.iter().map(|glob| format!("- {{match: \"{glob}\", name: n}}\n")).collect();
    let converted = converted(&format!("defaults:\n  glob_disable_ordering: true\nmappings:\n{list}"));
    let order: Vec<_> = converted.toml.lines().filter_map(|line| line.strip_prefix("match = ")).collect();
    let place = |glob: &str| order.iter().position(|found| found.trim_matches('"') == glob).expect("it is there");
    for (first, second) in [("a.b", "a.*"), ("a.*", "*.b"), ("*.b", "*.*"), ("a.b.*", "a.*.c"), ("z", "*")] {
        assert!(place(first) < place(second), "{first} before {second} in {order:?}");
    }
}

/// As editors on other systems write it.
#[test]
fn a_byte_order_mark_and_other_line_ends() {
    let file = "\u{feff}mappings:\r\n- match: a.*\r\n  name: a\r\n  labels:\r\n    what: \"$1\"\r\n";
    let converted = converted(file);
    assert!(
        converted.toml.ends_with("# Line 2.\n[[metric]]\nmatch = \"a.*\"\nname = \"a\"\nlabels = { what = \"$1\" }\n")
    );
}
