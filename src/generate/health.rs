//! The sidecar itself: panels about its own metrics, whatever the config declares.

use super::needs::Needs;
use super::panel::{Panel, PanelTarget};
use crate::config::{Config, PanelType};

struct OwnPanel {
    title: &'static str,
    panel_type: PanelType,
    unit: &'static str,
    needs: Needs,
    thresholds: &'static [f64],
    /// Each query with its legend; an empty one is the labels in which the series differ.
    targets: &'static [(&'static str, &'static str)],
    description: &'static str,
}

const PANELS: &[OwnPanel] = &[
    OwnPanel {
        title: "Series, of the limit",
        panel_type: PanelType::Gauge,
        unit: "percentunit",
        needs: Needs::Nothing,
        thresholds: &[0.8, 0.95],
        targets: &[("sum without (type) (statsidecar_series) / statsidecar_series_limit", "")],
        description: "At the limit, new series are rejected as series_limit. Look for a label with many values, or raise [limits] series.",
    },
    OwnPanel {
        title: "Memory, of the limit",
        panel_type: PanelType::Gauge,
        unit: "percentunit",
        needs: Needs::MemoryLimit,
        thresholds: &[0.75, 0.875],
        targets: &[("statsidecar_memory_bytes / statsidecar_memory_limit_bytes", "")],
        description: "From seven eighths of the limit on, new series are rejected as memory_limit. Send fewer names and labels, set a ttl, or raise [limits] memory.",
    },
    OwnPanel {
        title: "Lines a second",
        panel_type: PanelType::Stat,
        unit: "cps",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("sum without (listener) (rate(statsidecar_lines_total[5m]))", "")],
        description: "Lines received on all listeners. 0 means that nobody sends here.",
    },
    OwnPanel {
        title: "Running for",
        panel_type: PanelType::Stat,
        unit: "s",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("time() - process_start_time_seconds", "")],
        description: "The time since the start. Without [state], counters begin at 0 after a start, as rate() expects.",
    },
    OwnPanel {
        title: "Lines received",
        panel_type: PanelType::TimeSeries,
        unit: "cps",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("rate(statsidecar_lines_total[5m])", "")],
        description: "Lines by listener.",
    },
    OwnPanel {
        title: "Bytes received",
        panel_type: PanelType::TimeSeries,
        unit: "Bps",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("rate(statsidecar_bytes_total[5m])", "")],
        description: "Bytes by listener, without the headers of the network.",
    },
    OwnPanel {
        title: "Samples applied",
        panel_type: PanelType::TimeSeries,
        unit: "cps",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("rate(statsidecar_samples_total[5m])", "")],
        description: "Samples that changed a metric, by the StatsD type of their line.",
    },
    OwnPanel {
        title: "Samples rejected",
        panel_type: PanelType::TimeSeries,
        unit: "cps",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("rate(statsidecar_rejected_samples_total[5m])", "{{reason}}")],
        description: "Samples that were not applied, by reason. The status page has the newest lines; `statsidecar explain LINE` says what is wrong with one.",
    },
    OwnPanel {
        title: "Samples without a rule",
        panel_type: PanelType::TimeSeries,
        unit: "cps",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[
            ("rate(statsidecar_dropped_samples_total[5m])", "dropped by a rule"),
            ("rate(statsidecar_unmapped_samples_total[5m])", "under their own names"),
            ("rate(statsidecar_events_total[5m])", "events"),
        ],
        description: "Samples that a rule drops, samples that no rule matches, and events, which are only counted.",
    },
    OwnPanel {
        title: "Packets, and those dropped by the kernel",
        panel_type: PanelType::TimeSeries,
        unit: "cps",
        needs: Needs::Datagrams,
        thresholds: &[],
        targets: &[
            ("rate(statsidecar_packets_total[5m])", "received {{listener}}"),
            ("rate(statsidecar_kernel_dropped_packets_total[5m])", "dropped {{listener}}"),
            ("rate(statsidecar_denied_packets_total[5m])", "denied {{listener}}"),
        ],
        description: "The kernel drops packets while the receive buffer is full: raise [intake] receive_buffer and net.core.rmem_max, or [intake] workers.",
    },
    OwnPanel {
        title: "Receive buffers",
        panel_type: PanelType::TimeSeries,
        unit: "bytes",
        needs: Needs::Datagrams,
        thresholds: &[],
        targets: &[("statsidecar_receive_buffer_bytes", "{{listener}}")],
        description: "What the kernel gave. Below twice of [intake] receive_buffer, net.core.rmem_max is too low.",
    },
    OwnPanel {
        title: "Connections",
        panel_type: PanelType::TimeSeries,
        unit: "short",
        needs: Needs::Streams,
        thresholds: &[],
        targets: &[
            ("statsidecar_connections", "open {{listener}}"),
            ("increase(statsidecar_connections_total[5m])", "accepted {{listener}}"),
            ("increase(statsidecar_closed_connections_total[5m])", "closed {{listener}} {{reason}}"),
        ],
        description: "Connections of clients that are open now, and those that were accepted and closed.",
    },
    OwnPanel {
        title: "Relay",
        panel_type: PanelType::TimeSeries,
        unit: "cps",
        needs: Needs::Relay,
        thresholds: &[],
        targets: &[
            ("rate(statsidecar_relay_lines_total[5m])", "lines {{target}} {{outcome}}"),
            ("rate(statsidecar_relay_packets_total[5m])", "packets {{target}} {{outcome}}"),
        ],
        description: "Lines for each target by outcome. Failed: the target refuses. Shed: it is too slow. Looped: it leads back here.",
    },
    OwnPanel {
        title: "Push",
        panel_type: PanelType::TimeSeries,
        unit: "cps",
        needs: Needs::Push,
        thresholds: &[],
        targets: &[
            ("rate(statsidecar_push_samples_total[5m])", "samples {{target}} {{outcome}}"),
            ("rate(statsidecar_push_requests_total[5m])", "requests {{target}} {{outcome}}"),
            ("statsidecar_push_waiting_samples", "waiting {{target}}"),
        ],
        description: "Samples for each receiver by outcome. Refused: it does not take them. Shed: it is down or too slow.",
    },
    OwnPanel {
        title: "Series and names",
        panel_type: PanelType::TimeSeries,
        unit: "short",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[
            ("statsidecar_series", "series {{type}}"),
            ("sum without (type) (statsidecar_families)", "names"),
            ("increase(statsidecar_series_expired_total[5m])", "series expired"),
            ("increase(statsidecar_merged_names_total[5m])", "names merged"),
        ],
        description: "Series by type, metric names, series that expired by their ttl, and names that became the name of another metric.",
    },
    OwnPanel {
        title: "State: age of the snapshot",
        panel_type: PanelType::Stat,
        unit: "s",
        needs: Needs::State,
        thresholds: &[60.0, 300.0],
        targets: &[("time() - (statsidecar_state_last_save_timestamp_seconds > 0)", "")],
        description: "What a start of the machine would lose at most. [state] interval says how often a snapshot is written.",
    },
    OwnPanel {
        title: "State: snapshots and the arena",
        panel_type: PanelType::TimeSeries,
        unit: "short",
        needs: Needs::State,
        thresholds: &[],
        targets: &[
            ("increase(statsidecar_state_saves_total[5m])", "snapshots {{outcome}}"),
            ("statsidecar_state_arena_series", "series in the arena"),
            ("statsidecar_state_outside_arena_series", "series outside, because it is full"),
            ("statsidecar_state_restored_series", "series restored at the start"),
        ],
        description: "Series outside the arena lose what they gained since the last snapshot if the process is killed.",
    },
    OwnPanel {
        title: "State: size of the arena",
        panel_type: PanelType::TimeSeries,
        unit: "bytes",
        needs: Needs::State,
        thresholds: &[],
        targets: &[("statsidecar_state_arena_bytes", "arena")],
        description: "The memory of the file system that [state] arena is in.",
    },
    OwnPanel {
        title: "State: time to write a snapshot",
        panel_type: PanelType::TimeSeries,
        unit: "s",
        needs: Needs::State,
        thresholds: &[],
        targets: &[("statsidecar_state_save_duration_seconds", "last snapshot")],
        description: "It holds up nothing. Above [state] interval, snapshots follow each other without a pause.",
    },
    OwnPanel {
        title: "Reloads of the config",
        panel_type: PanelType::TimeSeries,
        unit: "short",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[
            ("increase(statsidecar_config_reloads_total[5m])", "{{outcome}}"),
            ("1 - statsidecar_config_last_reload_successful", "the last one has failed"),
        ],
        description: "A reload that fails changes nothing: the config before it holds. The log and the status page say what is wrong.",
    },
    OwnPanel {
        title: "Tags and sections with errors",
        panel_type: PanelType::TimeSeries,
        unit: "cps",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("rate(statsidecar_tag_errors_total[5m])", "{{reason}}")],
        description: "Tags that were left out or renamed while their sample was kept, by reason.",
    },
    OwnPanel {
        title: "Memory",
        panel_type: PanelType::TimeSeries,
        unit: "bytes",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[
            ("process_resident_memory_bytes", "resident"),
            ("statsidecar_memory_bytes", "allocated since the start"),
        ],
        description: "The memory of the process, and what of it was allocated since the start.",
    },
    OwnPanel {
        title: "CPU",
        panel_type: PanelType::TimeSeries,
        unit: "percentunit",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("rate(process_cpu_seconds_total[5m])", "")],
        description: "The share of one core.",
    },
    OwnPanel {
        title: "Scrape duration",
        panel_type: PanelType::TimeSeries,
        unit: "s",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[
            ("histogram_quantile(0.5, rate(statsidecar_scrape_duration_seconds_bucket[5m]))", "p50"),
            ("histogram_quantile(0.95, rate(statsidecar_scrape_duration_seconds_bucket[5m]))", "p95"),
            ("histogram_quantile(0.99, rate(statsidecar_scrape_duration_seconds_bucket[5m]))", "p99"),
        ],
        description: "The time to write an exposition. It grows with the series.",
    },
    OwnPanel {
        title: "Exposition size",
        panel_type: PanelType::TimeSeries,
        unit: "bytes",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("statsidecar_exposition_bytes", "")],
        description: "The size of the last exposition, uncompressed. Prometheus refuses more than its body_size_limit.",
    },
    OwnPanel {
        title: "Scrapes, HTTP and log",
        panel_type: PanelType::TimeSeries,
        unit: "short",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[
            ("increase(statsidecar_scrapes_total[5m])", "scrapes"),
            ("increase(statsidecar_http_closed_connections_total[5m])", "HTTP connections closed {{reason}}"),
            ("increase(statsidecar_lost_log_lines_total[5m])", "log lines lost"),
        ],
        description: "Scrapes answered, connections of HTTP clients that the server closed, and lines of the log that nobody could read.",
    },
    OwnPanel {
        title: "File descriptors and threads",
        panel_type: PanelType::TimeSeries,
        unit: "short",
        needs: Needs::Nothing,
        thresholds: &[],
        targets: &[("process_open_fds", "file descriptors"), ("process_threads", "threads")],
        description: "Each connection is a file descriptor; process_max_fds is their limit.",
    },
];

/// Own metrics that no panel shows: they are the same all the time, or exist only once something odd was received.
#[cfg(test)]
const NOT_SHOWN: &[&str] = &[
    "process_max_fds",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
    "statsidecar_build_info",
    "statsidecar_unknown_sections_total",
];

/// The panels about the sidecar itself.
pub(super) fn panels(config: &Config) -> Vec<Panel> {
    let panel = |own: &OwnPanel| Panel {
        title: own.title.to_owned(),
        description: own.description.to_owned(),
        panel_type: own.panel_type,
        unit: own.unit.to_owned(),
        thresholds: own.thresholds.to_vec(),
        targets: own.targets.iter().map(target).collect(),
    };
    PANELS.iter().filter(|own| own.needs.are_met(config)).map(panel).collect()
}

fn target((query, legend): &(&str, &str)) -> PanelTarget {
    let legend = (!legend.is_empty()).then(|| (*legend).to_owned());
    PanelTarget { query: (*query).to_owned(), legend, is_zoomed: true }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::generate::own_alerts::ALERTS;
    use crate::telemetry::OwnMetric;

    /// The own metrics that a query names.
    fn names(query: &str) -> BTreeSet<&str> {
        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let own = words.filter(|word| word.starts_with("statsidecar_") || word.starts_with("process_"));
        own.map(|name| name.strip_suffix("_bucket").unwrap_or(name)).collect()
    }

    #[test]
    fn every_own_metric_has_a_panel_and_every_name_is_an_own_metric() {
        let own: BTreeSet<&str> = OwnMetric::ALL.iter().map(|own| own.name).collect();
        let targets = || PANELS.iter().flat_map(|panel| panel.targets);
        let shown: BTreeSet<&str> =
            targets().flat_map(|(query, _)| names(query)).chain(NOT_SHOWN.iter().copied()).collect();
        // The limits are in panels as divisors.
        assert_eq!(shown, own);
        for alert in ALERTS {
            let names = names(alert.expression);
            assert!(!names.is_empty() && names.is_subset(&own), "{}: {names:?}", alert.name);
        }
    }
}
