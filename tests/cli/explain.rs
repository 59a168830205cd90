//! The output of `explain`.

use crate::support::{Ended, Scratch, run_in};

#[test]
fn explain_shows_the_effect_of_a_line() {
    explains(
        "",
        &["jobs.done:3|c"],
        r#"
jobs.done:3|c
  parsed   name "jobs.done", value "3", type c
  rule     none matches; the name is the line's own
  series   jobs_done_total (counter) adds 3
"#,
    );
    explains(
        "",
        &["q:5|g", "q:-2|g", "q:1|g|@0.5"],
        r#"
q:5|g
  parsed   name "q", value "5", type g
  rule     none matches; the name is the line's own
  series   q (gauge) is set to 5
q:-2|g
  parsed   name "q", value "-2", type g
  rule     none matches; the name is the line's own
  series   q (gauge) moves by -2
q:1|g|@0.5
  parsed   name "q", value "1", type g, rate 0.5
  rule     none matches; the name is the line's own
  series   q (gauge) is set to 1
"#,
    );
    explains(
        "",
        &["t:320|ms|@0.1", "h:7|h", "c:1|c|@0.1|#k:v|c:ci-1"],
        r#"
t:320|ms|@0.1
  parsed   name "t", value "320", type ms, rate 0.1
  rule     none matches; the name is the line's own
  series   t_seconds (histogram) observes 0.32 with weight 10
h:7|h
  parsed   name "h", value "7", type h
  rule     none matches; the name is the line's own
  series   h (histogram) observes 7
c:1|c|@0.1|#k:v|c:ci-1
  parsed   name "c", value "1", type c, rate 0.1, container "ci-1"
  tag      "k" is "v" (dogstatsd)
  rule     none matches; the name is the line's own
  series   c_total{k="v"} (counter) adds 10
"#,
    );
}

#[test]
fn explain_shows_the_rule_and_its_captures() {
    let config = r#"
[labels]
team = "data"
[[metric]]
match = "jobs.*.*"
name = "jobs_total"
type = "counter"
labels = { queue = "$1", what = "$2" }
[[metric]]
match = "workers"
type = "gauge"
[[metric]]
match = "debug.**"
drop = true
"#;
    explains(
        config,
        &["jobs.mail.done:2|c|@0.5|#k:v", "workers:-1|c", "debug.a.b:1:2|c"],
        r#"
jobs.mail.done:2|c|@0.5|#k:v
  parsed   name "jobs.mail.done", value "2", type c, rate 0.5
  tag      "k" is "v" (dogstatsd)
  rule     1 (match = "jobs.*.*"), $1 = "mail", $2 = "done"
  series   jobs_total{k="v",queue="mail",team="data",what="done"} (counter) adds 4
workers:-1|c
  parsed   name "workers", value "-1", type c
  rule     2 (match = "workers")
  series   workers{team="data"} (gauge) moves by -1
debug.a.b:1:2|c
  parsed   name "debug.a.b", value "1:2", type c
  rule     3 (match = "debug.**"), $1 = "a.b"
  dropped  the rule says drop: counted, and not exposed
  dropped  the rule says drop: counted, and not exposed
"#,
    );
}

#[test]
fn explain_shows_a_regex_and_its_groups() {
    let config = r#"
[[metric]]
match = "jobs.*"
match_type = "g"
[[metric]]
match_regex = '(?P<queue>[a-z]+)\.(\d+)\.done'
name = "${queue}_done_total"
labels = { shard = "$2" }
drop_tags = ["le"]
"#;
    explains(
        config,
        &["jobs.7.done:2|c|#le:1", "jobs.7:1|c"],
        r#"
jobs.7.done:2|c|#le:1
  parsed   name "jobs.7.done", value "2", type c
  tag      "le" is "1" (dogstatsd)
  rule     2 (match_regex = '(?P<queue>[a-z]+)\.(\d+)\.done'), $queue = "jobs", $2 = "7"
  series   jobs_done_total{shard="7"} (counter) adds 2
jobs.7:1|c
  parsed   name "jobs.7", value "1", type c
  rule     none matches; the name is the line's own
  series   jobs_7_total (counter) adds 1
"#,
    );
}

#[test]
fn explain_shows_each_value_of_a_line() {
    explains(
        "",
        &["a:1:x:3|ms", "b:1|c:-2|c:3|zz:4|g"],
        r#"
a:1:x:3|ms
  parsed   name "a", value "1:x:3", type ms
  rule     none matches; the name is the line's own
  series   a_seconds (histogram) observes 0.001
  rejected bad_value (x): write a finite decimal number without blanks (5, -5, +5, .5, 1e3); in a set, any text that is not empty; in a service check, 0 to 3
           a:1:x:3|ms
               ^
  series   a_seconds (histogram) observes 0.003
b:1|c:-2|c:3|zz:4|g
  parsed   name "b", value "1", type c
  rule     none matches; the name is the line's own
  series   b_total (counter) adds 1
  parsed   name "b", value "-2", type c
  rule     none matches; the name is the line's own
  rejected negative_counter (-2): send counts of 0 or more; for a number that can fall, use a gauge, or set type = "gauge" in a rule
           b:1|c:-2|c:3|zz:4|g
                 ^
  rejected unknown_type (b:1|c:-2|c:3|zz:4|g): write one of the types c, m, g, kv, ms, h, d, a, s; a line with several types cannot have a # section
           b:1|c:-2|c:3|zz:4|g
                        ^
  parsed   name "b", value "4", type g
  rule     none matches; the name is the line's own
  series   b (gauge) is set to 4
"#,
    );
}

#[test]
fn explain_shows_sets_summaries_service_checks_and_events() {
    explains(
        "[defaults]\ntimer = \"summary\"\nservice_checks = true\n",
        &[
            "u:a:1|s|@0.5|#k:v",
            "t:320|ms|@0.1",
            "_sc|db.up|2|h:web1|#k:v|m:no|x",
            "_e{5,4}:title|text|#k:v",
            "_e{5,4}:title",
        ],
        r#"
u:a:1|s|@0.5|#k:v
  parsed   name "u", value "a:1", type s, rate 0.5
  tag      "k" is "v" (dogstatsd)
  rule     none matches; the name is the line's own
  series   u{k="v"} (set) sees the member "a:1"
t:320|ms|@0.1
  parsed   name "t", value "320", type ms, rate 0.1
  rule     none matches; the name is the line's own
  series   t_seconds (summary) observes 0.32 with weight 10
_sc|db.up|2|h:web1|#k:v|m:no|x
  parsed   name "db.up", value "2", type _sc
  tag      "k" is "v" (dogstatsd)
  rule     none matches; the name is the line's own
  series   db_up{k="v"} (gauge) is set to 2
_e{5,4}:title|text|#k:v
  event    counted by statsidecar_events_total, and not exposed
_e{5,4}:title
  rejected malformed_line (_e{5,4}:title): write name:value|type, and after it |@rate or |#tag:value if needed; _sc|name|status; or _e{5,4}:title|text
           _e{5,4}:title
                        ^
"#,
    );
    explains(
        "",
        &["_sc|db.up|2"],
        r#"
_sc|db.up|2
  parsed   name "db.up", value "2", type _sc
  rule     none matches; the name is the line's own
  dropped  [defaults] service_checks is false: counted, and not exposed
"#,
    );
}

/// As in the intake, the line end is no part of a line, and an empty line is none.
#[test]
fn explain_shows_skipped_sections_and_accepts_line_ends() {
    explains(
        "",
        &["a:1|c|#t:,k:v,k:w|x:9\r\n\r\nb:1|c\n", ""],
        r#"
a:1|c|#t:,k:v,k:w|x:9
  parsed   name "a", value "1", type c
  tag      "k" is "v" (dogstatsd)
  tag      "k" is "w" (dogstatsd)
  skipped  section "x:9", which is not known
  rule     none matches; the name is the line's own
  tags     1 with duplicate_key: the last tag with the key counts
  tags     1 with empty_value: left out
  series   a_total{k="w"} (counter) adds 1
b:1|c
  parsed   name "b", value "1", type c
  rule     none matches; the name is the line's own
  series   b_total (counter) adds 1
"#,
    );
}

#[test]
fn explain_shows_the_tags_with_their_dialect() {
    explains(
        "",
        &["a[b=1]c,url=http://x:80,d:2|c|#b:3", "e]f;k=v:1|g"],
        r#"
a[b=1]c,url=http://x:80,d:2|c|#b:3
  parsed   name "ac", value "2", type c
  tag      "b" is "1" (signalfx)
  tag      "url" is "http://x:80" (influxdb)
  tag      "d" is "true" (influxdb)
  tag      "b" is "3" (dogstatsd)
  rule     none matches; the name is the line's own
  tags     1 with duplicate_key: the last tag with the key counts
  series   ac_total{b="3",d="true",url="http://x:80"} (counter) adds 2
e]f;k=v:1|g
  parsed   name "e]f;k=v", value "1", type g
  rule     none matches; the name is the line's own
  tags     1 with unpaired_bracket: the brackets are part of the name
  series   e_f_k_v (gauge) is set to 1
"#,
    );
    explains(
        "[tags]\ndialects = [\"graphite\"]",
        &["a,b=1;c=2:1|g|#d:3"],
        r#"
a,b=1;c=2:1|g|#d:3
  parsed   name "a,b=1", value "1", type g
  tag      "c" is "2" (graphite)
  rule     none matches; the name is the line's own
  series   a_b_1{c="2"} (gauge) is set to 1
"#,
    );
}

#[test]
fn explain_shows_tags_that_lose_to_a_label_of_the_rule() {
    explains(
        "[labels]\nenv = \"staging\"\n[[metric]]\nmatch = \"*.done\"\nlabels = { job = \"$1\" }\n",
        &["mail.done:1|c|#job:x,env:prod"],
        r#"
mail.done:1|c|#job:x,env:prod
  parsed   name "mail.done", value "1", type c
  tag      "job" is "x" (dogstatsd)
  tag      "env" is "prod" (dogstatsd)
  rule     1 (match = "*.done"), $1 = "mail"
  tags     1 with overridden: left out, because a label of the rule has the key
  series   mail_done_total{env="staging",exported_env="prod",job="mail"} (counter) adds 1
"#,
    );
}

#[test]
fn explain_shows_why_a_sample_goes_to_the_overflow_series() {
    explains(
        "[limits]\nfamily_series = 1\noverflow = \"collapse\"",
        &["a:1|c", "a:2|c|#k:v"],
        r#"
a:1|c
  parsed   name "a", value "1", type c
  rule     none matches; the name is the line's own
  series   a_total (counter) adds 1
a:2|c|#k:v
  parsed   name "a", value "2", type c
  tag      "k" is "v" (dogstatsd)
  rule     none matches; the name is the line's own
  series   a_total{overflow="true"} (counter) adds 2, as one of its own would be over the family_series_limit
"#,
    );
}

/// The daemon reports the conflict first too, for known lines and new ones.
#[test]
fn a_conflict_is_reported_before_an_error_of_the_sample() {
    for (lines, expected) in [
        (&["x:1|c", "x:1|g", "x:1|g|@x"][..], "type_conflict (1)"),
        (&["x:1|c", "x:1|g|@x"], "type_conflict (1)"),
        (&["x:1|g", "x:-1|c"], "type_conflict (-1)"),
        (&["x:1|h", "x_sum:1|g|@x"], "name_collision (1)"),
        (&["x:1|c", "x:1|c|@x"], "bad_sample_rate (1)"),
    ] {
        let ended = explain("[defaults]\nnaming = \"verbatim\"", lines);
        let rejected = ended.stdout.lines().rev().find_map(|line| line.strip_prefix("  rejected "));
        let reason = rejected.and_then(|text| text.split_once(": ")).map(|(reason, _)| reason);
        assert_eq!(reason, Some(expected), "{lines:?}\n{}", ended.stdout);
    }
}

/// Every reason with its remedy, in the order of their names.
#[test]
fn explain_has_a_remedy_for_every_reason() {
    let reasons = [
        ("", &["a:1|c|@2"][..], "bad_sample_rate (1): write a decimal number from 1e-9 to 1 after the @"),
        (
            "",
            &["a:NaN|c"],
            "bad_value (NaN): write a finite decimal number without blanks (5, -5, +5, .5, 1e3); in a set, any text that is not empty; in a service check, 0 to 3",
        ),
        ("", &[":1|c"], "empty_name (1): write a name before the first ':', or in the name of the rule"),
        (
            "[limits]\nfamily_series = 1",
            &["a:1|c|#k:1", "a:1|c|#k:2"],
            "family_series_limit (1): send fewer label values under this name, or raise [limits] family_series",
        ),
        (
            "[limits]\nlabel_value = 1",
            &["a:1|c|#k:ab"],
            "label_too_long (1): send shorter tag values, drop the tag in a rule (drop_tags), or raise [limits] label_value",
        ),
        ("[intake]\nmax_line = 16", &["a:1|c|#key:value"], ""),
        (
            "[intake]\nmax_line = 16",
            &["a:1|c|#key:value2"],
            "line_too_long (a:1|c|#key:value2): shorten the line, or raise [intake] max_line",
        ),
        (
            "",
            &["a 1"],
            "malformed_line (a 1): write name:value|type, and after it |@rate or |#tag:value if needed; _sc|name|status; or _e{5,4}:title|text",
        ),
        (
            "[limits]\nmemory = 1",
            &["a:1|c"],
            "memory_limit (1): send fewer different names and label values, set a ttl, or raise [limits] memory",
        ),
        (
            "",
            &["h:1|h", "h_count:1|g"],
            "name_collision (1): rename one of the two metrics, or name one in a rule: a counter gets _total, an ms timer _seconds, and a histogram also exposes its name with _bucket, _sum and _count",
        ),
        (
            "",
            &["a:-1|c"],
            "negative_counter (-1): send counts of 0 or more; for a number that can fall, use a gauge, or set type = \"gauge\" in a rule",
        ),
        (
            "",
            &["process_open_fds:1|g"],
            "reserved_name (1): choose another name: those that start with statsidecar_, and the process_ metrics, belong to the sidecar itself",
        ),
        (
            "[limits]\nseries = 1",
            &["a:1|c", "b:1|c"],
            "series_limit (1): send fewer different names and label values, or raise [limits] series",
        ),
        (
            "[limits]\nseries_length = 6",
            &["a:1|c"],
            "series_too_long (1): send shorter names or fewer tags, drop tags in a rule (drop_tags), or raise [limits] series_length",
        ),
        ("[limits]\ntags = 1", &["a:1|c|#k,l"], "tag_limit (1): send fewer tags in one line, or raise [limits] tags"),
        (
            "",
            &["a:1|g", "a:1|h"],
            "type_conflict (1): a name has only one type: rename one of the two metrics, or set the type in a rule",
        ),
        (
            "",
            &["a:1|x"],
            "unknown_type (a:1|x): write one of the types c, m, g, kv, ms, h, d, a, s; a line with several types cannot have a # section",
        ),
    ];
    for (config, lines, expected) in reasons {
        let ended = explain(config, lines);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{lines:?}");
        let rejected: Vec<_> = ended.stdout.lines().filter_map(|line| line.strip_prefix("  rejected ")).collect();
        let expected: Vec<_> = Some(expected).filter(|text| !text.is_empty()).into_iter().collect();
        assert_eq!(rejected, expected, "{lines:?}");
    }
    // The arguments of this test are UTF-8, so the last reason needs a shell.
    let command = format!("{} explain \"$(printf 'a:1:\\377|c')\"", env!("CARGO_BIN_EXE_statsidecar"));
    let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell");
    let expected = "a:1:\u{fffd}|c\n  rejected not_utf8 (a:1:\u{fffd}|c): send names and tags as UTF-8\n           a:1:\u{fffd}|c\n               ^\n";
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(0), expected));

    let tested: Vec<_> = reasons.iter().filter_map(|(_, _, text)| text.split(' ').next()).chain(["not_utf8"]).collect();
    let all = statsidecar::reject::Reject::ALL;
    assert!(all.iter().all(|reject| tested.contains(&reject.reason())), "every reason is among them");
}

/// The output for a line of thousands of samples grows with the line and not with its square.
#[test]
fn a_long_line_is_explained_in_bounded_output() {
    for (line, reason, count) in [
        (format!("é{}", ":1|q".repeat(2000)), "unknown_type", 2000),
        (format!("a{}", ":x|c".repeat(2000)), "bad_value", 2000),
        (format!("a:{}|c|#k:{}", ["1"; 2000].join(":"), "v".repeat(40_000)), "label_too_long", 2000),
    ] {
        let ended = explain("", &[&line]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let rejected = ended.stdout.lines().filter(|line| line.starts_with(&format!("  rejected {reason} (")));
        assert_eq!(rejected.count(), count, "{reason}");
        let most = 2 * line.len() + count * 600;
        assert!(ended.stdout.len() <= most, "{reason}: {} bytes for {}", ended.stdout.len(), line.len());
    }
    let cut = explain("", &[&"é".repeat(201)]).stdout;
    assert!(cut.contains(&format!("({}...)", "é".repeat(200))), "{cut}");
    let whole = explain("", &[&"é".repeat(200)]).stdout;
    assert!(whole.contains(&format!("({})", "é".repeat(200))), "{whole}");
}

/// Runs `explain` on lines; `expected` is the whole output behind an empty line.
#[track_caller]
fn explains(config: &str, lines: &[&str], expected: &str) {
    let ended = explain(config, lines);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(format!("\n{}", ended.stdout), expected);
}

fn explain(config: &str, lines: &[&str]) -> Ended {
    let scratch = Scratch::new(&format!("explain-{:?}", std::thread::current().id()));
    let file = scratch.write("config.toml", config);
    run_in(scratch.path(), &[&["explain", "--config", &file], lines].concat())
}
