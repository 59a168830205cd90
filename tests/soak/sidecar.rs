//! The sidecar of a soak, which is ended and started again while all goes on. Its sockets stay open meanwhile.

use std::fs;
use std::ops::Deref;
use std::os::unix::net::UnixDatagram;

use crate::support::{Daemon, Manager, Scratch};

/// How a process ends before the next one starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By SIGTERM: it applies what it has received, and nothing is lost.
    Asked,
    /// By SIGKILL: the packets in hand are lost.
    Killed,
}

/// The process that runs now, and what the next one needs.
pub struct Sidecar {
    manager: Manager,
    config: String,
    daemon: Option<Daemon>,
    /// How many processes there were before, by how they ended.
    pub asked: u32,
    pub killed: u32,
}

impl Sidecar {
    /// Starts the first process with this config, on passed sockets in the order of [`To`](crate::To).
    pub fn start(scratch: &Scratch, config: &str) -> Self {
        let mut manager = Manager::new(scratch, &["unixgram", "udp", "unix", "tcp"]);
        let path = scratch.file("bombs");
        manager.hold(format!("--listen=unixgram://{path}"), UnixDatagram::bind(&path).expect("a file"));
        manager.args.extend(["--config".to_owned(), config.to_owned()]);
        let daemon = Some(manager.start());
        Self { manager, config: config.to_owned(), daemon, asked: 0, killed: 0 }
    }

    /// Reloads the config with another time to live for the series of the bombs.
    pub fn reload(&self, seconds: u64) {
        let config = fs::read_to_string(&self.config).expect("it is there");
        let (before, rest) = config.split_once("ttl = \"").expect("the first rule has one");
        let (_, behind) = rest.split_once('"').expect("it ends");
        // Renamed, so that a process that starts or reloads reads the old one or the new one.
        let new = format!("{}.new", self.config);
        fs::write(&new, format!("{before}ttl = \"{seconds}s\"{behind}")).expect("there is room");
        fs::rename(&new, &self.config).expect("it is there");
        self.signal("HUP");
    }

    /// Where it receives lines.
    pub fn listeners(&self) -> Vec<String> {
        self.manager.listeners()
    }

    /// Ends the process, and starts the next one.
    pub fn restart(&mut self, ending: Ending) {
        let daemon = self.daemon.take().expect("it runs");
        match ending {
            Ending::Asked => {
                end(daemon);
                self.asked += 1;
            }
            Ending::Killed => {
                daemon.kill();
                self.killed += 1;
            }
        }
        self.daemon = Some(self.manager.start());
    }

    /// Ends the last process.
    pub fn stop(mut self) {
        end(self.daemon.take().expect("it runs"));
    }

    /// The resident memory of the process in bytes, without what it shares with its file.
    pub fn resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it is running");
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it has memory");
            line.trim().strip_suffix(" kB").and_then(|n| n.parse::<usize>().ok()).expect("a number") * 1024
        };
        of("RssAnon:") + of("RssShmem:")
    }
}

impl Deref for Sidecar {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }
}

fn end(daemon: Daemon) {
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
