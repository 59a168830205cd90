//! The command of `run --until-exit`: its start, the signals that are passed on to it, and its end.
//!
//! One thread reads all signals, also the one of a child that has ended. So a signal is never sent to another process that
//! got the id of the command.

use std::ffi::{CString, OsString};
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt;
use std::thread;

use nix::errno::Errno;
use nix::libc::SI_KERNEL;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::announce::reachable;
use super::error::Error;
use crate::config::{Address, UnixName};

/// The signals that are passed on.
const PASSED: [Signal; 8] = [
    Signal::SIGALRM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

/// The signals of the process, which from now on only the command of `run --until-exit` receives.
#[derive(Debug)]
pub(crate) struct JobSignals {
    received: SignalFd,
    /// The signals that were blocked before.
    blocked: SigSet,
}

impl JobSignals {
    /// Takes the signals of this thread, and of all threads that it starts from now on. A signal that the process ignores
    /// stays ignored, as `nohup` wants it.
    pub(crate) fn take() -> io::Result<Self> {
        let blocked = SigSet::thread_get_mask()?;
        let mut signals = SigSet::empty();
        PASSED.iter().for_each(|signal| signals.add(*signal));
        signals.add(Signal::SIGCHLD);
        signals.thread_block()?;
        Ok(Self { received: SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?, blocked })
    }
}

/// A running command.
#[derive(Debug)]
pub(super) struct Job {
    id: Pid,
    signals: mpsc::UnboundedReceiver<siginfo>,
}

impl Job {
    /// Starts the command, with variables that tell it where `listeners` are.
    pub(super) fn start(signals: JobSignals, command: &[OsString], listeners: &[Address]) -> Result<Self, Error> {
        let JobSignals { received, blocked } = signals;
        let signals = pass_to_channel(received).map_err(|error| Error::System("watch signals", error))?;
        let program = command.first().map(|program| program.display().to_string()).unwrap_or_default();
        let id = spawn(command, &blocked, &variables(listeners)).map_err(|error| Error::Command(program, error))?;
        Ok(Self { id, signals })
    }

    /// Passes signals on until the command ends; gives the exit code that a shell would give.
    pub(super) async fn ended(&mut self) -> Result<u8, Error> {
        loop {
            // The command may have ended before a call of this function.
            let status = waitpid(self.id, Some(WaitPidFlag::WNOHANG));
            if let Some(code) = exit_code(status.map_err(|error| Error::System("wait for the command", error.into()))?)
            {
                return Ok(code);
            }
            match self.signals.recv().await {
                Some(signal) => self.pass(&signal),
                None => return Err(Error::System("watch signals", io::ErrorKind::BrokenPipe.into())),
            }
        }
    }

    /// Sends the command a signal that this process has received. The keyboard's signals go to all processes of the terminal,
    /// so the command has those, and some programs treat a second one as an order to end at once.
    fn pass(&self, received: &siginfo) {
        let Ok(signal) = Signal::try_from(received.ssi_signo.cast_signed()) else { return };
        let is_of_keyboard =
            received.ssi_code == SI_KERNEL && matches!(signal, Signal::SIGINT | Signal::SIGQUIT | Signal::SIGWINCH);
        if signal == Signal::SIGCHLD || is_of_keyboard {
            return;
        }
        match kill(self.id, signal) {
            Ok(()) => tracing::info!(%signal, "passed on to the command"),
            Err(Errno::ESRCH) => {} // it has just ended
            Err(error) => tracing::warn!(%signal, %error, "cannot pass the signal on to the command"),
        }
    }
}

/// Starts a process with this environment beside the one of this process. The standard library would give it the signals
/// that are blocked here; it gets those that were blocked before.
fn spawn(command: &[OsString], blocked: &SigSet, variables: &[(&str, String)]) -> io::Result<Pid> {
    let text = |bytes: Vec<u8>| CString::new(bytes).map_err(io::Error::other);
    let arguments: Vec<CString> =
        command.iter().map(|word| text(word.clone().into_vec())).collect::<Result<_, io::Error>>()?;
    let of_process = std::env::vars_os().filter(|(name, _)| variables.iter().all(|(own, _)| name != own));
    let own = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = of_process.chain(own).map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        text(name.into_vec())
    });
    let environment: Vec<CString> = environment.collect::<Result<_, io::Error>>()?;
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigmask(blocked)?;
    // Programs in Rust ignore it.
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    let program = arguments.first().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(posix_spawnp(program, &PosixSpawnFileActions::init()?, &attributes, &arguments, &environment)?)
}

/// The signals as they are received, by a thread that ends with the process.
fn pass_to_channel(signals: SignalFd) -> io::Result<mpsc::UnboundedReceiver<siginfo>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        loop {
            match signals.read_signal() {
                Ok(Some(signal)) if sender.send(signal).is_ok() => {}
                Ok(None) | Err(Errno::EINTR) => {}
                Ok(Some(_)) | Err(_) => return,
            }
        }
    })?;
    Ok(receiver)
}

/// The exit code, or 128 and the number of the signal that ended it; `None` if it has not ended.
fn exit_code(status: WaitStatus) -> Option<u8> {
    let code = match status {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        _ => return None,
    };
    Some(u8::try_from(code).unwrap_or(u8::MAX))
}

/// The variables from which StatsD and DogStatsD clients take their address. The first listener of a kind wins.
fn variables(listeners: &[Address]) -> Vec<(&'static str, String)> {
    let mut variables = Vec::new();
    let udp = |listener: &Address| match listener {
        Address::Udp(endpoint) => endpoint.ip().map(|socket| SocketAddr::new(reachable(socket), socket.port())),
        _ => None,
    };
    if let Some(socket) = listeners.iter().find_map(udp) {
        variables.push(("STATSD_HOST", socket.ip().to_string()));
        variables.push(("STATSD_PORT", socket.port().to_string()));
    }
    let url = |listener: &Address| match listener {
        Address::Udp(_) => udp(listener).map(|socket| format!("udp://{socket}")),
        Address::Unixgram(UnixName::File(path)) => Some(format!("unix://{path}")),
        Address::UnixDogstatsd(UnixName::File(path)) => Some(format!("unixstream://{path}")),
        _ => None,
    };
    variables.extend(listeners.iter().find_map(url).map(|url| ("DD_DOGSTATSD_URL", url)));
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_the_first_listener_of_their_kind() {
        for (listeners, expected) in [
            (
                &["udp://127.0.0.1:1", "udp://[::1]:2"][..],
                "STATSD_HOST=127.0.0.1 STATSD_PORT=1 DD_DOGSTATSD_URL=udp://127.0.0.1:1",
            ),
            (&["udp://[::]:2"], "STATSD_HOST=::1 STATSD_PORT=2 DD_DOGSTATSD_URL=udp://[::1]:2"),
            (
                &["unixgram:///run/a.sock", "udp://0.0.0.0:3"],
                "STATSD_HOST=127.0.0.1 STATSD_PORT=3 DD_DOGSTATSD_URL=unix:///run/a.sock",
            ),
            (&["unix+dogstatsd:///run/a.sock"], "DD_DOGSTATSD_URL=unixstream:///run/a.sock"),
            (&["tcp://127.0.0.1:4", "unix:///run/a.sock", "unixgram://@a"], ""),
        ] {
            let listeners: Vec<Address> = listeners.iter().map(|listener| listener.parse().unwrap()).collect();
            let told: Vec<_> = variables(&listeners).iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(told.join(" "), expected);
        }
    }
}
