//! What is wrong with the files of a command, as lines for the log or with the places underlined.

use std::io::{self, Write};
use std::process::ExitCode;

use super::output::{visible, written};
use crate::config::{self, Diagnostic, Severity};
use crate::log::is_coloured;

/// Diagnostics of files, and remarks about them.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Part>);

#[derive(Debug)]
enum Part {
    /// What is wrong with a file.
    File { name: String, source: String, diagnostics: Vec<Diagnostic> },
    /// A line.
    Remark(String),
}

impl Report {
    pub(super) fn of_file(name: String, source: String, diagnostics: Vec<Diagnostic>) -> Self {
        Self(vec![Part::File { name, source, diagnostics }])
    }

    /// A report of one line, which ends in a line break.
    pub(super) fn remark(line: String) -> Self {
        Self(vec![Part::Remark(line)])
    }

    /// This report, followed by another.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether the files can be used.
    pub(super) fn is_usable(&self) -> bool {
        self.diagnostics().all(|diagnostic| diagnostic.severity != Severity::Error)
    }

    /// How many warnings there are.
    pub(super) fn warnings(&self) -> usize {
        self.diagnostics().filter(|diagnostic| diagnostic.severity == Severity::Warning).count()
    }

    fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().flat_map(|part| match part {
            Part::File { diagnostics, .. } => diagnostics.as_slice(),
            Part::Remark(_) => &[],
        })
    }

    /// The report with a line for each diagnostic, as a log needs it.
    pub(super) fn lines(&self) -> String {
        self.text(config::render)
    }

    /// The report with each place underlined.
    fn underlined(&self, is_coloured: bool) -> String {
        self.text(|name, source, found| config::render_underlined(name, source, found, is_coloured))
    }

    fn text(&self, render: impl Fn(&str, &str, &[Diagnostic]) -> String) -> String {
        let text = self.0.iter().map(|part| match part {
            Part::File { name, source, diagnostics } => render(name, source, diagnostics),
            Part::Remark(line) => visible(line),
        });
        text.collect()
    }

    /// Writes the report to the standard output. The error is the exit code, after the reason is on the standard error.
    pub(super) fn print(&self) -> Result<(), ExitCode> {
        let out = io::stdout();
        let is_coloured = is_coloured(&out);
        written(out.lock().write_all(self.underlined(is_coloured).as_bytes()))
    }

    /// Writes the report to the standard error, and returns the exit code.
    pub(super) fn fail(&self, code: u8) -> ExitCode {
        let out = io::stderr();
        let is_coloured = is_coloured(&out);
        // There is no other place to report that this cannot be written; the exit code tells it.
        let _ = out.lock().write_all(self.underlined(is_coloured).as_bytes());
        ExitCode::from(code)
    }
}
