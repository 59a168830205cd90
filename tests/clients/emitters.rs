//! Programs that send StatsD themselves, with their presets: the page has as many events as the driver made.

use std::process::Stdio;
use std::time::Duration;

use crate::support::{self, Daemon, Process, Scratch, sum};
use crate::{exposition, folder};

#[test]
fn gunicorn() {
    check("gunicorn", &["gunicorn_requests_total", "gunicorn_responses_total{status=\"200\"}"]);
}

#[test]
fn hypercorn() {
    check("hypercorn", &["hypercorn_requests_total", "hypercorn_responses_total{status=\"200\"}"]);
}

#[test]
fn luigi() {
    check("luigi", &["luigi_task_done_total{environment=\"development\",task_name=\"Work\"}"]);
}

/// Runs the program to its end; each of these series must have the number of events that its driver printed.
fn check(program: &str, series: &[&str]) {
    let scratch = Scratch::new(&format!("emitters-{program}"));
    let config = scratch.write("config.toml", &format!("presets = [\"{program}\"]\n"));
    let daemon = Daemon::start(&["--config", &config, "--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let mut command = support::python();
    command.arg(folder().join("emitters.py")).arg(program).arg(daemon.udp[0].to_string()).arg(scratch.path());
    let printed = Process::spawn(command.stdout(Stdio::piped())).finish(Duration::from_secs(60));
    let events: u64 = printed.trim().parse().unwrap_or_else(|error| panic!("{error}: {printed}"));
    assert!(events > 0);
    let page = exposition::when_all_is_read(&daemon, &daemon.listeners[0]);
    for series in series {
        let expected = format!("{series} {events}");
        assert!(page.lines().any(|line| line == expected), "there is no {expected} in\n{page}");
    }
    assert_eq!(sum(&page, "statsidecar_rejected_samples_total"), 0, "{page}");
    assert_eq!(sum(&page, "statsidecar_unmapped_samples_total"), 2, "the two marks of the test alone: {page}");
}
