//! `environment`: variables in a config file.

use std::process::Command;

use crate::support::Scratch;

/// The exit code, the output and the errors of `check` and of `explain` with these variables.
fn with(variables: &[(&str, &str)], text: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let scratch = Scratch::new("environment");
    scratch.write("c.toml", text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(arguments).current_dir(scratch.path()).env_remove("POD").envs(variables.iter().copied());
    let output = command.output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[test]
fn a_listed_variable_is_replaced_in_every_value() {
    let text = "environment = [\"POD\", \"PORT\"]\nlabels = { pod = \"p-${POD}\" }\nintake.listen = [\"udp://127.0.0.1:${PORT}\"]\n\
                [[metric]]\nmatch_regex = '(?P<POD>a)\\.(b)'\nname = \"x_${2}\"\nhelp = \"of ${POD}\"\n";
    let variables = [("POD", "7 ${PORT}"), ("PORT", "8125")];
    let (code, said) = with(&variables, text, &["explain", "--config", "c.toml", "a.b:1|g"]);
    assert_eq!(code, Some(0), "{said}");
    // What a variable holds is not searched again, and a capture stays a capture.
    assert!(said.contains("x_b{pod=\"p-7 ${PORT}\"}"), "{said}");
}

#[test]
fn a_variable_that_is_not_set_has_its_place() {
    let (code, said) = with(&[], "environment = [\"POD\"]\n", &["check", "c.toml"]);
    assert_eq!(code, Some(2));
    assert!(said.starts_with("c.toml:1:16: the environment variable POD is not set; "), "{said}");
    for (list, says) in
        [("\"POD\"", "must be a list of environment variables"), ("[\"a-b\"]", "\"a-b\" is no environment variable")]
    {
        let (code, said) = with(&[("POD", "1")], &format!("environment = {list}\n"), &["check", "c.toml"]);
        assert!(code == Some(2) && said.contains(says), "{said}");
    }
}

#[test]
fn a_variable_that_is_not_listed_stays_text() {
    let text = "labels = { pod = \"${POD}\" }\n";
    let (_, said) = with(&[("POD", "7")], text, &["explain", "--config", "c.toml", "a:1|g"]);
    assert!(said.contains("pod=\"${POD}\""), "{said}");
}
