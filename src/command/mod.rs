//! The command line: one file a command.

mod check;
pub mod convert;
mod explain;
mod load;
mod run;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, Severity};
use crate::mapping::Rules;

/// StatsD in, Prometheus out, beside the program that emits it.
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
}

/// It could not run.
const FAILED: u8 = 1;
/// The config or the arguments are wrong.
const WRONG: u8 = 2;

/// Runs what the command line says. Exit codes: 0 fine, 1 it could not run, 2 the config or the arguments are wrong.
pub fn run() -> ExitCode {
    let line = CommandLine::parse();
    match line.command.unwrap_or(Command::Run(line.run)) {
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Explain(explain) => explain.run(),
        Command::Convert(convert) => convert.run(),
        Command::Load(load) => load.run(),
    }
}

/// A config file, checked whole: the config and its rules, and what `check` says of them.
struct Loaded {
    config: Config,
    rules: Rules,
    /// One line for each thing that is wrong or odd.
    report: String,
}

/// Why there is no config to use: the text says it, the code is how the program ends.
struct Unusable {
    report: String,
    code: u8,
}

/// Reads and compiles `file`, or the defaults without one.
fn load_config(file: Option<&Path>) -> Result<Loaded, Unusable> {
    let (name, source) = match file {
        None => (String::new(), String::new()),
        Some(path) => match fs::read_to_string(path) {
            Ok(source) => (path.display().to_string(), source),
            Err(error) => {
                return Err(Unusable { report: format!("{}: cannot read it: {error}\n", path.display()), code: WRONG });
            }
        },
    };
    let (config, mut diagnostics) = config::load(&source);
    let (rules, more) = Rules::compile(&config);
    diagnostics.extend(more);
    let mut report = config::render(&name, &source, &diagnostics);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        if Path::new(&name).extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            report += &format!(
                "{name}: is this a mapping file of statsd_exporter? Convert it first: statsidecar convert {name}\n"
            );
        }
        return Err(Unusable { report, code: WRONG });
    }
    Ok(Loaded { config, rules, report })
}

/// Writes to the standard output; one that is closed is nobody's error.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Writes to the standard error and gives the exit code.
fn fail(text: &str, code: u8) -> ExitCode {
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(code)
}
