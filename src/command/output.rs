//! What the commands write, and the exit codes that they return.

use std::io::{self, Write};
use std::process::ExitCode;

/// The exit code of a command that could not do its work.
pub(super) const FAILED: u8 = 1;

/// The exit code for wrong arguments and wrong files.
pub(super) const WRONG: u8 = 2;

/// Writes to the standard output. A write error is ignored: the reader has closed it, as `head` does.
pub(super) fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Writes to the standard error, and returns the exit code.
pub(super) fn fail(text: &str, code: u8) -> ExitCode {
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(code)
}
