//! What the service manager (systemd) has given to this process, and what it is told.
//!
//! Source: `sd_listen_fds(3)`, `sd_notify(3)`, `sd_watchdog_enabled(3)`.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sd_notify::NotifyState;

use super::error::Error;
use crate::config::Config;
use crate::intake::PassedSockets;
use crate::state::KeptFile;

/// The service manager that has started this process. The default is that there is none.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    /// The sockets that it has passed and that no listener has taken yet.
    pub(super) sockets: PassedSockets,
    /// Where it is told what happens (`NOTIFY_SOCKET`).
    notified: Option<SocketAddr>,
    /// The file that it has kept for this process, or whether it would keep one (`FDSTORE`).
    kept: KeptFile,
    /// It ends this process if it hears nothing for so long (`WATCHDOG_USEC`).
    pub(super) watchdog: Option<Duration>,
}

/// What it calls the file that it keeps (`FDNAME=`).
const KEPT_NAME: &str = "statsidecar-arena";

impl ServiceManager {
    /// The one that the environment tells of.
    pub(super) fn from_environment() -> Result<Self, Error> {
        let notified = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let (sockets, kept) = PassedSockets::from_environment(KEPT_NAME).map_err(Error::Passed)?;
        let keeps_some = || std::env::var("FDSTORE").is_ok_and(|most| most.parse::<u32>().is_ok_and(|most| most > 0));
        Ok(Self {
            sockets,
            kept: match kept {
                Some(fd) => KeptFile::Kept(fd),
                None if notified.is_some() && keeps_some() => KeptFile::Wanted,
                None => KeptFile::None,
            },
            notified: notified
                .and_then(|name| address(&name).inspect_err(|error| log_untold("NOTIFY_SOCKET", error)).ok()),
            watchdog: sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero()),
        })
    }

    /// One that is told at this address, and has a watchdog.
    #[cfg(test)]
    pub(super) fn for_test(notified: SocketAddr, watchdog: Duration) -> Self {
        Self { notified: Some(notified), watchdog: Some(watchdog), ..Self::default() }
    }

    /// An error if a passed socket was not taken.
    pub(super) fn refuse_unwanted(&self, config: &Config) -> Result<(), Error> {
        let Some(unwanted) = self.sockets.left().next() else { return Ok(()) };
        let listeners = config.intake.listen.iter().map(|address| format!("{address}, "));
        Err(Error::Unwanted(
            unwanted,
            format!("{}and metrics on {}", listeners.collect::<String>(), config.http.listen),
        ))
    }

    /// What it keeps for the next process.
    pub(super) fn kept_file(&mut self) -> KeptFile {
        std::mem::take(&mut self.kept)
    }

    /// Hands it a file to keep.
    pub(super) fn keep(&self, file: &File) -> io::Result<()> {
        let Some(address) = &self.notified else { return Ok(()) };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(address)?;
        let message = format!("FDSTORE=1\nFDNAME={KEPT_NAME}\n");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [file.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        sendmsg(&socket, &[IoSlice::new(message.as_bytes())], &mut control, SendFlags::empty())?;
        Ok(())
    }

    /// Tells it that the config is read again, until it is told that the program is ready.
    pub(super) fn tell_reloading(&self) {
        // Both must be in one message. Without the time, the manager would not know which reload is meant.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&format!("{}\n{now}", NotifyState::Reloading)),
            Err(error) => log_untold("RELOADING=1", &error),
        }
    }

    /// Tells it what happens; a failure is logged.
    pub(super) fn tell(&self, state: &impl Display) {
        if let Err(error) = self.send(state) {
            log_untold(&state.to_string(), &error);
        }
    }

    /// Tells it what happens. This never blocks, whatever the manager does, because the thread of the runtime calls it.
    pub(super) fn send(&self, state: &impl Display) -> io::Result<()> {
        let Some(address) = &self.notified else { return Ok(()) };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(format!("{state}\n").as_bytes(), address).map(drop)
    }
}

fn log_untold(what: &str, error: &io::Error) {
    tracing::warn!(what, %error, "cannot tell the service manager; going on");
}

/// The address of a Unix socket: a path, or an abstract name behind an `@`.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::other(format!("{name:?} is neither a path nor a name with @ before it"))),
    }
}
