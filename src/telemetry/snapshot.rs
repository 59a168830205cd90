//! What is read only at a scrape.

use std::sync::Arc;

use strum::{EnumCount, EnumTryAs, IntoStaticStr, VariantArray};

use crate::metric::MetricType;

/// What is read only at a scrape, and not counted in [`Telemetry`](super::Telemetry).
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Series by type, in the order of [`MetricType::ALL`].
    pub(crate) series: [u64; MetricType::ALL.len()],
    /// Families by type, in the order of [`MetricType::ALL`].
    pub(crate) families: [u64; MetricType::ALL.len()],
    /// How many series there may be.
    pub(crate) series_limit: usize,
    /// The memory that is in use beyond what the start took, in bytes.
    pub(crate) memory: usize,
    /// How much of it there may be; `usize::MAX` is no limit.
    pub(crate) memory_limit: usize,
    /// How many series have expired.
    pub(crate) series_expired: u64,
    /// How many names of lines became the name of another metric because characters were replaced.
    pub(crate) merged_names: u64,
    /// How many lines of the log were lost.
    pub(crate) lost_log_lines: u64,
    pub(crate) listeners: Vec<ListenerSnapshot>,
    /// One for each target.
    pub(crate) relays: Vec<RelaySnapshot>,
    /// One for each receiver that metrics are pushed to.
    pub(crate) pushes: Vec<PushSnapshot>,
    /// `None` if nothing outlives the process.
    pub(crate) state: Option<StateSnapshot>,
    /// `None` if `/proc` cannot be read.
    pub(crate) process: Option<ProcessSnapshot>,
}

/// What outlives the process.
#[derive(Debug)]
pub(crate) struct StateSnapshot {
    /// The bytes of the arena.
    pub(crate) arena_bytes: u64,
    /// Series whose values are in the arena.
    pub(crate) arena_series: u64,
    /// Series whose values should be there, and are not, because it was full.
    pub(crate) outside_arena: u64,
    /// Series of the last process that went on at the start.
    pub(crate) restored: u64,
    /// Snapshots that were written.
    pub(crate) saved: u64,
    /// Snapshots that could not be written.
    pub(crate) failed: u64,
    /// When the last one was written, in seconds since 1970; 0: none yet.
    pub(crate) last_saved: u64,
    /// How long that took, in seconds.
    pub(crate) seconds: f64,
}

/// What one listener has received, and what its socket knows.
#[derive(Debug)]
pub(crate) struct ListenerSnapshot {
    pub(crate) address: Arc<str>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) socket: SocketSnapshot,
}

/// What is known only of one kind of socket.
#[derive(Debug, EnumTryAs)]
pub(crate) enum SocketSnapshot {
    Datagram(DatagramSnapshot),
    Stream(StreamSnapshot),
}

/// What the kernel knows of a datagram socket.
#[derive(Debug)]
pub(crate) struct DatagramSnapshot {
    /// Packets that the kernel dropped.
    pub(crate) dropped: u64,
    /// Packets of users who may not send.
    pub(crate) denied: u64,
    /// The receive buffer that the kernel gave, in bytes.
    pub(crate) receive_buffer: usize,
}

/// What became of the connections of a stream socket.
#[derive(Debug)]
pub(crate) struct StreamSnapshot {
    /// Connections accepted.
    pub(crate) accepted: u64,
    /// Connections closed, in the order of [`Closed`].
    pub(crate) closed: [u64; Closed::COUNT],
}

impl StreamSnapshot {
    /// Connections that are open.
    pub(crate) fn open(&self) -> u64 {
        self.accepted.saturating_sub(self.closed.iter().sum())
    }
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Closed {
    /// The user who connected may not send: `[intake] allow_uids`.
    Denied,
    /// The client closed it.
    End,
    /// It broke: the client reset it, or the client's host does not answer any more.
    Error,
    /// The length of a message is impossible, or the client closed it in the middle of a message.
    Framing,
    /// It began as HTTP.
    Http,
    /// Nothing was received for `[intake] idle_timeout`.
    Idle,
    /// `[intake] max_connections` were open already.
    Limit,
}

/// Why the server closed the connection of an HTTP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum HttpClosed {
    /// The whole answer took too long.
    Deadline,
    /// The head of a request took too long.
    Head,
    /// No further request came.
    Idle,
    /// `[http] max_connections` were open, and a new client came.
    Limit,
    /// The client took nothing of its answer.
    Write,
}

/// The format of an exposition that a scrape got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum ScrapeFormat {
    /// Prometheus' text format, of any version.
    Text,
    /// OpenMetrics, of any version.
    OpenMetrics,
    /// Protocol buffers.
    Protobuf,
}

/// What became of the packets and lines for one target of the relay.
#[derive(Debug)]
pub(crate) struct RelaySnapshot {
    /// The target's address.
    pub(crate) target: String,
    /// Packets, in the order of [`Delivery`].
    pub(crate) packets: [u64; Delivery::COUNT],
    /// The lines in them, and those that were never packed.
    pub(crate) lines: [u64; Delivery::COUNT],
}

/// What became of a packet for a target of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Delivery {
    /// The system refused it, or a connection broke while it was written.
    Failed,
    /// It was not sent, because the target leads back to this sidecar.
    Looped,
    /// The system accepted it.
    Sent,
    /// It was dropped because there was no room to keep it until the target accepts it.
    Shed,
}

/// What became of the samples for one receiver that metrics are pushed to.
#[derive(Debug)]
pub(crate) struct PushSnapshot {
    /// The receiver's URL, without its query.
    pub(crate) target: String,
    /// `otlp` or `remote_write`.
    pub(crate) protocol: &'static str,
    /// Samples, in the order of [`PushOutcome`].
    pub(crate) samples: [u64; PushOutcome::ALL.len()],
    /// Samples that wait.
    pub(crate) waiting: u64,
    /// Requests, in the order of [`PushAttempt`].
    pub(crate) requests: [u64; PushAttempt::ALL.len()],
    /// Why the last request that was not taken was not.
    pub(crate) last_error: Option<String>,
}

/// What became of a sample that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum PushOutcome {
    /// The receiver does not take it.
    Refused,
    /// The receiver has taken it.
    Sent,
    /// It was dropped because there was no room to keep it, or no time at the end.
    Shed,
}

impl PushOutcome {
    /// Every outcome, in the order of the discriminants.
    pub(crate) const ALL: &[Self] = Self::VARIANTS;
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum PushAttempt {
    /// There was no answer, or one that asks for another attempt.
    Failed,
    /// The receiver does not take all of it.
    Refused,
    /// The receiver has taken it.
    Sent,
}

impl PushAttempt {
    /// Every kind, in the order of the discriminants.
    pub(crate) const ALL: &[Self] = Self::VARIANTS;
}

/// What the kernel knows of the process, under the names of the `process_` metrics.
#[derive(Debug, Default)]
pub(crate) struct ProcessSnapshot {
    pub(crate) cpu_seconds: f64,
    pub(crate) max_fds: f64,
    pub(crate) open_fds: f64,
    pub(crate) resident_bytes: f64,
    pub(crate) start_time_seconds: f64,
    pub(crate) threads: f64,
    pub(crate) virtual_bytes: f64,
    pub(crate) virtual_max_bytes: f64,
}
