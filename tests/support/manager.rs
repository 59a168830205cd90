//! A service manager that a test plays: it holds sockets, and passes them to each process.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};

use super::{Daemon, Process, Scratch, lines_of};

/// What a service manager holds: sockets that it passes to each process.
#[derive(Default)]
pub struct Manager {
    /// The descriptors that it passes.
    pub sockets: Vec<OwnedFd>,
    /// What it calls the last of them, if that is no socket of a unit.
    pub kept: Option<(&'static str, OwnedFd)>,
    /// The options that make the config listen there.
    pub args: Vec<String>,
    /// More variables of the environment.
    pub environment: Vec<(&'static str, String)>,
}

impl Manager {
    /// With sockets of these transports, and one for HTTP.
    pub fn new(scratch: &Scratch, transports: &[&str]) -> Self {
        let mut manager = Self::default();
        for transport in transports {
            let path = scratch.file(transport);
            match *transport {
                "udp" => {
                    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
                    manager.hold(format!("--listen=udp://{}", udp.local_addr().expect("it is bound")), udp);
                }
                "tcp" => {
                    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
                    manager.hold(format!("--listen=tcp://{}", tcp.local_addr().expect("it is bound")), tcp);
                }
                "unixgram" => {
                    manager.hold(format!("--listen={transport}://{path}"), UnixDatagram::bind(&path).expect("a file"));
                }
                _ => {
                    manager.hold(format!("--listen={transport}://{path}"), UnixListener::bind(&path).expect("a file"));
                }
            }
        }
        let http = TcpListener::bind("127.0.0.1:0").expect("a port");
        manager.hold(format!("--http={}", http.local_addr().expect("it is bound")), http);
        manager
    }

    /// Holds a socket for this option.
    pub fn hold(&mut self, arg: String, socket: impl Into<OwnedFd>) {
        self.args.push(arg);
        // The last is the first, so that no test depends on the order.
        self.sockets.insert(0, socket.into());
    }

    /// The listeners of the config.
    pub fn listeners(&self) -> Vec<String> {
        self.args.iter().filter_map(|arg| arg.strip_prefix("--listen=")).map(str::to_owned).collect()
    }

    /// The address of HTTP.
    pub fn http(&self) -> SocketAddr {
        let http = self.args.iter().find_map(|arg| arg.strip_prefix("--http=")).expect("it has one");
        http.parse().expect("an address")
    }

    /// A command that starts the program as the manager does.
    pub fn command(&self) -> Command {
        self.command_by("exec \"$@\"")
    }

    /// The command that starts the program by a line of shell, in which `"$@"` is the program with its arguments. The shell has
    /// the process id that the program will have.
    pub fn command_by(&self, shell: &str) -> Command {
        let mut command = Command::new("sh");
        let shell = format!("export LISTEN_PID=$$ WATCHDOG_PID=$$; {shell}");
        command.args(["-c", &shell, "sh", env!("CARGO_BIN_EXE_statsidecar")]).args(&self.args);
        let kept = self.kept.as_ref().map(|(_, file)| file);
        let mappings = self.sockets.iter().chain(kept).zip(3..).map(|(socket, child_fd)| {
            let parent_fd = socket.as_fd().try_clone_to_owned().expect("a descriptor");
            FdMapping { parent_fd, child_fd }
        });
        let mappings: Vec<_> = mappings.collect();
        let mut names = vec!["statsidecar.socket"; self.sockets.len()];
        names.extend(self.kept.as_ref().map(|(name, _)| *name));
        command.env("LISTEN_FDS", mappings.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        command.fd_mappings(mappings).expect("each descriptor once");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the program, and waits until it listens.
    pub fn start(&self) -> Daemon {
        Daemon::spawn(self.command())
    }

    /// Starts the program, which must fail; gives the last line of its log.
    pub fn refused(&self) -> String {
        let mut command = self.command();
        let mut process = Process::spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let stderr = lines_of(process.0.stderr.take().expect("it is piped"));
        let last = stderr.iter().last().unwrap_or_default();
        assert_eq!(process.0.wait().expect("it ends").code(), Some(1), "{last}");
        last
    }
}
