//! Why the sidecar could not run.

use std::path::PathBuf;
use std::{error, fmt, io};

use crate::config::{Address, HttpAddress};
use crate::pipeline::NoInitial;

/// Why the sidecar could not run.
#[derive(Debug)]
pub enum Error {
    /// A listener could not be bound.
    Listen(Address, io::Error),
    /// The address for HTTP could not be bound.
    Http(HttpAddress, io::Error),
    /// Sockets were passed that cannot be taken over.
    Passed(io::Error),
    /// A socket was passed that the config does not listen on; the second text is where it does.
    Unwanted(String, String),
    /// Two addresses need the same port, once their host names are resolved.
    Overlap(String),
    /// A target of the relay is one of the sidecar's own listeners.
    Loop(Address, Address),
    /// A series of an `init` key could not be created.
    Initial(NoInitial),
    /// A folder or a file of the state cannot be used.
    State(PathBuf, io::Error),
    /// What reads a listener has panicked.
    Panicked,
    /// The thread of HTTP has panicked.
    HttpPanicked,
    /// The command of `run --until-exit` could not be started.
    Command(String, io::Error),
    /// A system call failed: for a thread or a signal handler.
    System(&'static str, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) if address.unix().is_none() => {
                write!(f, "cannot listen for StatsD on {address}: {}", because(error))
            }
            Self::Listen(address, error) => write!(f, "cannot listen for StatsD on {address}: {error}"),
            Self::Http(address, error) if address.unix().is_some() => {
                write!(f, "cannot serve metrics on {address}: {error}")
            }
            Self::Http(address, error) => write!(f, "cannot serve metrics on http://{address}: {}", because(error)),
            Self::Passed(error) => {
                write!(f, "cannot take over the sockets that were passed by LISTEN_FDS: {error}")
            }
            Self::Unwanted(socket, listens) => write!(
                f,
                "a socket was passed that the config does not listen on: {socket}; the config has {listens}; correct the \
                 socket unit or the config"
            ),
            Self::Overlap(overlap) => f.write_str(overlap),
            Self::Loop(target, listener) => write!(
                f,
                "cannot relay to {target}: it is this program's own listener {listener}, and lines would go round for \
                 ever; choose another target, or another address to listen on"
            ),
            Self::Initial(NoInitial { metric, reject }) => {
                write!(f, "cannot make the init series {metric}: {reject}: {}", reject.remedy())
            }
            Self::State(path, error) => write!(
                f,
                "cannot keep the state in {}: {error}; [state] path must be a folder on a disk, and arena one in memory, such \
                 as /dev/shm/statsidecar, that this user may write to",
                path.display()
            ),
            Self::Panicked => write!(
                f,
                "what reads a listener has panicked, which is a bug of this program; all that the other listeners had \
                 received was applied, and the program ends so that it can be started again"
            ),
            Self::HttpPanicked => write!(
                f,
                "the HTTP server has panicked, which is a bug of this program; all that had arrived was applied, and the \
                 program ends so that it can be started again"
            ),
            Self::Command(command, error) => write!(f, "cannot start {command}: {error}"),
            Self::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl error::Error for Error {}

fn because(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program has this port; stop it, or choose another port".to_owned(),
        io::ErrorKind::PermissionDenied => format!("{error}; ports below 1024 need CAP_NET_BIND_SERVICE"),
        io::ErrorKind::AddrNotAvailable => format!("{error}; this machine has no such address"),
        _ => error.to_string(),
    }
}
