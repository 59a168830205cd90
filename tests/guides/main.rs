//! The guides against the program: whatever README.md and docs/ show is run here, and must come out as it is shown.
//!
//! The info string of a fenced block says what is checked:
//!
//! ```text
//! console                     each command `statsidecar explain`, `check`, `convert` or `generate` is run; its output is compared whole
//! toml, yaml                  every TOML block passes `check`; a first line `# shop.toml` names the file for other blocks
//! toml wrong                  a TOML block that `check` refuses
//! statsd [FILE]               lines that are sent to a sidecar in one packet, with this file of the same page if one is named
//! prometheus                  the series that the sidecar exposes for the lines before it, and no others
//! prometheus statsd_exporter  what statsd_exporter exposes for them, where there is one (see `exporter`)
//! pairs [FILE]                `LINE => SERIES`, `LINE => rejected REASON` or `LINE => dropped`, as `explain` says
//! ```
//!
//! `GUIDES_WRITE=1 cargo test --test guides transcripts` writes the output of today into the console blocks.

// A test that panics has failed, which is all it should do.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

mod examples;
mod exporter;
mod generated;
mod links;
mod markdown;
mod reference;
#[path = "../support/mod.rs"]
mod support;
mod transcripts;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use markdown::Page;
use support::{Ended, Scratch, run_in};

/// Every TOML block is a config file that `check` takes.
#[test]
fn configs_in_the_guides_are_right() {
    let mut found = 0;
    for page in markdown::pages() {
        for block in page.blocks().filter(|block| block.language() == "toml") {
            let scratch = Scratch::new("guides-config");
            scratch.write("block.toml", block.body);
            let ended = run_in(scratch.path(), &["check", "block.toml"]);
            let code = if block.argument() == Some("wrong") { 2 } else { 0 };
            assert_eq!(ended.code, Some(code), "{block}: {}{}", ended.stdout, ended.stderr);
            found += 1;
        }
    }
    assert!(found >= 10, "only {found} TOML blocks were found");
}

/// The configs of the examples pass `check` too.
#[test]
fn configs_of_the_examples_are_right() {
    for example in ["file_ingestion", "market_data_etl"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
        let Ended { code, stdout, stderr } = run_in(&folder, &["check", "config.toml"]);
        let is_good = code == Some(0) && stdout.lines().count() == 1 && stdout.starts_with("config.toml: good: ");
        assert!(is_good, "{example}: {stdout}{stderr}");
    }
}

/// Alerts and scrape jobs pass `promtool`, where it is installed.
#[test]
fn prometheus_files_in_the_guides_are_right() {
    let is_installed = Command::new("promtool").arg("--version").output().is_ok();
    let mut found = 0;
    for page in markdown::pages() {
        for block in page.blocks().filter(|block| block.language() == "yaml") {
            let command = match block.body.lines().next() {
                Some("groups:") => "rules",
                Some("scrape_configs:") => "config",
                _ => continue,
            };
            found += 1;
            if is_installed {
                let scratch = Scratch::new("guides-prometheus");
                let file = scratch.write("prometheus.yml", block.body);
                let output = Command::new("promtool").args(["check", command, &file]).output().unwrap();
                assert!(output.status.success(), "{block}: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }
    assert!(found >= 2, "only {found} files for Prometheus were found");
}

/// Writes the files that a page names into a folder of its own.
fn files_of(page: &Page) -> Scratch {
    static FOLDERS: AtomicUsize = AtomicUsize::new(0);
    let scratch = Scratch::new(&format!("guides-{}", FOLDERS.fetch_add(1, Ordering::Relaxed)));
    for block in page.blocks() {
        if let Some(name) = block.file_name() {
            scratch.write(name, block.body);
        }
    }
    scratch
}
