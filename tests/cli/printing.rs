//! What commands print: where it cannot be written, and bytes that a terminal would obey.

use std::process::Command;

use crate::run;
use crate::support::{Scratch, run_for_lines, run_in};

/// The exit code and standard error of a line of shell, in which `"$P"` is the program.
fn shell(line: &str) -> (Option<i32>, String) {
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("P", env!("CARGO_BIN_EXE_statsidecar")).current_dir(env!("CARGO_MANIFEST_DIR"));
    let ended = command.output().expect("a shell");
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[test]
fn a_full_disk_is_an_error() {
    let said = "the standard output cannot be written: No space left on device (os error 28)\n";
    for command in ["check config.toml", "explain 'a:1|c'", "convert /dev/null", "--version", "--help"] {
        assert_eq!(shell(&format!("\"$P\" {command} >/dev/full")), (Some(1), said.to_owned()), "{command}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let lines = "'a:1|c' ".repeat(2000);
    let line = format!("{{ \"$P\" explain {lines}; echo $? >&2; }} | head -n 1 >/dev/null");
    assert_eq!(shell(&line), (Some(0), "0\n".to_owned()));
}

#[test]
fn nothing_that_a_terminal_obeys_is_printed() {
    let ended = run(&["explain", "a\u{1b}c:1|c|#k:\u{1b}[31m\u{9b}2J\u{202e}x\u{7}", "u:\u{1b}[2J|s"]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.contains("k=\"\\u{1b}[31m\\u{9b}2J\\u{202e}x\\u{7}\""), "{}", ended.stdout);
    let hidden = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!ended.stdout.contains(hidden), "{:?}", ended.stdout);
    let scratch = Scratch::new("printing");
    scratch.write("\u{1b}[2J.toml", "");
    for file in ["\u{1b}[2J.toml", "\u{1b}[2K.toml"] {
        let ended = run_in(scratch.path(), &["check", file]);
        assert!(!(ended.stdout + &ended.stderr).contains(hidden), "{file:?}");
    }
}

#[test]
fn check_counts_what_it_read() {
    let scratch = Scratch::new("printing-good");
    let config = "intake.listen = [\"udp://127.0.0.1:1\", \"tcp://127.0.0.1:1\"]\nrelay = [{ target = \"udp://127.0.0.1:2\" }]\n\
                  metric = [{ match = \"a\" }, { match = \"b\" }, { match = \"c\", drop = true }]\n";
    scratch.write("c.toml", config);
    let ended = run_in(scratch.path(), &["check", "c.toml"]);
    assert_eq!(ended.stdout, "c.toml: good: 2 metrics, 1 drop rule, 1 relay, 2 listeners\n", "{}", ended.stderr);
}

#[test]
fn a_regex_in_double_quotes_has_a_remedy() {
    let scratch = Scratch::new("printing-regex");
    scratch.write("c.toml", "[[metric]]\nmatch_regex = \"app\\.(\\d+)\"\nname = \"x\"\n");
    let ended = run_for_lines(scratch.path(), &["check", "c.toml"]);
    let said = "c.toml:2:20: in double quotes, this backslash is no escape of TOML; write a regex in single quotes, as in \
                'app\\.(\\d+)'\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), said));
    scratch.write("c.toml", "[[metric]]\nmatch_regex = \"a\\b\"\n");
    let ended = run_for_lines(scratch.path(), &["check", "c.toml"]);
    assert!(ended.stderr.starts_with("c.toml:2:1: \"match_regex\" has a backspace"), "{}", ended.stderr);
}

#[test]
fn an_empty_name_says_what_it_came_from() {
    let scratch = Scratch::new("printing-empty");
    let config = scratch.write("c.toml", "[[metric]]\nmatch_regex = '(.*)q'\nname = \"$1\"\n");
    let ended = run(&["explain", "--config", &config, "q:1|c", ":1|c"]);
    assert!(
        ended.stdout.contains("the name \"$1\" of rule 1 is empty for the name \"q\" of the line\n"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("the name of the line is \"\"\n"), "{}", ended.stdout);
}
