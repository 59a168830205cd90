//! Completions, the manual page, and the exit codes in the help.

use std::process::Command;

use crate::run;

/// bash asks the script as it does when a user presses the tab key.
#[test]
fn bash_completes_commands_and_flags() {
    let completed = |words: &str| {
        let program = env!("CARGO_BIN_EXE_statsidecar");
        let line = format!(
            "source <({program} completions bash); COMP_WORDS=(statsidecar {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _statsidecar statsidecar \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["-c", &line]).output().expect("bash");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(completed("expl"), "explain");
    assert_eq!(completed("load --ra"), "--rate");
    for shell in ["zsh", "fish"] {
        let ended = run(&["completions", shell]);
        assert!(ended.code == Some(0) && ended.stdout.contains("explain"), "{shell}");
    }
}

#[test]
fn every_command_has_a_page_and_the_exit_codes_are_told() {
    let whole = run(&["man"]);
    assert!(
        whole.stdout.contains(".TH statsidecar 1") && whole.stdout.contains("Exit codes: 0 success"),
        "{}",
        whole.stdout
    );
    let help = run(&["--help"]);
    assert!(help.stdout.contains("Exit codes: 0 success"), "{}", help.stdout);
    let commands = help.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
    // A long description goes on in the next lines, which are indented deeper.
    let commands = commands.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 8, "{commands:?}");
    for command in commands.iter().filter(|command| **command != "help") {
        let page = run(&["man", command]);
        assert!(
            page.code == Some(0) && page.stdout.contains(&format!("statsidecar\\-{command}")),
            "{command}: {}",
            page.stdout
        );
    }
    assert_eq!(run(&["man", "nothing"]).code, Some(2));
}
