//! Config files that say what a mapping file of statsd_exporter can: `check` names what is wrong before any line comes.

use crate::support::{Ended, Scratch, run_in};

/// What `check` says of a file called `c.toml`, and its exit code.
fn checked(topic: &str, config: &str) -> (Option<i32>, String, String) {
    let scratch = Scratch::new(topic);
    scratch.write("c.toml", config);
    let Ended { code, stdout, stderr } = run_in(scratch.path(), &["check", "c.toml"]);
    (code, stdout, stderr)
}

/// Buckets that fall, buckets that are equal, and a window that is negative (exporter 121).
#[test]
fn what_would_crash_at_the_first_sample_is_refused() {
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

/// A type of line, an action, a type and a default that do not exist, a regex and a time that cannot be read, each by its
/// line and column (exporter 123).
#[test]
fn every_error_has_its_place() {
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
c.toml:6:14: "foo" is not a type of lines; match_type takes "c", "m", "g", "ms", "h", "d", "s", "_sc"
c.toml:10:8: "drop" must be true or false, not text
c.toml:14:8: "type" must be "counter", "gauge", "histogram", "set" or "summary", not "wrong"
c.toml:17:15: the regex 'd(' is wrong: unclosed group
c.toml:21:7: "ttl": "1w" is not a duration; write whole numbers with d, h, m, s or ms, the longest unit first, as in "1m30s"
"#;
    assert_eq!(checked("places", config), (Some(2), String::new(), expected.to_owned()));
}

/// Days are a unit here, and a rule needs no name (exporter 123).
#[test]
fn what_others_refuse_and_is_right() {
    let config = "[[metric]]\nmatch = \"a\"\nttl = \"1d\"\n";
    assert_eq!(checked("right", config), (Some(0), "c.toml: good\n".to_owned(), String::new()));
}
