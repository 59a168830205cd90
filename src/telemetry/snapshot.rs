//! What is read elsewhere at the moment of a scrape.

use super::Row;
use crate::metric::MetricType;

/// What is read elsewhere at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Series by type, in the order of [`MetricType::ALL`].
    pub series: [u64; MetricType::ALL.len()],
    /// Families by type, in the order of [`MetricType::ALL`].
    pub families: [u64; MetricType::ALL.len()],
    /// How many series there may be.
    pub series_limit: usize,
    /// How many series have expired.
    pub series_expired: u64,
    /// The listeners.
    pub listeners: Vec<ListenerSnapshot>,
    /// The targets of the relay.
    pub relays: Vec<RelaySnapshot>,
    /// The process; `None` where the system does not tell.
    pub process: Option<ProcessSnapshot>,
}

/// One listener: what it has received, and what its socket knows.
#[derive(Clone, Debug)]
pub struct ListenerSnapshot {
    /// Its address.
    pub address: String,
    /// Packets received.
    pub packets: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Lines received.
    pub lines: u64,
    /// What its socket knows.
    pub socket: SocketSnapshot,
}

/// What is known only of one kind of socket.
#[derive(Clone, Debug)]
pub enum SocketSnapshot {
    /// A socket for datagrams, by the kernel's account.
    Datagram {
        /// Packets that the kernel dropped.
        dropped: u64,
        /// The receive buffer that the kernel gave, in bytes.
        receive_buffer: usize,
    },
    /// A socket for streams, by the account of the task that accepts connections.
    Stream {
        /// Connections accepted.
        accepted: u64,
        /// Connections closed, in the order of [`Closed::ALL`].
        closed: [u64; Closed::ALL.len()],
    },
}

impl ListenerSnapshot {
    /// How many connections are open; `None` for datagrams.
    pub fn open_connections(&self) -> Option<u64> {
        match self.socket {
            SocketSnapshot::Datagram { .. } => None,
            SocketSnapshot::Stream { accepted, closed } => Some(accepted.saturating_sub(closed.iter().sum())),
        }
    }

    pub(super) fn label(&self) -> [(&'static str, &str); 1] {
        [("listener", &self.address)]
    }

    pub(super) fn closed_rows(&self) -> impl Iterator<Item = Row> {
        let closed = match self.socket {
            SocketSnapshot::Datagram { .. } => None,
            SocketSnapshot::Stream { closed, .. } => Some(Closed::ALL.into_iter().zip(closed)),
        };
        let row =
            |(why, count): (Closed, u64)| Row::total(&[("listener", &self.address), ("reason", why.reason())], count);
        closed.into_iter().flatten().map(row)
    }
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The client did it.
    End,
    /// It broke: reset by the client, or its host is gone.
    Error,
    /// What came cannot be taken apart into messages.
    Framing,
    /// Nothing came for `[intake] idle_timeout`.
    Idle,
    /// There were `[intake] max_connections` already.
    Limit,
}

impl Closed {
    /// Every reason, in the order of their names.
    pub const ALL: [Self; 5] = [Self::End, Self::Error, Self::Framing, Self::Idle, Self::Limit];

    /// The reason's one word, as it stands in the label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Error => "error",
            Self::Framing => "framing",
            Self::Idle => "idle",
            Self::Limit => "limit",
        }
    }
}

/// What became of the lines that were to be sent on to a target.
#[derive(Clone, Debug, Default)]
pub struct RelaySnapshot {
    /// The target's address.
    pub target: String,
    /// Packets, in the order of [`Delivery::ALL`].
    pub packets: [u64; Delivery::ALL.len()],
    /// The lines in them, and those that were never packed.
    pub lines: [u64; Delivery::ALL.len()],
}

impl RelaySnapshot {
    pub(super) fn rows(&self, counts: &[u64; Delivery::ALL.len()]) -> impl Iterator<Item = Row> {
        let rows = Delivery::ALL.into_iter().zip(*counts);
        rows.map(|(outcome, n)| Row::total(&[("target", &self.target), ("outcome", outcome.as_str())], n))
    }
}

/// What became of a packet that was to be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Delivery {
    /// The system refused it, or a connection broke while it was written.
    Failed,
    /// The system took it.
    Sent,
    /// There was no room to keep it until the target takes it.
    Shed,
}

impl Delivery {
    /// Every outcome, in the order of its discriminant.
    pub const ALL: [Self; 3] = [Self::Failed, Self::Sent, Self::Shed];

    /// The outcome's one word, as it stands in the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Sent => "sent",
            Self::Shed => "shed",
        }
    }
}

/// What the kernel knows of the process, under the names of the `process_` metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the table above says what each is")]
pub struct ProcessSnapshot {
    pub cpu_seconds: f64,
    pub max_fds: f64,
    pub open_fds: f64,
    pub resident_bytes: f64,
    pub start_time_seconds: f64,
    pub threads: f64,
    pub virtual_bytes: f64,
    pub virtual_max_bytes: f64,
}
