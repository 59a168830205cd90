//! `statsidecar convert`: writes a mapping file of statsd_exporter as a config file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::config_file::import_file;
use super::output::{WRONG, print};

/// Convert a mapping file of statsd_exporter to a config file on the standard output
#[derive(Args, Debug)]
pub(super) struct Convert {
    /// The mapping file (YAML)
    #[arg(value_name = "MAPPING.yml")]
    file: PathBuf,
}

impl Convert {
    pub(super) fn run(self) -> ExitCode {
        match import_file(&self.file) {
            Ok((imported, warnings)) => {
                let code = warnings.fail(0);
                print(&imported.toml).err().unwrap_or(code)
            }
            Err(report) => report.fail(WRONG),
        }
    }
}
