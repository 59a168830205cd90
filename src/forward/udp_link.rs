//! A UDP socket to a target, whose name may have several addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::lookup::{FindLoop, refresh};
use crate::config::{Address, Endpoint};

/// How long an attempt to send waits for the first address of a name.
const FIRST: Duration = Duration::from_secs(5);

/// The known addresses of a UDP target. A name is resolved every minute, until this is dropped.
#[derive(Debug)]
pub(super) struct UdpHost {
    addresses: watch::Receiver<Vec<SocketAddr>>,
    _refresh: JoinSet<()>,
}

impl UdpHost {
    /// Starts to resolve the name of `target`, if it has one.
    pub(super) fn new(target: &Address, endpoint: &Endpoint, find_loop: &FindLoop) -> Self {
        let (sender, addresses) = watch::channel(endpoint.ip().into_iter().collect());
        let mut tasks = JoinSet::new();
        if endpoint.ip().is_none() {
            tasks.spawn(refresh(target.clone(), endpoint.clone(), FindLoop::clone(find_loop), sender));
        }
        Self { addresses, _refresh: tasks }
    }

    /// Connects to the first address for which the system has a route.
    pub(super) async fn open(&self) -> io::Result<UdpLink> {
        let mut addresses = self.addresses.clone();
        let known = match timeout(FIRST, addresses.wait_for(|known| !known.is_empty())).await {
            Ok(Ok(known)) => known.clone(),
            _ => return Err(io::Error::other("no address of its host is known yet")),
        };
        addresses.mark_unchanged();
        let (socket, to) = connect(&known).await?;
        Ok(UdpLink { socket, to, refused: 0, addresses })
    }
}

/// A UDP socket that is connected to one address of a target.
#[derive(Debug)]
pub(super) struct UdpLink {
    socket: UdpSocket,
    to: SocketAddr,
    /// How many addresses have refused packets, one after the other.
    refused: usize,
    addresses: watch::Receiver<Vec<SocketAddr>>,
}

impl UdpLink {
    /// Sends a packet. If nobody listens on this address, it goes to the next address of the host.
    pub(super) async fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        if self.addresses.has_changed().unwrap_or(false) {
            let known = self.addresses.borrow_and_update().clone();
            if !known.contains(&self.to) {
                // If this fails, the old address stays.
                let _ = self.move_to(&known).await;
            }
        }
        loop {
            let sent = self.socket.send(packet).await;
            let count = self.addresses.borrow().len();
            let refused = match &sent {
                Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
                // On this machine, the socket knows at once that nobody has received the packet.
                Ok(_) => count > 1 && self.to.ip().is_loopback() && self.socket.take_error()?.is_some(),
            };
            if !refused {
                self.refused = 0;
                return sent.map(|_| ());
            }
            self.refused += 1;
            if self.refused >= count {
                self.refused = 0;
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let known = self.addresses.borrow().clone();
            let place = known.iter().position(|address| *address == self.to).map_or(0, |place| place + 1);
            let next: Vec<_> = known.iter().cycle().skip(place).take(count - 1).copied().collect();
            self.move_to(&next).await?;
        }
    }

    async fn move_to(&mut self, addresses: &[SocketAddr]) -> io::Result<()> {
        (self.socket, self.to) = connect(addresses).await?;
        Ok(())
    }
}

/// A socket that is connected to the first address for which the system has a route.
async fn connect(addresses: &[SocketAddr]) -> io::Result<(UdpSocket, SocketAddr)> {
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        let connected = async {
            let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
            socket.connect(*address).await?;
            Ok(socket)
        };
        match connected.await {
            Ok(socket) => return Ok((socket, *address)),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first packet is not lost to an address on which nobody listens.
    #[test]
    fn a_packet_goes_to_the_address_that_listens() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let closed = UdpSocket::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap();
            let open = receiver.local_addr().unwrap();
            let (sender, addresses) = watch::channel(vec![closed, open]);
            let host = UdpHost { addresses, _refresh: JoinSet::new() };
            let mut link = host.open().await.unwrap();
            let mut buffer = [0; 10];
            link.send(b"one").await.unwrap();
            assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 3);
            // The host gets another address.
            let moved = UdpSocket::bind("127.0.0.3:0").await.unwrap();
            sender.send_replace(vec![moved.local_addr().unwrap()]);
            link.send(b"two!").await.unwrap();
            assert_eq!(moved.recv(&mut buffer).await.unwrap(), 4);
            // Nobody listens any more.
            drop((moved, receiver));
            sender.send_replace(vec![closed, open]);
            assert_eq!(link.send(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        });
    }
}
