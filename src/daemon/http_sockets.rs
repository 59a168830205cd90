//! The sockets on which HTTP is served.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use super::error::Error;
use crate::config::{Config, HttpAddress};
use crate::http::BoundListener;
use crate::intake::BoundSocket;

/// The bound sockets.
pub(super) struct HttpSockets {
    pub(super) listeners: Vec<BoundListener>,
    /// The first address, with the port that the kernel chose.
    pub(super) address: HttpAddress,
    /// Its file is removed when this is dropped.
    pub(super) unix: Option<BoundSocket>,
}

impl HttpSockets {
    /// Binds the Unix socket of the config, or all the resolved `addresses`.
    pub(super) fn bind(config: &Config, addresses: &[SocketAddr]) -> Result<Self, Error> {
        match config.http.listen.unix() {
            None => Self::bind_tcp(addresses),
            Some(address) => {
                let failed = |error| Error::Http(config.http.listen.clone(), error);
                let unix = BoundSocket::new(&address, &config.intake).map_err(failed)?;
                let listener = UnixListener::from(unix.fd.try_clone().map_err(failed)?);
                let listeners = vec![BoundListener::Unix(listener)];
                Ok(Self { listeners, address: config.http.listen.clone(), unix: Some(unix) })
            }
        }
    }

    /// If the first address has port 0, the others get the port that the kernel chooses for it.
    fn bind_tcp(addresses: &[SocketAddr]) -> Result<Self, Error> {
        let mut first: Option<SocketAddr> = None;
        let mut listeners = Vec::new();
        for address in addresses {
            let failed = |error| Error::Http((*address).into(), error);
            let port = first.filter(|_| address.port() == 0).map_or(address.port(), |first| first.port());
            let listener = TcpListener::bind(SocketAddr::new(address.ip(), port)).map_err(failed)?;
            first = first.or(Some(listener.local_addr().map_err(failed)?));
            listeners.push(BoundListener::Tcp(listener));
        }
        let first = first.ok_or_else(|| Error::System("serve HTTP", io::ErrorKind::AddrNotAvailable.into()))?;
        Ok(Self { listeners, address: first.into(), unix: None })
    }
}
