//! Alerts about the sidecar itself, whatever the config declares.

use std::time::Duration;

use super::alert::Alert;
use super::needs::Needs;
use crate::config::{Config, Urgency};

pub(super) struct OwnAlert {
    pub(super) name: &'static str,
    pub(super) expression: &'static str,
    minutes: u64,
    severity: Urgency,
    needs: Needs,
    summary: &'static str,
    action: &'static str,
}

pub(super) const ALERTS: &[OwnAlert] = &[
    OwnAlert {
        name: "StatsidecarAbsent",
        expression: "absent(statsidecar_build_info)",
        minutes: 5,
        severity: Urgency::Critical,
        needs: Needs::Nothing,
        summary: "Prometheus has no metrics of any statsidecar",
        action: "Is it running, and does Prometheus reach its address? Look at the targets of Prometheus.",
    },
    OwnAlert {
        name: "StatsidecarKernelDropsPackets",
        expression: "rate(statsidecar_kernel_dropped_packets_total[5m]) > 0",
        minutes: 0,
        severity: Urgency::Critical,
        needs: Needs::Datagrams,
        summary: "The kernel drops {{ $value | humanize }} packets a second at {{ $labels.listener }}",
        action: "Their samples are lost. Raise net.core.rmem_max and [intake] receive_buffer, or [intake] workers.",
    },
    OwnAlert {
        name: "StatsidecarRejectsSamples",
        expression: r#"rate(statsidecar_rejected_samples_total{reason!~"series_limit|family_series_limit|memory_limit"}[5m]) > 0"#,
        minutes: 5,
        severity: Urgency::Warning,
        needs: Needs::Nothing,
        summary: "{{ $value | humanize }} samples a second are rejected: {{ $labels.reason }}",
        action: "The status page has the newest such lines; `statsidecar explain LINE` says what is wrong with one.",
    },
    OwnAlert {
        name: "StatsidecarReceivesNothing",
        expression: "sum without (listener) (rate(statsidecar_lines_total[5m])) == 0",
        minutes: 10,
        severity: Urgency::Warning,
        needs: Needs::Nothing,
        summary: "No line arrives",
        action: "Does the program run, and does it send to one of the listeners of this sidecar?",
    },
    OwnAlert {
        name: "StatsidecarSeriesLimitNear",
        expression: "sum without (type) (statsidecar_series) / statsidecar_series_limit > 0.9",
        minutes: 5,
        severity: Urgency::Warning,
        needs: Needs::Nothing,
        summary: "{{ $value | humanizePercentage }} of the series that [limits] allows exist",
        action: "The status page lists the metrics with the most series. Drop a tag with many values, set a ttl, or raise [limits] series.",
    },
    OwnAlert {
        name: "StatsidecarMemoryLimitNear",
        expression: "statsidecar_memory_bytes / statsidecar_memory_limit_bytes > 0.8",
        minutes: 5,
        severity: Urgency::Warning,
        needs: Needs::MemoryLimit,
        summary: "{{ $value | humanizePercentage }} of the memory that [limits] allows is in use",
        action: "From seven eighths on, new series are rejected. Send fewer names and labels, set a ttl, or raise [limits] memory.",
    },
    OwnAlert {
        name: "StatsidecarLimitReached",
        expression: r#"rate(statsidecar_rejected_samples_total{reason=~"series_limit|family_series_limit|memory_limit"}[5m]) > 0"#,
        minutes: 0,
        severity: Urgency::Critical,
        needs: Needs::Nothing,
        summary: "New series are rejected: {{ $labels.reason }}",
        action: "The status page lists the metrics that hit the limit. Drop a tag with many values, set a ttl, or raise the limit.",
    },
    OwnAlert {
        name: "StatsidecarConnectionLimitReached",
        expression: r#"increase(statsidecar_closed_connections_total{reason="limit"}[5m]) > 0"#,
        minutes: 0,
        severity: Urgency::Critical,
        needs: Needs::Streams,
        summary: "Connections of clients are closed at once at {{ $labels.listener }}",
        action: "Raise [intake] max_connections, or find the client that opens so many.",
    },
    OwnAlert {
        name: "StatsidecarRelayLosesLines",
        expression: r#"rate(statsidecar_relay_lines_total{outcome!="sent"}[5m]) > 0"#,
        minutes: 5,
        severity: Urgency::Warning,
        needs: Needs::Relay,
        summary: "{{ $value | humanize }} lines a second do not reach {{ $labels.target }}: {{ $labels.outcome }}",
        action: "Is the target up and fast enough? With looped, take out one of the [[relay]] tables on the way.",
    },
    OwnAlert {
        name: "StatsidecarPushLosesSamples",
        expression: r#"rate(statsidecar_push_samples_total{outcome!="sent"}[5m]) > 0"#,
        minutes: 5,
        severity: Urgency::Warning,
        needs: Needs::Push,
        summary: "{{ $value | humanize }} samples a second do not reach {{ $labels.target }}: {{ $labels.outcome }}",
        action: "/api/v1/status has the receiver's words. Refused: it does not take them. Shed: it is down or too slow.",
    },
    OwnAlert {
        name: "StatsidecarStateNotSaved",
        expression: r#"increase(statsidecar_state_saves_total{outcome="failed"}[5m]) > 0"#,
        minutes: 5,
        severity: Urgency::Warning,
        needs: Needs::State,
        summary: "Snapshots of its state cannot be written",
        action: "Its log says why. Is the disk of [state] path full or read-only? A start of the machine loses what came since the last snapshot.",
    },
    OwnAlert {
        name: "StatsidecarArenaFull",
        expression: "statsidecar_state_outside_arena_series > 0",
        minutes: 5,
        severity: Urgency::Warning,
        needs: Needs::State,
        summary: "{{ $value | humanize }} series have no place in the arena",
        action: "A kill takes what they gained since the last snapshot. Give the file system of [state] arena more room, and restart.",
    },
    OwnAlert {
        name: "StatsidecarReloadFailed",
        expression: "statsidecar_config_last_reload_successful == 0",
        minutes: 5,
        severity: Urgency::Warning,
        needs: Needs::Nothing,
        summary: "The last reload of its config failed",
        action: "The config before it holds. The log and the status page say what is wrong; `statsidecar check FILE` does too.",
    },
    OwnAlert {
        name: "StatsidecarLosesLogLines",
        expression: "increase(statsidecar_lost_log_lines_total[5m]) > 0",
        minutes: 0,
        severity: Urgency::Warning,
        needs: Needs::Nothing,
        summary: "Lines of its log are lost",
        action: "Nobody reads its standard error, or it cannot be written. Is the disk full?",
    },
    OwnAlert {
        name: "StatsidecarHttpClientsTurnedAway",
        expression: r#"increase(statsidecar_http_closed_connections_total{reason="limit"}[5m]) > 0"#,
        minutes: 5,
        severity: Urgency::Warning,
        needs: Needs::Nothing,
        summary: "Connections of HTTP clients are closed for new ones",
        action: "Raise [http] max_connections, or find the client that opens so many.",
    },
    OwnAlert {
        name: "StatsidecarRestarts",
        expression: "changes(process_start_time_seconds[15m]) > 2 and on (job, instance) statsidecar_build_info",
        minutes: 0,
        severity: Urgency::Warning,
        needs: Needs::Nothing,
        summary: "It has started {{ $value }} times in 15 minutes",
        action: "Its log says why it ended. Without [state], every series starts from 0 each time.",
    },
];

/// The alerts about the sidecar itself.
pub(super) fn alerts(config: &Config) -> Vec<Alert> {
    let alert = |own: &OwnAlert| Alert {
        name: own.name.to_owned(),
        expression: own.expression.to_owned(),
        hold: Duration::from_secs(60 * own.minutes),
        severity: own.severity,
        summary: own.summary.to_owned(),
        description: None,
        action: Some(own.action.to_owned()),
    };
    ALERTS.iter().filter(|own| own.needs.are_met(config)).map(alert).collect()
}
