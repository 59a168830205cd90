//! `statsidecar run`: runs the sidecar.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::config_file::{Loaded, Sources, StateFolder};
use super::output::{FAILED, WRONG, fail};
use crate::config::{Address, Config, HttpAddress, parse_http_address, parse_mode};
use crate::daemon::{self, ConfigSource, JobSignals, LoadedConfig};
use crate::log::{self, LogFormat, LogLevel};

/// How long the end waits for a reader of the log.
const FLUSH: Duration = Duration::from_millis(500);

/// What the sidecar runs with.
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
    #[command(flatten)]
    state: StateFolder,
    /// Which lines the log has [default: info; with --until-exit: warn]
    #[arg(long, value_name = "LEVEL", value_enum)]
    log_level: Option<LogLevel>,
    /// The form of the lines of the log
    #[arg(long, value_name = "FORMAT", default_value_t, value_enum)]
    log_format: LogFormat,
}

/// Receive StatsD and serve the metrics (also without a command)
#[derive(Args, Debug)]
pub(super) struct RunCommand {
    #[command(flatten)]
    run: Run,
    /// Run until COMMAND ends, and leave with its exit code
    #[arg(long, requires = "command")]
    until_exit: bool,
    /// The command of --until-exit with its arguments. STATSD_HOST, STATSD_PORT and DD_DOGSTATSD_URL tell it where to send
    /// lines to: a free port, unless the config or --listen says otherwise
    #[arg(last = true, value_name = "COMMAND", requires = "until_exit")]
    command: Vec<OsString>,
}

/// The command of `--until-exit`.
struct JobCommand {
    signals: JobSignals,
    words: Vec<OsString>,
}

impl RunCommand {
    pub(super) fn run(self) -> ExitCode {
        if !self.until_exit {
            return self.run.run();
        }
        // Before any thread is started.
        match JobSignals::take() {
            Ok(signals) => self.run.run_with(Some(JobCommand { signals, words: self.command })),
            Err(error) => fail(&format!("cannot watch signals: {error}\n"), FAILED),
        }
    }
}

impl Run {
    pub(super) fn run(self) -> ExitCode {
        self.run_with(None)
    }

    fn run_with(self, job: Option<JobCommand>) -> ExitCode {
        let usual = if job.is_some() { LogLevel::Warn } else { LogLevel::default() };
        if let Err(error) = log::start(self.log_level.unwrap_or(usual), self.log_format) {
            return fail(&format!("cannot start a thread for the log: {error}\n"), FAILED);
        }
        let ended = self.run_logged(job);
        log::flush(FLUSH);
        ended
    }

    fn run_logged(self, job: Option<JobCommand>) -> ExitCode {
        let loaded = match self.sources.load() {
            Ok(loaded) => loaded,
            Err(report) => return report.fail(WRONG),
        };
        for warning in loaded.report.lines().lines() {
            tracing::warn!("{warning}");
        }
        log_rules(&loaded);
        let Loaded { config, rules, .. } = loaded;
        let is_checked = config.state.path.is_some();
        let config = match self.overridden(config, job.is_some()) {
            Ok(config) => config,
            Err(overlap) => return fail_logged(&overlap, WRONG),
        };
        if let Some(warning) = self.state.warning(&config).filter(|_| !is_checked) {
            tracing::warn!("--state: {warning}");
        }
        let source = self.into_source(job.is_some());
        let ended = match job {
            Some(job) => daemon::run_job((&config, rules), source, job.signals, &job.words).map(ExitCode::from),
            None => daemon::run((&config, rules), source).map(|()| ExitCode::SUCCESS),
        };
        ended.unwrap_or_else(|error| fail_logged(&format!("{error}\n"), exit_code(&error)))
    }

    /// The config with what the command line sets. The error says that two addresses are the same then.
    fn overridden(&self, mut config: Config, is_job: bool) -> Result<Config, String> {
        if is_job {
            use_free_ports(&mut config);
        }
        if !self.listen.is_empty() {
            config.intake.listen.clone_from(&self.listen);
        }
        config.http.listen = self.http.clone().unwrap_or(config.http.listen);
        config.intake.mode = self.mode.unwrap_or(config.intake.mode);
        self.state.set(&mut config);
        // The config file was checked for this without the flags.
        match config.overlap() {
            Some(overlap) => Err(format!("{overlap}\n")),
            None => Ok(config),
        }
    }

    /// How the config is read again.
    fn into_source(self, is_job: bool) -> ConfigSource {
        let files = self.sources.files();
        let load = move || {
            let Loaded { config, rules, report } = self.sources.load().map_err(|report| report.lines())?;
            let config = self.overridden(config, is_job)?;
            Ok(LoadedConfig { config, rules, warnings: report.lines() })
        };
        ConfigSource { load: Arc::new(load), files }
    }
}

/// Replaces the default ports by free ones, so that several jobs on a machine do not meet.
fn use_free_ports(config: &mut Config) {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    if config.intake.listens_by_default() {
        config.intake.listen = vec![Address::Udp(free.into())];
    }
    if config.http.listen == Config::default().http.listen {
        config.http.listen = free.into();
    }
}

/// For a command that cannot be started, the exit codes of a shell.
fn exit_code(error: &daemon::Error) -> u8 {
    match error {
        daemon::Error::Command(_, error) if error.kind() == io::ErrorKind::NotFound => 127,
        daemon::Error::Command(..) => 126,
        _ => FAILED,
    }
}

/// Logs what was read from files, unless there is none of it.
fn log_rules(loaded: &Loaded) {
    let (warnings, rules) = (loaded.report.warnings(), &loaded.config.metrics);
    if !rules.is_empty() || warnings > 0 {
        let metrics =
            rules.iter().filter_map(|rule| rule.name.as_ref().map(|name| name.get_ref())).collect::<BTreeSet<_>>();
        tracing::info!(rules = rules.len(), metrics = metrics.len(), warnings, "the rules are loaded");
    }
}

/// The same as [`fail`] behind all lines of the log. If nobody reads the standard error, only the exit code says it.
fn fail_logged(text: &str, code: u8) -> ExitCode {
    if log::flush(FLUSH) { fail(text, code) } else { ExitCode::from(code) }
}
