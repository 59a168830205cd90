//! Waits until everything that a client sent is exposed, and compares it with the expected series.

use std::fs;
use std::path::Path;

use crate::support::{Client, Daemon, sum};

/// The exposition once it has everything that was sent to this listener before.
///
/// The sidecar reads and accepts in order. So once a line of the test itself is exposed, everything before it is read,
/// or its connection is still open. A second line shows that the worker has added to its counters too.
pub fn when_all_is_read(daemon: &Daemon, listener: &str) -> String {
    for count in 1..=2 {
        send_mark(listener);
        daemon.scrape_with(&[&format!("test_marks_total {count}")]);
        daemon.scrape_until("no connection is open", |exposition| sum(exposition, "statsidecar_connections") == 0);
    }
    daemon.scrape()
}

fn send_mark(listener: &str) {
    const MARK: &[u8] = b"test.marks:1|c";
    let mut client = Client::connect(listener);
    if listener.starts_with("unix+dogstatsd://") {
        let length = u32::try_from(MARK.len()).expect("it is short");
        client.write(&[&length.to_le_bytes(), MARK].concat());
    } else {
        client.send(MARK);
    }
}

/// The text of a file of expected series.
pub fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Compares the series of clients with the expected ones; they must be the same.
pub fn compare(exposition: &str, expected: &str, run: &str) {
    let exposition = families(exposition);
    let expected = families(expected);
    let found: Vec<_> = exposition.iter().filter(|family| !is_own(family)).flatten().collect();
    let expected: Vec<_> = expected.iter().flatten().collect();
    let mut difference = String::new();
    for line in expected.iter().filter(|expected| !found.iter().any(|found| matches(expected, found))) {
        difference.extend(["  missing: ", line, "\n"]);
    }
    for line in found.iter().filter(|found| !expected.iter().any(|expected| matches(expected, found))) {
        difference.extend(["  unexpected: ", line, "\n"]);
    }
    assert!(difference.is_empty(), "{run}:\n{difference}");
    let in_order = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| matches(b, a));
    assert!(in_order, "{run}: the lines are right, but not their order:\n{found:#?}");
}

/// The families of an exposition, each as its lines without the help, sorted by name.
fn families(exposition: &str) -> Vec<Vec<&str>> {
    let mut families: Vec<Vec<&str>> = Vec::new();
    for line in exposition.lines().filter(|line| !line.starts_with("# HELP ")) {
        if line.starts_with("# TYPE ") {
            families.push(Vec::new());
        }
        families.last_mut().expect("an exposition begins with a type").push(line);
    }
    families.sort();
    families
}

/// Whether a family belongs to the sidecar or to the test itself.
fn is_own(family: &[&str]) -> bool {
    let first = family.first().and_then(|line| line.strip_prefix("# TYPE ")).unwrap_or_default();
    ["statsidecar_", "process_", "test_marks_total "].iter().any(|own| first.starts_with(own))
}

/// Whether a line matches the expected one, in which each `*` stands for any text.
fn matches(expected: &str, line: &str) -> bool {
    match expected.split_once('*') {
        None => expected == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
            ends.into_iter().any(|at| line.get(at..).is_some_and(|line| matches(rest, line)))
        }),
    }
}
