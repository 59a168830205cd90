//! The command line, with a file for each command.

mod check;
mod config_file;
mod convert;
mod explain;
mod load;
mod output;
mod presets;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Receive StatsD lines and serve them as Prometheus metrics, as a sidecar of the program that sends them
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Explain(explain::Explain),
    Convert(convert::Convert),
    Load(load::Load),
    Presets(presets::Presets),
}

/// Runs the command of the command line.
///
/// Exit codes: 0 is success, 1 means that the command could not do its work, 2 that its arguments or files are wrong.
pub fn run() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        // Help and version go to the standard output.
        Err(text) if !text.use_stderr() => return output::written(text.print()).err().unwrap_or(ExitCode::SUCCESS),
        Err(error) => error.exit(),
    };
    match line.command.unwrap_or(Command::Run(line.run)) {
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Explain(explain) => explain.run(),
        Command::Convert(convert) => convert.run(),
        Command::Load(load) => load.run(),
        Command::Presets(presets) => presets.run(),
    }
}
