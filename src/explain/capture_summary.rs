//! What many lines would become, summed up: samples, series, the rules that match, and the reasons of rejects.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::explanation::{Detail, Rejection, lossy};
use super::steps::explain;
use super::walk::{Rejected, Visitor, walk};
use crate::config::escape_hidden;
use crate::mapping::{Context, Mapping};
use crate::metric::{MetricType, Update};
use crate::parse::Group;
use crate::pipeline::Edition;
use crate::registry::Series;
use crate::reject::Reject;

/// What the lines of a capture would become.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CaptureSummary {
    /// How many lines there are, without empty ones.
    pub lines: u64,
    /// How many events are among them.
    pub events: u64,
    /// How many samples update a series.
    pub applied: u64,
    /// How many samples are dropped.
    pub dropped: u64,
    /// The metrics, in the order of their names.
    pub families: Vec<FamilyCount>,
    /// The rules, in the order of the file and then of the presets.
    pub rules: Vec<RuleHits>,
    /// How many samples no rule matches.
    pub unmapped: u64,
    /// Some names that no rule matches.
    pub unmapped_names: Vec<String>,
    /// The reasons of rejects, in the order of their names.
    pub rejected: Vec<RejectCount>,
}

/// A metric, and how much of it there is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FamilyCount {
    /// Its name.
    pub name: String,
    /// Its type.
    pub r#type: &'static str,
    /// How many series it has.
    pub series: u64,
    /// How many samples update them.
    pub samples: u64,
}

/// A rule, and how often it matches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleHits {
    /// Its number in the file, from 1; `None`: it is of a preset.
    pub number: Option<usize>,
    /// The preset that it is of.
    pub preset: Option<&'static str>,
    /// Its pattern, as the file has it.
    pub pattern: String,
    /// How many samples it matches.
    pub samples: u64,
}

/// A reason, how often it is one, and the first line for which it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RejectCount {
    /// The reason.
    pub reason: &'static str,
    /// How many samples are rejected for it.
    pub samples: u64,
    /// The number of the first such line, from 1.
    pub line: u64,
    /// That line as text.
    pub example: String,
    /// What was wrong with it.
    pub rejection: Rejection,
}

/// How many names without a rule are kept.
const UNMAPPED_NAMES: usize = 5;

/// How many of the largest metrics are printed.
const SHOWN_FAMILIES: usize = 25;

/// Sums up the lines of a capture.
pub struct Summing<'p> {
    edition: &'p Edition,
    summary: CaptureSummary,
    /// The samples of each family.
    samples: BTreeMap<String, u64>,
    /// The samples of each rule.
    hits: Vec<u64>,
    rejected: BTreeMap<Reject, RejectCount>,
    /// The rule of the group that is read, and its name if it has none.
    rule: Option<usize>,
    name: String,
    /// The reasons of the line that is read which no line before had.
    new_reasons: Vec<Reject>,
}

impl<'p> Summing<'p> {
    /// Sums up what `pipeline`, which has no series yet, makes of lines.
    pub fn new(edition: &'p Edition) -> Self {
        Self {
            edition,
            summary: CaptureSummary::default(),
            samples: BTreeMap::new(),
            hits: Vec::new(),
            rejected: BTreeMap::new(),
            rule: None,
            name: String::new(),
            new_reasons: Vec::new(),
        }
    }

    /// Takes a line, without its line break.
    pub fn line(&mut self, line: &[u8]) {
        self.summary.lines += 1;
        walk(self.edition, line, self);
        if !self.new_reasons.is_empty() {
            self.keep_example(line);
        }
    }

    /// Keeps a line as the example of the reasons that are new with it.
    fn keep_example(&mut self, line: &[u8]) {
        let number = self.summary.lines;
        let example: String = lossy(line.get(..400).unwrap_or(line)).chars().take(100).collect();
        let steps = explain(self.edition, line).steps;
        for reason in std::mem::take(&mut self.new_reasons) {
            let rejection = steps.iter().find_map(|step| match &step.detail {
                Detail::Rejected(rejection) if rejection.reason == reason.reason() => Some(rejection.clone()),
                _ => None,
            });
            // A limit may have had room for the line when it was walked first, and not after it.
            let none = Rejection { reason: reason.reason(), remedy: reason.remedy(), at: None, excerpt: None };
            if let Some(count) = self.rejected.get_mut(&reason) {
                (count.line, count.example) = (number, example.clone());
                count.rejection = rejection.unwrap_or(none);
            }
        }
    }

    /// The sums of all lines.
    pub fn summary(self) -> CaptureSummary {
        let Self { edition, mut summary, samples, hits, rejected, .. } = self;
        let families = edition.registry.families();
        summary.families = families
            .iter()
            .map(|family| FamilyCount {
                name: family.name().to_string(),
                r#type: family.metadata().metric_type().as_str(),
                series: family.len() as u64,
                samples: samples.get(family.name().as_ref()).copied().unwrap_or_default(),
            })
            .collect();
        let rules = &edition.rules;
        summary.rules = (0..)
            .map_while(|index| rules.pattern(index).map(|pattern| (index, pattern)))
            .map(|(index, pattern)| RuleHits {
                number: rules.preset(index).is_none().then_some(index + 1),
                preset: rules.preset(index),
                pattern: format!("{} = {}", pattern.key(), pattern.quoted()),
                samples: hits.get(index).copied().unwrap_or_default(),
            })
            .collect();
        summary.rejected = rejected.into_values().collect();
        summary
    }

    /// Counts a sample for the rule of its group.
    fn mapped_sample(&mut self) {
        let Some(index) = self.rule else {
            self.summary.unmapped += 1;
            let names = &mut self.summary.unmapped_names;
            if names.len() < UNMAPPED_NAMES && !names.contains(&self.name) {
                names.push(self.name.clone());
            }
            return;
        };
        if self.hits.len() <= index {
            self.hits.resize(index + 1, 0);
        }
        if let Some(hits) = self.hits.get_mut(index) {
            *hits += 1;
        }
    }
}

impl Visitor for Summing<'_> {
    fn event(&mut self) {
        self.summary.events += 1;
    }

    fn parsed(&mut self, _: &Group<'_>, context: &Context<'_>) {
        self.name.clear();
        if self.summary.unmapped_names.len() < UNMAPPED_NAMES {
            self.name.push_str(context.name);
        }
    }

    fn mapped(&mut self, mapping: &Mapping<'_>) {
        self.rule = mapping.rule.as_ref().map(|(index, _)| *index);
    }

    fn updates(&mut self, series: &Series, _: Update<'_>, _: Option<Reject>) {
        self.summary.applied += 1;
        match self.samples.get_mut(series.name()) {
            Some(samples) => *samples += 1,
            None => drop(self.samples.insert(series.name().to_owned(), 1)),
        }
        self.mapped_sample();
    }

    fn dropped(&mut self, _: &Group<'_>) {
        self.summary.dropped += 1;
        self.mapped_sample();
    }

    fn rejected(&mut self, rejected: &Rejected<'_>) {
        let reason = rejected.reason;
        let new_reasons = &mut self.new_reasons;
        let count = self.rejected.entry(reason).or_insert_with(|| {
            new_reasons.push(reason);
            let rejection = Rejection { reason: reason.reason(), remedy: reason.remedy(), at: None, excerpt: None };
            RejectCount { reason: reason.reason(), samples: 0, line: 0, example: String::new(), rejection }
        });
        count.samples += 1;
        if rejected.mapped.is_some() {
            self.mapped_sample();
        }
    }
}

/// The text of a summary: a paragraph each for samples, series, rules and rejects.
impl fmt::Display for CaptureSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rejected: u64 = self.rejected.iter().map(|count| count.samples).sum();
        writeln!(f, "{}", counted(self.lines, "line"))?;
        write!(f, "  {} applied, {} dropped, {rejected} rejected", counted(self.applied, "sample"), self.dropped)?;
        let events = if self.events > 0 { format!("; {}", counted(self.events, "event")) } else { String::new() };
        writeln!(f, "{events}")?;
        self.write_series(f)?;
        self.write_rules(f)?;
        self.write_rejects(f)
    }
}

impl CaptureSummary {
    fn write_series(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series: u64 = self.families.iter().map(|family| family.series).sum();
        let metrics = counted(self.families.len() as u64, "metric");
        writeln!(f, "\n{} of {metrics}", series_word(series))?;
        for metric_type in MetricType::ALL.map(MetricType::as_str) {
            let families: Vec<_> = self.families.iter().filter(|family| family.r#type == metric_type).collect();
            if !families.is_empty() {
                let series: u64 = families.iter().map(|family| family.series).sum();
                writeln!(f, "  {metric_type:<9} {} of {}", series_word(series), families.len())?;
            }
        }
        let mut largest: Vec<_> = self.families.iter().collect();
        largest.sort_by_key(|family| (std::cmp::Reverse(family.series), &family.name));
        for FamilyCount { name, r#type, series, samples } in largest.iter().take(SHOWN_FAMILIES) {
            writeln!(f, "    {name} ({type}): {}, {}", series_word(*series), counted(*samples, "sample"))?;
        }
        match largest.len().saturating_sub(SHOWN_FAMILIES) {
            0 => Ok(()),
            more => writeln!(f, "    and {more} more"),
        }
    }

    fn write_rules(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nrules")?;
        for RuleHits { number, preset, pattern, samples } in self.rules.iter().filter(|rule| rule.samples > 0) {
            writeln!(f, "  {} ({pattern}): {}", rule_word(*number, *preset), counted(*samples, "sample"))?;
        }
        let idle = self.rules.iter().filter(|rule| rule.samples == 0 && rule.preset.is_none());
        for RuleHits { number, preset, pattern, .. } in idle {
            writeln!(f, "  {} ({pattern}): never matched", rule_word(*number, *preset))?;
        }
        let idle = self.rules.iter().filter(|rule| rule.samples == 0 && rule.preset.is_some()).count();
        if idle > 0 {
            writeln!(f, "  {} of presets never matched", counted(idle as u64, "rule"))?;
        }
        if self.unmapped > 0 {
            let names: Vec<_> = self.unmapped_names.iter().map(|name| format!("{name:?}")).collect();
            writeln!(f, "  none matches {}, such as {}", counted(self.unmapped, "sample"), names.join(", "))?;
        }
        Ok(())
    }

    fn write_rejects(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rejected.is_empty() {
            writeln!(f, "\nrejected")?;
        }
        for RejectCount { reason, samples, line, example, rejection } in &self.rejected {
            writeln!(f, "  {reason}: {}: {}", counted(*samples, "sample"), rejection.remedy)?;
            let place = format!("line {line}: ");
            match &rejection.excerpt {
                Some(excerpt) => {
                    writeln!(f, "    {place}{}", excerpt.text)?;
                    writeln!(f, "    {:width$}^", "", width = place.len() + excerpt.column)?;
                }
                None => {
                    let mut visible = String::new();
                    escape_hidden(&mut visible, example);
                    writeln!(f, "    {place}{visible}")?;
                }
            }
        }
        Ok(())
    }
}

pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn series_word(number: u64) -> String {
    format!("{number} series")
}

/// How a rule is named: by its number in the file, or by its preset.
pub(super) fn rule_word(number: Option<usize>, preset: Option<&str>) -> String {
    match (number, preset) {
        (Some(number), _) => number.to_string(),
        (None, preset) => format!("of the preset {}", preset.unwrap_or_default()),
    }
}
