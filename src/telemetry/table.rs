//! The table of the sidecar's own metrics: their names and types, how a scrape reads their values, and their help texts.

use std::sync::atomic::{AtomicU64, Ordering};

use strum::{EnumCount, VariantArray};

use super::counters::Telemetry;
use super::snapshot::{
    Closed, Delivery, HttpClosed, ListenerSnapshot, ProcessSnapshot, PushAttempt, PushOutcome, PushSnapshot,
    RelaySnapshot, ScrapeFormat, Snapshot, StateSnapshot,
};
use crate::metric::{Bounds, Histogram, MetricType, Total};
use crate::parse::StatsdType;
use crate::parse::tags::TagError;
use crate::reject::Reject;

/// One of the sidecar's own metrics.
#[derive(Debug)]
pub(crate) struct OwnMetric {
    pub(crate) name: &'static str,
    pub(crate) metric_type: MetricType,
    pub(crate) help: &'static str,
    rows: fn(&Telemetry, &Snapshot) -> Vec<OwnRow>,
}

macro_rules! own_metrics {
    ($($name:literal, $metric_type:ident, $rows:expr, $help:literal;)*) => {
        /// Every own metric, in the order of the names.
        const TABLE: &[OwnMetric] =
            &[$(OwnMetric { name: $name, metric_type: MetricType::$metric_type, help: $help, rows: $rows }),*];
    };
}

own_metrics! {
    "process_cpu_seconds_total", Counter, |_, snapshot| process(snapshot, |process| process.cpu_seconds),
        "Total user and system CPU time spent in seconds.";
    "process_max_fds", Gauge, |_, snapshot| process(snapshot, |process| process.max_fds),
        "Maximum number of open file descriptors.";
    "process_open_fds", Gauge, |_, snapshot| process(snapshot, |process| process.open_fds),
        "Number of open file descriptors.";
    "process_resident_memory_bytes", Gauge, |_, snapshot| process(snapshot, |process| process.resident_bytes),
        "Resident memory size in bytes.";
    "process_start_time_seconds", Gauge, |_, snapshot| process(snapshot, |process| process.start_time_seconds),
        "Start time of the process since the Unix epoch in seconds.";
    "process_threads", Gauge, |_, snapshot| process(snapshot, |process| process.threads),
        "Number of threads of the process.";
    "process_virtual_memory_bytes", Gauge, |_, snapshot| process(snapshot, |process| process.virtual_bytes),
        "Virtual memory size in bytes.";
    "process_virtual_memory_max_bytes", Gauge, |_, snapshot| process(snapshot, |process| process.virtual_max_bytes),
        "Maximum amount of virtual memory available in bytes; -1 is no limit.";
    "statsidecar_build_info", Gauge, |_, _| by("version", [env!("CARGO_PKG_VERSION")], [1]),
        "Always 1; the labels say which program this is.";
    "statsidecar_bytes_total", Counter, |_, snapshot| by_listener(snapshot, |listener| Some(listener.bytes)),
        "Bytes received, without the headers of the network.";
    "statsidecar_closed_connections_total", Counter, |_, snapshot| closed(snapshot),
        "Connections closed, by reason: by the client, by an error, by an impossible message, because they began as HTTP, by the idle timeout, or at once by the limit on connections.";
    "statsidecar_config_last_reload_successful", Gauge, |own, _| one(u64::from(own.reloads.last_succeeded())),
        "Whether the config that was read last holds: 0 if the last reload has failed, so that the config before it holds.";
    "statsidecar_config_reloads_total", Counter, |own, _| by("outcome", ["succeeded", "failed"], own.reloads.counts()),
        "Reloads of the config, by outcome; one that fails changes nothing.";
    "statsidecar_connections", Gauge, |_, snapshot| by_listener(snapshot, |listener| Some(listener.socket.try_as_stream_ref()?.open())),
        "Connections that are open.";
    "statsidecar_connections_total", Counter, |_, snapshot| by_listener(snapshot, |listener| Some(listener.socket.try_as_stream_ref()?.accepted)),
        "Connections accepted, including those closed at once by the limit.";
    "statsidecar_denied_packets_total", Counter, |_, snapshot| by_listener(snapshot, |listener| Some(listener.socket.try_as_datagram_ref()?.denied)),
        "Packets of users who are not in [intake] allow_uids; their lines were not read.";
    "statsidecar_dropped_samples_total", Counter, |own, _| one(&own.counts.dropped),
        "Samples dropped by a rule, and service checks unless the config asks for them.";
    "statsidecar_events_total", Counter, |own, _| one(&own.counts.events),
        "Events received; they are counted, but not exposed.";
    "statsidecar_exposition_bytes", Gauge, |own, _| one(&own.exposition_bytes),
        "Size of the last exposition before this one, uncompressed.";
    "statsidecar_families", Gauge, |_, snapshot| by("type", MetricType::ALL.map(MetricType::as_str), snapshot.families),
        "Metric names that exist, by type.";
    "statsidecar_http_closed_connections_total", Counter, |own, _| http_closed(own),
        "Connections of HTTP clients that the server closed, by reason: the head, the next request, some of the answer or all of it took too long, or a new client came at the limit on connections.";
    "statsidecar_kernel_dropped_packets_total", Counter, |_, snapshot| by_listener(snapshot, |listener| Some(listener.socket.try_as_datagram_ref()?.dropped)),
        "Packets that the kernel dropped because the receive buffer of the socket was full.";
    "statsidecar_lines_total", Counter, |_, snapshot| by_listener(snapshot, |listener| Some(listener.lines)),
        "Lines received, without empty ones.";
    "statsidecar_lost_log_lines_total", Counter, |_, snapshot| one(snapshot.lost_log_lines),
        "Lines of the log that were lost because nobody read the standard error, or because it could not be written.";
    "statsidecar_memory_bytes", Gauge, |_, snapshot| one(snapshot.memory as u64),
        "Memory that has been allocated since the start and not given back: names, labels and values of series, routes, connections.";
    "statsidecar_memory_limit_bytes", Gauge, |_, snapshot| limited(snapshot.memory_limit),
        "The configured limit on memory; -1 is no limit.";
    "statsidecar_merged_names_total", Counter, |_, snapshot| one(snapshot.merged_names),
        "Names of lines that became the name of another metric because characters were replaced by _; counted up to 1024.";
    "statsidecar_packets_total", Counter, |_, snapshot| by_listener(snapshot, |listener| Some(listener.packets)),
        "Packets received: datagrams, and messages of a DogStatsD stream; a stream of lines has none.";
    "statsidecar_push_requests_total", Counter, |_, snapshot| pushes(snapshot, |push| PushAttempt::ALL.iter().map(Into::into).zip(push.requests).collect()),
        "Requests to a receiver that metrics are pushed to, by outcome: sent, refused in part or whole, or failed and to be sent again.";
    "statsidecar_push_samples_total", Counter, |_, snapshot| pushes(snapshot, |push| PushOutcome::ALL.iter().map(Into::into).zip(push.samples).collect()),
        "Samples for such a receiver, by outcome: sent, refused by the receiver, or shed because there was no room to keep them.";
    "statsidecar_push_waiting_samples", Gauge, |_, snapshot| pushed(snapshot, |push| push.waiting),
        "Samples that wait until such a receiver takes them.";
    "statsidecar_receive_buffer_bytes", Gauge, |_, snapshot| by_listener(snapshot, |listener| Some(listener.socket.try_as_datagram_ref()?.receive_buffer as u64)),
        "Receive buffer of the socket, including the kernel's own bookkeeping.";
    "statsidecar_rejected_samples_total", Counter, |own, _| by("reason", Reject::ALL.map(Reject::reason), &own.counts.rejected),
        "Samples that were not applied, by reason.";
    "statsidecar_relay_lines_total", Counter, |_, snapshot| deliveries(snapshot, |relay| relay.lines),
        "Lines for a relay target, by outcome: sent, failed by an error, shed because the queue was full, or looped because the target leads back here.";
    "statsidecar_relay_packets_total", Counter, |_, snapshot| deliveries(snapshot, |relay| relay.packets),
        "Packets for a relay target, by outcome; on a stream, a packet is what is written at once.";
    "statsidecar_samples_total", Counter, |own, _| by("type", StatsdType::ALL.map(StatsdType::as_str), &own.counts.samples),
        "Samples applied, by the StatsD type of their line.";
    "statsidecar_scrape_duration_seconds", Histogram, |own, _| one(&own.scrape_duration),
        "Time to write an exposition; scrapes that wait at the same moment share one.";
    "statsidecar_scrapes_total", Counter, |own, _| scrapes(own),
        "Scrapes answered, by format, without the current one.";
    "statsidecar_series", Gauge, |_, snapshot| by("type", MetricType::ALL.map(MetricType::as_str), snapshot.series),
        "Series that exist, by type.";
    "statsidecar_series_expired_total", Counter, |_, snapshot| one(snapshot.series_expired),
        "Series that expired because they received no sample within their time to live.";
    "statsidecar_series_limit", Gauge, |_, snapshot| one(snapshot.series_limit as u64),
        "The configured limit on series.";
    "statsidecar_state_arena_bytes", Gauge, |_, snapshot| state(snapshot, |state| state.arena_bytes.into()),
        "Size of the arena, which keeps the values of series when the process is killed.";
    "statsidecar_state_arena_series", Gauge, |_, snapshot| state(snapshot, |state| state.arena_series.into()),
        "Series whose values are in the arena.";
    "statsidecar_state_last_save_timestamp_seconds", Gauge, |_, snapshot| state(snapshot, |state| state.last_saved.into()),
        "When the last snapshot was written, in seconds since the Unix epoch; 0 before the first.";
    "statsidecar_state_outside_arena_series", Gauge, |_, snapshot| state(snapshot, |state| state.outside_arena.into()),
        "Counters, gauges and histograms that are not in the arena because it was full; a kill takes what they gained since the last snapshot.";
    "statsidecar_state_restored_series", Gauge, |_, snapshot| state(snapshot, |state| state.restored.into()),
        "Series of the last process that went on at the start of this one.";
    "statsidecar_state_save_duration_seconds", Gauge, |_, snapshot| state(snapshot, |state| OwnValue::Number(Total::Real(state.seconds))),
        "How long the last snapshot took to write.";
    "statsidecar_state_saves_total", Counter, |_, snapshot| saves(snapshot),
        "Snapshots, by outcome: saved, or failed because they could not be written.";
    "statsidecar_tag_errors_total", Counter, |own, _| by("reason", TagError::ALL.map(TagError::reason), &own.counts.tag_errors),
        "Tags that were dropped or renamed while their sample was kept, by reason.";
    "statsidecar_unknown_sections_total", Counter, |own, _| unknown_sections(own),
        "Unknown sections of lines, which are skipped, by their first character.";
    "statsidecar_unmapped_samples_total", Counter, |own, _| one(&own.counts.unmapped),
        "Samples applied under their own names because no rule matched.";
}

impl OwnMetric {
    /// Every own metric, in the order of the names.
    pub(crate) const ALL: &[Self] = TABLE;
}

/// Whether `name` is reserved for the sidecar's own metrics. So is `statsidecar`, because a histogram of that name would
/// expose `statsidecar_count`.
pub(crate) fn is_reserved(name: &str) -> bool {
    // Nearly all names have neither beginning, and this is asked for each new series.
    name == "statsidecar"
        || name.starts_with("statsidecar_")
        || name.starts_with("process_") && TABLE.iter().any(|own| own.name == name)
}

/// One of the sidecar's own metrics with its values.
#[derive(Debug)]
pub(crate) struct OwnFamily {
    pub(crate) metric: &'static OwnMetric,
    /// At least one.
    pub(crate) rows: Vec<OwnRow>,
}

/// One series of an own metric.
#[derive(Debug)]
pub(crate) struct OwnRow {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: OwnValue,
}

/// The value of such a series.
#[derive(Debug)]
pub(crate) enum OwnValue {
    /// Of a counter or a gauge.
    Number(Total),
    /// Of a histogram: the bounds of the buckets, the observations up to each bound and up to infinity, and their sum.
    Histogram(Bounds, Vec<u64>, f64),
}

impl From<u64> for OwnValue {
    fn from(count: u64) -> Self {
        Self::Number(Total::Whole(count))
    }
}

impl From<&AtomicU64> for OwnValue {
    fn from(count: &AtomicU64) -> Self {
        count.load(Ordering::Relaxed).into()
    }
}

impl From<&Histogram> for OwnValue {
    fn from(histogram: &Histogram) -> Self {
        let mut cumulative = Vec::new();
        let sum = histogram.read(&mut cumulative);
        Self::Histogram(histogram.bounds().clone(), cumulative, sum)
    }
}

impl Telemetry {
    /// Every own metric that has values, in the order of the names.
    pub(crate) fn families(&self, snapshot: &Snapshot) -> Vec<OwnFamily> {
        let families = TABLE.iter().map(|metric| OwnFamily { metric, rows: (metric.rows)(self, snapshot) });
        families.filter(|family| !family.rows.is_empty()).collect()
    }
}

fn row<const N: usize>(labels: [(&'static str, &str); N], value: impl Into<OwnValue>) -> OwnRow {
    OwnRow { labels: labels.map(|(key, value)| (key, value.to_owned())).into(), value: value.into() }
}

fn one(value: impl Into<OwnValue>) -> Vec<OwnRow> {
    vec![row([], value)]
}

/// A row for each value, with one of `names` as the label `key`.
fn by<const N: usize>(
    key: &'static str,
    names: [&str; N],
    values: impl IntoIterator<Item = impl Into<OwnValue>>,
) -> Vec<OwnRow> {
    names.into_iter().zip(values).map(|(name, value)| row([(key, name)], value)).collect()
}

fn process(snapshot: &Snapshot, read: impl Fn(&ProcessSnapshot) -> f64) -> Vec<OwnRow> {
    snapshot.process.iter().map(|process| row([], OwnValue::Number(Total::Real(read(process))))).collect()
}

/// What outlives the process, if anything does.
fn state(snapshot: &Snapshot, read: impl Fn(&StateSnapshot) -> OwnValue) -> Vec<OwnRow> {
    snapshot.state.iter().map(|state| row([], read(state))).collect()
}

fn saves(snapshot: &Snapshot) -> Vec<OwnRow> {
    let rows = |state: &StateSnapshot| by("outcome", ["failed", "saved"], [state.failed, state.saved]);
    snapshot.state.iter().flat_map(rows).collect()
}

/// A limit, of which `usize::MAX` is none.
fn limited(limit: usize) -> Vec<OwnRow> {
    let limit = if limit == usize::MAX { Total::Real(-1.0) } else { Total::Whole(limit as u64) };
    vec![row([], OwnValue::Number(limit))]
}

/// A row for each listener that has the value.
fn by_listener(snapshot: &Snapshot, read: impl Fn(&ListenerSnapshot) -> Option<u64>) -> Vec<OwnRow> {
    let row = |listener: &ListenerSnapshot| Some(row([("listener", &listener.address)], read(listener)?));
    snapshot.listeners.iter().filter_map(row).collect()
}

/// A row for each listener of streams and each reason.
fn closed(snapshot: &Snapshot) -> Vec<OwnRow> {
    let mut rows = Vec::new();
    for listener in &snapshot.listeners {
        let closed = listener.socket.try_as_stream_ref().map(|stream| stream.closed);
        for (reason, count) in Closed::VARIANTS.iter().zip(closed.into_iter().flatten()) {
            rows.push(row([("listener", &listener.address), ("reason", reason.into())], count));
        }
    }
    rows
}

/// A row for each reason.
fn http_closed(own: &Telemetry) -> Vec<OwnRow> {
    let reasons = HttpClosed::VARIANTS.iter().zip(&own.http_closed);
    reasons.map(|(reason, count)| row([("reason", reason.into())], count)).collect()
}

fn scrapes(own: &Telemetry) -> Vec<OwnRow> {
    let formats = ScrapeFormat::VARIANTS.iter().zip(&own.scrapes);
    formats.map(|(format, count)| row([("format", format.into())], count)).collect()
}

/// A row for each target of the relay and each outcome.
fn deliveries(snapshot: &Snapshot, read: impl Fn(&RelaySnapshot) -> [u64; Delivery::COUNT]) -> Vec<OwnRow> {
    let mut rows = Vec::new();
    for relay in &snapshot.relays {
        for (outcome, count) in Delivery::VARIANTS.iter().zip(read(relay)) {
            rows.push(row([("target", &relay.target), ("outcome", outcome.into())], count));
        }
    }
    rows
}

/// A row for each receiver that metrics are pushed to.
fn pushed(snapshot: &Snapshot, read: impl Fn(&PushSnapshot) -> u64) -> Vec<OwnRow> {
    let row = |push: &PushSnapshot| row([("target", &push.target), ("protocol", push.protocol)], read(push));
    snapshot.pushes.iter().map(row).collect()
}

/// A row for each such receiver and each outcome.
fn pushes(snapshot: &Snapshot, read: impl Fn(&PushSnapshot) -> Vec<(&'static str, u64)>) -> Vec<OwnRow> {
    let mut rows = Vec::new();
    for push in &snapshot.pushes {
        for (outcome, count) in read(push) {
            rows.push(row([("target", &push.target), ("protocol", push.protocol), ("outcome", outcome)], count));
        }
    }
    rows
}

/// Only the sections that were received: most never are.
fn unknown_sections(own: &Telemetry) -> Vec<OwnRow> {
    let first = (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z').map(|b| char::from(b).to_string());
    let sections = first.chain(["other".to_owned()]).zip(&own.counts.unknown_sections);
    let received = sections.filter(|(_, count)| count.load(Ordering::Relaxed) > 0);
    received.map(|(section, count)| row([("section", &section)], count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_named_well_and_explained() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name), "sorted, and each once");
        for own in TABLE {
            assert!(own.name.starts_with("statsidecar_") || own.name.starts_with("process_"), "{}", own.name);
            assert_eq!(own.metric_type == MetricType::Counter, own.name.ends_with("_total"), "{}", own.name);
            assert!(own.help.ends_with('.'), "{}", own.name);
            assert!(is_reserved(own.name), "{}", own.name);
        }
        assert!(is_reserved("statsidecar") && is_reserved("statsidecar_anything"));
        assert!(!["statsidecars", "process_", "process_threads_total", "jobs"].into_iter().any(is_reserved));
    }
}
