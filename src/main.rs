//! The program `statsidecar`.

use std::process::ExitCode;

fn main() -> ExitCode {
    statsidecar::command::run()
}
