//! `statsidecar check`: reports everything that is wrong with a config file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::config_file::load_config;
use super::output::{WRONG, fail, print};

/// Check a config file and list all errors as FILE:LINE:COLUMN: MESSAGE; exit code 2 if there are any
#[derive(Args, Debug)]
pub(super) struct Check {
    /// The config file
    file: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        match load_config(Some(&self.file)) {
            Ok(loaded) => {
                print(&format!("{}{}: good\n", loaded.report, self.file.display()));
                ExitCode::SUCCESS
            }
            Err(report) => fail(&report, WRONG),
        }
    }
}
