//! What the log says of lines that are lost: the first of each kind at once, then at most one line a minute.

use std::collections::HashMap;
use std::hash::Hash;

use strum::VariantArray;

use crate::pipeline::Pipeline;
use crate::telemetry::{Closed, ListenerSnapshot, Loss, LostLine};

/// For how many seconds the log is silent about one kind of loss after a line about it.
const SILENCE: u32 = 60;

/// When each kind of loss was logged last, and how many there were by then.
#[derive(Debug, Default)]
pub(super) struct LossLog {
    losses: HashMap<Kind, Logged>,
}

#[derive(Clone, Copy, Debug)]
struct Logged {
    at: u32,
    count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Lines(LossKey),
    Connections(String),
    KernelDrops(String),
}

/// A [`Loss`] as a key.
type LossKey = (u8, usize);

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Warning {
    /// Samples that were lost in one way, and the newest of their lines.
    Lines(Loss, u64, Option<LostLine>),
    /// Connections of a listener that were closed at once.
    Connections(String, u64),
    /// Packets of a listener that the kernel dropped.
    KernelDrops(String, u64),
}

impl LossLog {
    /// What is to be logged at `now`, in seconds.
    pub(super) fn due(&mut self, pipeline: &Pipeline, listeners: &[ListenerSnapshot], now: u32) -> Vec<Warning> {
        let mut due = Vec::new();
        for loss in Loss::all() {
            if loss == Loss::Unmapped && !pipeline.current().rules.is_any() {
                continue;
            }
            if let Some(since) = self.since(Kind::Lines(key(loss)), pipeline.telemetry.lost(loss), now) {
                let newest = pipeline.telemetry.lost_lines(loss).into_iter().next();
                due.push(Warning::Lines(loss, since, newest));
            }
        }
        for listener in listeners {
            let address = listener.address.to_string();
            if let Some(stream) = listener.socket.try_as_stream_ref() {
                let limit = Closed::VARIANTS.iter().position(|closed| *closed == Closed::Limit).unwrap_or_default();
                if let Some(since) = self.since(Kind::Connections(address.clone()), stream.closed[limit], now) {
                    due.push(Warning::Connections(address.clone(), since));
                }
            }
            if let Some(datagram) = listener.socket.try_as_datagram_ref()
                && let Some(since) = self.since(Kind::KernelDrops(address.clone()), datagram.dropped, now)
            {
                due.push(Warning::KernelDrops(address, since));
            }
        }
        due
    }

    /// How many there were since the last line, if another line is due.
    fn since(&mut self, kind: Kind, count: u64, now: u32) -> Option<u64> {
        let last = self.losses.get(&kind).copied();
        let since = count.saturating_sub(last.map_or(0, |last| last.count));
        let is_silent = last.is_some_and(|last| now.saturating_sub(last.at) < SILENCE);
        if since == 0 || is_silent {
            return None;
        }
        self.losses.insert(kind, Logged { at: now, count });
        Some(since)
    }
}

fn key(loss: Loss) -> LossKey {
    match loss {
        Loss::Rejected(reject) => (0, reject as usize),
        Loss::Collapsed(limit) => (1, limit as usize),
        Loss::Unmapped => (2, 0),
    }
}

impl Warning {
    /// Writes the line.
    pub(super) fn log(&self) {
        match self {
            Self::Lines(loss, samples, newest) => {
                let listener = newest.as_ref().map(|line| &*line.listener).unwrap_or_default();
                let text = newest.as_ref().map(|line| line.text.as_str()).unwrap_or_default();
                match loss {
                    Loss::Rejected(reason) => tracing::warn!(
                        %reason, samples, %listener, line = text, remedy = reason.remedy(), "samples were rejected"
                    ),
                    Loss::Collapsed(limit) => tracing::warn!(
                        %limit, samples, %listener, name = text, remedy = limit.remedy(),
                        "samples were applied to the overflow series of their metric"
                    ),
                    Loss::Unmapped => tracing::warn!(
                        samples, %listener, name = text, "samples have no rule, and keep their own names"
                    ),
                }
            }
            Self::Connections(listener, connections) => tracing::warn!(
                %listener, connections, remedy = "raise [intake] max_connections",
                "connections were closed at once, because too many are open"
            ),
            Self::KernelDrops(listener, packets) => tracing::warn!(
                %listener, packets, remedy = "raise [intake] receive_buffer and net.core.rmem_max",
                "the kernel dropped packets, because the receive buffer was full"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_loss_is_logged_at_once_and_later_ones_once_a_minute() {
        let mut log = LossLog::default();
        let kind = || Kind::Connections("tcp://a".to_owned());
        assert_eq!(log.since(kind(), 0, 0), None);
        assert_eq!(log.since(kind(), 3, 7), Some(3));
        assert_eq!(log.since(kind(), 9, 66), None);
        assert_eq!(log.since(kind(), 9, 67), Some(6));
        assert_eq!(log.since(kind(), 9, 500), None);
        assert_eq!(log.since(kind(), 10, 501), Some(1));
        assert_eq!(log.since(Kind::KernelDrops("tcp://a".to_owned()), 1, 501), Some(1), "each kind has its own minute");
    }
}
