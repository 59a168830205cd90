//! Diagnostics underline their place in the file, and the log has them on one line.

use crate::support::{Scratch, run_in, started};

const FILE: &str = "[http]\nlissten = \"127.0.0.1:0\"\n\n[[metric]]\nmatch = \"a.*\"\nname = \"größe c d\"\nbuckets = [3,\n  2]\n\
                    \u{20}\u{20}\tttl = \"1w\" # \u{1b}[2J\n";

const UNDERLINED: &str = r#"c.toml:2:1: unknown key "lissten" in [http]; did you mean "listen"?
  |
2 | lissten = "127.0.0.1:0"
  | ^^^^^^^
c.toml:6:8: name "größe c d" is not a metric name; use letters, digits and _, and no digit first
  |
6 | name = "größe c d"
  |        ^^^^^^^^^^^
c.toml:8:3: "buckets" must rise, and 2 comes after 3
  |
8 |   2]
  |   ^
c.toml:9:10: "ttl": "1w" is not a duration; write whole numbers with d, h, m, s or ms, the longest unit first, as in "1m30s"
  |
9 |       ttl = "1w" # �[2J
  |             ^^^^
c.toml:9:17: not valid TOML: invalid comment character, expected printable characters
  |
9 |       ttl = "1w" # �[2J
  |                    ^
"#;

/// The first line of each stays as editors parse it.
#[test]
fn each_place_is_underlined() {
    let scratch = Scratch::new("underlined");
    scratch.write("c.toml", FILE);
    for args in [&["check", "c.toml"][..], &["run", "--config", "c.toml"], &["explain", "--config", "c.toml", "a:1|c"]]
    {
        let ended = run_in(scratch.path(), args);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(2), "", UNDERLINED), "{args:?}");
    }
}

/// The error of a syntax can be in the same line as a password, and the log may be read by others.
#[test]
fn passwords_are_not_shown() {
    let scratch = Scratch::new("underlined-passwords");
    for users in ["users = { a = \"hunter2\" }", "users = { a = \"hunter2 }", "users.a = \"hunter2\"\nlisten = 5"] {
        scratch.write("c.toml", &format!("[http]\n{users}\n\n[limits]\nseries = 0\n"));
        let ended = run_in(scratch.path(), &["check", "c.toml"]);
        assert!(ended.code == Some(2) && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
        assert!(ended.stderr.contains("  |\n"), "other places are shown: {}", ended.stderr);
    }
}

#[test]
fn a_file_of_one_long_line_with_many_errors_is_reported_at_once() {
    let scratch = Scratch::new("underlined-long");
    let rules: Vec<String> = (0..5000).map(|n| format!("{{ match = \"a{n}\", bukets = 1 }}")).collect();
    scratch.write("c.toml", &format!("metric = [{}]\n", rules.join(", ")));
    let ended = run_in(scratch.path(), &["check", "c.toml"]);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!((ended.code, lines.len()), (Some(2), 4 * 5000));
    assert!(lines.iter().all(|line| line.len() < 160));
    assert!(lines[4 * 4000 + 2].contains("match = \"a4000\", bukets"), "{}", lines[4 * 4000 + 2]);
}

/// A terminal gets colours, unless NO_COLOR asks for none. `script` is a terminal.
#[test]
fn colours_are_for_terminals() {
    let scratch = Scratch::new("underlined-colours");
    scratch.write("c.toml", "[http]\nlissten = 1\n");
    let printed = |variable: &str| {
        let command = format!("{variable} {} check c.toml", env!("CARGO_BIN_EXE_statsidecar"));
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).current_dir(scratch.path()).output()
    };
    // It is a part of util-linux, which a small image may lack.
    let (Ok(plain), Ok(coloured)) = (printed("NO_COLOR=1"), printed("NO_COLOR=")) else { return };
    let (plain, coloured) = (String::from_utf8_lossy(&plain.stdout), String::from_utf8_lossy(&coloured.stdout));
    let first = "c.toml:2:1: unknown key \"lissten\" in [http]; did you mean \"listen\"?\r\n";
    assert!(plain.starts_with(first) && plain.contains("^^^^^^^") && !plain.contains('\u{1b}'), "{plain:?}");
    assert!(coloured.starts_with(first) && coloured.contains("\u{1b}[1m\u{1b}[91m^^^^^^^\u{1b}[0m"), "{coloured:?}");
}

#[test]
fn the_log_has_a_warning_on_one_line_and_what_was_loaded() {
    let scratch = Scratch::new("underlined-log");
    let rules = "[[metric]]\nmatch = \"a\"\nname = \"a\"\ntype = \"counter\"\n[[metric]]\nmatch = \"b\"\nname = \"a\"\n\
                 [[metric]]\nmatch = \"c\"\ndrop = true\n";
    let file = scratch.write("c.toml", rules);
    let daemon = started(&["--config", &file]);
    daemon.signal("TERM");
    let ended = daemon.wait();
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let warning = format!("WARN {file}:3:8: warning: name \"a\": the name of a counter ends in _total by convention");
    assert!(lines[0].ends_with(&warning), "{lines:?}");
    assert!(lines[1].ends_with("INFO the rules are loaded rules=3 metrics=1 warnings=1"), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("^")), "{lines:?}");
}
