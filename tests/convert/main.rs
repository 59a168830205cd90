//! Mapping files of statsd_exporter: what they become, what is said about wrong ones, and that none does any harm.
//!
//! The tables of `globs`, `regexes`, `types`, `observers` and `rest` have mapping files, the lines that are sent, and
//! the series they make: as statsd_exporter has them, or where that has a bug, as it says that it does.

// A test that panics has failed, which is all it should do.
#![allow(clippy::indexing_slicing)]

mod any_file;
mod direct;
mod globs;
mod observers;
#[path = "../conformance/page.rs"]
mod page;
mod regexes;
mod rest;
#[path = "../conformance/row.rs"]
#[allow(dead_code)]
mod row;
#[path = "../support/mod.rs"]
mod support;
mod types;
mod written;
mod wrong;

use statsidecar::command::convert::import;
use statsidecar::config::{self, Diagnostic};

use support::{Scratch, listening, run_in};

/// Runs rows whose config is a mapping file: the program converts it, and is then started with the result.
fn check(topic: &str, table: &str) {
    let scratch = Scratch::new(&format!("convert-{topic}"));
    let mut rows = row::rows(table);
    for row in &mut rows {
        scratch.write("m.yml", &row.config);
        let ended = run_in(scratch.path(), &["convert", "m.yml"]);
        assert_eq!(ended.code, Some(0), "== {}\n{}", row.name, ended.stderr);
        row.config = ended.stdout;
    }
    row::run(topic, rows);
}

/// What `convert` says of a file, one a line.
fn said(source: &str) -> String {
    let found: Vec<Diagnostic> = import(source).err().unwrap_or_default();
    config::render("m.yml", source, &found)
}
