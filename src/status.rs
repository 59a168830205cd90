//! What a running sidecar tells of itself at `GET /api/v1/status`: plain values, which it writes and `top` reads.
//!
//! `docs/src/status.md` describes each field. Every list has a limit, and says how much it leaves out where that is not
//! plain. Names and lines are text of clients: escaped where they are not printable, and never to be taken for markup.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many families are listed: those with the most series.
pub const MAX_FAMILIES: usize = 100;

/// How many rules are listed: the first of the file.
pub const MAX_RULES: usize = 1000;

/// Counts by a word, such as a type or a reason.
pub type CountsByWord = BTreeMap<String, u64>;

/// The state of a sidecar.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Whether every listener is bound and being read.
    pub ready: bool,
    /// Whether the answer quotes lines.
    pub quotes: QuotesStatus,
    /// The StatsD listeners: datagrams first, then streams.
    pub listeners: Vec<ListenerStatus>,
    /// Counts since the start.
    pub totals: TotalsStatus,
    /// Accepted, rejected and lost, by time.
    pub history: HistoryStatus,
    /// Series by type.
    pub series: Vec<TypeStatus>,
    /// The families with the most series.
    pub families: FamiliesStatus,
    /// The names with the most lines.
    pub names: NamesStatus,
    /// What is rejected, by reason; only the reasons that occurred.
    pub rejects: Vec<RejectStatus>,
    /// The newest names for which there is no rule; empty if there are no rules.
    pub unmapped: Vec<LineStatus>,
    /// The names that met a metric of another type, or a series of another metric; most samples first.
    pub conflicts: Vec<HitterStatus>,
    /// The names that hit a limit; most samples first.
    pub over_limit: Vec<HitterStatus>,
    /// Names of lines that became the name of another metric, because characters were replaced.
    pub merged: MergedStatus,
    /// The limits, and how much of them is used.
    pub limits: LimitsStatus,
    /// The rules of the config.
    pub rules: RulesStatus,
    /// What outlives the process; none if nothing does.
    pub state: Option<StateStatus>,
    /// The targets of the relay.
    pub relays: Vec<RelayStatus>,
    /// Reloads of the config.
    #[serde(default)]
    pub reloads: ReloadsStatus,
    /// The receivers that metrics are pushed to.
    #[serde(default)]
    pub pushes: Vec<PushStatus>,
    /// The process, if the kernel tells.
    pub process: Option<ProcessStatus>,
}

/// Whether the answer quotes lines and names that `/metrics` does not show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotesStatus {
    /// Whether it does.
    pub served: bool,
    /// Why, or why not and what to change.
    pub why: String,
}

/// A StatsD listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Its address, as in `udp://127.0.0.1:8125`.
    pub address: String,
    /// `udp`, `tcp`, `unixgram`, `unix` or `unix+dogstatsd`.
    pub kind: String,
    /// Packets received.
    pub packets: u64,
    /// Lines received.
    pub lines: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Packets that the kernel dropped because the receive buffer was full; datagrams only.
    pub kernel_dropped: Option<u64>,
    /// Packets of users who may not send; datagrams only.
    pub denied: Option<u64>,
    /// The receive buffer in bytes; datagrams only.
    pub receive_buffer_bytes: Option<u64>,
    /// Connections that are open; streams only.
    pub connections: Option<u64>,
    /// Connections closed, by reason; streams only.
    pub closed: Option<CountsByWord>,
}

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsStatus {
    /// Samples applied, by the type of the line.
    pub samples: CountsByWord,
    /// Samples rejected, by reason.
    pub rejected: CountsByWord,
    /// Samples applied to an overflow series, by the limit.
    pub collapsed: CountsByWord,
    /// Samples dropped by a rule, and service checks that are not exposed.
    pub dropped: u64,
    /// Samples applied under their own names, because no rule matched.
    pub unmapped: u64,
    /// Events received.
    pub events: u64,
    /// Series that expired.
    pub series_expired: u64,
    /// Scrapes answered.
    pub scrapes: u64,
    /// Lines of the log that were lost.
    pub lost_log_lines: u64,
}

/// Reloads of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadsStatus {
    /// How many have succeeded.
    pub succeeded: u64,
    /// How many have failed, and changed nothing.
    pub failed: u64,
    /// The last one, if there was one.
    pub last: Option<LastReloadStatus>,
}

/// The last reload of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReloadStatus {
    /// How long ago it ended.
    pub age_seconds: u64,
    /// Whether it has succeeded. If not, the config before it holds.
    pub succeeded: bool,
    /// What was wrong, a line for each; empty if the answer does not quote lines.
    pub errors: String,
}

impl ReloadsStatus {
    /// A sentence if the config that was read last does not hold.
    pub(crate) fn trouble(&self) -> Option<String> {
        let last = self.last.as_ref().filter(|last| !last.succeeded)?;
        let errors = last.errors.trim_end();
        let errors = if errors.is_empty() { String::new() } else { format!(": {errors}") };
        Some(format!("The last reload failed {} s ago, and the config before it holds{errors}", last.age_seconds))
    }
}

/// What happened in the last minute and the last hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryStatus {
    /// 60 slots of a second.
    pub minute: SlotsStatus,
    /// 60 slots of a minute.
    pub hour: SlotsStatus,
}

/// Counts by slot of time, the oldest first; as many in each list, and fewer after the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotsStatus {
    /// How long a slot is.
    pub slot_seconds: u64,
    /// Samples applied.
    pub accepted: Vec<u64>,
    /// Samples rejected.
    pub rejected: Vec<u64>,
    /// Packets that the kernel dropped.
    pub lost: Vec<u64>,
}

/// How many families and series of a type there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeStatus {
    /// The type of the metrics.
    #[serde(rename = "type")]
    pub metric_type: String,
    /// Names of metrics.
    pub families: u64,
    /// Series.
    pub series: u64,
}

/// The families with the most series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamiliesStatus {
    /// At most [`MAX_FAMILIES`], most series first.
    pub largest: Vec<FamilyStatus>,
    /// How many other families there are.
    pub left_out: u64,
}

/// A family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyStatus {
    /// The name of the metric.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub metric_type: String,
    /// How many series it has.
    pub series: u64,
}

/// The names with the most lines, estimated from a random sample of lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NamesStatus {
    /// Most lines first.
    pub busiest: Vec<NameStatus>,
    /// How many lines were looked at.
    pub sampled: u64,
    /// How many lines these stand for.
    pub lines: u64,
}

/// A name and its lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NameStatus {
    /// The name of the metric, or of the line if it did not become a metric.
    pub name: String,
    /// Whether it is the name of a metric.
    pub is_metric: bool,
    /// Lines since the start, estimated.
    pub lines: u64,
    /// How many of them may belong to other names.
    pub others: u64,
    /// Lines a second, over the last ten seconds, estimated.
    pub per_second: f64,
}

/// What is rejected for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectStatus {
    /// The reason, as in `statsidecar_rejected_samples_total`.
    pub reason: String,
    /// How many samples.
    pub samples: u64,
    /// What to change.
    pub remedy: String,
    /// The newest lines, the newest first.
    pub lines: Vec<LineStatus>,
}

/// A line of a client, or a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStatus {
    /// The address of the listener.
    pub listener: String,
    /// How many seconds ago it arrived.
    pub age_seconds: u64,
    /// Its beginning, escaped; empty if it was not kept.
    pub text: String,
    /// The character of `text`, counted from 0, at which it is wrong, if that is known.
    pub wrong_at: Option<u64>,
}

/// A name that is in conflict, or over a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitterStatus {
    /// The name of the metric, or of the line if it did not become a metric.
    pub name: String,
    /// The reason, as in `statsidecar_rejected_samples_total`.
    pub reason: String,
    /// How many samples, at most.
    pub samples: u64,
    /// How many of them may belong to other names.
    pub others: u64,
}

/// Names of lines that became the name of another metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedStatus {
    /// How many; counted up to 1024.
    pub count: u64,
    /// The newest, the newest first.
    pub newest: Vec<MergedNameStatus>,
}

/// A name that became the name of another metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedNameStatus {
    /// The name in the line.
    pub written: String,
    /// The metric.
    pub metric: String,
}

/// The limits, and how much of them is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsStatus {
    /// Series that exist.
    pub series: u64,
    /// `[limits] series`.
    pub series_limit: u64,
    /// `[limits] family_series`; none is no limit.
    pub family_series_limit: Option<u64>,
    /// Memory in use beyond what the start took.
    pub memory_bytes: u64,
    /// `[limits] memory`; none is no limit.
    pub memory_limit_bytes: Option<u64>,
    /// `[limits] overflow`: `reject` or `collapse`.
    pub overflow: String,
}

/// The rules of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesStatus {
    /// At most [`MAX_RULES`], in the order of the file, those of presets last.
    pub rules: Vec<RuleStatus>,
    /// How many other rules there are.
    pub left_out: u64,
    /// How many of all rules have never matched.
    pub never_matched: u64,
}

/// A rule and what it matched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatus {
    /// Its number, counted from 1.
    pub number: u64,
    /// `match` or `match_regex`.
    pub key: String,
    /// The pattern.
    pub pattern: String,
    /// The preset that it is of; none if the file has it.
    pub preset: Option<String>,
    /// Its `name`, as the file has it.
    pub name: Option<String>,
    /// Whether it drops its lines.
    pub drop: bool,
    /// How often a worker resolved a series by this rule: 0 is exact, so that the rule has never matched.
    pub resolved: u64,
    /// Lines that it matched, estimated from a random sample of lines.
    pub lines: u64,
}

/// What outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StateStatus {
    /// The bytes of the arena, which survives a kill.
    pub arena_bytes: u64,
    /// Series whose values are in it.
    pub arena_series: u64,
    /// Series whose values should be in it, and are not, because it is full.
    pub outside_arena_series: u64,
    /// Series of the last process that went on at the start.
    pub restored_series: u64,
    /// Snapshots that were written.
    pub saved: u64,
    /// Snapshots that could not be written.
    pub failed: u64,
    /// How many seconds ago the last one was written; none before the first.
    pub last_save_age_seconds: Option<u64>,
    /// How long that took, in seconds.
    pub last_save_seconds: Option<f64>,
}

/// A target of the relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayStatus {
    /// Its address.
    pub target: String,
    /// Packets, by outcome.
    pub packets: CountsByWord,
    /// Lines, by outcome.
    pub lines: CountsByWord,
}

/// A receiver that metrics are pushed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushStatus {
    /// Its URL, without the query.
    pub target: String,
    /// `otlp` or `remote_write`.
    pub protocol: String,
    /// Samples, by outcome.
    pub samples: CountsByWord,
    /// Samples that wait.
    pub waiting: u64,
    /// Requests, by outcome.
    pub requests: CountsByWord,
    /// Why the last request that was not taken was not, in the receiver's words; escaped where it is not printable.
    pub last_error: Option<String>,
}

/// The process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// CPU time since the start.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open files.
    pub open_fds: u64,
    /// Threads.
    pub threads: u64,
}
