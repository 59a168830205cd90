//! The receivers that metrics are pushed to.

use std::net::SocketAddr;

use super::error::Error;
use super::process;
use crate::config::Config;
use crate::push::PushTargets;

/// The receivers of the config. The sidecar's name there is that of the host, with the port of HTTP if that is fixed,
/// because several sidecars may run on a host.
pub(super) fn of(config: &Config, http: &[SocketAddr]) -> Result<PushTargets, Error> {
    let host = process::host_name();
    let port = http.first().map(SocketAddr::port).filter(|port| *port != 0);
    let instance = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    PushTargets::new(config, &instance).map_err(|error| Error::System("push", error))
}
