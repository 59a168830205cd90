//! The users who may write to a Unix socket, beside what the mode of its file says.

use std::io;
use std::os::fd::BorrowedFd;

use nix::unistd::User;
use rustix::net::sockopt;

use super::bind::id;
use crate::config::{Address, IntakeConfig};

/// The users of `[intake] allow_uids`.
#[derive(Clone, Debug)]
pub(super) struct AllowedPeers(Vec<u32>);

impl AllowedPeers {
    /// The users who may send to `address`; `None` is all. Names are looked up among the users of this machine.
    pub(super) fn of(address: &Address, intake: &IntakeConfig) -> io::Result<Option<Self>> {
        let names = intake.allow_uids.as_ref().filter(|_| address.unix().is_some());
        names.map(|names| Self::resolve(names)).transpose()
    }

    fn resolve(names: &[String]) -> io::Result<Self> {
        let find = |name: &str| Ok(User::from_name(name)?.map(|user| user.uid.as_raw()));
        names.iter().map(|name| id("allow_uids", "user", name, find)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the user with this number is among them.
    pub(super) fn allows(&self, uid: u32) -> bool {
        self.0.contains(&uid)
    }

    /// Whether the peer of a connection is among them: the user who connected. The kernel knows who that was.
    pub(super) fn allows_peer_of(&self, connection: BorrowedFd<'_>) -> bool {
        sockopt::socket_peercred(connection).is_ok_and(|peer| self.allows(peer.uid.as_raw()))
    }
}
