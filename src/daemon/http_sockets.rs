//! The sockets on which HTTP is served.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use super::error::Error;
use crate::config::{Address, Config, HttpAddress};
use crate::http::BoundListener;
use crate::intake::{BoundSocket, PassedSockets};

/// The bound sockets.
pub(super) struct HttpSockets {
    pub(super) listeners: Vec<BoundListener>,
    /// The first address, with the port that the kernel chose.
    pub(super) address: HttpAddress,
    /// Its file is removed when this is dropped.
    pub(super) unix: Option<BoundSocket>,
}

impl HttpSockets {
    /// Binds the Unix socket of the config, or all the resolved `addresses`, unless their sockets were passed.
    pub(super) fn bind(config: &Config, addresses: &[SocketAddr], passed: &mut PassedSockets) -> Result<Self, Error> {
        match config.http.listen.unix() {
            None => Self::bind_tcp(addresses, passed),
            Some(address) => {
                let failed = |error| Error::Http(config.http.listen.clone(), error);
                let unix = match passed.take(&address) {
                    Some(fd) => BoundSocket::passed(fd, &address, &config.intake),
                    None => BoundSocket::new(&address, &config.intake),
                };
                let unix = unix.map_err(failed)?;
                let listener = UnixListener::from(unix.fd.try_clone().map_err(failed)?);
                let listeners = vec![BoundListener::Unix(listener)];
                Ok(Self { listeners, address: config.http.listen.clone(), unix: Some(unix) })
            }
        }
    }

    /// If the first address has port 0, the others get the port that the kernel chooses for it.
    fn bind_tcp(addresses: &[SocketAddr], passed: &mut PassedSockets) -> Result<Self, Error> {
        let mut first: Option<SocketAddr> = None;
        let mut listeners = Vec::new();
        for address in addresses {
            let failed = |error| Error::Http((*address).into(), error);
            let port = first.filter(|_| address.port() == 0).map_or(address.port(), |first| first.port());
            let listener = match passed.take(&Address::Tcp((*address).into())) {
                Some(fd) => TcpListener::from(fd),
                None => TcpListener::bind(SocketAddr::new(address.ip(), port)).map_err(failed)?,
            };
            first = first.or(Some(listener.local_addr().map_err(failed)?));
            listeners.push(BoundListener::Tcp(listener));
        }
        let first = first.ok_or_else(|| Error::System("serve HTTP", io::ErrorKind::AddrNotAvailable.into()))?;
        Ok(Self { listeners, address: first.into(), unix: None })
    }
}
