//! The state of the sidecar, read for `/api/v1/status` and the status page.

use std::cell::LazyCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use strum::VariantArray;

use super::admin::AdminVerdict;
use super::state::ServerState;
use crate::config::escape_hidden;
use crate::explain::{Detail, Rejection, explain};
use crate::metric::MetricType;
use crate::parse::StatsdType;
use crate::pipeline::{Edition, Pipeline};
use crate::registry::{Family, Registry};
use crate::reject::Reject;
use crate::status::{
    CountsByWord, FamiliesStatus, FamilyStatus, HistoryStatus, HitterStatus, LastReloadStatus, LimitsStatus,
    LineStatus, ListenerStatus, MAX_FAMILIES, MAX_RULES, MergedNameStatus, MergedStatus, NameStatus, NamesStatus,
    ProcessStatus, PushStatus, QuotesStatus, RejectStatus, RelayStatus, ReloadsStatus, RuleStatus, RulesStatus,
    SlotsStatus, StateStatus, Status, TotalsStatus, TypeStatus,
};
use crate::telemetry::{
    Closed, DatagramSnapshot, Delivery, HeavyHitter, LastReload, ListenerSnapshot, Loss, LostLine, PushAttempt,
    PushOutcome, PushSnapshot, RelaySnapshot, SlotCounts, Snapshot, SocketSnapshot, StateSnapshot, StreamSnapshot,
};

/// The families with the most series, kept for some time, because a walk over a million families takes 100 ms.
#[derive(Debug)]
pub(super) struct LargestFamilies {
    read: Instant,
    took: Duration,
    status: FamiliesStatus,
}

/// For how many times as long as the walk took its result is kept.
const KEPT: u32 = 50;

impl LargestFamilies {
    pub(super) fn read(registry: &Registry) -> Self {
        let read = Instant::now();
        let status = families(registry);
        Self { read, took: read.elapsed(), status }
    }

    fn is_old(&self) -> bool {
        self.read.elapsed() > self.took * KEPT
    }
}

/// The whole state, with the text of clients.
pub(super) fn read(state: &ServerState, families: &mut Option<LargestFamilies>) -> Status {
    let snapshot = (state.snapshot)();
    let pipeline = &*state.pipeline;
    let (telemetry, edition) = (&pipeline.telemetry, pipeline.current());
    let families = match families {
        Some(known) if !known.is_old() => known,
        old => old.insert(LargestFamilies::read(&edition.registry)),
    };
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: pipeline.clock.uptime().into(),
        ready: (state.ready)(),
        quotes: QuotesStatus::default(),
        listeners: snapshot.listeners.iter().map(listener).collect(),
        totals: totals(pipeline, &snapshot),
        history: history(telemetry.history()),
        series: types(&snapshot),
        families: families.status.clone(),
        names: names(pipeline),
        rejects: rejects(pipeline, &edition),
        unmapped: if edition.rules.is_any() { lines(pipeline, Loss::Unmapped, |_| None) } else { Vec::new() },
        conflicts: telemetry.conflicts().into_iter().map(hitter).collect(),
        over_limit: telemetry.heavy_hitters().into_iter().map(hitter).collect(),
        merged: merged(&edition.registry),
        limits: limits(&edition.registry, &snapshot),
        rules: rules(&edition),
        state: snapshot.state.as_ref().map(kept),
        relays: snapshot.relays.iter().map(relay).collect(),
        reloads: reloads(pipeline),
        pushes: snapshot.pushes.iter().map(push).collect(),
        process: snapshot.process.as_ref().map(|process| ProcessStatus {
            cpu_seconds: process.cpu_seconds,
            resident_bytes: process.resident_bytes as u64,
            open_fds: process.open_fds as u64,
            threads: process.threads as u64,
        }),
    }
}

/// The state for a request: without the text of clients if it may not have that.
pub(super) fn for_request(status: &Status, verdict: AdminVerdict) -> Status {
    let mut status = status.clone();
    status.quotes = QuotesStatus { served: verdict.served, why: verdict.why.to_owned() };
    if !verdict.served {
        status.rejects.iter_mut().for_each(|reject| reject.lines.clear());
        status.names.busiest.retain(|name| name.is_metric);
        status.unmapped.clear();
        status.conflicts.clear();
        status.over_limit.clear();
        status.merged.newest.clear();
        status.reloads.last.iter_mut().for_each(|last| last.errors.clear());
    }
    status
}

fn listener(listener: &ListenerSnapshot) -> ListenerStatus {
    let address = listener.address.to_string();
    let kind = address.split_once("://").map_or("", |(kind, _)| kind).to_owned();
    let ListenerSnapshot { packets, lines, bytes, .. } = *listener;
    let common = ListenerStatus { address, kind, packets, lines, bytes, ..ListenerStatus::default() };
    match &listener.socket {
        SocketSnapshot::Datagram(DatagramSnapshot { dropped, denied, receive_buffer }) => ListenerStatus {
            kernel_dropped: Some(*dropped),
            denied: Some(*denied),
            receive_buffer_bytes: Some(*receive_buffer as u64),
            ..common
        },
        SocketSnapshot::Stream(stream @ StreamSnapshot { closed, .. }) => {
            let closed = by_word(Closed::VARIANTS.iter().map(Into::into).zip(*closed));
            ListenerStatus { connections: Some(stream.open()), closed: Some(closed), ..common }
        }
    }
}

fn by_word<'w>(counts: impl Iterator<Item = (&'w str, u64)>) -> CountsByWord {
    counts.map(|(word, count)| (word.to_owned(), count)).collect()
}

fn totals(pipeline: &Pipeline, snapshot: &Snapshot) -> TotalsStatus {
    let counts = pipeline.telemetry.read();
    let reasons = || Reject::ALL.map(Reject::reason).into_iter();
    TotalsStatus {
        samples: by_word(StatsdType::ALL.map(StatsdType::as_str).into_iter().zip(counts.samples)),
        rejected: by_word(reasons().zip(counts.rejected)),
        collapsed: by_word(reasons().zip(counts.collapsed).filter(|(_, samples)| *samples > 0)),
        dropped: counts.dropped,
        unmapped: counts.unmapped,
        events: counts.events,
        series_expired: snapshot.series_expired,
        scrapes: pipeline.telemetry.scrapes(),
        lost_log_lines: snapshot.lost_log_lines,
    }
}

fn history([seconds, minutes]: [Vec<SlotCounts>; 2]) -> HistoryStatus {
    let slots = |slot_seconds, slots: &[SlotCounts]| SlotsStatus {
        slot_seconds,
        accepted: slots.iter().map(|[accepted, ..]| *accepted).collect(),
        rejected: slots.iter().map(|[_, rejected, _]| *rejected).collect(),
        lost: slots.iter().map(|[.., lost]| *lost).collect(),
    };
    HistoryStatus { minute: slots(1, &seconds), hour: slots(60, &minutes) }
}

fn types(snapshot: &Snapshot) -> Vec<TypeStatus> {
    let counts = MetricType::ALL.into_iter().zip(snapshot.families).zip(snapshot.series);
    let status = |((metric_type, families), series): ((MetricType, u64), u64)| TypeStatus {
        metric_type: metric_type.as_str().to_owned(),
        families,
        series,
    };
    counts.map(status).collect()
}

fn families(registry: &Registry) -> FamiliesStatus {
    let all = registry.families();
    let mut largest: Vec<(usize, &Family)> = all.iter().map(|family| (family.len(), &**family)).collect();
    // A family that has just expired is empty.
    largest.retain(|(series, _)| *series > 0);
    let order =
        |one: &(usize, &Family), other: &(usize, &Family)| (other.0, one.1.name()).cmp(&(one.0, other.1.name()));
    let left_out = largest.len().saturating_sub(MAX_FAMILIES);
    if left_out > 0 {
        largest.select_nth_unstable_by(MAX_FAMILIES, order);
        largest.truncate(MAX_FAMILIES);
    }
    largest.sort_unstable_by(order);
    let status = |(series, family): (usize, &Family)| FamilyStatus {
        name: family.name().to_string(),
        metric_type: family.metadata().metric_type().as_str().to_owned(),
        series: series as u64,
    };
    FamiliesStatus { largest: largest.into_iter().map(status).collect(), left_out: left_out as u64 }
}

fn names(pipeline: &Pipeline) -> NamesStatus {
    let (top, (sampled, lines)) = pipeline.telemetry.busy_names(|names| (names.top(), names.looked_at()));
    let busiest = top.into_iter().map(|name| NameStatus {
        name: visible(&name.name),
        is_metric: name.is_metric,
        lines: name.lines,
        others: name.others,
        per_second: name.per_second,
    });
    NamesStatus { busiest: busiest.collect(), sampled, lines }
}

fn rejects(pipeline: &Pipeline, edition: &Edition) -> Vec<RejectStatus> {
    // The lines are explained on it, to find what is wrong with them.
    let scratch = LazyCell::new(|| edition.scratch());
    let counts = Reject::ALL.into_iter().map(|reject| (reject, pipeline.telemetry.rejected(reject)));
    let occurred = counts.filter(|(_, samples)| *samples > 0);
    let status = |(reject, samples): (Reject, u64)| RejectStatus {
        reason: reject.reason().to_owned(),
        samples,
        remedy: reject.remedy().to_owned(),
        lines: lines(pipeline, Loss::Rejected(reject), |line| {
            let at = wrong_byte(&scratch, line.bytes(), reject)?;
            line.characters_before(at).map(|characters| characters as u64)
        }),
    };
    occurred.map(status).collect()
}

/// The newest lines that were lost in one way; `wrong_at` finds the character at which one is wrong.
fn lines(pipeline: &Pipeline, loss: Loss, wrong_at: impl Fn(&LostLine) -> Option<u64>) -> Vec<LineStatus> {
    let now = pipeline.clock.now();
    let status = |line: LostLine| LineStatus {
        listener: line.listener.to_string(),
        age_seconds: now.saturating_sub(line.at).into(),
        wrong_at: wrong_at(&line),
        text: line.text,
    };
    pipeline.telemetry.lost_lines(loss).into_iter().map(status).collect()
}

/// The byte of a line because of which it is rejected for this reason. A line that is cut may have lost it, and the scratch
/// edition has no other series that it could be in conflict with.
fn wrong_byte(scratch: &Edition, line: &[u8], reject: Reject) -> Option<usize> {
    let explanation = explain(scratch, line);
    explanation.steps.into_iter().find_map(|step| match step.detail {
        Detail::Rejected(Rejection { reason, at, .. }) if reason == reject.reason() => at,
        _ => None,
    })
}

fn hitter(HeavyHitter { name, kind, samples, others, .. }: HeavyHitter) -> HitterStatus {
    HitterStatus { name: visible(&name), reason: kind.reason().to_owned(), samples, others }
}

/// A name with what is not visible escaped, so that no name gives orders to a terminal.
fn visible(name: &str) -> String {
    let mut visible = String::with_capacity(name.len());
    escape_hidden(&mut visible, name);
    visible
}

fn merged(registry: &Registry) -> MergedStatus {
    let newest = registry.merged_names().into_iter();
    let newest = newest
        .map(|name| MergedNameStatus { written: visible(&name.written), metric: name.family.to_string() })
        .collect();
    MergedStatus { count: registry.merged(), newest }
}

fn limits(registry: &Registry, snapshot: &Snapshot) -> LimitsStatus {
    let limits = registry.limits();
    let overflow: &'static str = limits.overflow.into();
    LimitsStatus {
        series: snapshot.series.iter().sum(),
        series_limit: limits.series as u64,
        family_series_limit: limits.family_series.map(|limit| limit as u64),
        memory_bytes: snapshot.memory as u64,
        memory_limit_bytes: limits.memory.map(|limit| limit as u64),
        overflow: overflow.to_owned(),
    }
}

fn rules(Edition { rules, matches, .. }: &Edition) -> RulesStatus {
    let status = |index: usize| {
        let pattern = rules.pattern(index)?;
        let (resolved, lines) = matches.matched(index);
        Some(RuleStatus {
            number: index as u64 + 1,
            key: pattern.key().to_owned(),
            pattern: pattern.text().to_owned(),
            preset: rules.preset(index).map(str::to_owned),
            name: rules.name_template(index).map(str::to_owned),
            drop: rules.drops(index),
            resolved,
            lines,
        })
    };
    RulesStatus {
        rules: (0..rules.len().min(MAX_RULES)).filter_map(status).collect(),
        left_out: rules.len().saturating_sub(MAX_RULES) as u64,
        never_matched: (0..rules.len()).filter(|index| matches.matched(*index).0 == 0).count() as u64,
    }
}

fn reloads(pipeline: &Pipeline) -> ReloadsStatus {
    let reloads = &pipeline.telemetry.reloads;
    let [succeeded, failed] = reloads.counts();
    let last = reloads.last().map(|LastReload { at, failure }| LastReloadStatus {
        age_seconds: pipeline.clock.uptime().saturating_sub(at).into(),
        succeeded: failure.is_none(),
        errors: failure.unwrap_or_default(),
    });
    ReloadsStatus { succeeded, failed, last }
}

/// What outlives the process.
fn kept(state: &StateSnapshot) -> StateStatus {
    let has_saved = state.last_saved > 0;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    StateStatus {
        arena_bytes: state.arena_bytes,
        arena_series: state.arena_series,
        outside_arena_series: state.outside_arena,
        restored_series: state.restored,
        saved: state.saved,
        failed: state.failed,
        last_save_age_seconds: has_saved.then(|| now.saturating_sub(state.last_saved)),
        last_save_seconds: has_saved.then_some(state.seconds),
    }
}

fn relay(relay: &RelaySnapshot) -> RelayStatus {
    let by_outcome = |counts: &[u64]| by_word(Delivery::VARIANTS.iter().map(Into::into).zip(counts.iter().copied()));
    RelayStatus { target: relay.target.clone(), packets: by_outcome(&relay.packets), lines: by_outcome(&relay.lines) }
}

fn push(push: &PushSnapshot) -> PushStatus {
    PushStatus {
        target: push.target.clone(),
        protocol: push.protocol.to_owned(),
        samples: by_word(PushOutcome::ALL.iter().map(Into::into).zip(push.samples)),
        waiting: push.waiting,
        requests: by_word(PushAttempt::ALL.iter().map(Into::into).zip(push.requests)),
        last_error: push.last_error.as_deref().map(visible),
    }
}
