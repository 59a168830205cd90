//! `statsidecar explain`: what lines would do, step by step, by the functions that the workers call.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use clap::Args;

use super::config_file::Sources;
use super::output::{FAILED, WRONG, fail, print};
use crate::config::escape_hidden;
use crate::daemon;
use crate::mapping::{Context, Mapping};
use crate::metric::Update;
use crate::parse::tags::Tag;
use crate::parse::{self, Group, Line, SampleValue, StatsdType};
use crate::pipeline::{Key, Pipeline, Plan, Resolution, Route};
use crate::registry::Series;
use crate::reject::Reject;

/// Say step by step what lines would do, without doing it
#[derive(Args, Debug)]
pub(super) struct Explain {
    #[command(flatten)]
    sources: Sources,
    /// The lines, one after the other: a later one meets the series of those before it
    #[arg(required = true, value_name = "LINE")]
    lines: Vec<std::ffi::OsString>,
}

impl Explain {
    pub(super) fn run(self) -> ExitCode {
        let loaded = match self.sources.load() {
            Ok(loaded) => loaded,
            Err(report) => return fail(&report, WRONG),
        };
        let pipeline = match daemon::pipeline(&loaded.config, loaded.rules) {
            Ok(pipeline) => pipeline,
            Err(error) => return fail(&format!("{error}\n"), FAILED),
        };
        for line in &self.lines {
            let lines = line.as_bytes().split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            for line in lines.filter(|line| !line.is_empty()) {
                if let Err(code) = print(&explain(&pipeline, line)) {
                    return code;
                }
            }
        }
        ExitCode::SUCCESS
    }
}

/// What one line does to `pipeline`, as text.
fn explain(pipeline: &Pipeline, line: &[u8]) -> String {
    let mut out = format!("{}\n", String::from_utf8_lossy(line).escape_debug());
    match parse::line(line, pipeline.rules.dialects, pipeline.max_line) {
        Line::TooLong { .. } => reject(&mut out, line, Reject::LineTooLong),
        Line::Event(Ok(())) => step(&mut out, "event", "counted by statsidecar_events_total, and not exposed"),
        Line::Event(Err(reason)) => reject(&mut out, line, reason),
        Line::Groups(groups) => groups.for_each(|group| {
            if let Err(reason) = group.and_then(|group| explain_group(pipeline, &group, &mut out)) {
                reject(&mut out, line, reason);
            }
        }),
    }
    out
}

fn explain_group(pipeline: &Pipeline, group: &Group<'_>, out: &mut String) -> Result<(), Reject> {
    let resolver = pipeline.resolver();
    let key = Key::new(group, &pipeline.rules);
    let tagged = resolver.tagged(&key)?;
    let context = resolver.context(&key, &tagged)?;
    // One packed value that is not text spoils all of them.
    std::str::from_utf8(group.values).map_err(|_| Reject::NotUtf8)?;
    parsed(out, group, &context);
    let mapping = resolver.map(&context);
    mapped(out, pipeline, &mapping);
    // Thousands of values may have one series with kilobytes of labels: it is looked for once.
    let mut resolution: Option<Resolution> = None;
    for (text, value) in group.each_value().zip(group.samples()) {
        let explained = value.and_then(|value| {
            if let Some(Err(unresolved)) = &resolution
                && let Some(reject) = unresolved.refuses(value, group.rate)
            {
                return Err(reject);
            }
            if !matches!(resolution, Some(Ok(_))) {
                resolution = Some(resolver.route(&mapping, value, group.rate, pipeline.clock.now()));
            }
            match &resolution {
                Some(Ok(route)) => routed(pipeline, group, route, value),
                Some(Err(unresolved)) => Err(unresolved.reject),
                None => Err(Reject::BadValue),
            }
        });
        match explained {
            Ok((name, text)) => step(out, name, &text),
            Err(reason) => {
                reject(out, text, reason);
                if reason == Reject::EmptyName {
                    step(out, "", &empty_name(pipeline, &context, &mapping));
                }
            }
        }
    }
    Ok(())
}

/// What a name without characters was made from.
fn empty_name(pipeline: &Pipeline, context: &Context<'_>, mapping: &Mapping<'_>) -> String {
    let name = context.name;
    match mapping.rule.as_ref().and_then(|(index, _)| Some((index, pipeline.rules.name_template(*index)?))) {
        Some((index, template)) => {
            format!("the name {template:?} of rule {} is empty for the name {name:?} of the line", index + 1)
        }
        None => format!("the name of the line is {name:?}"),
    }
}

/// The step that a sample takes by its route: its name, and what it says.
fn routed(
    pipeline: &Pipeline,
    group: &Group<'_>,
    route: &Route,
    value: SampleValue<'_>,
) -> Result<(&'static str, String), Reject> {
    match route {
        Route::Apply { series, plan } => Ok(("series", updated(series, plan, value, group.rate)?)),
        Route::Overflow { series, plan, limit } => {
            let update = updated(series, plan, value, group.rate)?;
            Ok(("series", format!("{update}, as one of its own would be over the {limit}")))
        }
        Route::Drop if group.statsd_type == StatsdType::ServiceCheck && !pipeline.rules.service_checks => {
            Ok(("dropped", "[defaults] service_checks is false: counted, and not exposed".to_owned()))
        }
        Route::Drop => Ok(("dropped", "the rule says drop: counted, and not exposed".to_owned())),
        Route::Reject(reason) => Err(*reason),
    }
}

/// How a sample updates its series.
fn updated(series: &Series, plan: &Plan, value: SampleValue<'_>, rate: Result<f64, Reject>) -> Result<String, Reject> {
    let update = match plan.conversion.update(value, rate?)? {
        Update::Count(n) => format!("adds {n}"),
        Update::Add(x) => format!("adds {x}"),
        Update::Total(x) => format!("follows the total {x}"),
        Update::Set(x) => format!("is set to {x}"),
        Update::Move(x) => format!("moves by {x}"),
        Update::Observe { value, weight: 1.0 } => format!("observes {value}"),
        Update::Observe { value, weight } => format!("observes {value} with weight {weight}"),
        Update::Member(member) => format!("sees the member {:?}", String::from_utf8_lossy(member)),
    };
    Ok(format!("{} ({}) {update}", series.text(), series.cells.type_of().as_str()))
}

fn parsed(out: &mut String, group: &Group<'_>, context: &Context<'_>) {
    let mut text = format!(
        "name {:?}, value {:?}, type {}",
        context.name,
        String::from_utf8_lossy(group.values),
        group.statsd_type.as_str()
    );
    match group.rate {
        Ok(1.0) => {}
        Ok(rate) => text.push_str(&format!(", rate {rate}")),
        Err(_) => text.push_str(", a rate that cannot be used"),
    }
    if !group.container.is_empty() {
        text.push_str(&format!(", container {:?}", String::from_utf8_lossy(group.container)));
    }
    step(out, "parsed", &text);
    for Tag { dialect, pair } in context.tags {
        if let Ok((key, value)) = pair {
            step(out, "tag", &format!("{key:?} is {value:?} ({})", dialect.as_str()));
        }
    }
    for section in group.unknown_sections() {
        step(out, "skipped", &format!("section {:?}, which is not known", String::from_utf8_lossy(section)));
    }
}

fn mapped(out: &mut String, pipeline: &Pipeline, mapping: &Mapping<'_>) {
    match &mapping.rule {
        None => step(out, "rule", "none matches; the name is the line's own"),
        Some((index, captures)) => {
            let pattern = pipeline.rules.pattern(*index).map(|pattern| (pattern.key(), pattern.quoted()));
            let (key, pattern) = pattern.unwrap_or_default();
            let mut text = match pipeline.rules.preset(*index) {
                Some(preset) => format!("of the preset {preset} ({key} = {pattern})"),
                None => format!("{} ({key} = {pattern})", index + 1),
            };
            for (number, capture) in captures.iter().enumerate().skip(1) {
                match pipeline.rules.capture_name(*index, number) {
                    Some(name) => text.push_str(&format!(", ${name} = {capture:?}")),
                    None => text.push_str(&format!(", ${number} = {capture:?}")),
                }
            }
            step(out, "rule", &text);
        }
    }
    for (error, count) in mapping.tag_errors.iter().filter(|(_, count)| *count > 0) {
        step(out, "tags", &format!("{count} with {}: {}", error.reason(), error.effect()));
    }
}

/// How many characters of rejected bytes are shown. A line may have thousands of bad groups.
const SHOWN: usize = 200;

/// Says why bytes are rejected, as the intake counts it.
fn reject(out: &mut String, bytes: &[u8], reason: Reject) {
    let reason = reason.of_line(bytes);
    // A character has four bytes at most.
    let beginning = String::from_utf8_lossy(bytes.get(..4 * (SHOWN + 1)).unwrap_or(bytes));
    let mut text: String = beginning.chars().take(SHOWN).collect();
    if text.len() < beginning.len() {
        text.push_str("...");
    }
    let text = format!("{reason} ({}): {}", text.escape_debug(), reason.remedy());
    step(out, "rejected", &text);
}

fn step(out: &mut String, name: &str, text: &str) {
    let _ = write!(out, "  {name:<9}");
    escape_hidden(out, text);
    out.push('\n');
}
