//! The place of a sidecar whose state outlives it.

use std::path::PathBuf;

use crate::support::{Daemon, Scratch, listener};

/// A folder on a disk and one in memory, removed when this is dropped.
pub struct Home {
    disk: Scratch,
    memory: Scratch,
}

impl Home {
    /// An empty one.
    pub fn new(name: &str) -> Self {
        Self { disk: Scratch::short(name), memory: Scratch::memory(name) }
    }

    /// A folder for other files of the test.
    pub fn disk(&self) -> &Scratch {
        &self.disk
    }

    /// The folder of the snapshot.
    pub fn snapshots(&self) -> PathBuf {
        self.disk.path().join("state")
    }

    /// The folder of the arena.
    pub fn arenas(&self) -> PathBuf {
        self.memory.path().join("arena")
    }

    /// The file of the snapshot.
    pub fn snapshot(&self) -> PathBuf {
        self.snapshots().join("snapshot")
    }

    /// The file of the arena.
    pub fn arena(&self) -> PathBuf {
        self.arenas().join("arena")
    }

    /// Writes a config with these places and `rest`; gives the option for it.
    pub fn config(&self, rest: &str) -> String {
        let (snapshots, arenas) = (self.snapshots(), self.arenas());
        let state = format!("[state]\npath = {snapshots:?}\narena = {arenas:?}\ninterval = \"1s\"\n{rest}");
        format!("--config={}", self.disk.write("config.toml", &state))
    }

    /// Starts a sidecar here, with a listener of UDP, and with SIGHUP at its default: the tests may run under `nohup`.
    pub fn start(&self, rest: &str) -> Daemon {
        let (config, listener) = (self.config(rest), listener("udp"));
        let args = [config.as_str(), "--listen", &listener, "--http", "127.0.0.1:0"];
        Daemon::start_by("exec env --default-signal=HUP \"$@\"", &args)
    }

    /// The same after a start of the machine: what was in memory is gone.
    pub fn start_after_boot(&self, rest: &str) -> Daemon {
        std::fs::remove_dir_all(self.arenas()).expect("the folder of the arena");
        self.start(rest)
    }
}
