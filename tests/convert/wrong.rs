//! The errors that `convert` reports.

use crate::said;
use crate::support::{Scratch, run_for_lines, run_in};

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

const REPORT: &str = r##"m.yml:2:18: "observer_type" must be "histogram" or "summary", not wrong
m.yml:3:8: "ttl" has no unit, so statsd_exporter reads it as nanoseconds; write 30s for seconds
m.yml:4:37: "buckets" must rise, and 2 comes after 3
m.yml:4:40: "buckets" must rise, and 1 comes after 3
m.yml:5:3: warning: unknown key "colour" in "defaults"; known are "observer_type", "timer_type", "summary_options", "histogram_options", "quantiles", "buckets", "match_type", "glob_disable_ordering", "ttl"
m.yml:6:1: warning: unknown key "mapings" at the top of the file; did you mean "mappings"?
m.yml:8:10: match "a*": in a mapping file, the * of a glob is a whole part between dots; use match_type: regex for anything else
m.yml:10:3: "match" is missing in this mapping; give the names that it matches, as in match: jobs.*.done
m.yml:11:3: "name" is missing in this mapping; give the metric's name, or action: drop
m.yml:12:10: match "foo(": the regex cannot be read: unclosed group
m.yml:15:21: "name" must be letters, digits, _ and references such as ${1}, not beginning with a digit, not foo-bar
m.yml:15:42: "match_type" must be "glob" or "regex", not foo
m.yml:15:55: "action" must be "map" or "drop", not foo
m.yml:15:67: warning: the scale is 0; statsd_exporter makes nothing useful of this mapping, so its lines are dropped
m.yml:16:23: name "$1_x": without braces, a reference includes the letters and digits after it; write "${1}_x"
m.yml:16:48: "1a" is not a label name; use letters, digits and _, and no digit first
m.yml:16:59: label "ok" must be text, not a list
m.yml:17:29: "ttl" must be a time such as 1m20s, with the units h, m, s, ms, us and ns, not 1d
m.yml:17:47: "honor_labels" must be true or false, not maybe
m.yml:17:60: "help" must be text, not a table
m.yml:18:43: "match_metric_type" must be "counter", "gauge", "observer" or "timer", not set
m.yml:18:74: "summary_options" has no effect with observer_type: histogram; leave it out
m.yml:18:102: "max_age" must be a time such as 1m20s, with the units h, m, s, ms, us and ns, not -5s
m.yml:19:37: "buckets" must rise, and 1 comes after 1
m.yml:19:65: "quantile" must be a number from 0 to 1, not 2
m.yml:19:70: "quantile" is missing in this element; give a number from 0 to 1
m.yml:19:84: a quantile must be a table, not 5
m.yml:19:88: "name" is given twice; keep one
m.yml:20:3: a mapping must be a table, not 7
m.yml:21:33: "buckets" is the old name of a setting that histogram_options has here too; keep one
m.yml:21:87: "timer_type" is the old name of a setting that observer_type has here too; keep one
"##;

#[test]
fn all_errors_are_reported_at_once() {
    assert_eq!(said(WRONG), REPORT);
    let scratch = Scratch::new("convert-wrong");
    scratch.write("m.yml", WRONG);
    for args in [&["convert", "m.yml"][..], &["--statsd-exporter-mapping", "m.yml"]] {
        let ended = run_for_lines(scratch.path(), args);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(2), "", REPORT), "{args:?}");
    }
}

/// Errors that compiling the rules finds are reported together with those of the file.
#[test]
fn errors_of_the_file_and_of_its_rules_are_reported_together() {
    let own = "belongs to the sidecar's own metrics; choose another";
    for (file, report) in [
        (
            "defaults: {ttl: 5}\nmappings:\n- {match: a, name: process_threads}\n",
            format!(
                "m.yml:1:17: \"ttl\" has no unit, so statsd_exporter reads it as nanoseconds; write 5s for seconds\n\
                 m.yml:3:20: name \"process_threads\" {own}\n"
            ),
        ),
        (
            "mappings:\n- {match: a.*b, name: 0x}\n- {match: b, name: x, labels: {le: a}}\n- {match: c.*b, name: x_$1}\n",
            "m.yml:2:11: match \"a.*b\": in a mapping file, the * of a glob is a whole part between dots; use \
             match_type: regex for anything else\n\
             m.yml:2:23: \"name\" must be letters, digits, _ and references such as ${1}, not beginning with a digit, \
             not 0x\n\
             m.yml:4:11: match \"c.*b\": in a mapping file, the * of a glob is a whole part between dots; use \
             match_type: regex for anything else\n"
                .to_owned(),
        ),
    ] {
        assert_eq!(said(file), report);
    }
}

#[test]
fn a_missing_file_is_named() {
    let scratch = Scratch::new("convert-none");
    let ended = run_in(scratch.path(), &["convert", "none.yml"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.starts_with("none.yml: cannot read it: "), "{}", ended.stderr);
}

/// statsd_exporter rejects each of these too, or crashes, or serves no metrics after the first line (exporter 112, 113,
/// 116, 120 to 123).
#[test]
fn mappings_that_cannot_be_expressed_are_errors() {
    for (mapping, says) in [
        ("match: a", "2:3: \"name\" is missing"),
        ("match: 'a'\n  name:", "2:3: \"name\" is missing"),
        ("name: a", "\"match\" is missing"),
        ("match: ''\n  name: a", "2:10: \"match\" must be text of 1 to 65536 bytes, not \"\""),
        ("match: [a]\n  name: a", "\"match\" must be text, not a list"),
        ("match: a..b\n  name: a", "parts between dots"),
        ("match: 1a.b\n  name: a", "begins with a letter"),
        ("match: -x\n  name: a", "begins with a letter"),
        ("match: a.**\n  name: a", "the * of a glob is a whole part"),
        ("match: a\n  name: 0foo", "letters, digits, _ and references"),
        ("match: a\n  name: foo:bar", "letters, digits, _ and references"),
        ("match: a\n  name: ''", "name \"\" is empty"),
        ("match: 'a{'\n  match_type: regex\n  name: a", "for a literal brace write \\{"),
        ("match: '[[:x:]]'\n  match_type: regex\n  name: a", "there is no class of this name"),
        ("match: a\n  name: a\n  scale: .inf", "finite number other than 0"),
        ("match: a\n  name: a\n  scale: '5'", "\"scale\" must be a finite number other than 0, not \"5\""),
        ("match: a\n  name: a\n  labels: {__zz: x}", "\"__zz\" is reserved"),
        ("match: a\n  name: a\n  observer_type: histogram\n  buckets: [1, 1]", "must rise"),
        ("match: a\n  name: a\n  observer_type: histogram\n  buckets: [.inf, 1]", "must be a finite number"),
        (
            "match: a\n  name: a\n  observer_type: summary\n  histogram_options: {}",
            "has no effect with observer_type: summary",
        ),
        ("match: a\n  name: process_open_fds", "belongs to the sidecar's own metrics"),
        ("match: *x\n  name: a", "unknown anchor; text that begins with * needs quotes"),
        ("match: *\n  name: a", "text that begins with * needs quotes"),
        (
            "match: a.*.*\n  name: $1${2}",
            "name \"$1${2}\": without braces, a reference includes the letters and digits after it; write \"${1}${2}\"",
        ),
        ("match: a.*.*\n  name: $1$2", "write \"${1}${2}\""),
        ("match: a\n name: a", "not valid YAML: "),
        ("<<: 5\n  match: a\n  name: b", "<< merges a table"),
        ("[a]: 5\n  match: a\n  name: b", "a key must be text"),
    ] {
        let source = format!("mappings:\n- {mapping}\n");
        let said = said(&source);
        assert!(said.contains(says), "{source}\nlacks {says}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
