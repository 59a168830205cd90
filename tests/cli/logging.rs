//! The log: its level, its form and its colours.

use std::process::{Command, Output};

use crate::support::Scratch;

/// Runs the program with a config that has a warning, on a port that is taken; it ends at once with an error.
fn logged(arguments: &[&str]) -> String {
    let scratch = Scratch::new("logging");
    let config =
        scratch.write("c.toml", "metric = [{ match = \"a\", match_type = [\"ms\"], buckets = [100, 60000] }]\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(["--config", &config, "--listen", "unix:///nowhere/a.sock", "--http", "127.0.0.1:0"]).args(arguments);
    let Output { status, stderr, .. } = command.output().expect("the program runs");
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).expect("a log is text")
}

#[test]
fn the_level_chooses_lines() {
    let warns = |log: &str| log.contains("WARN");
    assert!(warns(&logged(&[])));
    assert!(warns(&logged(&["--log-level", "warn"])));
    let log = logged(&["--log-level", "error"]);
    assert!(!warns(&log) && log.contains("/nowhere/a.sock"), "{log}");
}

#[test]
fn a_line_of_json_is_one_object() {
    let log = logged(&["--log-format", "json"]);
    let line = log.lines().find(|line| line.starts_with('{')).expect("a line of JSON");
    let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(object["level"], "WARN");
    assert!(object["message"].as_str().is_some_and(|text| text.contains("c.toml:1:")), "{line}");
    assert!(object["timestamp"].is_string(), "{line}");
}

/// `script` gives the program a terminal.
#[test]
fn colours_are_for_terminals_whose_users_want_them() {
    let scratch = Scratch::new("colours");
    let config =
        scratch.write("c.toml", "metric = [{ match = \"a\", match_type = [\"ms\"], buckets = [100, 60000] }]\n");
    let program = env!("CARGO_BIN_EXE_statsidecar");
    let line = format!("{program} --config {config} --listen unix:///nowhere/a.sock --http 127.0.0.1:0");
    let coloured = |no_color: &str| {
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("NO_COLOR", no_color);
        let output = command.output().expect("script is of util-linux");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("WARN"), "{text}");
        text.contains("\u{1b}[33m")
    };
    assert!(coloured(""));
    assert!(!coloured("1"));
    assert!(!logged(&[]).contains('\u{1b}'));
}
