//! Loads the files that a command works with: a config file, and a mapping file of statsd_exporter.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::report::Report;
use crate::config::{self, Config, Diagnostic, Preset, Severity, Spanned, StateConfig, parse_folder};
use crate::import::statsd_exporter::{Beside, Imported, import, import_beside, mapping_key};
use crate::mapping::Rules;
use crate::state::is_in_memory;

/// Settings and rules without errors.
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) rules: Rules,
    /// The warnings.
    pub(super) report: Report,
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

/// Where what outlives the process is.
#[derive(Args, Debug, Default)]
pub(super) struct StateFolder {
    /// The folder for what outlives the process, by its whole path; replaces [state] path of the config file
    #[arg(long = "state", value_name = "DIR", value_parser = parse_folder)]
    folder: Option<String>,
}

impl StateFolder {
    /// Sets it in the config, if it is given.
    pub(super) fn set(&self, config: &mut Config) {
        if let Some(folder) = &self.folder {
            config.state.path = Some(Spanned::new(0..0, folder.clone()));
        }
    }

    /// What is wrong with the place of the arena, if the folder was set in this config and not checked with its file.
    pub(super) fn warning(&self, config: &Config) -> Option<String> {
        self.folder.as_ref().filter(|_| config.state.arena.is_none())?;
        arena_on_disk(&config.state)
    }
}

fn preset(name: &str) -> Result<&'static str, String> {
    let preset = Preset::find(name).ok_or("there is no such preset; `statsidecar presets` lists them")?;
    Ok(preset.name)
}

impl Sources {
    /// The files.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.config.iter().chain(&self.statsd_exporter_mapping).cloned().collect()
    }

    /// Loads and compiles them. The error has what is wrong with them.
    pub(super) fn load(&self) -> Result<Loaded, Report> {
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

    fn add_presets(&self, loaded: Loaded) -> Result<Loaded, Report> {
        let Loaded { mut config, report, rules } = loaded;
        let known = config.presets.as_ref().map(|presets| presets.get_ref().clone()).unwrap_or_default();
        let new: Vec<_> = self.preset.iter().copied().filter(|name| !known.contains(name)).collect();
        if new.is_empty() {
            return Ok(Loaded { config, report, rules });
        }
        config::add_presets(&mut config, &new);
        let (rules, diagnostics) = Rules::compile(&config);
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        let errors: Vec<_> = errors.map(|error| Report::remark(format!("--preset: {}\n", error.message))).collect();
        if errors.is_empty() {
            return Ok(Loaded { config, rules, report });
        }
        Err(errors.into_iter().fold(report, Report::and))
    }
}

/// Loads and compiles the config file `file`, or the defaults without one. The error has what is wrong with it.
pub(super) fn load_config(file: Option<&Path>) -> Result<Loaded, Report> {
    let (name, source) = file.map_or_else(|| Ok(Default::default()), read)?;
    let (config, mut diagnostics) = config::load_in(&source, &variable);
    let (rules, more) = Rules::compile(&config);
    diagnostics.extend(more);
    diagnostics.extend(check_arena(&config.state));
    let report = report(name, source, diagnostics);
    if report.is_usable() { Ok(Loaded { config, rules, report }) } else { Err(report) }
}

/// Warns of an arena on a disk.
fn check_arena(state: &StateConfig) -> Option<Diagnostic> {
    // Without the key, the place is wrong where the state is asked for.
    let place = state.arena.as_ref().or(state.path.as_ref())?;
    Some(Diagnostic::warning(place.span(), arena_on_disk(state)?))
}

/// What is wrong with the place of an arena on a disk.
fn arena_on_disk(state: &StateConfig) -> Option<String> {
    let arena = Path::new(state.arena());
    is_in_memory(arena).filter(|is_in_memory| !is_in_memory)?;
    let set = if state.arena.is_some() { "name" } else { "set \"arena\" to" };
    Some(format!(
        "the arena would be in {:?}, which is on a disk: updates of series would stall while it is written; {set} a folder \
         in memory, such as \"/dev/shm/statsidecar\"",
        state.arena()
    ))
}

fn load_both(file: &Path, mapping: &Path) -> Result<Loaded, Report> {
    let ((name, source), (mapping_name, mapping_source)) = (read(file)?, read(mapping)?);
    let Beside { loaded, of_settings, of_mapping } = import_beside(&mapping_source, &source, &variable);
    let of_mapping = Report::of_file(mapping_name, mapping_source, of_mapping);
    let report = report(name, source, of_settings).and(of_mapping);
    match loaded.filter(|_| report.is_usable()) {
        Some((config, rules)) => Ok(Loaded { config, rules, report }),
        None => Err(report),
    }
}

/// The value of an environment variable; `None` if it is not set, or not UTF-8.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The report on a config file. For a mapping file of statsd_exporter it is one line, because every line of YAML is an
/// error of TOML.
fn report(name: String, source: String, diagnostics: Vec<Diagnostic>) -> Report {
    if diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error) {
        return Report::of_file(name, source, diagnostics);
    }
    let remedy = format!(
        "statsd_exporter, which is YAML, and not a config file; write one with: statsidecar convert {name}, or run with \
         --statsd-exporter-mapping {name}"
    );
    if let Some(key) = mapping_key(&source) {
        let error = Diagnostic::error(key, format!("this is a mapping file of {remedy}"));
        return Report::of_file(name, source, vec![error]);
    }
    let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    let hint = format!("{name}: if this is a mapping file of statsd_exporter, use: statsidecar convert {name}\n");
    let report = Report::of_file(name, source, diagnostics);
    if is_yaml { report.and(Report::remark(hint)) } else { report }
}

/// Imports the mapping file `file`; the report has its warnings.
pub(super) fn import_file(file: &Path) -> Result<(Imported, Report), Report> {
    let (name, source) = read(file)?;
    match import(&source) {
        Ok(mut imported) => {
            let warnings = std::mem::take(&mut imported.warnings);
            Ok((imported, Report::of_file(name, source, warnings)))
        }
        Err(errors) => Err(Report::of_file(name, source, errors)),
    }
}

/// The name and the text of `file`.
fn read(file: &Path) -> Result<(String, String), Report> {
    let name = file.display().to_string();
    match fs::read_to_string(file) {
        Ok(source) => Ok((name, source)),
        Err(error) => Err(Report::remark(format!("{name}: cannot read it: {error}\n"))),
    }
}
