//! Loads the files that a command works with: a config file, and a mapping file of statsd_exporter.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::{self, Config, Diagnostic, Preset, Severity};
use crate::import::statsd_exporter::{Beside, Imported, import, import_beside, mapping_key};
use crate::mapping::Rules;

/// Settings and rules without errors.
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) rules: Rules,
    /// The warnings, one a line.
    pub(super) report: String,
}

/// The files and presets that a command works with.
#[derive(Args, Debug)]
pub(super) struct Sources {
    /// The config file; without one the defaults hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A statsd_exporter mapping file; with --config, the settings of the config file win, and its rules come first
    #[arg(long, value_name = "MAPPING.yml")]
    statsd_exporter_mapping: Option<PathBuf>,
    /// A preset, whose rules follow all others; repeatable (`statsidecar presets` lists them)
    #[arg(long, value_name = "NAME", value_parser = preset)]
    preset: Vec<&'static str>,
}

fn preset(name: &str) -> Result<&'static str, String> {
    let preset = Preset::find(name).ok_or("there is no such preset; `statsidecar presets` lists them")?;
    Ok(preset.name)
}

impl Sources {
    /// Loads and compiles them. The errors are one a line.
    pub(super) fn load(&self) -> Result<Loaded, String> {
        let loaded = match (&self.config, &self.statsd_exporter_mapping) {
            (Some(file), Some(mapping)) => load_both(file, mapping)?,
            (None, Some(mapping)) => {
                let (Imported { config, rules, .. }, report) = import_file(mapping)?;
                Loaded { config, rules, report }
            }
            (file, None) => load_config(file.as_deref())?,
        };
        self.add_presets(loaded)
    }

    fn add_presets(&self, loaded: Loaded) -> Result<Loaded, String> {
        let Loaded { mut config, report, rules } = loaded;
        let known = config.presets.as_ref().map(|presets| presets.get_ref().clone()).unwrap_or_default();
        let new: Vec<_> = self.preset.iter().copied().filter(|name| !known.contains(name)).collect();
        if new.is_empty() {
            return Ok(Loaded { config, report, rules });
        }
        config::add_presets(&mut config, &new);
        let (rules, diagnostics) = Rules::compile(&config);
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        let errors: String = errors.map(|error| format!("--preset: {}\n", error.message)).collect();
        if errors.is_empty() { Ok(Loaded { config, rules, report }) } else { Err(report + &errors) }
    }
}

/// Loads and compiles the config file `file`, or the defaults without one. The errors are one a line.
pub(super) fn load_config(file: Option<&Path>) -> Result<Loaded, String> {
    let (name, source) = file.map_or_else(|| Ok(Default::default()), read)?;
    let (config, mut diagnostics) = config::load(&source);
    let (rules, more) = Rules::compile(&config);
    diagnostics.extend(more);
    let report = config::render(&name, &source, &diagnostics);
    if is_usable(&diagnostics) { Ok(Loaded { config, rules, report }) } else { Err(wrong(&name, &source, report)) }
}

fn load_both(file: &Path, mapping: &Path) -> Result<Loaded, String> {
    let ((name, source), (mapping_name, mapping_source)) = (read(file)?, read(mapping)?);
    let Beside { loaded, of_settings, of_mapping } = import_beside(&mapping_source, &source);
    let of_file = config::render(&name, &source, &of_settings);
    let of_file = if is_usable(&of_settings) { of_file } else { wrong(&name, &source, of_file) };
    let report = of_file + &config::render(&mapping_name, &mapping_source, &of_mapping);
    let is_usable = is_usable(&of_settings) && is_usable(&of_mapping);
    match loaded.filter(|_| is_usable) {
        Some((config, rules)) => Ok(Loaded { config, rules, report }),
        None => Err(report),
    }
}

fn is_usable(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error)
}

/// The report on a config file with errors. For a mapping file of statsd_exporter it is one line, because every line of
/// YAML is an error of TOML.
fn wrong(name: &str, source: &str, report: String) -> String {
    let remedy = format!(
        "statsd_exporter, which is YAML, and not a config file; write one with: statsidecar convert {name}, or run with \
         --statsd-exporter-mapping {name}"
    );
    if let Some(key) = mapping_key(source) {
        return config::render(name, source, &[Diagnostic::error(key, format!("this is a mapping file of {remedy}"))]);
    }
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        return format!(
            "{report}{name}: if this is a mapping file of statsd_exporter, use: statsidecar convert {name}\n"
        );
    }
    report
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
