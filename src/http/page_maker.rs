//! What the tasks share that make pages.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;

use super::exposures::Exposures;
use super::gzip::GzipWriter;
use super::protobuf_writer::StartTimes;
use super::state::ServerState;
use super::status::LargestFamilies;
use super::zstd::ZstdWriter;
use crate::expose::Format;
use crate::registry::{Families, Family, Registry};

/// What the tasks share that make pages, all on one thread.
pub(super) struct PageMaker {
    pub(super) state: Arc<ServerState>,
    pub(super) render: RefCell<Render>,
    pub(super) families: RefCell<Option<LargestFamilies>>,
    /// A task takes a turn for each piece that it writes, unless it writes the newest exposition. So that one advances
    /// with every second piece, however many others there are.
    pub(super) turn: Semaphore,
    exposures: RefCell<HashMap<Format, CachedExposures>>,
    pub(super) starts: StartTimes,
}

/// As what families are written in a format. They are the same until a family comes or goes.
struct CachedExposures {
    /// The families, which this does not keep.
    of: Weak<[Arc<Family>]>,
    exposures: Option<Arc<Exposures>>,
}

/// What is needed to write one piece.
#[derive(Default)]
pub(super) struct Render {
    /// The text of the piece.
    pub(super) plain: Vec<u8>,
    pub(super) gzip: GzipWriter,
    pub(super) zstd: ZstdWriter,
}

impl PageMaker {
    pub(super) fn new(state: Arc<ServerState>) -> Self {
        let process = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let clock = process.saturating_sub(u64::from(state.pipeline.clock.now()) * 1000);
        Self {
            state,
            render: RefCell::default(),
            families: RefCell::default(),
            turn: Semaphore::new(1),
            exposures: RefCell::default(),
            starts: StartTimes { process, clock },
        }
    }

    /// As what `families`, those of the registry, are written in this format.
    pub(super) fn exposures(&self, registry: &Registry, families: &Families, format: Format) -> Option<Arc<Exposures>> {
        let mut known = self.exposures.borrow_mut();
        if let Some(cached) = known.get(&format)
            && cached.of.upgrade().is_some_and(|of| Arc::ptr_eq(&of, families))
        {
            return cached.exposures.clone();
        }
        let exposures = Exposures::new(families, format, registry.are_names_legal()).map(Arc::new);
        known.insert(format, CachedExposures { of: Arc::downgrade(families), exposures: exposures.clone() });
        exposures
    }
}
