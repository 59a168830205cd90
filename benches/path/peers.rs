//! Other daemons that Debian packages.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::receiver::pinned;

/// Another daemon, and how to start it on a port with its files in a directory.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    path: &'static str,
    config: fn(&Path, u16) -> String,
    foreground: [&'static str; 2],
}

pub(crate) const PEERS: [Peer; 2] = [
    Peer { name: "collectd", path: "/usr/sbin/collectd", config: collectd, foreground: ["-f", "-C"] },
    Peer { name: "netdata", path: "/usr/sbin/netdata", config: netdata, foreground: ["-D", "-c"] },
];

fn collectd(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    format!(
        "Hostname \"bench\"\nBaseDir \"{dir}\"\nPIDFile \"{dir}/pid\"\nTypesDB \"/usr/share/collectd/types.db\"\n\
         LoadPlugin statsd\n<Plugin statsd>\nHost \"127.0.0.1\"\nPort \"{port}\"\n</Plugin>\n"
    )
}

fn netdata(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    let output = Command::new("id").arg("-un").output().expect("id runs");
    let user = String::from_utf8(output.stdout).expect("a name that is text");
    let off = ["proc", "diskspace", "cgroups", "tc", "idlejitter", "timex", "loops", "profile", "checks", "slabinfo"];
    let off: String = off.iter().map(|plugin| format!("{plugin} = no\n")).collect();
    format!(
        "[global]\nrun as user = {user}\n[db]\nmode = ram\n[directories]\ncache = {dir}\nlib = {dir}\nlog = {dir}\n\
         [logs]\ndebug = none\nerror = none\naccess = none\n[web]\nmode = none\n[health]\nenabled = no\n\
         [ml]\nenabled = no\n[statsd]\nbind to = udp:127.0.0.1:{port}\n\
         [plugins]\nstatsd = yes\nnetdata monitoring = no\nenable running new plugins = no\n{off}"
    )
}

/// A running peer and its directory; dropping this ends the peer and removes the directory.
pub(crate) struct RunningPeer {
    child: Child,
    dir: PathBuf,
    pub(crate) udp: SocketAddr,
}

impl RunningPeer {
    /// Starts `peer`, and waits until it listens; `None` if it is not installed.
    pub(crate) fn start(peer: Peer) -> Option<Self> {
        if !Path::new(peer.path).exists() {
            eprintln!("{0} is not here: apt-get install --no-install-recommends {0}-core", peer.name);
            return None;
        }
        // A port that was just free is very probably still free.
        let free = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let udp = free.local_addr().expect("it has an address");
        drop(free);
        let dir = env::temp_dir().join(format!("statsidecar-bench-{}-{}", peer.name, std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let file = dir.join("config");
        fs::write(&file, (peer.config)(&dir, udp.port())).expect("a file");
        let mut command = pinned(peer.path, 0);
        command.args(peer.foreground).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Self { child: command.spawn().expect("the peer starts"), dir, udp };
        let started = Instant::now();
        while running.socket().is_none() {
            assert!(started.elapsed() < Duration::from_secs(20), "{} does not listen", peer.name);
            thread::sleep(Duration::from_millis(1));
        }
        Some(running)
    }

    /// The line of its socket in /proc.
    fn socket(&self) -> Option<String> {
        let table = fs::read_to_string("/proc/net/udp").expect("the kernel lists its sockets");
        let port = format!(":{:04X}", self.udp.port());
        let row = table.lines().find(|row| row.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port)));
        row.map(str::to_owned)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The packets that the kernel dropped on its socket.
    pub(crate) fn dropped(&self) -> u64 {
        let row = self.socket().expect("it listens");
        row.split_whitespace().last().expect("the last column").parse().expect("a number of packets")
    }
}

impl Drop for RunningPeer {
    fn drop(&mut self) {
        // Each of these may fail if the peer has ended, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
