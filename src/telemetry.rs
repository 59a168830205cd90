//! The sidecar's own metrics: the counters behind them, and the table that describes them.
//!
//! A worker counts in its own `WorkerStats` and adds it to [`Telemetry`] once a batch, so that counting a line writes to
//! no shared memory. What is read only at a scrape (kernel, process, registry) is a [`Snapshot`].

mod counters;
mod heavy_hitters;
mod losses;
mod snapshot;
mod table;

pub(crate) use counters::WorkerStats;
pub use counters::{Listener, Telemetry};
pub(crate) use heavy_hitters::HeavyHitter;
pub(crate) use losses::{LineText, Loss, LostLine};
pub use snapshot::Snapshot;
pub(crate) use snapshot::{
    Closed, DatagramSnapshot, Delivery, HttpClosed, ListenerSnapshot, ProcessSnapshot, RelaySnapshot, SocketSnapshot,
    StreamSnapshot,
};
pub(crate) use table::{OwnFamily, OwnValue, is_reserved};
