//! What a shell and `man` know of the program: `statsidecar completions` and `statsidecar man`.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man as Page;

use super::output::{FAILED, fail, print};

/// Print a script that makes a shell complete the arguments: statsidecar completions bash >FILE
#[derive(Args, Debug)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// `command` is the whole command line.
    pub(super) fn run(self, mut command: Command) -> ExitCode {
        let mut script = Vec::new();
        let name = command.get_name().to_owned();
        generate(self.shell, &mut command, name, &mut script);
        print(&String::from_utf8_lossy(&script)).err().unwrap_or(ExitCode::SUCCESS)
    }
}

/// Print the manual page of the program, or of a command: statsidecar man | man -l -
#[derive(Args, Debug)]
pub(super) struct Man {
    /// The command whose page is printed
    command: Option<String>,
}

impl Man {
    /// `command` is the whole command line.
    pub(super) fn run(self, mut command: Command) -> ExitCode {
        command.build();
        if let Some(name) = &self.command {
            match command.find_subcommand(name) {
                Some(of_name) => command = of_name.clone(),
                None => {
                    return fail(
                        &format!("there is no command {name:?}; statsidecar --help lists them\n"),
                        super::output::WRONG,
                    );
                }
            }
        }
        let mut page = Vec::new();
        match Page::new(command).render(&mut page) {
            Ok(()) => print(&String::from_utf8_lossy(&page)).err().unwrap_or(ExitCode::SUCCESS),
            Err(error) => fail(&format!("cannot write the page: {error}\n"), FAILED),
        }
    }
}
