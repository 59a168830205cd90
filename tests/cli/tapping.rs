//! `statsidecar tap`.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::run;
use crate::support::{Daemon, PATIENCE, Process, Scratch, client, get, lines_of, started};

/// A running `tap`, and the lines that it prints. It watches by now.
fn tapping(daemon: &Daemon, arguments: &[&str]) -> (Process, Receiver<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(["tap", &daemon.http.to_string()]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let lines = lines_of(stdout(&mut process.0));
    (process, lines)
}

fn stdout(child: &mut Child) -> std::process::ChildStdout {
    child.stdout.take().expect("stdout is piped")
}

/// Sends `lines` again and again until `tap` has printed `least` lines; gives these.
fn printed(daemon: &Daemon, tapped: &Receiver<String>, lines: &[&str], least: usize) -> Vec<String> {
    let socket = client(daemon.udp[0]);
    let (mut printed, begun) = (Vec::new(), Instant::now());
    while printed.len() < least {
        assert!(begun.elapsed() < PATIENCE, "{printed:?}");
        for line in lines {
            socket.send(line.as_bytes()).expect("it can be sent");
        }
        printed.extend(tapped.recv_timeout(Duration::from_millis(200)));
        printed.extend(tapped.try_iter());
    }
    printed
}

#[test]
fn lines_are_shown_as_they_came() {
    let daemon = started(&[]);
    let (_process, tapped) = tapping(&daemon, &[]);
    let sent = ["jobs.done:1|c|#a:b", "bad", "x;y=z:1|g\nother:2|ms"];
    let all = ["jobs.done:1|c|#a:b", "bad", "x;y=z:1|g", "other:2|ms"];
    let lines = printed(&daemon, &tapped, &sent, 9);
    let first = lines.iter().position(|line| line == all[0]).expect("the first line is shown");
    assert_eq!(lines[first..first + 4], all);
}

#[test]
fn a_glob_chooses_lines_by_their_names() {
    let daemon = started(&[]);
    let (mut process, tapped) = tapping(&daemon, &["--match", "jobs.*", "--lines", "2", "--json"]);
    let lines = printed(&daemon, &tapped, &["jobs.done;t=1:1|c", "jobs:1|c", "jobs.a.b:1|c", "other.done:1|c"], 2);
    let expected = format!("{{\"listener\":\"{}\",\"text\":\"jobs.done;t=1:1|c\"}}", daemon.listeners[0]);
    assert_eq!(lines, [expected.as_str(), &expected]);
    assert!(process.0.wait().expect("it ends").success(), "it ends by itself after two lines");
}

#[test]
fn rejected_lines_have_their_reasons() {
    let daemon = started(&[]);
    let (_process, tapped) = tapping(&daemon, &["--rejected"]);
    let lines = printed(&daemon, &tapped, &["good:1|c", "bad:\u{1b}x|c", "worse"], 6);
    assert!(lines.iter().any(|line| line == "bad_value: bad:\\u{1b}x|c"), "{lines:?}");
    assert!(lines.iter().any(|line| line == "malformed_line: worse"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("good")), "{lines:?}");
}

#[test]
fn a_flood_is_a_sample_and_says_so() {
    let daemon = started(&[]);
    let (mut process, tapped) = tapping(&daemon, &["--json"]);
    let errors = lines_of(process.0.stderr.take().expect("stderr is piped"));
    let (socket, packet) = (client(daemon.udp[0]), "a:1|c\n".repeat(9000));
    let begun = Instant::now();
    let told = loop {
        assert!(begun.elapsed() < PATIENCE, "it never tells of skipped lines");
        socket.send(packet.as_bytes()).expect("it can be sent");
        tapped.try_iter().for_each(drop);
        if let Ok(told) = errors.recv_timeout(Duration::from_millis(50)) {
            break told;
        }
    };
    assert!(told.ends_with(" more lines in this second"), "{told}");
}

#[test]
fn the_end_of_its_reader_ends_it() {
    let daemon = started(&[]);
    let (mut process, tapped) = tapping(&daemon, &[]);
    printed(&daemon, &tapped, &["a:1|c"], 1);
    drop(tapped);
    process.0.kill().expect("it runs");
    // The server ends its side: the next four clients find room.
    for _ in 0..4 {
        let ended = run(&["tap", &daemon.http.to_string(), "--seconds", "1"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn a_wrong_glob_or_too_many_clients_are_told() {
    let daemon = started(&[]);
    let url = daemon.http.to_string();
    let ended = run(&["tap", &url, "--match", "a..b"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("400 Bad Request: "), "{}", ended.stderr);
    let taps: Vec<_> = (0..4).map(|_| tapping(&daemon, &[])).collect();
    taps.iter().for_each(|(_, tapped)| _ = printed(&daemon, tapped, &["a:1|c"], 1));
    let ended = run(&["tap", &url]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("503 Service Unavailable: Too many clients watch lines already"), "{}", ended.stderr);
}

#[test]
fn lines_are_not_shown_where_the_config_says_so() {
    let scratch = Scratch::new("tapping");
    let config = scratch.write("c.toml", "[http]\nadmin = false\n");
    let daemon = started(&["--config", &config]);
    let ended = run(&["tap", &daemon.http.to_string()]);
    assert_eq!(ended.code, Some(1));
    let says = "403 Forbidden: Lines of clients are not shown: [http] admin = false.";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    assert!(get(daemon.http, "/metrics").contains("statsidecar_"));
}
