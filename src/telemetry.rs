//! The sidecar's own metrics: the counters behind them, and the table that describes them.
//!
//! A worker counts in its own `WorkerStats` and adds it to [`Telemetry`] once a batch, so that counting a line writes to
//! no shared memory. What is read only at a scrape (kernel, process, registry) is a [`Snapshot`].

mod busy_names;
mod counters;
mod heavy_hitters;
mod history;
mod losses;
mod reloads;
mod rule_matches;
mod snapshot;
mod table;
mod watches;

pub(crate) use counters::WorkerStats;
pub use counters::{Listener, Telemetry};
pub(crate) use heavy_hitters::HeavyHitter;
pub(crate) use history::SlotCounts;
pub(crate) use losses::{LineText, Loss, LostLine};
pub(crate) use reloads::LastReload;
pub(crate) use rule_matches::RuleMatches;
pub use snapshot::Snapshot;
pub(crate) use snapshot::{
    Closed, DatagramSnapshot, Delivery, HttpClosed, ListenerSnapshot, ProcessSnapshot, PushAttempt, PushOutcome,
    PushSnapshot, RelaySnapshot, ScrapeFormat, SocketSnapshot, StateSnapshot, StreamSnapshot,
};
pub(crate) use table::{OwnFamily, OwnMetric, OwnRow, OwnValue, is_reserved};
pub(crate) use watches::{WatchFilter, WatchId, WatchedLine};
