//! The errors of wrong configs and arguments, from every command that takes them.

use crate::run;
use crate::support::{Scratch, run_for_lines};

const WRONG: &str = r#"[intake]
lissten = ["udp://127.0.0.1:0"]

[[metric]]
match = "a..b"

[[metric]]
match = "c.*"
name = "c d"
labels = { x = "$2", __zz = "y" }
buckets = [3, 2, 1]
ttl = "1w"

[[metric]]
match = "c.*"
type = "couter"
"#;

/// The errors of the file and of its rules, sorted by place.
const WRONG_REPORT: &str = r#"wrong.toml:2:1: unknown key "lissten" in [intake]; did you mean "listen"?
wrong.toml:5:9: the glob "a..b" has an empty part; remove the extra dot, or write * for the part
wrong.toml:9:8: name "c d" is not a metric name; use letters, digits and _, and no digit first
wrong.toml:10:16: in "$2", $2 does not exist: the number of captures is 1
wrong.toml:10:22: the label "__zz" is reserved for Prometheus itself; choose another name
wrong.toml:11:15: "buckets" must rise, and 2 comes after 3
wrong.toml:11:18: "buckets" must rise, and 1 comes after 3
wrong.toml:12:7: "ttl": "1w" is not a duration; write whole numbers with d, h, m, s or ms, the longest unit first, as in "1m30s"
wrong.toml:15:9: match "c.*" is declared twice, and only the first can match; remove one of the two
wrong.toml:16:8: "type" must be "counter", "gauge", "histogram", "set" or "summary", not "couter"
"#;

#[test]
fn every_command_reports_all_errors_at_once() {
    let scratch = Scratch::new("wrong");
    scratch.write("wrong.toml", WRONG);
    for args in [
        &["check", "wrong.toml"][..],
        &["run", "--config", "wrong.toml"],
        &["--config", "wrong.toml"],
        &["explain", "--config", "wrong.toml", "a:1|c"],
    ] {
        let ended = run_for_lines(scratch.path(), args);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert_eq!(ended.stderr, WRONG_REPORT, "{args:?}");
    }
}

/// Other programs load each of these, and fail at the first line or silently (exporter 104, 105, 120 to 123).
#[test]
fn check_finds_errors_that_other_programs_find_too_late() {
    let scratch = Scratch::new("late");
    for (rule, at, says) in [
        ("buckets = [1, 1]", "3:15", "must rise"),
        ("buckets = []", "3:1", "is empty"),
        ("buckets = [1, inf]", "3:15", "leave inf out"),
        ("scale = 0", "3:9", "a finite number other than 0"),
        ("labels = { le = \"x\" }\ntype = \"histogram\"", "3:12", "belongs to the histogram itself"),
        ("labels = { \"a-b\" = \"x\" }", "3:12", "is not a label name"),
        ("labels = { x = \"$name\" }", "3:16", "a $ needs a number after it"),
        ("labels = { x = \"$1\" }", "3:16", "the number of captures is 0"),
        ("name = \"statsidecar_x\"", "3:8", "belongs to the sidecar's own metrics"),
        ("name = \"process_open_fds\"", "3:8", "belongs to the sidecar's own metrics"),
        ("name = \"0foo\"", "3:8", "is not a metric name"),
        ("name = \"\"", "3:8", ""),
        ("type = \"gauge\"\nbuckets = [1]", "4:1", "needs type = \"histogram\""),
        ("action = \"drop\"", "3:1", "unknown key \"action\""),
        ("drop = true\nname = \"x\"", "4:1", "has no effect with drop"),
        ("name = \"b\"\ntype = \"counter\"\ninit = [{ x = \"1\" }, { x = \"1\" }]", "5:22", "twice"),
        ("init = [{ x = \"1\" }]", "3:9", "init needs a type and a name"),
        (
            "name = \"h\"\ntype = \"histogram\"\ninit = [{}]\n[[metric]]\nmatch = \"c\"\nname = \"h_count\"",
            "8:8",
            "exposes h_count itself",
        ),
        (
            "name = \"n\"\ntype = \"gauge\"\n[[metric]]\nmatch = \"c\"\nname = \"n\"\ntype = \"counter\"",
            "8:8",
            "contradicts",
        ),
    ] {
        scratch.write("c.toml", &format!("[[metric]]\nmatch = \"a\"\n{rule}\n"));
        let ended = run_for_lines(scratch.path(), &["check", "c.toml"]);
        let at = format!("c.toml:{at}: ");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{rule}");
        let found = ended.stderr.lines().any(|line| line.starts_with(&at) && line.contains(says));
        assert!(found, "{rule}: no {says:?} at {at}in\n{}", ended.stderr);
    }
}

/// The text of a capture is made legal when a line arrives. The rest of a name must be legal in the rule.
#[test]
fn names_are_checked_as_far_as_they_are_known() {
    const ILLEGAL: &str = "is not a metric name; use letters, digits and _, and no digit first";
    const RESERVED: &str = "belongs to the sidecar's own metrics; choose another";
    let scratch = Scratch::new("names");
    for (name, says) in [
        ("my-$1 x", ILLEGAL),
        ("9$1", ILLEGAL),
        ("$1.", ILLEGAL),
        ("${1}é", ILLEGAL),
        ("$1$$", ILLEGAL),
        ("statsidecar_$1", RESERVED),
        ("job:${1}:rate", ""),
        ("${1}9", ""),
        ("$1", ""),
        ("${1}_total", ""),
        ("process_open_fds$1", ""),
    ] {
        scratch.write("c.toml", &format!("[[metric]]\nmatch = \"a.*\"\nname = {name:?}\n"));
        let ended = run_for_lines(scratch.path(), &["check", "c.toml"]);
        let expected = match says {
            "" => (Some(0), String::new()),
            says => (Some(2), format!("c.toml:3:8: name {name:?} {says}\n")),
        };
        assert_eq!((ended.code, ended.stderr), expected, "{name}");
    }
    // A name without references is checked even if the match is wrong; a label with a reference is not.
    scratch.write("c.toml", "[[metric]]\nmatch = \"a..b\"\nname = \"1x\"\nlabels = { a = \"$9\" }\n");
    let ended = run_for_lines(scratch.path(), &["check", "c.toml"]);
    let glob = "the glob \"a..b\" has an empty part; remove the extra dot, or write * for the part";
    assert_eq!(ended.stderr, format!("c.toml:2:9: {glob}\nc.toml:3:8: name \"1x\" {ILLEGAL}\n"));
}

#[test]
fn a_file_with_warnings_is_good() {
    let scratch = Scratch::new("good");
    scratch.write("good.toml", "[[metric]]\nmatch = \"a\"\n");
    let ended = run_for_lines(scratch.path(), &["check", "good.toml"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (Some(0), "good.toml: good: 1 metric, 2 listeners\n", "")
    );

    let rules = r#"[[metric]]
match = "a"
name = "a"
type = "counter"
help = "A."

[[metric]]
match = "b"
name = "a"
help = "B."

[[metric]]
match = "c"
name = "c_total"
type = "gauge"

[[metric]]
match = "d.*"
name = "d"
unit = "seconds"
buckets = [1]

[[metric]]
match = "e"
name = "d"
buckets = [2]
"#;
    scratch.write("odd.toml", rules);
    let ended = run_for_lines(scratch.path(), &["check", "odd.toml"]);
    let expected = r#"odd.toml:3:8: warning: name "a": the name of a counter ends in _total by convention
odd.toml:10:8: warning: a has another help in an earlier rule, and the first one in the file counts; write the same in both rules
odd.toml:14:8: warning: name "c_total": by convention only the name of a counter ends in _total
odd.toml:19:8: warning: name "d": by convention it ends in its unit, _seconds
odd.toml:26:11: warning: d has other buckets in an earlier rule, and the first one in the file counts; write the same in both rules
odd.toml: good: 5 metrics, 2 listeners
"#;
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), expected, ""));
}

/// Each of these options looks effective.
#[test]
fn check_warns_of_options_without_effect() {
    let scratch = Scratch::new("idle");
    for (timer, rule, warning) in [
        (
            "histogram",
            "quantiles = [0.5]",
            "\"quantiles\" has no effect, because [defaults] timer makes no summary; add type = \"summary\", or leave it out",
        ),
        (
            "summary",
            "buckets = [1]",
            "\"buckets\" has no effect, because [defaults] timer makes no histogram; add type = \"histogram\", or leave it out",
        ),
        (
            "histogram",
            "buckets = [1]\nmatch_type = [\"c\", \"g\"]",
            "\"buckets\" has no effect on the lines of this match_type; leave it out",
        ),
        ("summary", "quantiles = [0.5]", ""),
        ("histogram", "buckets = [1]\nmatch_type = [\"c\", \"h\"]", ""),
        ("histogram", "quantiles = [0.5]\ntype = \"summary\"", ""),
        ("summary", "buckets = [1]\ntype = \"histogram\"", ""),
    ] {
        scratch.write("c.toml", &format!("defaults.timer = {timer:?}\n[[metric]]\nmatch = \"a\"\n{rule}\n"));
        let ended = run_for_lines(scratch.path(), &["check", "c.toml"]);
        let at = 1 + rule.find('[').expect("a list");
        let warning = if warning.is_empty() { String::new() } else { format!("c.toml:4:{at}: warning: {warning}\n") };
        assert_eq!(
            (ended.code, ended.stdout),
            (Some(0), format!("{warning}c.toml: good: 1 metric, 2 listeners\n")),
            "{timer} {rule}"
        );
    }
}

#[test]
fn a_mapping_file_used_as_a_config_file_is_recognized_by_its_name() {
    let scratch = Scratch::new("yaml");
    for name in ["m.yml", "m.yaml"] {
        scratch.write(name, "mappings:\n- match: a\n  name: b\n");
        let hint = format!(
            "{name}:1:1: this is a mapping file of statsd_exporter, which is YAML, and not a config file; write one with: \
             statsidecar convert {name}, or run with --statsd-exporter-mapping {name}\n"
        );
        for args in [&["check", name][..], &["explain", "--config", name, "a:1|c"], &["--config", name]] {
            let ended = run_for_lines(scratch.path(), args);
            assert!(ended.code == Some(2) && ended.stderr == hint, "{args:?}: {}", ended.stderr);
        }
    }
    scratch.write("c.toml", "mappings:");
    assert!(
        run_for_lines(scratch.path(), &["check", "c.toml"]).stderr.starts_with("c.toml:1:1: this is a mapping file")
    );
    scratch.write("c.toml", "mapping:");
    assert!(!run_for_lines(scratch.path(), &["check", "c.toml"]).stderr.contains("convert"));
}

#[test]
fn the_shipped_file_is_good() {
    let ended = run_for_lines(env!("CARGO_MANIFEST_DIR").as_ref(), &["check", "config.toml"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (Some(0), "config.toml: good: 0 metrics, 2 listeners\n", "")
    );
}

/// A rule with a part for each bit of `n`: `a` or `*`. All of them match a name whose parts are `a`.
fn bits(n: usize) -> String {
    let parts: Vec<_> = (0..11).map(|bit| if n >> bit & 1 == 0 { "a" } else { "*" }).collect();
    format!("[[metric]]\nmatch = \"{}\"\nname = \"m\"\n", parts.join("."))
}

/// A file that would make each new name, or the check itself, slow is refused with the limit that it breaks.
#[test]
fn rules_that_would_make_names_slow_are_refused() {
    let scratch = Scratch::new("slow-rules");
    let rules = |count: usize, rule: fn(usize) -> String| (0..count).map(rule).collect::<String>();
    let by_tag = |n| format!("[[metric]]\nmatch = \"**\"\nname = \"m\"\nmatch_tags = {{ k = \"v{n}\" }}\n");
    let two_stars = |n| format!("[[metric]]\nmatch = \"*k{n}*.x\"\nname = \"m\"\n");
    let two_gaps = |n| format!("[[metric]]\nmatch_regex = \".*k{n}.*\"\nname = \"m\"\n");
    let regex_by_tag = |n| format!("[[metric]]\nmatch_regex = \"a{n}\"\nname = \"m\"\nmatch_tags = {{ k = \"v\" }}\n");
    let bits_by_tag = |n| format!("{}match_tags = {{ k = \"v{n}\" }}\n", bits(n));
    for (config, expected) in [
        (rules(256, by_tag), None),
        (rules(20_000, by_tag), Some(":1026:9: more than 256 rules with match_tags have the pattern \"**\"; ")),
        (rules(512, two_stars), None),
        (rules(1000, two_stars), Some(":1538:9: more than 512 rules have two * in a part of their glob; ")),
        (rules(1024, two_gaps), None),
        (rules(1100, two_gaps), Some(":3074:15: more than 1024 rules have two parts such as .* in their regex; ")),
        (rules(1024, regex_by_tag), None),
        (rules(1100, regex_by_tag), Some(":4098:15: more than 1024 rules with match_tags have a regex; ")),
        (rules(1024, bits), None),
        (rules(2048, bits), Some(":2:9: more than 1024 rules match names like \"a.a.a.a.a.a.a.a.a.a.a\"; ")),
        (rules(1024, bits_by_tag), Some(":2:9: more than 256 rules with match_tags match names like ")),
        (
            format!("[[metric]]\nmatch = \"{}\"\n", "a*".repeat(50_000)),
            Some(":2:9: the glob \"a*a*a*a*a*a*a*a*a*a*\"... has 50000 *, and 64 are the most; "),
        ),
    ] {
        scratch.write("config.toml", &config);
        let ended = run_for_lines(scratch.path(), &["check", "config.toml"]);
        let said = ended.stderr + &ended.stdout;
        match expected {
            None => assert_eq!(ended.code, Some(0), "{said}"),
            Some(expected) => {
                assert_eq!((ended.code, said.contains(expected), said.lines().count()), (Some(2), true, 1), "{said}");
            }
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    for args in [&["check", "no.toml"][..], &["--config", "no.toml"], &["explain", "--config", "no.toml", "a:1|c"]] {
        let ended = run(args);
        let expected = "no.toml: cannot read it: No such file or directory (os error 2)\n";
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), expected), "{args:?}");
    }
    let scratch = Scratch::new("bytes");
    std::fs::write(scratch.path().join("bytes.toml"), b"# \xff\n").expect("a file");
    let ended = run_for_lines(scratch.path(), &["check", "bytes.toml"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.starts_with("bytes.toml: cannot read it: "), "{}", ended.stderr);
}

#[test]
fn wrong_arguments_get_a_hint() {
    for (args, says) in [
        (&["--bogus"][..], "unexpected argument '--bogus'"),
        (&["frob"], "unrecognized subcommand 'frob'"),
        (&["check"], "<FILE>"),
        (&["check", "a", "b"], "unexpected argument 'b'"),
        (&["explain"], "<LINE>"),
        (&["--config"], "--config <FILE>"),
        (&["--http", "9102"], "'9102' for '--http <ADDRESS>'"),
        (&["--listen", "127.0.0.1:8125"], "the transport is missing; write udp://127.0.0.1:8125"),
        (
            &["--listen", "http://127.0.0.1:8125"],
            "the transport \"http\" is not known; use udp://, tcp://, unixgram://",
        ),
        (&["--listen", "udp://localhost"], "\"localhost\" is not a host with a port"),
        (&["--listen", "localhost:8125"], "the transport is missing; write udp://localhost:8125"),
        (&["run", "--listen", "udp://127.0.0.1:70000"], "the port 70000 is out of range"),
    ] {
        let ended = run(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn help_and_version_succeed() {
    let ended = run(&["--version"]);
    let version = concat!("statsidecar ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), version, ""));
    for args in [&["--help"][..], &["run", "--help"], &["check", "--help"], &["explain", "--help"]] {
        let ended = run(args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(ended.stdout.contains("Usage: statsidecar"), "{args:?}: {}", ended.stdout);
    }
}
