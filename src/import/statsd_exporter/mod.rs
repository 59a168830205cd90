//! Mapping files of prometheus/statsd_exporter, as config files with the same meaning.
//!
//! The importer reads the current format, and the keys that statsd_exporter accepted up to 0.30. If statsd_exporter has
//! a bug, the config follows its documentation, and a comment in the config says so. A mapping that a config cannot
//! express is an error with its place in the mapping file. Nothing here opens a file.
//!
//! Source: <https://github.com/prometheus/statsd_exporter#metric-mapping-and-configuration>.

mod convert;
mod duration;
mod mapping;
mod observer;
mod pattern;
mod template;
mod write;
mod yaml;

use std::collections::BTreeSet;

use self::convert::convert;
use crate::config::{self, Config, Diagnostic, Severity};
use crate::mapping::Rules;

/// A mapping file after its import.
#[derive(Debug)]
pub struct Imported {
    /// The text of a config file.
    pub toml: String,
    /// That config.
    pub config: Config,
    /// Its compiled rules.
    pub rules: Rules,
    /// Warnings, with their places in the mapping file.
    pub warnings: Vec<Diagnostic>,
}

/// Imports the text of a mapping file; the errors have their places in the mapping file.
///
/// The config is loaded and compiled, because some errors, such as a reserved metric name, only show there.
pub fn import(source: &str) -> Result<Imported, Vec<Diagnostic>> {
    let (toml, mut diagnostics) = convert(source).map_err(|error| vec![error])?;
    let (config, mut compiled) = config::load(&toml.text);
    let (rules, more) = Rules::compile(&config);
    compiled.extend(more);
    // A mapping can become two rules, which then have the same diagnostics.
    let mut known = BTreeSet::new();
    for mut diagnostic in compiled {
        diagnostic.span = toml.origin(diagnostic.span.start);
        if known.insert((diagnostic.span.start, diagnostic.message.clone())) {
            diagnostics.push(diagnostic);
        }
    }
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(diagnostics);
    }
    Ok(Imported { toml: toml.text, config, rules, warnings: diagnostics })
}
