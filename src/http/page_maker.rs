//! What the tasks share that make pages.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::gzip::GzipWriter;
use super::state::ServerState;

/// What the tasks share that make pages, all on one thread.
pub(super) struct PageMaker {
    pub(super) state: Arc<ServerState>,
    pub(super) render: RefCell<Render>,
    /// A task takes a turn for each piece that it writes, unless it writes the newest exposition. So that one advances
    /// with every second piece, however many others there are.
    pub(super) turn: Semaphore,
}

/// What is needed to write one piece.
pub(super) struct Render {
    /// The text of the piece.
    pub(super) plain: Vec<u8>,
    pub(super) gzip: GzipWriter,
}

impl PageMaker {
    pub(super) fn new(state: Arc<ServerState>) -> Self {
        let render = RefCell::new(Render { plain: Vec::new(), gzip: GzipWriter::new() });
        Self { state, render, turn: Semaphore::new(1) }
    }
}
