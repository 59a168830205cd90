//! What a config must have for some of the sidecar's own metrics to exist.

use crate::config::{Address, Config};

/// What a config must have for the metrics of a panel or an alert to exist.
#[derive(Clone, Copy)]
pub(super) enum Needs {
    Nothing,
    /// A limit on memory.
    MemoryLimit,
    /// A listener of datagrams.
    Datagrams,
    /// A listener of streams.
    Streams,
    /// A `[[relay]]`.
    Relay,
    /// A `[[otlp]]` or a `[[remote_write]]`.
    Push,
    /// A `[state]`.
    State,
}

impl Needs {
    pub(super) fn are_met(self, config: &Config) -> bool {
        let is_datagram = |address: &Address| matches!(address, Address::Udp(_) | Address::Unixgram(_));
        let mut listeners = config.intake.listen.iter();
        match self {
            Self::Nothing => true,
            Self::MemoryLimit => config.limits.memory.is_some(),
            Self::Datagrams => listeners.any(is_datagram),
            Self::Streams => listeners.any(|address| !is_datagram(address)),
            Self::Relay => !config.relays.is_empty(),
            Self::Push => !config.otlps.is_empty() || !config.remote_writes.is_empty(),
            Self::State => config.state.path.is_some(),
        }
    }
}
