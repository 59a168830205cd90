//! The status page in a real browser, a headless Chromium. The checks are in `status_page.mjs`; they need Node.js and
//! Chromium, which `tests/all` installs.

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{Process, Scratch, started};

/// One rule that matches, and one that never does.
const CONFIG: &str = r#"
[[metric]]
match = "jobs.*.done"
name = "jobs_done"
type = "counter"
labels = { job = "$1" }

[[metric]]
match = "nobody.**"
drop = true
"#;

#[test]
fn people_can_read_the_status_page() {
    let scratch = Scratch::new("browser");
    let [disk, memory] = ["disk", "memory"].map(|folder| scratch.file(folder));
    let config = format!("state = {{ path = {disk:?}, arena = {memory:?} }}\n{CONFIG}");
    let daemon = started(&["--config", &scratch.write("rules.toml", &config)]);
    let mut checks = Command::new("node");
    checks.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/status_page.mjs"));
    checks.args([daemon.http.to_string(), daemon.udp[0].port().to_string()]);
    // For people who want to look at it.
    checks.args([env!("CARGO_TARGET_TMPDIR"), &scratch.file("profile")]).stdout(Stdio::piped());
    let output = Process::spawn(&mut checks).finish(Duration::from_secs(180));
    assert_eq!(output.lines().filter(|line| line.starts_with("ok ")).count(), 8, "{output}");
}
