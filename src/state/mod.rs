//! What outlives the process: the values of series in an arena, and all values in a snapshot.
//!
//! | | where | survives |
//! |---|---|---|
//! | arena | a file in memory that is mapped: an update of a counter, a gauge or a histogram changes it at once | a kill |
//! | snapshot | a file on a disk that is written every few seconds: all series, sets and summaries too | a start of the machine |
//!
//! The clock of the pipeline goes on over both, so that series expire when they would have without a restart.

mod arena;
mod folder;
mod header;
mod identity;
mod mapping;
mod piece_memory;
mod slot;
mod snapshot;
mod space;
mod store;

pub use arena::{Arena, LeftSlot};
pub use folder::is_in_memory;
pub use identity::{Identity, text_id};
pub use piece_memory::OwnPieces;
pub use slot::Slot;
pub(crate) use slot::note;
pub use snapshot::{Record, SnapshotError, SnapshotHead, SnapshotReader, SnapshotWriter};
pub use space::ArenaSize;
pub use store::{KeptFile, Legacy, StatePlaces, Store, StoreError};
