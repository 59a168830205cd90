//! `statsidecar check`: reports everything that is wrong with a config file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::capture::Capture;
use super::config_file::{Loaded, load_config};
use super::output::{FAILED, WRONG, fail, print};
use crate::config::Config;
use crate::daemon;
use crate::explain::Coverage;

/// Check a config file and list all errors as FILE:LINE:COLUMN: MESSAGE; exit code 2 if there are any
#[derive(Args, Debug)]
pub(super) struct Check {
    /// Return exit code 2 for warnings too
    #[arg(long)]
    strict: bool,
    /// Say which rules the lines of this file reach, or of the standard input if it is -
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// The config file
    file: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        let loaded = match load_config(Some(&self.file)) {
            Ok(loaded) => loaded,
            Err(report) => return report.fail(WRONG),
        };
        let file = self.file.display();
        if let Err(error) = daemon::check_files(&loaded.config) {
            loaded.report.fail(WRONG);
            return fail(&format!("{file}: {error}\n"), WRONG);
        }
        let warnings = loaded.report.warnings();
        if self.strict && warnings > 0 {
            loaded.report.fail(WRONG);
            let verb = if warnings == 1 { "is 1 warning" } else { &format!("are {warnings} warnings") };
            return fail(&format!("{file}: there {verb}, and --strict allows none\n"), WRONG);
        }
        let good = format!("{file}: good: {}\n", contents(&loaded.config));
        let printed = loaded.report.print().and_then(|()| print(&good));
        let sampled = printed.and_then(|()| match &self.sample {
            Some(sample) => cover(loaded, sample),
            None => Ok(()),
        });
        sampled.err().unwrap_or(ExitCode::SUCCESS)
    }
}

/// Prints which rules the lines of a file reach.
fn cover(loaded: Loaded, sample: &Path) -> Result<(), ExitCode> {
    let capture = Capture::open(sample).map_err(|error| fail(&error, WRONG))?;
    let name = capture.name().to_owned();
    let edition = daemon::edition(&loaded.config, loaded.rules).map_err(|error| fail(&format!("{error}\n"), FAILED))?;
    let mut coverage = Coverage::new(&edition);
    capture.each_line(edition.max_line, |line| coverage.line(line)).map_err(|error| fail(&error, FAILED))?;
    print(&format!("{name}: {coverage}"))
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
