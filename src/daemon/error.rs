//! Why the sidecar could not run.

use std::{error, fmt, io};

use crate::config::{Address, HttpAddress};
use crate::reject::Reject;

/// Why the sidecar could not run.
#[derive(Debug)]
pub enum Error {
    /// A listener could not be bound.
    Listen(Address, io::Error),
    /// The address for HTTP could not be bound.
    Http(HttpAddress, io::Error),
    /// Two addresses need the same port, once their host names are resolved.
    Overlap(String),
    /// A target of the relay is one of the sidecar's own listeners.
    Loop(Address, Address),
    /// A series of an `init` key could not be created.
    Initial(String, Reject),
    /// What reads a listener has panicked.
    Panicked,
    /// The thread of HTTP has panicked.
    HttpPanicked,
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
            Self::Overlap(overlap) => f.write_str(overlap),
            Self::Loop(target, listener) => write!(
                f,
                "cannot relay to {target}: it is this program's own listener {listener}, and lines would go round for \
                 ever; choose another target, or another address to listen on"
            ),
            Self::Initial(name, reject) => {
                write!(f, "cannot make the init series {name}: {reject}: {}", reject.remedy())
            }
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
