//! The command line: exit codes, what is said and where, and how the program ends.

mod support;

use std::net::{TcpListener, UdpSocket};

use support::{Daemon, Ended, Scratch, run_in};

// ---- Starting ----

#[test]
fn a_udp_port_that_is_taken_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = format!("udp://{}", taken.local_addr().expect("an address"));
    let ended = run(&["--listen", &address, "--http", "127.0.0.1:0"]);
    let expected = format!(
        "cannot listen for StatsD on {address}: another program has this port; stop it, or choose another port\n"
    );
    assert_eq!((ended.code, said(&ended).as_str(), ended.stdout.as_str()), (Some(1), expected.as_str(), ""));
}

#[test]
fn an_http_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = run(&["--listen", "udp://127.0.0.1:0", "--http", &address]);
    let expected = format!(
        "cannot serve metrics on http://{address}: another program has this port; stop it, or choose another port\n"
    );
    assert_eq!((ended.code, said(&ended).as_str(), ended.stdout.as_str()), (Some(1), expected.as_str(), ""));
}

#[test]
fn an_address_of_another_machine_is_named() {
    // Of a block that is kept for documentation (RFC 5737), so no machine has it.
    let ended = run(&["--listen", "udp://127.0.0.1:0", "--listen", "udp://192.0.2.1:0", "--http", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(1));
    let said = said(&ended);
    assert!(said.starts_with("cannot listen for StatsD on udp://192.0.2.1:0: "), "{said}");
    assert!(said.ends_with("; this machine has no such address\n"), "{said}");
}

/// It says what it listens on, and what to type to see it work.
#[test]
fn a_start_shows_where_everything_is() {
    let daemon = started(&[]);
    let (udp, http) = (daemon.udp[0], daemon.http);
    daemon.signal("TERM");
    let ended = daemon.wait();
    let try_it = format!(
        "try: printf 'jobs.done:3|c\\n' | nc -u -w0 127.0.0.1 {}\n     curl -s http://{http}/metrics | grep jobs\n",
        udp.port()
    );
    assert_eq!(ended.stdout, try_it, "what follows the two addresses");
    assert_eq!(ended.code, Some(0));
    assert_eq!(said(&ended), "", "nothing but log lines is on the standard error");
}

#[test]
fn flags_win_over_the_file() {
    let scratch = Scratch::new("flags");
    let file = "[intake]\nlisten = [\"udp://192.0.2.1:1\"]\n[http]\nlisten = \"192.0.2.1:1\"\n[labels]\na = \"b\"\n";
    let config = scratch.write("config.toml", file);
    for command in [&["run"][..], &[]] {
        let mut args = command.to_vec();
        args.extend(["--config", &config, "--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let daemon = Daemon::start(&args);
        assert_eq!(daemon.udp.len(), 1, "those of the file are replaced");
        assert!(daemon.scrape().contains("a=\"b\""), "the rest of it holds");
    }
}

#[test]
fn warnings_of_the_file_are_logged_and_it_runs() {
    let scratch = Scratch::new("warnings");
    let config = scratch.write("config.toml", "[[metric]]\nmatch = \"a\"\nname = \"a\"\ntype = \"counter\"\n");
    let daemon = started(&["--config", &config]);
    daemon.signal("INT");
    let ended = daemon.wait();
    let warning = format!("{config}:3:8: warning: name \"a\": the name of a counter ends in _total by convention");
    assert!(ended.stderr.lines().any(|line| line.contains(" WARN ") && line.ends_with(&warning)), "{}", ended.stderr);
}

// ---- Wrong configs and arguments ----

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

/// What is wrong with the file and what is wrong with its rules, all at once.
const WRONG_REPORT: &str = r#"wrong.toml:2:1: unknown key "lissten" in [intake]; did you mean "listen"?
wrong.toml:5:9: the glob "a..b" has an empty part; remove the dot too many, or write * for a part
wrong.toml:9:8: name "c d" is not a metric name; write letters, digits and _, not beginning with a digit
wrong.toml:10:16: in "$2", $2 has nothing to stand for: the match captures 1
wrong.toml:10:22: the label "__zz" is reserved for Prometheus itself; choose another name
wrong.toml:11:15: "buckets" must rise, and 2 comes after 3
wrong.toml:11:18: "buckets" must rise, and 1 comes after 3
wrong.toml:12:7: "ttl": "1w" is not a duration; write whole numbers with d, h, m, s or ms, the longest unit first, as in "1m30s"
wrong.toml:15:9: match "c.*" is declared twice, and only the first can match; remove one of the two
wrong.toml:16:8: "type" must be "counter", "gauge", "histogram", "set" or "summary", not "couter"
"#;

#[test]
fn everything_that_is_wrong_is_said_at_once_by_every_command() {
    let scratch = Scratch::new("wrong");
    scratch.write("wrong.toml", WRONG);
    for args in [
        &["check", "wrong.toml"][..],
        &["run", "--config", "wrong.toml"],
        &["--config", "wrong.toml"],
        &["explain", "--config", "wrong.toml", "a:1|c"],
    ] {
        let ended = run_in(scratch.path(), args);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert_eq!(ended.stderr, WRONG_REPORT, "{args:?}");
    }
}

/// Each loads in other programs and fails there when the first line comes, or never says so (exporter 104, 105, 120 to
/// 123).
#[test]
fn check_finds_what_others_find_too_late() {
    let scratch = Scratch::new("late");
    for (rule, at, says) in [
        ("buckets = [1, 1]", "3:15", "must rise"),
        ("buckets = []", "3:11", "is empty"),
        ("buckets = [1, inf]", "3:15", "leave inf out"),
        ("scale = 0", "3:9", "a finite number other than 0"),
        ("labels = { le = \"x\" }", "3:12", "reserved for Prometheus"),
        ("labels = { \"a-b\" = \"x\" }", "3:12", "is not a label name"),
        ("labels = { x = \"$name\" }", "3:16", "a $ needs a number behind it"),
        ("labels = { x = \"$1\" }", "3:16", "the match captures 0"),
        ("name = \"statsidecar_x\"", "3:8", "belongs to the sidecar's own metrics"),
        ("name = \"process_open_fds\"", "3:8", "belongs to the sidecar's own metrics"),
        ("name = \"0foo\"", "3:8", "is not a metric name"),
        ("name = \"\"", "3:8", ""),
        ("type = \"gauge\"\nbuckets = [1]", "4:1", "goes with type = \"histogram\" only"),
        ("action = \"drop\"", "3:1", "unknown key \"action\""),
        ("drop = true\nname = \"x\"", "4:1", "has no effect with drop"),
        ("name = \"b\"\ntype = \"counter\"\ninit = [{ x = \"1\" }, { x = \"1\" }]", "5:22", "twice"),
        ("init = [{ x = \"1\" }]", "3:9", "init needs a type and a name"),
        (
            "name = \"h\"\ntype = \"histogram\"\n[[metric]]\nmatch = \"c\"\nname = \"h_count\"",
            "7:8",
            "exposes h_count itself",
        ),
        (
            "name = \"n\"\ntype = \"gauge\"\n[[metric]]\nmatch = \"c\"\nname = \"n\"\ntype = \"counter\"",
            "8:8",
            "contradicts",
        ),
    ] {
        scratch.write("c.toml", &format!("[[metric]]\nmatch = \"a\"\n{rule}\n"));
        let ended = run_in(scratch.path(), &["check", "c.toml"]);
        let at = format!("c.toml:{at}: ");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{rule}");
        let found = ended.stderr.lines().any(|line| line.starts_with(&at) && line.contains(says));
        assert!(found, "{rule}: no {says:?} at {at}in\n{}", ended.stderr);
    }
}

#[test]
fn a_good_file_is_good_with_its_warnings() {
    let scratch = Scratch::new("good");
    scratch.write("good.toml", "[[metric]]\nmatch = \"a\"\n");
    let ended = run_in(scratch.path(), &["check", "good.toml"]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "good.toml: good\n", ""));

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
    let ended = run_in(scratch.path(), &["check", "odd.toml"]);
    let expected = r#"odd.toml:3:8: warning: name "a": the name of a counter ends in _total by convention
odd.toml:10:8: warning: a has another help in an earlier rule, and the first holds; remove this one
odd.toml:14:8: warning: name "c_total": by convention only the name of a counter ends in _total
odd.toml:19:8: warning: name "d": by convention it ends in its unit, _seconds
odd.toml:26:11: warning: d has other buckets in an earlier rule, and the first hold; remove these
odd.toml: good
"#;
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), expected, ""));
}

#[test]
fn the_shipped_file_is_good() {
    let ended = run_in(env!("CARGO_MANIFEST_DIR").as_ref(), &["check", "config.toml"]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "config.toml: good\n", ""));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for args in [&["check", "no.toml"][..], &["--config", "no.toml"], &["explain", "--config", "no.toml", "a:1|c"]] {
        let ended = run(args);
        let expected = "no.toml: cannot read it: No such file or directory (os error 2)\n";
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), expected), "{args:?}");
    }
    let scratch = Scratch::new("bytes");
    std::fs::write(scratch.path().join("bytes.toml"), b"# \xff\n").expect("a file");
    let ended = run_in(scratch.path(), &["check", "bytes.toml"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.starts_with("bytes.toml: cannot read it: "), "{}", ended.stderr);
}

#[test]
fn wrong_arguments_say_what_would_be_right() {
    for (args, says) in [
        (&["--bogus"][..], "unexpected argument '--bogus'"),
        (&["frob"], "unrecognized subcommand 'frob'"),
        (&["check"], "<FILE>"),
        (&["check", "a", "b"], "unexpected argument 'b'"),
        (&["explain"], "<LINE>"),
        (&["--config"], "--config <FILE>"),
        (&["--http", "9102"], "'9102' for '--http <IP:PORT>'"),
        (&["--listen", "127.0.0.1:8125"], "the transport is missing; write udp://127.0.0.1:8125"),
        (
            &["--listen", "http://127.0.0.1:8125"],
            "the transport \"http\" is not known; use udp://, tcp://, unixgram://",
        ),
        (&["--listen", "udp://localhost:8125"], "\"localhost:8125\" is not an IP address with a port"),
        (&["run", "--listen", "udp://127.0.0.1:70000"], "the port 70000 is out of range"),
    ] {
        let ended = run(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let ended = run(&["--version"]);
    let version = concat!("statsidecar ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), version, ""));
    for args in [&["--help"][..], &["run", "--help"], &["check", "--help"], &["explain", "--help"]] {
        let ended = run(args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(ended.stdout.contains("Usage: statsidecar"), "{args:?}: {}", ended.stdout);
    }
}

// ---- Explain ----

/// The whole text, for lines that are applied.
#[test]
fn explain_says_what_a_line_would_do() {
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
fn explain_shows_the_rule_and_what_it_captured() {
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
fn explain_takes_each_value_of_a_line_by_itself() {
    explains(
        "",
        &["a:1:x:3|ms", "b:1|c:-2|c:3|zz:4|g"],
        r#"
a:1:x:3|ms
  parsed   name "a", value "1:x:3", type ms
  rule     none matches; the name is the line's own
  series   a_seconds (histogram) observes 0.001
  rejected bad_value (x): the value is one finite decimal number without blanks: 5, -5, +5, .5, 1e3; of a set any text but none; of a service check 0 to 3
  series   a_seconds (histogram) observes 0.003
b:1|c:-2|c:3|zz:4|g
  parsed   name "b", value "1", type c
  rule     none matches; the name is the line's own
  series   b_total (counter) adds 1
  parsed   name "b", value "-2", type c
  rule     none matches; the name is the line's own
  rejected negative_counter (-2): send counts of 0 or more; for a number that falls, use a gauge or declare type = "gauge"
  rejected unknown_type (b:1|c:-2|c:3|zz:4|g): the type is one of c, m, g, ms, h, d, s
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
  rejected malformed_line (_e{5,4}:title): a line is name:value|type, then |@rate and |#tag:value where wanted; _sc|name|status; or _e{5,4}:title|text
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

/// As the intake has it: the end of a line is no part of it, and an empty line is nothing.
#[test]
fn explain_shows_what_is_skipped_and_takes_lines_as_they_come() {
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
  tags     1 with duplicate_key: left out or renamed
  tags     1 with empty_value: left out or renamed
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
  tags     1 with duplicate_key: left out or renamed
  series   ac_total{b="3",d="true",url="http://x:80"} (counter) adds 2
e]f;k=v:1|g
  parsed   name "e]f;k=v", value "1", type g
  rule     none matches; the name is the line's own
  tags     1 with unpaired_bracket: left out or renamed
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
fn explain_says_why_a_sample_goes_to_the_series_for_all_such() {
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

/// Every reason with its remedy, in the order of their names.
#[test]
fn explain_says_for_every_reason_what_to_do() {
    let reasons = [
        (
            "",
            &["a:1|c|@2"][..],
            "bad_sample_rate (1): the rate after @ is a decimal number above 0 (at least 1e-9) and at most 1",
        ),
        (
            "",
            &["a:NaN|c"],
            "bad_value (NaN): the value is one finite decimal number without blanks: 5, -5, +5, .5, 1e3; of a set any text but none; of a service check 0 to 3",
        ),
        ("", &[":1|c"], "empty_name (1): give the metric a name before the first ':' (or in the rule's name)"),
        (
            "[limits]\nfamily_series = 1",
            &["a:1|c|#k:1", "a:1|c|#k:2"],
            "family_series_limit (1): send fewer label values under this name, or raise [limits] family_series",
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
            "malformed_line (a 1): a line is name:value|type, then |@rate and |#tag:value where wanted; _sc|name|status; or _e{5,4}:title|text",
        ),
        (
            "",
            &["h:1|h", "h_count:1|g"],
            "name_collision (1): rename one of the two metrics: a histogram owns its _bucket, _sum and _count, a summary its _sum and _count",
        ),
        (
            "",
            &["a:-1|c"],
            "negative_counter (-1): send counts of 0 or more; for a number that falls, use a gauge or declare type = \"gauge\"",
        ),
        (
            "",
            &["process_open_fds:1|g"],
            "reserved_name (1): names that start with statsidecar_ and the process_ metrics are the sidecar's own: choose another",
        ),
        (
            "[limits]\nseries = 1",
            &["a:1|c", "b:1|c"],
            "series_limit (1): send fewer different names and label values, or raise [limits] series",
        ),
        ("[limits]\ntags = 1", &["a:1|c|#k,l"], "tag_limit (1): send fewer tags in one line, or raise [limits] tags"),
        (
            "",
            &["a:1|g", "a:1|h"],
            "type_conflict (1): one name has one type: rename one of the two metrics, or declare the type in a rule",
        ),
        ("", &["a:1|x"], "unknown_type (a:1|x): the type is one of c, m, g, ms, h, d, s"),
    ];
    for (config, lines, expected) in reasons {
        let ended = explain(config, lines);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{lines:?}");
        let rejected: Vec<_> = ended.stdout.lines().filter_map(|line| line.strip_prefix("  rejected ")).collect();
        let expected: Vec<_> = Some(expected).filter(|text| !text.is_empty()).into_iter().collect();
        assert_eq!(rejected, expected, "{lines:?}");
    }
    // Arguments of this test are text, so the last reason is asked through a shell.
    let command = format!("{} explain \"$(printf 'a:1:\\377|c')\"", env!("CARGO_BIN_EXE_statsidecar"));
    let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell");
    let expected = "a:1:\u{fffd}|c\n  rejected not_utf8 (a:1:\u{fffd}|c): send the name and the tags as UTF-8\n";
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(0), expected));

    let tested: Vec<_> = reasons.iter().filter_map(|(_, _, text)| text.split(' ').next()).chain(["not_utf8"]).collect();
    let all = statsidecar::reject::Reject::ALL;
    assert!(all.iter().all(|reject| tested.contains(&reject.reason())), "every reason is among them");
}

/// Runs `explain` on lines; `expected` is the whole text, behind an empty line.
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

// ---- Load ----

/// Over TCP; `tests/load.rs` has every transport.
#[test]
fn load_accounts_for_what_it_sends() {
    let daemon = Daemon::start(&["--listen", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let (target, page) = (&daemon.listeners[0], daemon.http.to_string());
    let ended =
        run(&["load", "--target", target, "--scrape", &page, "--rate", "5000", "--seconds", "1", "--series", "9"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.lines().any(|line| line.starts_with("arrived ") && line.ends_with(" lines in 0 packets")));
    let ended = run(&["load", "--target", "unix://@statsidecar-nobody", "--seconds", "1"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("cannot send to unix://@statsidecar-nobody: "), "{}", ended.stderr);
}

// ---- Ending ----

/// Everything that the kernel holds when the signal comes is applied before the program ends.
#[test]
fn a_signal_to_end_leaves_nothing_behind() {
    // More packets than one batch takes, and so many lines that the first batch is not done when the signal is seen.
    const PACKETS: usize = 150;
    const LINES: usize = 60;
    for signal in ["TERM", "INT"] {
        let daemon = started(&[]);
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        daemon.signal("STOP");
        daemon.wait_until_stopped();
        let packet = "lines:1|c\n".repeat(LINES);
        for _ in 0..PACKETS {
            client.send_to(packet.as_bytes(), daemon.udp[0]).expect("a packet");
        }
        daemon.signal(signal);
        daemon.signal("CONT");
        let ended = daemon.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let log: Vec<_> = ended.stderr.lines().collect();
        let seen = format!(" INFO SIG{signal}: applying what is queued");
        assert!(log.iter().any(|line| line.ends_with(&seen)), "{}", ended.stderr);
        let all = format!(" INFO stopped lines={0} samples={0}", PACKETS * LINES);
        assert!(log.last().is_some_and(|line| line.ends_with(&all)), "{all} is not at the end of\n{}", ended.stderr);
    }
}

/// Neither of two listeners is forgotten, nor one that never had a packet waited for.
#[test]
fn an_idle_listener_ends_too() {
    let daemon = Daemon::start(&[
        "--listen",
        "udp://127.0.0.1:0",
        "--listen",
        "udp://[::1]:0",
        "--listen",
        "udp://0.0.0.0:0",
        "--http",
        "127.0.0.1:0",
    ]);
    UdpSocket::bind("[::1]:0").and_then(|client| client.send_to(b"a:1|c\nb", daemon.udp[1])).expect("a packet");
    daemon.scrape_after(1);
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.ends_with(" INFO stopped lines=2 samples=1"), "{}", ended.stderr);
}

/// Whatever ended it, the next one finds its ports free at once, with connections of the old one still open.
#[test]
fn it_starts_again_on_the_ports_of_one_that_was_killed() {
    let mut daemon = started(&[]);
    let (udp, http) = (format!("udp://{}", daemon.udp[0]), daemon.http.to_string());
    for signal in ["KILL", "TERM", "KILL"] {
        daemon.scrape();
        let _open = std::net::TcpStream::connect(daemon.http).expect("it accepts");
        daemon.signal(signal);
        let ended = daemon.wait();
        assert_eq!(ended.code, (signal == "TERM").then_some(0), "{}", ended.stderr);
        daemon = Daemon::start(&["--listen", &udp, "--http", &http]);
        assert_eq!((format!("udp://{}", daemon.udp[0]), daemon.http.to_string()), (udp.clone(), http.clone()));
        let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
        client.send_to(b"a:1|c", daemon.udp[0]).expect("a packet");
        assert!(daemon.scrape_after(1).contains("\na_total 1\n"), "it counts from 0");
    }
}

fn run(args: &[&str]) -> Ended {
    run_in(env!("CARGO_TARGET_TMPDIR").as_ref(), args)
}

/// Starts the program on free loopback ports.
fn started(args: &[&str]) -> Daemon {
    Daemon::start(&[args, &["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]].concat())
}

/// What is on the standard error besides log lines, which begin with the time.
fn said(ended: &Ended) -> String {
    let is_log = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit()) && line.contains("Z  INFO ");
    ended.stderr.lines().filter(|line| !is_log(line)).flat_map(|line| [line, "\n"]).collect()
}
