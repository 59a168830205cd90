//! `statsidecar explain`: what lines would do, step by step, by the functions that the workers call.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::capture::Capture;
use super::client::{Client, Login};
use super::config_file::Sources;
use super::output::{FAILED, WRONG, fail, print};
use crate::daemon;
use crate::explain::{Summing, explain};
use crate::pipeline::Edition;

/// Say step by step what lines would do, without doing it; or sum up what a file of lines would become
#[derive(Args, Debug)]
pub(super) struct Explain {
    #[command(flatten)]
    sources: Sources,
    /// Sum up the lines of this file, or of the standard input if it is -
    #[arg(long, value_name = "FILE", conflicts_with = "lines")]
    file: Option<PathBuf>,
    /// Print JSON: an object for each line, or one that sums up the file
    #[arg(long)]
    json: bool,
    /// Show what the sidecar at this address has now for each series: http://HOST:PORT or unix:///PATH
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    against: Option<String>,
    #[command(flatten)]
    login: Login,
    /// The lines, one after the other: a later one meets the series of those before it. - alone is --file -
    #[arg(required_unless_present = "file", value_name = "LINE")]
    lines: Vec<OsString>,
}

impl Explain {
    pub(super) fn run(self) -> ExitCode {
        let loaded = match self.sources.load() {
            Ok(loaded) => loaded,
            Err(report) => return report.fail(WRONG),
        };
        let edition = match daemon::edition(&loaded.config, loaded.rules) {
            Ok(edition) => edition,
            Err(error) => return fail(&format!("{error}\n"), FAILED),
        };
        let is_stdin = self.against.is_none() && matches!(self.lines.as_slice(), [line] if line == "-");
        let file = if is_stdin { Some(Path::new("-")) } else { self.file.as_deref() };
        match file {
            Some(file) => self.sum_up(&edition, file),
            None => self.explain_lines(&edition),
        }
        .err()
        .unwrap_or(ExitCode::SUCCESS)
    }

    fn explain_lines(&self, edition: &Edition) -> Result<(), ExitCode> {
        let exposition = self.against.as_deref().map(|url| scrape(url, &self.login)).transpose()?;
        for line in &self.lines {
            let lines = line.as_bytes().split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            for line in lines.filter(|line| !line.is_empty()) {
                let mut explanation = explain(edition, line);
                if let Some(exposition) = &exposition {
                    explanation.add_current(exposition);
                }
                if self.json { print_json(&explanation)? } else { print(&explanation.to_string())? }
            }
        }
        Ok(())
    }

    fn sum_up(&self, edition: &Edition, file: &Path) -> Result<(), ExitCode> {
        let capture = Capture::open(file).map_err(|error| fail(&error, WRONG))?;
        let name = capture.name().to_owned();
        let mut summing = Summing::new(edition);
        capture.each_line(edition.max_line, |line| summing.line(line)).map_err(|error| fail(&error, FAILED))?;
        let summary = summing.summary();
        if self.json { print_json(&summary) } else { print(&format!("{name}: {summary}")) }
    }
}

/// The metrics of the sidecar at `url`.
fn scrape(url: &str, login: &Login) -> Result<String, ExitCode> {
    let client = Client::new(url, login).map_err(|error| fail(&format!("--against {error}\n"), WRONG))?;
    let text = client.get("/metrics").and_then(|answer| answer.text());
    text.map_err(|error| fail(&format!("--against {error}\n"), FAILED))
}

/// Prints a value as JSON on a line.
fn print_json(value: &impl Serialize) -> Result<(), ExitCode> {
    let text = serde_json::to_string(value).map_err(|error| fail(&format!("cannot write JSON: {error}\n"), FAILED))?;
    print(&format!("{text}\n"))
}
