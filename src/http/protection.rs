//! Who may read, who gets the text of clients, and whether by TLS: what a reload can change.

use std::sync::Arc;

use super::access::Access;
use super::admin::Admin;
use super::tls::Tls;
use crate::sync::Mutex;

/// Who may do what, from the next request or the next connection on.
#[derive(Clone, Debug)]
pub struct Protection {
    /// Who may read all but `/-/healthy`.
    pub access: Arc<Access>,
    /// Who gets the text of clients that `/metrics` does not show.
    pub admin: Admin,
    /// What makes new connections ones of TLS; `None`: without TLS.
    pub tls: Option<Arc<Tls>>,
}

impl Default for Protection {
    /// That of a server on loopback, which everybody may read.
    fn default() -> Self {
        Self { access: Arc::default(), admin: Admin::Loopback, tls: None }
    }
}

/// The protection of a server, which its connections share.
#[derive(Clone, Debug, Default)]
pub struct SharedProtection(Arc<Mutex<Protection>>);

impl SharedProtection {
    /// As it is now.
    pub(crate) fn get(&self) -> Protection {
        self.0.lock().clone()
    }

    /// Changes it.
    pub(crate) fn set(&self, protection: Protection) {
        *self.0.lock() = protection;
    }
}
