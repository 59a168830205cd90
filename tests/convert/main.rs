//! Mapping files of statsd_exporter: their config files, the errors of wrong ones, and the limits for hostile ones.
//!
//! The tables of `globs`, `regexes`, `types`, `observers` and `rest` have mapping files, the lines that are sent, and
//! the series that result. These are those of statsd_exporter, or those of its documentation if it has a bug.

// A test that panics has failed, which is all it should do.
#![allow(clippy::indexing_slicing)]

mod any_file;
mod direct;
mod globs;
mod observers;
mod regexes;
mod rest;
#[path = "../support/mod.rs"]
mod support;
mod types;
mod written;
mod wrong;

use statsidecar::config::{self, Diagnostic};
use statsidecar::import::statsd_exporter::import;

use support::row::rows;
use support::{Scratch, run_in};

/// Runs rows that have a mapping file instead of a config: the program converts it, and starts with the result.
fn check(topic: &str, table: &str) {
    let scratch = Scratch::new(&format!("convert-{topic}"));
    for mut row in rows(table) {
        scratch.write("m.yml", &row.config);
        let ended = run_in(scratch.path(), &["convert", "m.yml"]);
        assert_eq!(ended.code, Some(0), "== {}\n{}", row.name, ended.stderr);
        row.config = ended.stdout;
        row.run(&format!("convert-row-{topic}")).unwrap_or_else(|error| panic!("== {}\n{error}", row.name));
    }
}

/// The errors of a mapping file, one a line.
fn said(source: &str) -> String {
    let found: Vec<Diagnostic> = import(source).err().unwrap_or_default();
    config::render("m.yml", source, &found)
}
