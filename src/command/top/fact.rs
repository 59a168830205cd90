//! What is said above the tables: rates, limits and listeners.

use super::number::{bytes, duration, grouped, percent};
use crate::status::{ListenerStatus, SlotsStatus, StateStatus, Status};

/// A count by time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plot {
    pub(super) label: &'static str,
    /// Of the last second that is over.
    pub(super) now: u64,
    /// Since the start.
    pub(super) total: u64,
    /// By slot of the minute or of the hour, the oldest first.
    pub(super) slots: Vec<u64>,
    /// How many a second there were in the fullest slot.
    pub(super) peak: u64,
}

/// A limit, and how much of it is used.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Usage {
    pub(super) label: &'static str,
    pub(super) text: String,
    /// The share of the limit; 0 without one.
    pub(super) percent: u64,
}

/// Samples accepted, samples rejected, and packets that the kernel dropped; `is_hour` chooses the slots.
pub(super) fn plots(status: &Status, is_hour: bool) -> [Plot; 3] {
    let (minute, hour) = (&status.history.minute, &status.history.hour);
    let plot = |label, list: fn(&SlotsStatus) -> &Vec<u64>, total| {
        let chosen = if is_hour { hour } else { minute };
        let slots = list(chosen).clone();
        let peak = slots.iter().max().copied().unwrap_or_default().div_ceil(chosen.slot_seconds.max(1));
        Plot { label, now: list(minute).last().copied().unwrap_or_default(), total, slots, peak }
    };
    let sum =
        |counts: &crate::status::CountsByWord| counts.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let lost = status.listeners.iter().filter_map(|listener| listener.kernel_dropped).fold(0, u64::saturating_add);
    [
        plot("accepted", |slots| &slots.accepted, sum(&status.totals.samples)),
        plot("rejected", |slots| &slots.rejected, sum(&status.totals.rejected)),
        plot("dropped", |slots| &slots.lost, lost),
    ]
}

/// The limits of series and of memory.
pub(super) fn limits(status: &Status) -> [Usage; 2] {
    let limits = &status.limits;
    let usage = |label, used, limit: Option<u64>, text: fn(u64) -> String| match limit {
        None => Usage { label, text: format!("{}, no limit", text(used)), percent: 0 },
        Some(limit) => {
            let percent = percent(used, limit);
            Usage { label, text: format!("{} of {} ({percent} %)", text(used), text(limit)), percent }
        }
    };
    [
        usage("series", limits.series, Some(limits.series_limit), grouped),
        usage("memory", limits.memory_bytes, limits.memory_limit_bytes, bytes),
    ]
}

/// What is known of a listener after its address, the most important first.
pub(super) fn listener(listener: &ListenerStatus) -> Vec<String> {
    let mut facts = vec![format!("{} lines", grouped(listener.lines))];
    if let Some(dropped) = listener.kernel_dropped {
        facts.push(format!("{} dropped by the kernel", grouped(dropped)));
        facts.push(format!("{} packets", grouped(listener.packets)));
    }
    if let Some(connections) = listener.connections {
        facts.push(format!("{} connections", grouped(connections)));
    }
    if let Some(denied) = listener.denied.filter(|&denied| denied > 0) {
        facts.push(format!("{} denied", grouped(denied)));
    }
    if let Some(size) = listener.receive_buffer_bytes {
        facts.push(format!("buffer {}", bytes(size)));
    }
    facts
}

/// What is known of what outlives the process; each with whether it is bad. What is bad is first.
pub(super) fn state(state: &StateStatus) -> Vec<(String, bool)> {
    let snapshot = match state.last_save_age_seconds {
        Some(age) => format!("snapshot {} old", duration(age)),
        None => "no snapshot yet".to_owned(),
    };
    let mut facts = Vec::new();
    if state.failed > 0 {
        facts.push((format!("{} snapshots failed", grouped(state.failed)), true));
    }
    if state.outside_arena_series > 0 {
        facts.push((format!("{} series outside the arena", grouped(state.outside_arena_series)), true));
    }
    facts.push((snapshot, false));
    facts.push((format!("{} series in the arena", grouped(state.arena_series)), false));
    facts.push((format!("arena {}", bytes(state.arena_bytes)), false));
    facts.push((format!("{} series restored", grouped(state.restored_series)), false));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_the_last_second_and_the_chosen_slots() {
        let mut status = Status::default();
        let slots = |slot_seconds, accepted: &[u64]| SlotsStatus {
            slot_seconds,
            accepted: accepted.to_vec(),
            ..SlotsStatus::default()
        };
        status.history.minute = slots(1, &[5, 9, 7]);
        status.history.hour = slots(60, &[120, 61]);
        status.totals.samples = [("c".to_owned(), 40), ("g".to_owned(), 2)].into();
        let accepted = |is_hour| plots(&status, is_hour)[0].clone();
        let minute = Plot { label: "accepted", now: 7, total: 42, slots: vec![5, 9, 7], peak: 9 };
        assert_eq!(accepted(false), minute);
        assert_eq!(accepted(true), Plot { slots: vec![120, 61], peak: 2, ..minute });
    }

    #[test]
    fn a_limit_has_its_share() {
        let mut status = Status::default();
        status.limits.series = 85_000;
        status.limits.series_limit = 100_000;
        status.limits.memory_bytes = 3 << 20;
        let [series, memory] = limits(&status);
        assert_eq!((series.text.as_str(), series.percent), ("85,000 of 100,000 (85 %)", 85));
        assert_eq!((memory.text.as_str(), memory.percent), ("3 MiB, no limit", 0));
    }
}
