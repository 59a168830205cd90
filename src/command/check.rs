//! `statsidecar check`: what is wrong with a config file, all of it at once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{fail, load_config, print};

/// Check a config file: exit code 0, or 2 and every error with file:line:column
#[derive(Args, Debug)]
pub(super) struct Check {
    /// The config file
    file: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        match load_config(Some(&self.file)) {
            Ok(loaded) => {
                print(&loaded.report);
                print(&format!("{}: good\n", self.file.display()));
                ExitCode::SUCCESS
            }
            Err(unusable) => fail(&unusable.report, unusable.code),
        }
    }
}
