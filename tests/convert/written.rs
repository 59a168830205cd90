//! The config files that `convert` writes.

use statsidecar::import::statsd_exporter::import;

/// A whole file, so that a change of any part of the output shows here.
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

# Nobody reads this.

# statsd_exporter listens on all addresses; 127.0.0.1 is enough for programs on the same host.
[intake]
listen = ["udp://0.0.0.0:9125", "tcp://0.0.0.0:9125"]

[http]
listen = "0.0.0.0:9102"

[tags]
# statsd_exporter does not parse Graphite tags. Add "graphite" to parse them.
dialects = ["dogstatsd", "influxdb", "librato", "signalfx"]

[defaults]
naming = "verbatim"
timer = "histogram"
buckets = [0.01, 1, 1000]
# Left out, because there is no counterpart: native_histogram_bucket_factor.
ttl = "1h1m20s"
# statsd_exporter always adds the label of the container. Remove this to have fewer series.
container_label = true

# statsd_exporter tries all globs before all regexes (the first is on line 10).
# The rules have this order too, because the first one that matches wins.

# Line 16.
# In the label what, ${2} refers to nothing and is left out.
# Left out, because there is no counterpart: age_buckets.
# Its max_age is left out, because [defaults] summary_window applies to all summaries.
# statsd_exporter has a bug: ttl: 0 does not override the default.
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
# statsd_exporter has a bug: it never uses this mapping, because an earlier, longer match begins with it.
[[metric]]
match = "jobs"
drop = true

# Line 33 is left out, because line 31 has the same match, and the first one wins.

# Line 10.
[[metric]]
match_regex = '.*?((\d+)\.end).*'
match_type = "c"
name = "n_$2"
labels = { all = "$1", path = 'C:\' }
scale = 0.001
"##;

/// The config file for a mapping file without errors.
fn converted(source: &str) -> String {
    import(source).expect("a mapping file without errors").toml
}

#[test]
fn a_whole_file_is_converted() {
    let converted = converted(MAPPING);
    assert_eq!(converted, TOML);
}

/// A comment at each difference explains it.
#[test]
fn comments_explain_the_differences() {
    for (mapping, comment) in [
        ("mappings:\n- {match: a.*, name: a, labels: {x: $0}}", "In the label x, $0 is the whole name; before 0.31,"),
        ("mappings:\n- {match: a.*, name: a, labels: {x: $1%}}", "In the label x, statsd_exporter has a bug: a %"),
        ("mappings:\n- {match: a.b, name: a}\n- {match: a, name: b}", "# Line 3.\n# statsd_exporter has a bug"),
        ("mappings:\n- {match: a, name: b}\n- {match: a, name: a}", "# Line 3 is left out, "),
        (
            "mappings:\n- {match: a, match_metric_type: gauge, name: b}\n- {match: a, match_metric_type: gauge, name: a}",
            "because line 2 has the same match",
        ),
        (
            "defaults: {glob_disable_ordering: yes}\nmappings: [{match: a, name: b}, {match: b, name: a}]",
            "# The globs are sorted",
        ),
        (
            "mappings: [{match: a, name: b, histogram_options: {}}]",
            "but no observer_type: statsd_exporter makes it a summary",
        ),
        ("defaults: {summary_options: {buf_cap: 1}}", "Left out, because there is no counterpart: buf_cap."),
        ("a: 1\n---\nb: 1".replace("a: 1", "mappings: []").as_str(), "The part after the second ---"),
    ] {
        let converted = converted(mapping);
        assert!(converted.contains(comment), "{comment}\n{}", converted);
    }
}

/// At each part, a word precedes a `*`; apart from that, globs keep their order.
#[test]
fn globs_without_an_order_are_sorted_by_their_words() {
    let globs = ["*.*", "*.b", "a.*", "a.*.c", "*", "a.b", "z", "a.b.*"];
    let list: String = globs.iter().map(|glob| format!("- {{match: \"{glob}\", name: n}}\n")).collect();
    let converted = converted(&format!("defaults:\n  glob_disable_ordering: true\nmappings:\n{list}"));
    let order: Vec<_> = converted.lines().filter_map(|line| line.strip_prefix("match = ")).collect();
    let place = |glob: &str| order.iter().position(|found| found.trim_matches('"') == glob).expect("it is there");
    for (first, second) in [("a.b", "a.*"), ("a.*", "*.b"), ("*.b", "*.*"), ("a.b.*", "a.*.c"), ("z", "*")] {
        assert!(place(first) < place(second), "{first} before {second} in {order:?}");
    }
}

/// Editors on other systems write such files.
#[test]
fn a_byte_order_mark_and_carriage_returns_are_ignored() {
    let file = "\u{feff}mappings:\r\n- match: a.*\r\n  name: a\r\n  labels:\r\n    what: \"$1\"\r\n";
    let converted = converted(file);
    assert!(converted.ends_with("# Line 2.\n[[metric]]\nmatch = \"a.*\"\nname = \"a\"\nlabels = { what = \"$1\" }\n"));
}

/// A comment stays with the mapping that it stands before, or on whose line it is, also where rules have another order.
#[test]
fn the_comments_of_the_file_are_kept() {
    let toml = converted(
        "# Of the file.\ndefaults: {ttl: 0} # default\nmappings:\n# One,\n\n#  indented.\n- match: \"a(.*)\"\n  match_type: regex\n  \
         # inside\n  name: a # \u{202e} name\n# two\n- match: b\n  name: b\n  help: |\n    # no comment\n# end\n",
    );
    let rules = toml.split_once("container_label = true\n").expect("the end of the defaults").1;
    let (order, rules) = rules.split_once("wins.\n").expect("the order");
    assert!(order.contains("(the first is on line 7)"), "{order}");
    let expected = "\n# two\n# Line 12.\n[[metric]]\nmatch = \"b\"\nname = \"b\"\nhelp = \"# no comment\\n\"\n\n# One,\n#  indented.\n\
                    # inside\n# \\u{202e} name\n# Line 7.\n[[metric]]\nmatch_regex = \".*?a(.*).*\"\nname = \"a\"\n\n# end\n";
    assert_eq!(rules, expected);
    assert!(toml.contains("\n# Of the file.\n# default\n"), "{toml}");
}
