//! The table of the sidecar's own metrics: their names, types and help texts.

use crate::metric::MetricType;

/// One of the sidecar's own metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) name: &'static str,
    pub(crate) metric_type: MetricType,
    pub(crate) help: &'static str,
}

macro_rules! own_metrics {
    ($($id:ident = $name:literal, $metric_type:ident, $help:literal;)*) => {
        $(pub(super) const $id: Description = Description { name: $name, metric_type: MetricType::$metric_type, help: $help };)*

        /// Every own metric, in the order of the names.
        pub(super) const TABLE: &[Description] = &[$($id),*];
    };
}

own_metrics! {
    PROCESS_CPU = "process_cpu_seconds_total", Counter, "Total user and system CPU time spent in seconds.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, "Maximum number of open file descriptors.";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, "Number of open file descriptors.";
    PROCESS_RESIDENT = "process_resident_memory_bytes", Gauge, "Resident memory size in bytes.";
    PROCESS_START = "process_start_time_seconds", Gauge, "Start time of the process since the Unix epoch in seconds.";
    PROCESS_THREADS = "process_threads", Gauge, "Number of threads of the process.";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", Gauge, "Virtual memory size in bytes.";
    PROCESS_VIRTUAL_MAX = "process_virtual_memory_max_bytes", Gauge, "Maximum amount of virtual memory available in bytes; -1 is no limit.";
    BUILD_INFO = "statsidecar_build_info", Gauge, "Always 1; the labels say which program this is.";
    BYTES = "statsidecar_bytes_total", Counter, "Bytes received, without the headers of the network.";
    CLOSED = "statsidecar_closed_connections_total", Counter, "Connections closed, by reason: by the client, by an error, by an impossible message, by the idle timeout, or at once by the limit on connections.";
    CONNECTIONS = "statsidecar_connections", Gauge, "Connections that are open.";
    CONNECTIONS_TOTAL = "statsidecar_connections_total", Counter, "Connections accepted, including those closed at once by the limit.";
    DROPPED = "statsidecar_dropped_samples_total", Counter, "Samples dropped by a rule, and service checks unless the config asks for them.";
    EVENTS = "statsidecar_events_total", Counter, "Events received; they are counted, but not exposed.";
    FAMILIES = "statsidecar_families", Gauge, "Metric names that exist, by type.";
    KERNEL_DROPPED = "statsidecar_kernel_dropped_packets_total", Counter, "Packets that the kernel dropped because the receive buffer of the socket was full.";
    LINES = "statsidecar_lines_total", Counter, "Lines received, without empty ones.";
    PACKETS = "statsidecar_packets_total", Counter, "Packets received: datagrams, and messages of a DogStatsD stream; a stream of lines has none.";
    RECEIVE_BUFFER = "statsidecar_receive_buffer_bytes", Gauge, "Receive buffer of the socket, including the kernel's own bookkeeping.";
    REJECTED = "statsidecar_rejected_samples_total", Counter, "Samples that were not applied, by reason.";
    RELAY_LINES = "statsidecar_relay_lines_total", Counter, "Lines for a relay target, by outcome: sent, failed by an error, or shed because the queue was full.";
    RELAY_PACKETS = "statsidecar_relay_packets_total", Counter, "Packets for a relay target, by outcome; on a stream, a packet is what is written at once.";
    SAMPLES = "statsidecar_samples_total", Counter, "Samples applied, by the StatsD type of their line.";
    SCRAPE_DURATION = "statsidecar_scrape_duration_seconds", Histogram, "Time to write the exposition of a scrape.";
    SCRAPES = "statsidecar_scrapes_total", Counter, "Scrapes answered, by format, without the current one.";
    SERIES = "statsidecar_series", Gauge, "Series that exist, by type.";
    SERIES_EXPIRED = "statsidecar_series_expired_total", Counter, "Series that expired because they received no sample within their time to live.";
    SERIES_LIMIT = "statsidecar_series_limit", Gauge, "The configured limit on series.";
    TAG_ERRORS = "statsidecar_tag_errors_total", Counter, "Tags that were dropped or renamed while their sample was kept, by reason.";
    UNKNOWN_SECTIONS = "statsidecar_unknown_sections_total", Counter, "Unknown sections of lines, which are skipped, by their first character.";
    UNMAPPED = "statsidecar_unmapped_samples_total", Counter, "Samples applied under their own names because no rule matched.";
}

/// Whether `name` is reserved for the sidecar's own metrics. So is `statsidecar`, because a histogram of that name would
/// expose `statsidecar_count`.
pub(crate) fn is_reserved(name: &str) -> bool {
    name == "statsidecar" || name.starts_with("statsidecar_") || TABLE.iter().any(|own| own.name == name)
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
        }
    }
}
