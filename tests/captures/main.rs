//! What real senders send, on the defaults: every line of `tests/fixtures/captures` ends in one place with a name.
//!
//! Each file has the first lines that one program or client library sent. The expected figures are counted from the
//! files here, by code that is none of the program's.

// A test that panics has failed, which is all it should do.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use support::{Client, listening, sum};

#[test]
fn every_line_of_every_capture_is_accounted_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert_eq!(files.len(), 38);
    for file in files {
        let name = file.file_name().unwrap().display();
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert!(lines.len() >= 100, "{name} has only {} lines", lines.len());
        let expected: u64 = lines.iter().map(|line| samples(line)).sum();

        let daemon = listening("tcp", &[]);
        Client::connect(&daemon.listeners[0]).write(text.as_bytes());
        let page = daemon.scrape_when("statsidecar_lines_total", lines.len() as u64);
        assert_eq!(sum(&page, "statsidecar_lines_total"), lines.len() as u64, "{name}");
        let ended = |page: &str| -> u64 {
            let places = ["samples", "rejected_samples", "dropped_samples", "events"];
            places.iter().map(|place| sum(page, &format!("statsidecar_{place}_total"))).sum()
        };
        // A worker adds to its counters one after the other, so some may follow a moment after the lines.
        let page = daemon.scrape_until("every sample ends somewhere", |page| ended(page) >= expected);
        assert_eq!(ended(&page), expected, "{name}");
    }
}

/// How many samples or events a line has: one for each packed value.
fn samples(line: &str) -> u64 {
    let Some((head, rest)) = line.split_once('|') else { return 1 };
    let is_set = rest == "s" || rest.starts_with("s|");
    // A name with tags in it has no packed values, and neither has a set. An event has its texts behind the first colon.
    if is_set || line.starts_with("_e{") || line.starts_with("_sc|") || head.contains([',', ';', '#', '[']) {
        return 1;
    }
    let values: Vec<&str> = head.split(':').skip(1).collect();
    match values.first() {
        Some(first) if first.parse::<f64>().is_ok() => values.len() as u64,
        _ => 1,
    }
}
