//! `statsidecar explain`: what lines would do, step by step, by the functions of the intake itself.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{FAILED, fail, load_config, print};
use crate::daemon;
use crate::mapping::{Context, Conversion, Mapping, Metric, Outcome};
use crate::metric::{Sharing, Update};
use crate::parse::tags::Tag;
use crate::parse::{self, Group, StatsdType, Value, value};
use crate::pipeline::{self, Pipeline};
use crate::reject::Reject;

/// Say step by step what lines would do, without doing it
#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The config file; without one the defaults hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The lines, one after the other: a later one meets the series of those before it
    #[arg(required = true, value_name = "LINE")]
    lines: Vec<std::ffi::OsString>,
}

impl Explain {
    pub(super) fn run(self) -> ExitCode {
        let loaded = match load_config(self.config.as_deref()) {
            Ok(loaded) => loaded,
            Err(unusable) => return fail(&unusable.report, unusable.code),
        };
        let pipeline = match daemon::pipeline(&loaded.config, loaded.rules) {
            Ok(pipeline) => pipeline,
            Err(error) => return fail(&format!("{error}\n"), FAILED),
        };
        for line in &self.lines {
            let lines = line.as_bytes().split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            for line in lines.filter(|line| !line.is_empty()) {
                print(&explain(&pipeline, line));
            }
        }
        ExitCode::SUCCESS
    }
}

/// What one line does to `pipeline`, as text.
fn explain(pipeline: &Pipeline, line: &[u8]) -> String {
    let mut out = format!("{}\n", String::from_utf8_lossy(line).escape_debug());
    if line.len() > pipeline.max_line {
        reject(&mut out, line, Reject::LineTooLong);
        return out;
    }
    match parse::event(line) {
        Some(Ok(())) => {
            self::line(&mut out, "event", "counted by statsidecar_events_total, and not exposed");
            return out;
        }
        Some(Err(reason)) => {
            reject(&mut out, line, reason);
            return out;
        }
        None => {}
    }
    for group in parse::groups(line).tagged(pipeline.rules.dialects()) {
        if let Err(reason) = group.and_then(|group| explain_group(pipeline, &group, &mut out)) {
            reject(&mut out, line, reason);
        }
    }
    out
}

fn explain_group(pipeline: &Pipeline, group: &Group<'_>, out: &mut String) -> Result<(), Reject> {
    let tagged = pipeline::tagged(group, pipeline.rules.dialects())?;
    let context = pipeline::context(group, &tagged)?;
    // Of packed values too: one that is not text spoils them all.
    std::str::from_utf8(group.values).map_err(|_| Reject::NotUtf8)?;
    parsed(out, group, &context);
    let mapping = pipeline.rules.map(context);
    mapped(out, pipeline, &mapping);
    for text in group.each_value() {
        if let Err(reason) = explain_value(pipeline, group, &mapping, text, out) {
            reject(out, text, reason);
        }
    }
    Ok(())
}

fn explain_value(
    pipeline: &Pipeline,
    group: &Group<'_>,
    mapping: &Mapping<'_>,
    text: &[u8],
    out: &mut String,
) -> Result<(), Reject> {
    let value = value::value(text, group.statsd_type)?;
    match mapping.outcome.as_ref().map_err(|reason| *reason)? {
        Outcome::Drop if group.statsd_type == StatsdType::ServiceCheck && !pipeline.rules.exposes_service_checks() => {
            line(out, "dropped", "[defaults] service_checks is false: counted, and not exposed");
        }
        Outcome::Drop => line(out, "dropped", "the rule says drop: counted, and not exposed"),
        Outcome::Feed(metric, conversion) => {
            let update = feed(pipeline, metric, conversion, value, group.rate)?;
            line(out, "series", &update);
        }
    }
    Ok(())
}

/// Makes the series of a sample, and says what the sample does to it.
fn feed(
    pipeline: &Pipeline,
    metric: &Metric,
    conversion: &Conversion,
    value: Value<'_>,
    rate: Result<f64, Reject>,
) -> Result<String, Reject> {
    let update = pipeline::first_change(&pipeline.registry, metric, conversion, value, rate)?;
    let now = pipeline.clock.now();
    let (series, limit) = pipeline.registry.get_or_collapse(metric, pipeline.rules.constants(), now)?;
    series.cells.apply(update, Sharing::SingleWriter, now);
    let what = match update {
        Update::Count(n) => format!("adds {n}"),
        Update::Add(x) => format!("adds {x}"),
        Update::Set(x) => format!("is set to {x}"),
        Update::Move(x) => format!("moves by {x}"),
        Update::Observe { value, weight: 1.0 } => format!("observes {value}"),
        Update::Observe { value, weight } => format!("observes {value} with weight {weight}"),
        Update::Member(member) => format!("sees the member {:?}", String::from_utf8_lossy(member)),
    };
    let why = limit.map(|limit| format!(", as one of its own would be over the {limit}")).unwrap_or_default();
    Ok(format!("{} ({}) {what}{why}", series.text(), series.cells.type_of().as_str()))
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
    if !context.container.is_empty() {
        text.push_str(&format!(", container {:?}", context.container));
    }
    line(out, "parsed", &text);
    for Tag { dialect, pair } in context.tags {
        if let Ok((key, value)) = pair {
            line(out, "tag", &format!("{key:?} is {value:?} ({})", dialect.as_str()));
        }
    }
    for section in group.unknown_sections() {
        line(out, "skipped", &format!("section {:?}, which is not known", String::from_utf8_lossy(section)));
    }
}

fn mapped(out: &mut String, pipeline: &Pipeline, mapping: &Mapping<'_>) {
    match &mapping.rule {
        None => line(out, "rule", "none matches; the name is the line's own"),
        Some((index, captures)) => {
            let pattern = pipeline.rules.pattern(*index).map(|pattern| (pattern.key(), pattern.quoted()));
            let (key, pattern) = pattern.unwrap_or_default();
            let mut text = format!("{} ({key} = {pattern})", index + 1);
            for (number, capture) in captures.iter().enumerate().skip(1) {
                match pipeline.rules.capture_name(*index, number) {
                    Some(name) => text.push_str(&format!(", ${name} = {capture:?}")),
                    None => text.push_str(&format!(", ${number} = {capture:?}")),
                }
            }
            line(out, "rule", &text);
        }
    }
    for (error, count) in mapping.tag_errors.iter().filter(|(_, count)| *count > 0) {
        line(out, "tags", &format!("{count} with {}: left out or renamed", error.reason()));
    }
}

/// What the intake says of bytes that are not text, whatever else is wrong with them.
fn reject(out: &mut String, bytes: &[u8], reason: Reject) {
    let reason = if std::str::from_utf8(bytes).is_err() { Reject::NotUtf8 } else { reason };
    line(
        out,
        "rejected",
        &format!("{reason} ({}): {}", String::from_utf8_lossy(bytes).escape_debug(), reason.remedy()),
    );
}

fn line(out: &mut String, step: &str, text: &str) {
    let _ = writeln!(out, "  {step:<9}{text}");
}
