//! What the handlers serve.

use std::sync::Arc;

use super::access::Access;
use super::tls::Tls;
use crate::pipeline::Pipeline;
use crate::telemetry::Snapshot;

/// What the handlers serve. Functions stand for the rest of the program, so that HTTP knows no socket but its own.
pub struct ServerState {
    pub(super) pipeline: Arc<Pipeline>,
    /// Reads what is read only at a scrape.
    pub(super) snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
    /// Whether every listener is bound and being read.
    pub(super) ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// Waits until all lines that arrived before are applied, but not long. It blocks.
    pub(super) catch_up: Box<dyn Fn() + Send + Sync>,
    /// Who may read all but `/-/healthy`.
    pub(super) access: Access,
    /// `None`: without TLS.
    pub(super) tls: Option<Tls>,
}

impl ServerState {
    /// The state of a server for this pipeline, which everybody may read.
    pub fn new(
        pipeline: Arc<Pipeline>,
        snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
        ready: Box<dyn Fn() -> bool + Send + Sync>,
        catch_up: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self { pipeline, snapshot, ready, catch_up, access: Access::default(), tls: None }
    }

    /// The same, for those who may read.
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// The same, served by TLS.
    pub fn with_tls(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }
}
