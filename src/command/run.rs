//! `statsidecar run`: runs the sidecar.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::config_file::Sources;
use super::output::{FAILED, WRONG, fail};
use crate::config::{Address, HttpAddress, parse_http_address, parse_mode};
use crate::{daemon, log};

/// How long the end waits for a reader of the log.
const FLUSH: Duration = Duration::from_millis(500);

/// Receive StatsD and serve the metrics (also without a command)
#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    sources: Sources,
    /// An address to listen on (udp://HOST:PORT, tcp://HOST:PORT, unixgram:///PATH, unix:///PATH, unix+dogstatsd:///PATH);
    /// repeatable; replaces all listeners of the config file
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<Address>,
    /// The address to serve /metrics on (HOST:PORT, unix:///PATH)
    #[arg(long, value_name = "ADDRESS", value_parser = parse_http_address)]
    http: Option<HttpAddress>,
    /// The permission bits of Unix socket files, in octal digits such as 0660
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    mode: Option<u32>,
}

impl Run {
    pub(super) fn run(self) -> ExitCode {
        if let Err(error) = log::start() {
            return fail(&format!("cannot start a thread for the log: {error}\n"), FAILED);
        }
        let ended = self.run_logged();
        log::flush(FLUSH);
        ended
    }

    fn run_logged(self) -> ExitCode {
        let loaded = match self.sources.load() {
            Ok(loaded) => loaded,
            Err(report) => return fail(&report, WRONG),
        };
        for warning in loaded.report.lines() {
            tracing::warn!("{warning}");
        }
        let mut config = loaded.config;
        if !self.listen.is_empty() {
            config.intake.listen = self.listen;
        }
        config.http.listen = self.http.unwrap_or(config.http.listen);
        config.intake.mode = self.mode.unwrap_or(config.intake.mode);
        // The config file was checked for this without the flags.
        if let Some(overlap) = config.overlap() {
            return fail_logged(&format!("{overlap}\n"), WRONG);
        }
        match daemon::run(&config, loaded.rules) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail_logged(&format!("{error}\n"), FAILED),
        }
    }
}

/// The same as [`fail`] behind all lines of the log. If nobody reads the standard error, only the exit code says it.
fn fail_logged(text: &str, code: u8) -> ExitCode {
    if log::flush(FLUSH) { fail(text, code) } else { ExitCode::from(code) }
}
