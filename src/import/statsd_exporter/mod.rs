//! Mapping files of prometheus/statsd_exporter, as config files with the same meaning.
//!
//! The importer reads the current format, and the keys that statsd_exporter accepted up to 0.30. If statsd_exporter has
//! a bug, the config follows its documentation, and a comment in the config says so. A mapping that a config cannot
//! express is an error with its place in the mapping file. Nothing here opens a file.
//!
//! Source: <https://github.com/prometheus/statsd_exporter#metric-mapping-and-configuration>.

mod comments;
mod convert;
mod duration;
mod mapping;
mod observer;
mod pattern;
mod template;
mod write;
mod yaml;

use std::collections::BTreeSet;
use std::ops::Range;

use self::convert::convert;
use self::write::TomlWriter;
use crate::config::{self, Config, Diagnostic, MetricRule, Severity, Spanned, Variable};
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
    diagnostics.extend(at_origins(&toml, 0, compiled));
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(diagnostics);
    }
    Ok(Imported { toml: toml.text, config, rules, warnings: diagnostics })
}

/// `diagnostics` of the TOML that starts at `offset`, with their places in the mapping file. A mapping can become two
/// rules, which then have the same diagnostics: each is given once.
fn at_origins(toml: &TomlWriter, offset: usize, diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut known = BTreeSet::new();
    let placed = diagnostics.into_iter().map(|diagnostic| {
        let span = toml.origin(diagnostic.span.start.saturating_sub(offset));
        Diagnostic { span, ..diagnostic }
    });
    placed.filter(|diagnostic| known.insert((diagnostic.span.start, diagnostic.message.clone()))).collect()
}

/// A mapping file and a config file together.
#[derive(Debug)]
pub struct Beside {
    /// The settings and the rules; `None` if the mapping file cannot be read.
    pub loaded: Option<(Config, Rules)>,
    /// The diagnostics with places in the config file.
    pub of_settings: Vec<Diagnostic>,
    /// The diagnostics with places in the mapping file.
    pub of_mapping: Vec<Diagnostic>,
}

/// Imports the text of a mapping file, and loads the config file `settings` onto it: its settings win over those of the
/// mapping file, and its rules come first. `variable` gives environment variables. The rules must not be used if there are
/// errors.
pub fn import_beside(mapping: &str, settings: &str, variable: &Variable<'_>) -> Beside {
    let (toml, mut of_mapping) = match convert(mapping) {
        Ok(converted) => converted,
        Err(error) => {
            return Beside {
                loaded: None,
                of_settings: config::load_in(settings, variable).1,
                of_mapping: vec![error],
            };
        }
    };
    // The rules of the mapping file get places behind the end of the config file, so that the two can be told apart.
    let offset = settings.len() + 1;
    let (base, mut of_toml) = config::load(&("\n".repeat(offset) + &toml.text));
    let of_base = base.metrics.len();
    let (mut config, mut of_settings) = config::load_onto(settings, base, variable);
    let base = config.metrics.split_off(config.metrics.len().saturating_sub(of_base));
    // A rule of the config file replaces the mapping with the same match.
    let is_replaced = |rule: &MetricRule| config.metrics.iter().any(|own| replaces(own, rule));
    let kept: Vec<_> = base.into_iter().filter(|rule| !is_replaced(rule)).collect();
    config.metrics.extend(kept);
    let presets = config.presets.as_ref().map(|presets| presets.get_ref().clone());
    config::add_presets(&mut config, &presets.unwrap_or_default());
    let (rules, compiled) = Rules::compile(&config);
    for diagnostic in compiled {
        if diagnostic.span.start < offset { of_settings.push(diagnostic) } else { of_toml.push(diagnostic) }
    }
    of_mapping.extend(at_origins(&toml, offset, of_toml));
    Beside { loaded: Some((config, rules)), of_settings, of_mapping }
}

/// Whether every line that matches `other` matches `own`, because both have the same pattern.
fn replaces(own: &MetricRule, other: &MetricRule) -> bool {
    let has = |word: &Spanned<String>| own.match_type.iter().any(|own| own.get_ref() == word.get_ref());
    let takes_types = own.match_type.is_empty() || (!other.match_type.is_empty() && other.match_type.iter().all(has));
    let is_same = (own.pattern.key(), own.pattern.text()) == (other.pattern.key(), other.pattern.text());
    is_same && takes_types && own.match_tags.is_empty()
}

/// The place of the key by which a text can be told to be a mapping file, although it may not be valid YAML.
pub fn mapping_key(source: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_start_matches('\u{feff}');
        let begins = |key: &str| {
            let rest = text.strip_prefix(key).or_else(|| text.strip_prefix('"')?.strip_prefix(key)?.strip_prefix('"'));
            rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
        };
        if let Some(key) = ["mappings", "defaults"].into_iter().find(|key| begins(key)) {
            let at = start + line.len() - text.len();
            return Some(at..at + key.len());
        }
        start += line.len();
    }
    None
}
