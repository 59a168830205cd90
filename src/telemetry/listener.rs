//! The counters of one listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::snapshot::{ListenerSnapshot, SocketSnapshot};

/// What the workers of one listener have received. Its socket owns it.
///
/// All counters are `Relaxed`: each is a number of its own.
#[derive(Debug)]
pub struct Listener {
    address: String,
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) lines: AtomicU64,
}

impl Listener {
    /// A listener that has received nothing yet. `address` becomes the label `listener`.
    pub fn new(address: String) -> Arc<Self> {
        Arc::new(Self { address, packets: AtomicU64::new(0), bytes: AtomicU64::new(0), lines: AtomicU64::new(0) })
    }

    /// How many lines it has received.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Reads the counters; `socket` is what its socket knows.
    pub(crate) fn snapshot(&self, socket: SocketSnapshot) -> ListenerSnapshot {
        ListenerSnapshot {
            address: self.address.clone(),
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            lines: self.lines.load(Ordering::Relaxed),
            socket,
        }
    }
}
