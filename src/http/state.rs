//! What the handlers serve.

use std::sync::Arc;

use super::access::Access;
use super::protection::{Protection, SharedProtection};
use super::reload::ReloadRequests;
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
    /// Who may do what.
    pub(super) protection: SharedProtection,
    /// Where reloads are asked for; `None`: the config is not read again.
    pub(super) reloads: Option<ReloadRequests>,
}

impl ServerState {
    /// The state of a server on loopback for this pipeline, which everybody may read.
    pub fn new(
        pipeline: Arc<Pipeline>,
        snapshot: Box<dyn Fn() -> Snapshot + Send + Sync>,
        ready: Box<dyn Fn() -> bool + Send + Sync>,
        catch_up: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self { pipeline, snapshot, ready, catch_up, protection: SharedProtection::default(), reloads: None }
    }

    /// The same, for those who may read.
    pub fn with_access(self, access: Access) -> Self {
        let access = Arc::new(access);
        self.protection.set(Protection { access, ..self.protection.get() });
        self
    }

    /// The same with a protection that can be changed.
    pub fn with_protection(self, protection: SharedProtection) -> Self {
        Self { protection, ..self }
    }

    /// The same with a way to ask for reloads.
    pub fn with_reloads(self, reloads: Option<ReloadRequests>) -> Self {
        Self { reloads, ..self }
    }
}
