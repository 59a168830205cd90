//! Mapping files of statsd_exporter: what they become, what is said about wrong ones, and that none does any harm.

// A test that panics has failed, which is all it should do.
#![allow(clippy::indexing_slicing)]

#[path = "convert/cases.rs"]
mod cases;
#[path = "conformance/page.rs"]
mod page;
#[path = "conformance/row.rs"]
#[allow(dead_code)]
mod row;
mod support;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use statsidecar::command::convert::import;
use statsidecar::config::statsd_exporter::convert;
use statsidecar::config::{self, Diagnostic};

use support::{Daemon, Scratch, run_in};

fn started(args: &[&str]) -> Daemon {
    Daemon::start(&[args, &["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]].concat())
}

/// With a listener of its own on this transport: on any free port, or under a name that nobody else has.
fn listening(transport: &str, args: &[&str]) -> Daemon {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    let address = match transport {
        "udp" | "tcp" => format!("{transport}://127.0.0.1:0"),
        _ => {
            let n = NAMES.fetch_add(1, Ordering::Relaxed);
            format!("{transport}://@statsidecar-convert-{}-{n}", std::process::id())
        }
    };
    Daemon::start(&[args, &["--listen", &address, "--http", "127.0.0.1:0"]].concat())
}

fn client(to: std::net::SocketAddr) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
    client.connect(to).expect("an address");
    client
}

// ---- From the mapping file to the page ----

/// Runs rows whose config is a mapping file: the program converts it, and is then started with the result.
fn check(topic: &str, table: &str) {
    let scratch = Scratch::new(&format!("convert-{topic}"));
    let mut rows = row::rows(table);
    for row in &mut rows {
        scratch.write("m.yml", &row.config);
        let ended = run_in(scratch.path(), &["convert", "m.yml"]);
        assert_eq!(ended.code, Some(0), "== {}\n{}", row.name, ended.stderr);
        row.config = ended.stdout;
    }
    row::run(topic, rows);
}

/// The flag does what the two commands do.
#[test]
fn a_mapping_file_can_be_used_directly() {
    let scratch = Scratch::new("convert-direct");
    let file = scratch.write("m.yml", "mappings:\n- {match: jobs.*, name: jobs, labels: {job: $1}}\n");
    for command in [&["run"][..], &[]] {
        let daemon = started(&[command, &["--statsd-exporter-mapping", &file]].concat());
        client(daemon.udp[0]).send(b"jobs.a:1|c\nother:1|c").expect("a packet");
        daemon.scrape_with(&["jobs{job=\"a\"} 1", "other 1"]);
    }
}

#[test]
fn a_mapping_file_takes_the_place_of_a_config_file() {
    let scratch = Scratch::new("convert-both");
    let (mapping, config) = (scratch.write("m.yml", ""), scratch.write("c.toml", ""));
    let ended = run_in(scratch.path(), &["--statsd-exporter-mapping", &mapping, "--config", &config]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("cannot be used with '--config <FILE>'"), "{}", ended.stderr);
}

/// A series leaves after the time that its mapping gives, or the defaults; 0 is for ever, as it says of itself (exporter
/// 126; there, 0 does not win over the default).
#[test]
fn what_nobody_sends_leaves() {
    let scratch = Scratch::new("convert-ttl");
    let mapping =
        "defaults: {ttl: 1s}\nmappings:\n- {match: stays, name: stays, ttl: 0}\n- {match: goes, name: goes, ttl: 1s}\n";
    let daemon = started(&["--statsd-exporter-mapping", &scratch.write("m.yml", mapping)]);
    client(daemon.udp[0]).send(b"stays:1|c\ngoes:1|c\nunmapped:1|c").expect("a packet");
    let page = daemon.scrape_with(&["statsidecar_series_expired_total 2", "stays 1"]);
    assert_eq!(
        page.lines().filter(|line| line.starts_with("goes") || line.starts_with("unmapped")).count(),
        0,
        "{page}"
    );
}

// ---- What is written ----

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

#[test]
fn the_whole_of_a_file() {
    let converted = convert(MAPPING).unwrap_or_else(|found| panic!("{}", config::render("m.yml", MAPPING, &found)));
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
        let converted = convert(mapping).unwrap_or_else(|found| panic!("{}", config::render("m.yml", mapping, &found)));
        assert!(converted.toml.contains(comment), "{comment}\n{}", converted.toml);
    }
}

/// Each level sorts by itself: a word before a star, and else as they are listed.
#[test]
fn without_an_order_words_go_before_stars() {
    let globs = ["*.*", "*.b", "a.*", "a.*.c", "*", "a.b", "z", "a.b.*"];
    let list: String = globs.iter().map(|glob| format!("- {{match: \"{glob}\", name: n}}\n")).collect();
    let converted =
        convert(&format!("defaults:\n  glob_disable_ordering: true\nmappings:\n{list}")).expect("it is right");
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
    let converted = convert(file).unwrap_or_else(|found| panic!("{}", config::render("m.yml", file, &found)));
    assert!(
        converted.toml.ends_with("# Line 2.\n[[metric]]\nmatch = \"a.*\"\nname = \"a\"\nlabels = { what = \"$1\" }\n")
    );
}

// ---- What is wrong ----

const WRONG: &str = r##"defaults:
  observer_type: wrong
  ttl: 30
  histogram_options: { buckets: [3, 2, 1] }
  colour: red
mapings: []
mappings:
- match: a*
  name: x
- name: y
- match: b
- match: "foo("
  match_type: regex
  name: z
- { match: c, name: foo-bar, match_type: foo, action: foo, scale: 0 }
- { match: d.*, name: "$1_x", labels: { le: x, 1a: y, ok: [z] } }
- { match: e, name: e, ttl: 1d, honor_labels: maybe, help: {} }
- { match: f, name: f, match_metric_type: set, observer_type: histogram, summary_options: { max_age: -5s } }
- { match: g, name: g, buckets: [1, 1], quantiles: [{ quantile: 2 }, { error: 1 }, 5], name: h }
- 7
- { match: h, name: h, buckets: [1], histogram_options: { buckets: [2] }, timer_type: summary, observer_type: histogram }
"##;

const REPORT: &str = r##"m.yml:2:18: "observer_type" must be summary or histogram, not wrong
m.yml:3:8: "ttl" has no unit, so it would be nanoseconds; write 30s for seconds
m.yml:4:37: "buckets" must rise, and 2 comes after 3
m.yml:5:3: unknown key "colour" in "defaults"; known are observer_type, timer_type, summary_options, histogram_options, quantiles, buckets, match_type, glob_disable_ordering, ttl
m.yml:6:1: unknown key "mapings" in a mapping file; known are defaults, mappings
m.yml:8:10: match "a*": in a mapping file, a * in a glob is a whole part between dots; match_type: regex can say more
m.yml:10:3: "match" is missing in this mapping; give the names it is for, as in match: jobs.*.done
m.yml:11:3: "name" is missing in this mapping; give the metric's name, or action: drop
m.yml:12:10: match "foo(": the regex cannot be read: unclosed group
m.yml:15:42: "match_type" must be glob or regex, not foo
m.yml:15:55: "action" must be map or drop, not foo
m.yml:15:67: "scale" must be a finite number other than 0, not 0
m.yml:16:23: name "$1_x" is always empty, as ${1_x} stands for nothing and is left out; where a letter or _ follows, write ${1}
m.yml:16:41: the label "le" is reserved for Prometheus itself; choose another name
m.yml:16:48: "1a" is not a label name; use letters, digits and _, and no digit first
m.yml:16:59: label "ok" must be text, not a list
m.yml:17:29: "ttl" must be a time such as 1m20s, with the units h, m, s, ms, us and ns, not 1d
m.yml:17:47: "honor_labels" must be true or false, not maybe
m.yml:17:60: "help" must be text, not a table
m.yml:18:43: "match_metric_type" must be counter or gauge or observer or timer, not set
m.yml:18:91: "summary_options" does not go with observer_type: histogram; leave it out
m.yml:18:102: "max_age" must be a time such as 1m20s, with the units h, m, s, ms, us and ns, not -5s
m.yml:19:37: "buckets" must rise, and 1 comes after 1
m.yml:19:65: "quantile" must be a number from 0 to 1, not 2
m.yml:19:70: "quantile" is missing here; give a number from 0 to 1
m.yml:19:84: a quantile must be a table, not 5
m.yml:19:88: "name" is given twice; keep one
m.yml:20:3: a mapping must be a table, not 7
m.yml:21:33: "buckets" is the old way to say what histogram_options says here too; keep one
m.yml:21:87: "timer_type" is the old way to say what observer_type says here too; keep one
"##;

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    assert_eq!(said(WRONG), REPORT);
    let scratch = Scratch::new("convert-wrong");
    scratch.write("m.yml", WRONG);
    for args in [&["convert", "m.yml"][..], &["--statsd-exporter-mapping", "m.yml"]] {
        let ended = run_in(scratch.path(), args);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(2), "", REPORT), "{args:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let scratch = Scratch::new("convert-none");
    let ended = run_in(scratch.path(), &["convert", "none.yml"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.starts_with("none.yml: cannot read it: "), "{}", ended.stderr);
}

/// Each is refused by statsd_exporter too, or crashes it, or blanks its page when the first line comes (exporter 112,
/// 113, 116, 120 to 123).
#[test]
fn what_cannot_be_said() {
    for (mapping, says) in [
        ("match: a", "2:3: \"name\" is missing"),
        ("match: 'a'\n  name:", "2:3: \"name\" is missing"),
        ("name: a", "\"match\" is missing"),
        ("match: ''\n  name: a", "2:10: \"match\" must be text of 1 to 65536 bytes, not \"\""),
        ("match: [a]\n  name: a", "\"match\" must be text, not a list"),
        ("match: a..b\n  name: a", "parts between dots"),
        ("match: 1a.b\n  name: a", "begins with a letter"),
        ("match: -x\n  name: a", "begins with a letter"),
        ("match: a.**\n  name: a", "a * in a glob is a whole part"),
        ("match: a\n  name: 0foo", "letters, digits, _ and references"),
        ("match: a\n  name: foo:bar", "letters, digits, _ and references"),
        ("match: a\n  name: ''", "name \"\" is empty"),
        ("match: a\n  name: $1", "always empty, as ${1} stands for nothing"),
        ("match: 'a{'\n  match_type: regex\n  name: a", "for a brace itself write \\{"),
        ("match: '[a&&b]'\n  match_type: regex\n  name: a", "write \\&"),
        ("match: a\n  name: a\n  scale: .inf", "finite number other than 0"),
        ("match: a\n  name: a\n  scale: '5'", "\"scale\" must be a number, not \"5\""),
        ("match: a\n  name: a\n  labels: {__zz: x}", "\"__zz\" is reserved"),
        ("match: a\n  name: a\n  observer_type: histogram\n  buckets: [1, 1]", "must rise"),
        ("match: a\n  name: a\n  observer_type: histogram\n  buckets: [.inf, 1]", "must be a finite number"),
        ("match: a\n  name: a\n  observer_type: summary\n  histogram_options: {}", "observer_type: summary"),
        ("match: a\n  name: process_open_fds", "belongs to the sidecar's own metrics"),
        ("match: a\n  name: a\n  ttl: -1s", "must be a time"),
        ("match: *x\n  name: a", "not valid YAML: "),
        ("match: a\n name: a", "not valid YAML: "),
        ("<<: 5\n  match: a\n  name: b", "<< takes in a table"),
        ("[a]: 5\n  match: a\n  name: b", "a key must be text"),
    ] {
        let source = format!("mappings:\n- {mapping}\n");
        let said = said(&source);
        assert!(said.contains(says), "{source}\nsays {says}, not {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// What `convert` says of a file, one a line.
fn said(source: &str) -> String {
    let found: Vec<Diagnostic> = import(source).err().unwrap_or_default();
    config::render("m.yml", source, &found)
}

// ---- Any file ----

/// Few lines that would be more than memory holds, or deeper than a stack: told in a moment, not tried.
#[test]
fn bombs_do_no_harm() {
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let list = vec![format!("*a{}", level - 1); 10].join(", ");
        aliases += &format!("a{level}: &a{level} [{list}]\n");
    }
    assert!(said(&aliases).contains("with its aliases, the file comes to more than"), "{}", said(&aliases));

    let help = format!(
        "mappings:\n- &a {{match: a, name: a, help: \"{}\"}}\n{}",
        "x".repeat(100_000),
        "- *a\n".repeat(100_000)
    );
    assert!(said(&help).contains("with its aliases, the file comes to more than"), "{}", said(&help));

    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
        let deep = format!("mappings: {}{}", open.repeat(100_000), close.repeat(100_000));
        assert!(
            said(&deep).starts_with("m.yml:1:") && said(&deep).contains("not valid YAML"),
            "{open}: {}",
            said(&deep)
        );
    }
    let own = "mappings: &a\n- *a\n";
    assert_eq!(said(own), "m.yml:2:3: this alias stands for something that it is part of\n");

    let long = format!("mappings: [{{match: \"{}\", name: a}}]", "a.".repeat(100_000));
    assert!(said(&long).contains("text of 1 to 65536 bytes"), "{}", said(&long));
    let regex = format!("mappings: [{{match: \"{}a\", match_type: regex, name: a}}]", "(".repeat(10_000));
    assert_eq!(said(&regex).lines().count(), 1);
    let unknown: String = (0..100_000).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(said(&unknown).lines().count(), 1000, "more help nobody");
}

/// Text in double quotes.
fn quoted(text: &str) -> String {
    let escape = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\U{:08X}", u32::from(c)) };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(choices).prop_map(str::to_owned)
}

/// A key that may be there, with any of these values.
fn key(key: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::option::of(value).prop_map(move |value| value.map_or(String::new(), |value| format!(", {key}: {value}")))
}

const TTLS: &[&str] = &["0", "1m20s", "1.5h", "100us", "2000000h"];
const BUCKETS: &[&str] = &["[]", "[1]", "[-1, .5, 1e300, .inf]", "[0.1, 0.30000000000000004]"];
const QUANTILES: &[&str] =
    &["[]", "[{quantile: 0.5, error: 0.05}]", "[{quantile: 0.9}, {quantile: 0.1}, {quantile: 0.9}, {quantile: 1}]"];
fn defaults() -> impl Strategy<Value = String> {
    // Not `observer_type: summary`: it forbids what a mapping without a type may say else.
    let options = (one_of(&["", "observer_type: histogram, "]), one_of(BUCKETS), one_of(QUANTILES)).prop_map(
        |(observer, b, q)| {
            format!("{observer}summary_options: {{quantiles: {q}}}, histogram_options: {{buckets: {b}}}")
        },
    );
    (options, key("ttl", one_of(TTLS)), key("glob_disable_ordering", one_of(&["true", "false"])))
        .prop_map(|(options, ttl, ordering)| format!("{{{options}{ttl}{ordering}}}"))
}

fn mapping() -> impl Strategy<Value = String> {
    let pattern = prop_oneof![
        one_of(&["a", "a.b", "a.*", "*.b", "*.*", "a.b.*", "*"]).prop_map(|glob| format!("match: {glob:?}")),
        one_of(&["a", "^a", "a$", "^a$", "a|b", r"(\w+)\.(?P<n>\d*)", "(?i)b", "[^.]+", r"\bx\b", ".*", "^(a|b)?"])
            .prop_map(|regex| format!("match: {}, match_type: regex", quoted(&regex))),
    ];
    let name = one_of(&["n", "n_$1", "${1}", "m_${1}_total", "o", "p_$0", "q_$9x"])
        .prop_map(|name| quoted(&format!("m{name}")));
    let labels = prop::collection::btree_map(
        "[a-d_][a-d0-9]{0,3}",
        prop_oneof![any::<String>(), "[$0-9{}n%a]{0,8}".boxed()],
        0..3,
    );
    let labels = labels.prop_map(|labels| {
        let labels: Vec<_> = labels
            .iter()
            .filter(|(key, _)| !key.starts_with("__"))
            .map(|(key, value)| format!("{key}: {}", quoted(value)))
            .collect();
        format!("{{{}}}", labels.join(", "))
    });
    let options = prop_oneof![
        Just(String::new()),
        one_of(BUCKETS).prop_map(|b| format!(", observer_type: histogram, histogram_options: {{buckets: {b}}}")),
        one_of(BUCKETS).prop_map(|b| format!(", timer_type: histogram, buckets: {b}")),
        one_of(BUCKETS).prop_map(|b| format!(", histogram_options: {{buckets: {b}}}")),
        one_of(QUANTILES)
            .prop_map(|q| format!(", observer_type: summary, summary_options: {{quantiles: {q}, age_buckets: 5}}")),
        one_of(QUANTILES).prop_map(|q| format!(", quantiles: {q}")),
    ];
    let lines = one_of(&["counter", "gauge", "observer", "timer", "''"]);
    let more = (
        key("help", any::<String>().prop_map(|help| quoted(&help))),
        key("ttl", one_of(TTLS)),
        key("scale", one_of(&["1", "-1", "1e-6", "1024", "0x10"])),
        key("honor_labels", one_of(&["true", "no"])),
        key("action", one_of(&["map", "drop"])),
    )
        .prop_map(|(help, ttl, scale, honor, action)| format!("{help}{ttl}{scale}{honor}{action}"));
    (pattern, name, key("labels", labels), options, key("match_metric_type", lines), more).prop_map(
        |(pattern, name, labels, options, lines, more)| {
            format!("{{{pattern}, name: {name}{labels}{options}{lines}{more}}}")
        },
    )
}

proptest! {
    /// What is right loads, whatever it says.
    #[test]
    fn prop_what_is_written_loads(defaults in defaults(), mappings in prop::collection::vec(mapping(), 0..8)) {
        let source = format!("defaults: {defaults}\nmappings: [{}]\n", mappings.join(", "));
        match import(&source) {
            Ok(imported) => prop_assert!(imported.toml.contains("[defaults]")),
            Err(found) => prop_assert!(false, "{source}\n{}", config::render("m.yml", &source, &found)),
        }
    }

    /// Nothing that looks like a mapping file does any harm, and what is said has a place.
    #[test]
    fn prop_any_text_is_judged(source in "([-\\[\\]{},:&*#|> '\"~!%?@\\\\\n ]|match|name|mappings: |- |defaults|labels|ttl|\\$1|a|1|<<|\\PC){0,60}") {
        match import(&source) {
            Ok(imported) => prop_assert!(!imported.toml.is_empty()),
            Err(found) => {
                prop_assert!(!found.is_empty());
                prop_assert_eq!(config::render("m.yml", &source, &found).lines().count(), found.len());
            }
        }
    }
}
