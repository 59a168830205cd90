//! The StatsD listeners: their addresses and their sockets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::error::Error;
use crate::config::{Address, Config, Endpoint, HttpAddress, IntakeConfig};
use crate::forward::lookup;
use crate::intake::{BoundSocket, PassedSockets, Socket, StreamSocket};
use crate::telemetry::ListenerSnapshot;

/// The config with resolved listeners, and the addresses for HTTP by TCP. A host name is every address that it has.
pub(super) async fn resolve(config: &Config) -> Result<(Config, Vec<SocketAddr>), Error> {
    let (mut listen, mut names): (Vec<Address>, _) = (Vec::new(), String::new());
    let mut name = |endpoint: &Endpoint, found: &[SocketAddr]| {
        if endpoint.ip().is_none() {
            found.iter().for_each(|to| names += &format!("; {endpoint} is {to} here"));
        }
    };
    for listener in &config.intake.listen {
        match listener.endpoint() {
            None => listen.push(listener.clone()),
            Some(endpoint) => {
                let found = lookup(endpoint).await.map_err(|error| Error::Listen(listener.clone(), error))?;
                name(endpoint, &found);
                listen.extend(found.into_iter().map(|to| listener.at(to)));
            }
        }
    }
    let http = match &config.http.listen {
        HttpAddress::Unix(_) => Vec::new(),
        HttpAddress::Tcp(endpoint) => {
            let found = lookup(endpoint).await.map_err(|error| Error::Http(config.http.listen.clone(), error))?;
            name(endpoint, &found);
            found
        }
    };
    let mut config = Config { intake: IntakeConfig { listen, ..config.intake.clone() }, ..config.clone() };
    for address in &http {
        config.http.listen = (*address).into();
        if let Some(overlap) = config.overlap() {
            return Err(Error::Overlap(overlap + &names));
        }
    }
    Ok((config, http))
}

/// The bound sockets of all listeners, each with the address that the config has for it.
#[derive(Clone, Default)]
pub(super) struct Sockets {
    pub(super) datagrams: Vec<(Address, Arc<Socket>)>,
    pub(super) streams: Vec<(Address, Arc<StreamSocket>)>,
}

impl Sockets {
    /// Binds every listener that has no socket among those that were passed.
    pub(super) fn bind(config: &Config, passed: &mut PassedSockets) -> Result<Self, Error> {
        Self::bind_those(&config.intake.listen, &config.intake, passed)
    }

    /// Splits the sockets into those that the config still listens on and those that it does not, and binds what it listens
    /// on beside them.
    pub(super) fn bind_changes(&self, intake: &IntakeConfig) -> Result<SocketChanges, Error> {
        let mut wanted = intake.listen.clone();
        let mut is_wanted = |address: &Address| {
            let found = wanted.iter().position(|wanted| wanted == address);
            found.inspect(|found| drop(wanted.swap_remove(*found))).is_some()
        };
        let (datagrams, no_datagrams) = self.datagrams.iter().cloned().partition(|(address, _)| is_wanted(address));
        let (streams, no_streams) = self.streams.iter().cloned().partition(|(address, _)| is_wanted(address));
        let new = Self::bind_those(&wanted, intake, &mut PassedSockets::default())?;
        let (kept, removed) = (Self { datagrams, streams }, Self { datagrams: no_datagrams, streams: no_streams });
        Ok(SocketChanges { kept, new, removed })
    }

    fn bind_those(addresses: &[Address], intake: &IntakeConfig, passed: &mut PassedSockets) -> Result<Self, Error> {
        let mut sockets = Self::default();
        for address in addresses {
            let failed = |error| Error::Listen(address.clone(), error);
            let bound = match passed.take(address) {
                Some(fd) => BoundSocket::passed(fd, address, intake),
                None => BoundSocket::new(address, intake),
            };
            let bound = match bound {
                Err(error) if intake.listens_by_default() && is_missing(&error) => {
                    tracing::info!(%address, "this machine has no such address; going on without it");
                    continue;
                }
                bound => bound.map_err(failed)?,
            };
            if let Some(framing) = address.framing() {
                let stream = StreamSocket::new(bound, framing, intake).map_err(failed)?;
                tracing::info!(listener = %stream.address(), "listening");
                sockets.streams.push((address.clone(), Arc::new(stream)));
            } else {
                let socket = Socket::new(bound, intake).map_err(failed)?;
                tracing::info!(listener = %socket.address(), receive_buffer_bytes = socket.receive_buffer(), "listening");
                sockets.datagrams.push((address.clone(), Arc::new(socket)));
            }
        }
        Ok(sockets)
    }

    /// All of these and of the others.
    pub(super) fn with(mut self, others: &Self) -> Self {
        self.datagrams.extend_from_slice(&others.datagrams);
        self.streams.extend_from_slice(&others.streams);
        self
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.datagrams.is_empty() && self.streams.is_empty()
    }

    /// The bound addresses, with the ports that the kernel chose: datagrams first, then streams.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let datagrams = self.datagrams.iter().map(|(_, socket)| socket.address());
        datagrams.chain(self.streams.iter().map(|(_, socket)| socket.address())).cloned().collect()
    }

    /// Binds the Unix sockets anew whose files are lost. May block for some time.
    pub(super) fn restore(&self, intake: &IntakeConfig) {
        self.datagrams.iter().for_each(|(_, socket)| socket.restore(intake));
        self.streams.iter().for_each(|(_, socket)| socket.restore(intake));
    }

    /// Whether [`restore`](Self::restore) has a file to look at.
    pub(super) fn have_files(&self) -> bool {
        self.datagrams.iter().any(|(_, socket)| socket.has_file())
            || self.streams.iter().any(|(_, socket)| socket.has_file())
    }

    /// Whether clients find every socket.
    pub(super) fn are_bound(&self) -> bool {
        self.datagrams.iter().all(|(_, socket)| socket.is_bound())
            && self.streams.iter().all(|(_, socket)| socket.is_bound())
    }

    /// What each listener has received, and what its socket knows.
    pub(super) fn snapshot(&self) -> Vec<ListenerSnapshot> {
        let datagrams = self.datagrams.iter().map(|(_, socket)| socket.snapshot());
        datagrams.chain(self.streams.iter().map(|(_, socket)| socket.snapshot())).collect()
    }
}

/// What a new config changes of the sockets.
pub(super) struct SocketChanges {
    pub(super) kept: Sockets,
    /// They are bound, and not read yet.
    pub(super) new: Sockets,
    pub(super) removed: Sockets,
}

/// Whether a machine does not have the address, or no addresses of its family.
fn is_missing(error: &io::Error) -> bool {
    let family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(family)
}
