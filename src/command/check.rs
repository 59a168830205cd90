//! `statsidecar check`: reports everything that is wrong with a config file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::config_file::load_config;
use super::output::{WRONG, fail, print};
use crate::config::Config;
use crate::daemon;

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
                if let Err(error) = daemon::check_files(&loaded.config) {
                    return fail(&format!("{}{}: {error}\n", loaded.report, self.file.display()), WRONG);
                }
                let good = format!("{}{}: good: {}\n", loaded.report, self.file.display(), contents(&loaded.config));
                print(&good).err().unwrap_or(ExitCode::SUCCESS)
            }
            Err(report) => fail(&report, WRONG),
        }
    }
}

/// What a config holds, in numbers.
fn contents(config: &Config) -> String {
    let own = || config.metrics.iter().filter(|rule| rule.preset.is_none());
    let drops = own().filter(|rule| rule.drop).count();
    let presets = config.presets.as_ref().map_or(0, |presets| presets.get_ref().len());
    let parts = [
        (own().count() - drops, "metric", true),
        (drops, "drop rule", false),
        (presets, "preset", false),
        (config.relays.len(), "relay", false),
        (config.intake.listen.len(), "listener", true),
    ];
    let parts = parts.into_iter().filter(|(number, _, always)| *always || *number > 0);
    let parts = parts.map(|(number, what, _)| format!("{number} {what}{}", if number == 1 { "" } else { "s" }));
    parts.collect::<Vec<_>>().join(", ")
}
