//! Errors that statsd_exporter finds late or never: `check` reports them before the program starts.

use crate::support::{Ended, Scratch, run_for_lines};

/// The exit code of `check` for a file called `c.toml`, and its output.
fn checked(topic: &str, config: &str) -> (Option<i32>, String, String) {
    let scratch = Scratch::new(topic);
    scratch.write("c.toml", config);
    let Ended { code, stdout, stderr } = run_for_lines(scratch.path(), &["check", "c.toml"]);
    (code, stdout, stderr)
}

/// Buckets that fall, buckets that are equal, and a negative window (exporter 121).
#[test]
fn errors_that_would_crash_at_the_first_sample_are_refused() {
    let config = r#"[defaults]
summary_window = "-5s"

[[metric]]
match = "a"
type = "histogram"
buckets = [3, 2, 1]

[[metric]]
match = "b"
type = "histogram"
buckets = [1, 1]
"#;
    let expected = r#"c.toml:2:18: "summary_window": "-5s" is not a duration; write whole numbers with d, h, m, s or ms, the longest unit first, as in "1m30s"
c.toml:7:15: "buckets" must rise, and 2 comes after 3
c.toml:7:18: "buckets" must rise, and 1 comes after 3
c.toml:12:15: "buckets" must rise, and 1 comes after 1
"#;
    assert_eq!(checked("crash", config), (Some(2), String::new(), expected.to_owned()));
}

/// Each error has its line and column: unknown types, a wrong action and default, a broken regex and a wrong time
/// (exporter 123).
#[test]
fn every_error_has_its_line_and_column() {
    let config = r#"[defaults]
timer = "wrong"

[[metric]]
match = "a"
match_type = "foo"

[[metric]]
match = "b"
drop = "foo"

[[metric]]
match = "c"
type = "wrong"

[[metric]]
match_regex = "d("

[[metric]]
match = "e"
ttl = "1w"
"#;
    let expected = r#"c.toml:2:9: "timer" must be "histogram" or "summary", not "wrong"
c.toml:6:14: "foo" is not a type of lines; match_type takes "c", "m", "g", "kv", "ms", "h", "d", "a", "s", "_sc"
c.toml:10:8: "drop" must be true or false, not "foo"
c.toml:14:8: "type" must be "counter", "gauge", "histogram", "set" or "summary", not "wrong"
c.toml:17:15: the regex 'd(' is wrong: unclosed group
c.toml:21:7: "ttl": "1w" is not a duration; write whole numbers with d, h, m, s or ms, the longest unit first, as in "1m30s"
"#;
    assert_eq!(checked("places", config), (Some(2), String::new(), expected.to_owned()));
}

/// Other programs refuse both (exporter 123).
#[test]
fn days_are_a_unit_and_a_rule_needs_no_name() {
    let config = "[[metric]]\nmatch = \"a\"\nttl = \"1d\"\n";
    assert_eq!(checked("right", config), (Some(0), "c.toml: good: 1 metric, 2 listeners\n".to_owned(), String::new()));
}
