//! The command line, with a file for each command.

mod capture;
mod check;
mod client;
mod config_file;
mod convert;
mod explain;
mod generate;
mod load;
mod output;
mod presets;
mod report;
mod run;
mod send;
mod sender;
mod shell;
mod suggest;
mod tap;
mod top;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Receive StatsD lines and serve them as Prometheus metrics, as a sidecar of the program that sends them
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Run,
}

const EXIT_CODES: &str =
    "Exit codes: 0 success; 1 the command could not do its work; 2 its arguments or files are wrong";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunCommand),
    Check(check::Check),
    Explain(explain::Explain),
    Suggest(suggest::Suggest),
    Convert(convert::Convert),
    Generate(generate::Generate),
    Load(load::Load),
    Send(send::Send),
    Tap(tap::Tap),
    Top(top::Top),
    Presets(presets::Presets),
    Completions(shell::Completions),
    Man(shell::Man),
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
    let Some(command) = line.command else { return line.run.run() };
    match command {
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Explain(explain) => explain.run(),
        Command::Suggest(suggest) => suggest.run(),
        Command::Convert(convert) => convert.run(),
        Command::Generate(generate) => generate.run(),
        Command::Load(load) => load.run(),
        Command::Send(send) => send.run(),
        Command::Tap(tap) => tap.run(),
        Command::Top(top) => top.run(),
        Command::Presets(presets) => presets.run(),
        Command::Completions(completions) => completions.run(CommandLine::command()),
        Command::Man(man) => man.run(CommandLine::command()),
    }
}
