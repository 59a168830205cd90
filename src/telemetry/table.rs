//! The table that every output is made from: what there is, and what it means.

use crate::metric::MetricType;

/// One of the sidecar's own metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The family's name.
    pub name: &'static str,
    /// What it is.
    pub metric_type: MetricType,
    /// The help text.
    pub help: &'static str,
}

macro_rules! own_metrics {
    ($($id:ident = $name:literal, $metric_type:ident, $help:literal;)*) => {
        $(pub(super) const $id: Description = Description { name: $name, metric_type: MetricType::$metric_type, help: $help };)*

        /// Every metric of the sidecar's own, in the order of their names.
        pub const TABLE: &[Description] = &[$($id),*];
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
    BYTES = "statsidecar_bytes_total", Counter, "Bytes received, without what the network adds to them.";
    CLOSED = "statsidecar_closed_connections_total", Counter, "Connections that were closed, by reason: by the client, after an error, after a message that cannot be, after a long silence, or at once because there were too many.";
    CONNECTIONS = "statsidecar_connections", Gauge, "Connections that are open.";
    CONNECTIONS_TOTAL = "statsidecar_connections_total", Counter, "Connections accepted, with those that were closed at once.";
    DROPPED = "statsidecar_dropped_samples_total", Counter, "Samples that a rule says to drop, and service checks where they are not asked for.";
    EVENTS = "statsidecar_events_total", Counter, "Events received, which are counted and not exposed.";
    FAMILIES = "statsidecar_families", Gauge, "Metric names that exist, by type.";
    KERNEL_DROPPED = "statsidecar_kernel_dropped_packets_total", Counter, "Packets that the kernel dropped before they could be read, as the socket counts them: its buffer was full.";
    LINES = "statsidecar_lines_total", Counter, "Lines received, empty ones not counted.";
    PACKETS = "statsidecar_packets_total", Counter, "Packets received: datagrams, and messages of streams that have any; a stream of lines has none.";
    RECEIVE_BUFFER = "statsidecar_receive_buffer_bytes", Gauge, "Receive buffer that the kernel gave the socket, its own bookkeeping included.";
    REJECTED = "statsidecar_rejected_samples_total", Counter, "Samples that were not applied, by reason.";
    RELAY_LINES = "statsidecar_relay_lines_total", Counter, "Lines that were to be sent on to a target, by what became of them: sent, failed by an error, or shed because there was no room to keep them.";
    RELAY_PACKETS = "statsidecar_relay_packets_total", Counter, "Packets that were to be sent on to a target, by what became of them; of a stream, pieces that were written at once.";
    SAMPLES = "statsidecar_samples_total", Counter, "Samples applied, by the type that their line carried.";
    SCRAPE_DURATION = "statsidecar_scrape_duration_seconds", Histogram, "Time to make the page of a scrape.";
    SCRAPES = "statsidecar_scrapes_total", Counter, "Scrapes answered, by format; the one under way is not among them.";
    SERIES = "statsidecar_series", Gauge, "Series that exist, by type.";
    SERIES_EXPIRED = "statsidecar_series_expired_total", Counter, "Series that left because no sample came in their time to live.";
    SERIES_LIMIT = "statsidecar_series_limit", Gauge, "How many series there may be.";
    TAG_ERRORS = "statsidecar_tag_errors_total", Counter, "Tags that were left out or renamed while their sample was kept, by reason.";
    UNKNOWN_SECTIONS = "statsidecar_unknown_sections_total", Counter, "Sections of lines that were skipped because they are not known, by the character they begin with.";
    UNMAPPED = "statsidecar_unmapped_samples_total", Counter, "Samples applied under their own names, since no rule matched.";
}

/// Whether `name` is kept for the sidecar itself. (`statsidecar` too: as a histogram it would expose
/// `statsidecar_count`.)
pub fn is_reserved(name: &str) -> bool {
    name == "statsidecar" || name.starts_with("statsidecar_") || TABLE.iter().any(|own| own.name == name)
}
