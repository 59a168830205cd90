//! The page after a client has ended: when everything that it sent is on it, and whether that is what must be there.

use std::fs;
use std::path::Path;

use crate::support::{Client, Daemon, sum};

/// The page once all that was sent to this listener before is on it.
///
/// What was sent last is read last, and a connection that was made last is accepted last. So a line of the test's own
/// that is on the page says that all before it was read, or is being read on a connection that is still open; a second
/// one says that the worker has added up its counters too.
pub fn when_all_is_read(daemon: &Daemon, listener: &str) -> String {
    for count in 1..=2 {
        send_mark(listener);
        daemon.scrape_with(&[&format!("test_marks_total {count}")]);
        daemon.scrape_until("no connection is open", |page| sum(page, "statsidecar_connections") == 0);
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

/// What a file says that must be on a page.
pub fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Compares the series of clients on a page with those expected: nothing more, nothing less.
pub fn compare(page: &str, expected: &str, run: &str) {
    let page = families(page);
    let expected = families(expected);
    let found: Vec<_> = page.iter().filter(|family| !is_own(family)).flatten().collect();
    let expected: Vec<_> = expected.iter().flatten().collect();
    let mut difference = String::new();
    for line in expected.iter().filter(|expected| !found.iter().any(|found| matches(expected, found))) {
        difference.extend(["  not there: ", line, "\n"]);
    }
    for line in found.iter().filter(|found| !expected.iter().any(|expected| matches(expected, found))) {
        difference.extend(["  too much:  ", line, "\n"]);
    }
    assert!(difference.is_empty(), "{run}:\n{difference}");
    let in_order = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| matches(b, a));
    assert!(in_order, "{run}: the lines are right, their order is not:\n{found:#?}");
}

/// The families of a page, each as its lines without the help, sorted by name.
fn families(page: &str) -> Vec<Vec<&str>> {
    let mut families: Vec<Vec<&str>> = Vec::new();
    for line in page.lines().filter(|line| !line.starts_with("# HELP ")) {
        if line.starts_with("# TYPE ") {
            families.push(Vec::new());
        }
        families.last_mut().expect("a page begins with a type").push(line);
    }
    families.sort();
    families
}

/// Whether a family is the sidecar's, or this test's own.
fn is_own(family: &[&str]) -> bool {
    let first = family.first().and_then(|line| line.strip_prefix("# TYPE ")).unwrap_or_default();
    ["statsidecar_", "process_", "test_marks_total "].iter().any(|own| first.starts_with(own))
}

/// Whether a line is what is expected, in which each `*` stands for any text.
fn matches(expected: &str, line: &str) -> bool {
    match expected.split_once('*') {
        None => expected == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
            ends.into_iter().any(|at| line.get(at..).is_some_and(|line| matches(rest, line)))
        }),
    }
}
