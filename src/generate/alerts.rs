//! Alert rules for Prometheus, as YAML.

use super::alert::{Alert, alerts_of, duration};
use super::catalogue::Catalogue;
use super::own_alerts;
use super::yaml::scalar;
use crate::config::OWN_SUBSYSTEM;

/// The rules of a catalogue: a group for each subsystem that has alerts, and one for the sidecar itself.
pub(crate) fn alerts(catalogue: &Catalogue<'_>) -> String {
    let mut out =
        String::from("# Made by `statsidecar generate alerts`: change the config and make it again.\ngroups:\n");
    let groups = catalogue.subsystems.iter().map(|subsystem| (subsystem.title, alerts_of(subsystem)));
    let groups = groups.chain([(OWN_SUBSYSTEM, own_alerts::alerts(catalogue.config))]);
    for (title, alerts) in groups.filter(|(_, alerts)| !alerts.is_empty()) {
        out.push_str(&format!("  - name: {}\n    rules:\n", scalar(title)));
        alerts.iter().for_each(|alert| write(&mut out, title, alert));
    }
    out
}

fn write(out: &mut String, subsystem: &str, alert: &Alert) {
    out.push_str(&format!("      - alert: {}\n        expr: {}\n", scalar(&alert.name), scalar(&alert.expression)));
    if !alert.hold.is_zero() {
        out.push_str(&format!("        for: {}\n", duration(alert.hold)));
    }
    let severity: &str = alert.severity.into();
    out.push_str(&format!("        labels:\n          severity: {severity}\n"));
    out.push_str(&format!("          subsystem: {}\n        annotations:\n", scalar(subsystem)));
    out.push_str(&format!("          summary: {}\n", scalar(&alert.summary)));
    for (key, text) in [("description", &alert.description), ("action", &alert.action)] {
        if let Some(text) = text {
            out.push_str(&format!("          {key}: {}\n", scalar(text)));
        }
    }
}
