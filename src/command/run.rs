//! `statsidecar run`: runs the sidecar.

use std::process::ExitCode;

use clap::Args;

use super::config_file::Sources;
use super::output::{FAILED, WRONG, fail};
use crate::config::{Address, HttpAddress, parse_http_address, parse_mode};
use crate::daemon;

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
        let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_ansi(false);
        // If stderr is full, log lines are lost. Reporting that to stderr would panic.
        log.log_internal_errors(false).init();
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
            return fail(&format!("{overlap}\n"), WRONG);
        }
        match daemon::run(&config, loaded.rules) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{error}\n"), FAILED),
        }
    }
}
