//! What the commands write, and the exit codes that they return.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use crate::config::escape_hidden;

/// The exit code of a command that could not do its work.
pub(super) const FAILED: u8 = 1;

/// The exit code for wrong arguments and wrong files.
pub(super) const WRONG: u8 = 2;

/// Writes to the standard output. The error is the exit code to end with.
pub(super) fn print(text: &str) -> Result<(), ExitCode> {
    let mut out = io::stdout().lock();
    written(out.write_all(visible(text).as_bytes()).and_then(|()| out.flush()))
}

/// The outcome of writing to the standard output. The error is the exit code to end with: a closed pipe is a success,
/// because its reader has read all it wants, as `head` does. Another error is told on the standard error.
pub(super) fn written(result: io::Result<()>) -> Result<(), ExitCode> {
    result.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        _ => fail(&format!("the standard output cannot be written: {error}\n"), FAILED),
    })
}

/// Writes to the standard error, and returns the exit code.
pub(super) fn fail(text: &str, code: u8) -> ExitCode {
    // There is no other place to report that this cannot be written; the exit code tells it.
    let _ = io::stderr().write_all(visible(text).as_bytes());
    ExitCode::from(code)
}

/// `text` with its control characters escaped, apart from line ends and tabs. A terminal would obey the others.
pub(super) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for piece in text.split_inclusive(['\n', '\t']) {
        let rest = piece.trim_end_matches(['\n', '\t']);
        escape_hidden(&mut visible, rest);
        visible.push_str(&piece[rest.len()..]);
    }
    visible
}
