//! `statsidecar convert`: the mapping file of a statsd_exporter as a config file of ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{Loaded, Unusable, WRONG, fail, print};
use crate::config::{self, Config, Diagnostic, Severity, statsd_exporter};
use crate::mapping::Rules;

/// Turn a mapping file of statsd_exporter into a config file, on the standard output
#[derive(Args, Debug)]
pub(super) struct Convert {
    /// The mapping file (YAML)
    #[arg(value_name = "MAPPING.yml")]
    file: PathBuf,
}

impl Convert {
    pub(super) fn run(self) -> ExitCode {
        match read(&self.file) {
            Ok((imported, report)) => {
                print(&imported.toml);
                fail(&report, 0)
            }
            Err(unusable) => fail(&unusable.report, unusable.code),
        }
    }
}

/// A mapping file in our words, which are known to make a config.
#[derive(Debug)]
pub struct Imported {
    /// The text of a config file.
    pub toml: String,
    /// What it says.
    pub config: Config,
    /// Its rules.
    pub rules: Rules,
    /// What somebody should look at, by places in the mapping file.
    pub warnings: Vec<Diagnostic>,
}

/// Converts the text of a mapping file and loads the result, so that what is wrong with a name, say, is found here and
/// not later. Everything that is wrong is said by its place in the mapping file.
pub fn import(source: &str) -> Result<Imported, Vec<Diagnostic>> {
    let converted = statsd_exporter::convert(source).map_err(|error| vec![error])?;
    let (config, mut found) = config::load(&converted.toml);
    let (rules, more) = Rules::compile(&config);
    found.extend(more);
    // One mapping can be two rules, of which the same is to be said.
    let mut said = BTreeSet::new();
    let mut diagnostics = converted.found.clone();
    for mut diagnostic in found {
        diagnostic.span = converted.origin(diagnostic.span.start);
        if said.insert((diagnostic.span.start, diagnostic.message.clone())) {
            diagnostics.push(diagnostic);
        }
    }
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(diagnostics);
    }
    Ok(Imported { toml: converted.toml, config, rules, warnings: diagnostics })
}

/// Reads and converts `file`; also gives its warnings, one a line.
fn read(file: &Path) -> Result<(Imported, String), Unusable> {
    let name = file.display().to_string();
    let source = fs::read_to_string(file)
        .map_err(|error| Unusable { report: format!("{name}: cannot read it: {error}\n"), code: WRONG })?;
    match import(&source) {
        Ok(imported) => {
            let report = config::render(&name, &source, &imported.warnings);
            Ok((imported, report))
        }
        Err(found) => Err(Unusable { report: config::render(&name, &source, &found), code: WRONG }),
    }
}

/// Reads the mapping file `file` in place of a config file.
pub(super) fn load_mapping(file: &Path) -> Result<Loaded, Unusable> {
    let (Imported { config, rules, .. }, report) = read(file)?;
    Ok(Loaded { config, rules, report })
}
