//! Addresses as the file and the command line write them: `udp://127.0.0.1:8125`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::diagnostic::quoted;

/// Where lines come in: a transport and an address of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// How lines travel.
    pub transport: Transport,
    /// The socket's address.
    pub socket: SocketAddr,
}

/// How lines travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `udp://`: datagrams of one or more lines.
    Udp,
}

impl Address {
    /// The UDP address `socket`.
    pub fn udp(socket: SocketAddr) -> Self {
        Self { transport: Transport::Udp, socket }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Transport::Udp => write!(f, "udp://{}", self.socket),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads `udp://ADDRESS:PORT`; the error says what would be right.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("udp://") else {
            return Err(match text.split_once("://") {
                Some((scheme, _)) => {
                    format!("the transport {} is not known; write udp://127.0.0.1:8125", quoted(scheme))
                }
                // Only a whole address can be repeated as the start of the right one.
                None if text.parse::<SocketAddr>().is_ok() => format!("the transport is missing; write udp://{text}"),
                None => format!("{} is not an address; write udp://127.0.0.1:8125", quoted(text)),
            });
        };
        parse_socket(rest, "udp://127.0.0.1:8125 or udp://[::1]:8125").map(Self::udp)
    }
}

/// Reads `ADDRESS:PORT`; the error says that `examples` would be right.
pub(super) fn parse_socket(text: &str, examples: &str) -> Result<SocketAddr, String> {
    let port = text.rsplit_once(':').map_or("", |(_, port)| port);
    text.parse().map_err(|_| match port.parse::<u64>() {
        Ok(port) if port > u64::from(u16::MAX) => format!("the port {port} is out of range; use 1 to 65535"),
        _ => format!("{} is not an IP address with a port; write {examples}", quoted(text)),
    })
}
