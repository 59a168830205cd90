//! Loads the file that a command works with: a config file, or a mapping file of statsd_exporter.

use std::fs;
use std::path::Path;

use crate::config::{self, Config, Severity};
use crate::import::statsd_exporter::{Imported, import};
use crate::mapping::Rules;

/// A config file without errors.
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) rules: Rules,
    /// The warnings, one a line.
    pub(super) report: String,
}

/// Loads and compiles `file`, or the defaults without one. The errors are one a line.
pub(super) fn load_config(file: Option<&Path>) -> Result<Loaded, String> {
    let (name, source) = file.map_or_else(|| Ok(Default::default()), read)?;
    let (config, mut diagnostics) = config::load(&source);
    let (rules, more) = Rules::compile(&config);
    diagnostics.extend(more);
    let mut report = config::render(&name, &source, &diagnostics);
    if diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error) {
        return Ok(Loaded { config, rules, report });
    }
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        report += &format!(
            "{name}: if this is a mapping file of statsd_exporter, convert it first: statsidecar convert {name}\n"
        );
    }
    Err(report)
}

/// Loads the mapping file `file` instead of a config file.
pub(super) fn load_mapping(file: &Path) -> Result<Loaded, String> {
    let (Imported { config, rules, .. }, report) = import_file(file)?;
    Ok(Loaded { config, rules, report })
}

/// Imports the mapping file `file`; the text is its warnings, one a line.
pub(super) fn import_file(file: &Path) -> Result<(Imported, String), String> {
    let (name, source) = read(file)?;
    let imported = import(&source).map_err(|errors| config::render(&name, &source, &errors))?;
    let report = config::render(&name, &source, &imported.warnings);
    Ok((imported, report))
}

/// The name and the text of `file`.
fn read(file: &Path) -> Result<(String, String), String> {
    let name = file.display().to_string();
    match fs::read_to_string(file) {
        Ok(source) => Ok((name, source)),
        Err(error) => Err(format!("{name}: cannot read it: {error}\n")),
    }
}
