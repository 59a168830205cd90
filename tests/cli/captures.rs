//! `explain` on a file of lines, on the standard input, and against a running sidecar.

use crate::run;
use crate::support::{Scratch, client, run_in, started};

const CONFIG: &str = r#"
[[metric]]
match = "jobs.*.done"
name = "jobs_done_total"
labels = { queue = "$1" }
[[metric]]
match = "never.*"
drop = true
[[metric]]
match = "debug.**"
drop = true
"#;

const LINES: &str = "jobs.mail.done:1|c\r\njobs.mail.done:2:3|c\n\njobs.sms.done:-1|c\ndebug.x:1|g\nload:1.5|g\n\
                     _e{1,1}:a|b\nload:x|g\nload:high|g\nno_value\n";

/// The counts are made by hand: seven lines with samples, of which one has two values; two values are bad.
#[test]
fn a_file_of_lines_is_summed_up() {
    let scratch = Scratch::new("captures");
    scratch.write("c.toml", CONFIG);
    scratch.write("lines.txt", LINES);
    let ended = run_in(scratch.path(), &["explain", "--config", "c.toml", "--file", "lines.txt"]);
    let expected = r#"lines.txt: 9 lines
  4 samples applied, 1 dropped, 4 rejected; 1 event

2 series of 2 metrics
  counter   1 series of 1
  gauge     1 series of 1
    jobs_done_total (counter): 1 series, 3 samples
    load (gauge): 1 series, 1 sample

rules
  1 (match = "jobs.*.done"): 4 samples
  3 (match = "debug.**"): 1 sample
  2 (match = "never.*"): never matched
  none matches 3 samples, such as "load"

rejected
  bad_value: 2 samples: write a finite decimal number without blanks (5, -5, +5, .5, 1e3); in a set, any text that is not empty; in a service check, 0 to 3
    line 7: load:x|g
                 ^
  malformed_line: 1 sample: write name:value|type, and after it |@rate or |#tag:value if needed; _sc|name|status; or _e{5,4}:title|text
    line 9: no_value
                    ^
  negative_counter: 1 sample: send counts of 0 or more; for a number that can fall, use a gauge, or set type = "gauge" in a rule
    line 3: jobs.sms.done:-1|c
                          ^
"#;
    assert_eq!((ended.code, ended.stderr.as_str(), ended.stdout.as_str()), (Some(0), "", expected));

    let json = run_in(scratch.path(), &["explain", "--json", "--config", "c.toml", "--file", "lines.txt"]);
    let value: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(value["families"][0]["series"], 1);
    assert_eq!(value["rules"][0]["samples"], 4);
    assert_eq!(value["rejected"][0]["rejection"]["at"], 5);
}

#[test]
fn lines_of_the_standard_input_are_summed_up() {
    let program = env!("CARGO_BIN_EXE_statsidecar");
    let command =
        format!("printf 'a:1|c\\nb:1|c' | {program} explain - && printf '\\324\\303\\262\\241' | {program} explain -");
    let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        stdout.starts_with("the standard input: 2 lines\n  2 samples applied, 0 dropped, 0 rejected\n"),
        "{stdout}"
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr, "the standard input: this is a recording of packets; give the lines in them as text\n");
}

/// A line without an end, longer than a line may be, is not kept whole.
#[test]
fn a_line_that_is_too_long_costs_only_itself() {
    let scratch = Scratch::new("captures");
    let long = "x".repeat(3 << 20);
    scratch.write("lines.txt", &format!("a:1|c\n{long}\nb:1|c\n{long}"));
    let ended = run_in(scratch.path(), &["explain", "--file", "lines.txt"]);
    assert!(ended.stdout.starts_with("lines.txt: 4 lines\n  2 samples applied, 0 dropped, 2 rejected\n"), "{ended:?}");
    assert!(ended.stdout.contains("  line_too_long: 2 samples: "), "{ended:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let ended = run(&["explain", "--file", "nowhere.txt"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.stderr, "nowhere.txt: cannot read it: No such file or directory (os error 2)\n");
}

#[test]
fn an_explanation_shows_what_a_running_sidecar_has() {
    let daemon = started(&[]);
    let sent = client(daemon.udp[0]).send(b"jobs.done:7|c\ntook:500:1000|ms").expect("it is sent");
    assert!(sent > 0);
    daemon.scrape_when("statsidecar_lines_total", 2);
    let url = format!("http://{}", daemon.http);
    let ended = run(&["explain", "--against", &url, "jobs.done:3|c", "took:1|ms", "new:1|g"]);
    let current: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("  current ")).collect();
    let expected = [
        "  current  jobs_done_total 7",
        "  current  took_seconds_count 2, took_seconds_sum 1.5",
        "  current  it does not exist yet",
    ];
    assert_eq!((ended.code, current.as_slice()), (Some(0), &expected[..]), "{ended:?}");
    let gone = run(&["explain", "--against", "unix:///nowhere/http.sock", "a:1|c"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.starts_with("--against unix:///nowhere/http.sock/metrics: cannot connect: "), "{gone:?}");
}

#[test]
fn each_line_is_explained_as_json() {
    let ended = run(&["explain", "--json", "a:1|c", "b:x|g"]);
    let values: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let outcomes: Vec<_> = values.iter().map(|value| &value["outcome"]).collect();
    assert_eq!(outcomes, ["applied", "rejected"], "{ended:?}");
    assert_eq!(values[1]["steps"][2]["at"], 2);
}

/// The counts are made by hand: the packed line counts once, and each of the two bad values of `load` is of a name without
/// a rule.
#[test]
fn check_says_which_rules_a_file_of_lines_reaches() {
    let scratch = Scratch::new("captures-sample");
    scratch.write("c.toml", CONFIG);
    scratch.write("lines.txt", LINES);
    let expected = r#"c.toml: good: 1 metric, 2 drop rules, 2 listeners
lines.txt: 9 lines reach 2 of 3 rules
  rule 1 (match = "jobs.*.done"): 3 lines, 1 of them rejected, such as jobs.mail.done:1|c
  rule 3 (match = "debug.**"): 1 line, such as debug.x:1|g
  rule 2 (match = "never.*"): no line
  no rule: 3 lines of 1 name
    load: 3 lines
  2 lines that are events or cannot be read: see explain --file
"#;
    let ended = run_in(scratch.path(), &["check", "c.toml", "--strict", "--sample", "lines.txt"]);
    assert_eq!((ended.code, ended.stderr.as_str(), ended.stdout.as_str()), (Some(0), "", expected));
    let missing = run_in(scratch.path(), &["check", "c.toml", "--sample", "none.txt"]);
    assert_eq!((missing.code, missing.stdout.lines().count()), (Some(2), 1));
    assert!(missing.stderr.starts_with("none.txt: cannot read it: "), "{}", missing.stderr);
}

/// The figures are counted from the capture by the first characters of its lines.
#[test]
fn check_counts_the_lines_of_a_real_capture() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/captures/gunicorn.txt");
    let text = std::fs::read_to_string(file).expect("a capture");
    let count = |of: &dyn Fn(&str) -> bool| text.lines().filter(|line| of(line)).count();
    let status = count(&|line| line.starts_with("shop.gunicorn.request.status."));
    let requests = count(&|line| line.starts_with("shop.gunicorn.requests:"));
    let workers = count(&|line| line.starts_with("shop.gunicorn.workers:"));
    assert!(status > 10 && requests > 10 && workers == 1);
    let scratch = Scratch::new("captures-real");
    let rules = "[[metric]]\nmatch = \"*.gunicorn.request.status.*\"\n[[metric]]\nmatch = \"shop.gunicorn.requests\"\n\
                 [[metric]]\nmatch = \"shop.gunicorn.workers\"\nmatch_type = \"c\"\n";
    scratch.write("c.toml", rules);
    let ended = run_in(scratch.path(), &["check", "c.toml", "--sample", file]);
    for line in [
        format!("{file}: {} lines reach 2 of 3 rules\n", text.lines().count()),
        format!(
            "\n  rule 1 (match = \"*.gunicorn.request.status.*\"): {status} lines, such as shop.gunicorn.request.status."
        ),
        format!(
            "\n  rule 2 (match = \"shop.gunicorn.requests\"): {requests} lines, such as shop.gunicorn.requests:1|c|@1.0\n"
        ),
        "\n  rule 3 (match = \"shop.gunicorn.workers\"): no line\n".to_owned(),
        "\n    shop.gunicorn.workers: 1 line\n".to_owned(),
    ] {
        assert!(ended.stdout.contains(&line), "no {line:?} in {}", ended.stdout);
    }
    let rest = text.lines().count() - status - requests;
    assert!(ended.stdout.contains(&format!("\n  no rule: {rest} lines of ")), "{}", ended.stdout);
}
