//! The whole path, from the socket to the cells, beside a floor. The floor is a program that receives the same packets
//! by the same calls and discards them.
//!
//! `cargo bench --bench path [-- SECONDS [WORKLOAD]]` starts both, one after the other, with the same load from
//! `statsidecar load`. It prints the CPU time of each for a line, the lost packets, and the memory at the peak. Compare
//! figures of one run only with each other. With two cores or more, the receiver has the first core and the sender the
//! second.
//!
//! With `--rules` statsidecar has 200 rules, half of them regexes.
//!
//! With `--peers` it also sends the untagged lines to other daemons that Debian packages. Each runs with its defaults
//! and only its StatsD listener, so it has the system's receive buffer, which loses packets in any pause. The row of a
//! peer has the highest rate, by steps, at which that daemon loses no packet. The floor that it is divided by ran at
//! the rate of its own row. Peers flush at most every 10 s, so a run shorter than `-- 20 --peers` may miss the pause.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use statsidecar::config::{Address, IntakeConfig};
use statsidecar::intake::{BATCH, ReceiveBuffers, Socket, Wait};

const STATSIDECAR: &str = env!("CARGO_BIN_EXE_statsidecar");

/// The workloads: a name, lines a second, and the arguments of `load`.
const WORKLOADS: [(&str, u64, &[&str]); 5] = [
    ("packed, 1,000 series", 4_000_000, &["--series", "1000"]),
    ("packed, 1,000 series, 3 tags", 2_000_000, &["--series", "1000", "--tags", "3"]),
    ("packed, 10,000 series", 4_000_000, &["--series", "10000"]),
    ("packed, 100,000 series", 4_000_000, &["--series", "100000"]),
    ("one line a packet, 1,000 series", 300_000, &["--series", "1000", "--packet", "0"]),
];

/// The factor to the next rate after a receiver has lost packets.
const SLOWER: f64 = 0.7;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == "floor") {
        return floor();
    }
    let (options, arguments): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with("--"));
    let with_peers = options.iter().any(|option| *option == "--peers");
    let rules = options.iter().any(|option| *option == "--rules").then(rules);
    let seconds = arguments.first().map_or(5, |seconds| seconds.parse().expect("the argument is a number of seconds"));
    let only = arguments.get(1).map_or("", |only| only.as_str());
    println!("| workload | lines/s | program | CPU ns/line | x floor | lost packets | peak MiB |");
    println!("|---|---|---|---|---|---|---|");
    for (name, rate, args) in WORKLOADS.into_iter().filter(|(name, ..)| name.contains(only)) {
        let (rate, runs) = at_a_rate_without_loss(rate, seconds, args, rules.as_deref());
        for run in &runs {
            row(name, rate, run, &runs[0]);
        }
        if with_peers && !args.contains(&"--tags") {
            for peer in PEERS {
                match run_peer(peer, rate, seconds, args) {
                    Some((rate, run)) => row(name, rate, &run, &runs[0]),
                    None => eprintln!("{0} is not here: apt-get install --no-install-recommends {0}-core", peer.name),
                }
            }
        }
    }
}

fn row(name: &str, rate: u64, run: &Run, floor: &Run) {
    println!(
        "| {name} | {rate} | {} | {:.1} | {:.2} | {} | {:.1} |",
        run.program,
        run.nanoseconds_per_line,
        run.nanoseconds_per_line / floor.nanoseconds_per_line,
        run.lost,
        run.peak_bytes as f64 / 1_048_576.0
    );
}

/// Receives and discards packets, and prints their number at the end.
fn floor() {
    let address: Address = "udp://127.0.0.1:0".parse().expect("it is an address");
    let socket = Socket::bind(&address, &IntakeConfig::default()).expect("the floor binds");
    println!("listening for StatsD on {}", socket.address());
    let mut batch = ReceiveBuffers::new(BATCH);
    let (mut packets, mut bytes) = (0_u64, 0_usize);
    loop {
        for packet in batch.receive(socket.as_fd(), Wait::ForOne).expect("the floor receives") {
            if packet.bytes == b"end" {
                println!("packets {packets} {bytes}");
                return;
            }
            packets += 1;
            bytes += packet.bytes.len();
        }
    }
}

/// A file of 100 globs and 100 regexes. The last ones match names of the workload.
fn rules() -> PathBuf {
    let mut file = String::new();
    for n in 0..99 {
        file += &format!("[[metric]]\nmatch = \"shop{n}.*.request-*.**\"\nname = \"shop_{n}_$1\"\n");
        file += &format!("[[metric]]\nmatch_regex = 'queue{n}\\.([a-z]+)\\.(\\d+)'\nlabels = {{ queue = \"$1\" }}\n");
    }
    file += "[[metric]]\nmatch = \"etl.stage01.*.**\"\nlabels = { instance = \"$1\" }\n";
    file +=
        "[[metric]]\nmatch_regex = 'etl\\.stage02\\.(?P<instance>[^.]+)\\..*'\nlabels = { instance = \"$instance\" }\n";
    let path = env::temp_dir().join(format!("statsidecar-bench-{}.toml", std::process::id()));
    fs::write(&path, file).expect("a file can be written");
    path
}

/// The result of one program with one workload.
struct Run {
    program: &'static str,
    nanoseconds_per_line: f64,
    lost: u64,
    peak_bytes: u64,
}

/// All programs at the same rate: the highest, by steps, at which none of them loses a packet.
fn at_a_rate_without_loss(rate: u64, seconds: u64, args: &[&str], config: Option<&Path>) -> (u64, [Run; 2]) {
    let mut rate = rate;
    for _ in 0..8 {
        let runs = [run_floor(rate, seconds, args), run_statsidecar(rate, seconds, args, config)];
        if runs.iter().all(|run| run.lost == 0) {
            return (rate, runs);
        }
        rate = (rate as f64 * SLOWER) as u64;
    }
    panic!("packets are lost even at {rate} lines/s");
}

fn run_floor(rate: u64, seconds: u64, args: &[&str]) -> Run {
    let mut floor = Receiver::start(Command::new(env::current_exe().expect("it has a path")).arg("floor"));
    let before = floor.cpu_nanoseconds();
    let (lines, packets) = load(floor.udp, rate, seconds, args);
    let nanoseconds = floor.cpu_nanoseconds() - before;
    let peak_bytes = floor.peak_bytes();
    let end = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    end.send_to(b"end", floor.udp).expect("loopback takes packets");
    let last = floor.line();
    let received: u64 = last.split(' ').nth(1).expect("a number of packets").parse().expect("a number");
    Run { program: "floor", nanoseconds_per_line: nanoseconds / lines as f64, lost: packets - received, peak_bytes }
}

fn run_statsidecar(rate: u64, seconds: u64, args: &[&str], config: Option<&Path>) -> Run {
    let mut command = Command::new(STATSIDECAR);
    command.args(["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
    command.args(config.iter().flat_map(|config| [Path::new("--config"), config]));
    let mut sidecar = Receiver::start(&command);
    let page = sidecar.line();
    let page = page.strip_prefix("serving metrics on http://").and_then(|page| page.strip_suffix("/metrics"));
    let page: SocketAddr = page.expect("it serves a page").parse().expect("it has an address");
    // Every series exists before the measurement, because this does not measure the cost of new series.
    load(sidecar.udp, rate.min(500_000), 3, args);
    let (dropped_before, _) = counts(page);
    let before = sidecar.cpu_nanoseconds();
    let (lines, _) = load(sidecar.udp, rate, seconds, args);
    let nanoseconds = sidecar.cpu_nanoseconds() - before;
    let (dropped, _) = counts(page);
    Run {
        program: "statsidecar",
        nanoseconds_per_line: nanoseconds / lines as f64,
        lost: dropped - dropped_before,
        peak_bytes: sidecar.peak_bytes(),
    }
}

/// Another daemon, and how to start it on a port with its files in a directory.
#[derive(Clone, Copy)]
struct Peer {
    name: &'static str,
    path: &'static str,
    config: fn(&Path, u16) -> String,
    foreground: [&'static str; 2],
}

const PEERS: [Peer; 2] = [
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

/// The highest rate without a loss, by steps down from `rate`, and its result; `None` if the peer is not installed.
fn run_peer(peer: Peer, rate: u64, seconds: u64, args: &[&str]) -> Option<(u64, Run)> {
    if !Path::new(peer.path).exists() {
        return None;
    }
    let running = RunningPeer::start(peer);
    let target = SocketAddr::from(([127, 0, 0, 1], running.port));
    load(target, rate.min(50_000), 3, args);
    let mut rate = rate;
    loop {
        let (before, dropped) = (cpu_nanoseconds(running.child.id()), running.dropped());
        let (lines, _) = load(target, rate, seconds, args);
        let nanoseconds = cpu_nanoseconds(running.child.id()) - before;
        let lost = running.dropped() - dropped;
        if lost == 0 {
            let nanoseconds_per_line = nanoseconds / lines as f64;
            let peak_bytes = peak_bytes(running.child.id());
            return Some((rate, Run { program: peer.name, nanoseconds_per_line, lost, peak_bytes }));
        }
        rate = (rate as f64 * SLOWER) as u64;
        assert!(rate > 1000, "{} loses packets at any rate", peer.name);
    }
}

/// A running peer and its directory; dropping this ends the peer and removes the directory.
struct RunningPeer {
    child: Child,
    dir: PathBuf,
    port: u16,
}

impl RunningPeer {
    fn start(peer: Peer) -> Self {
        // A port that was just free is very probably still free.
        let free = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port = free.local_addr().expect("it has an address").port();
        drop(free);
        let dir = env::temp_dir().join(format!("statsidecar-bench-{}-{}", peer.name, std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let file = dir.join("config");
        fs::write(&file, (peer.config)(&dir, port)).expect("a file");
        let mut command = pinned(peer.path, 0);
        command.args(peer.foreground).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Self { child: command.spawn().expect("the peer starts"), dir, port };
        let started = Instant::now();
        while running.socket().is_none() {
            assert!(started.elapsed() < Duration::from_secs(20), "{} does not listen", peer.name);
            std::thread::sleep(Duration::from_millis(50));
        }
        running
    }

    /// The line of its socket in /proc.
    fn socket(&self) -> Option<String> {
        let table = fs::read_to_string("/proc/net/udp").expect("the kernel lists its sockets");
        let port = format!(":{:04X}", self.port);
        let row = table.lines().find(|row| row.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port)));
        row.map(str::to_owned)
    }

    /// The packets that the kernel dropped on its socket.
    fn dropped(&self) -> u64 {
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

/// Packets dropped by the kernel, and lines received.
fn counts(page: SocketAddr) -> (u64, u64) {
    let mut stream = TcpStream::connect(page).expect("the page answers");
    io::Write::write_all(&mut stream, b"GET /metrics HTTP/1.0\r\n\r\n").expect("the page takes a request");
    let text = io::read_to_string(&mut stream).expect("the page is text");
    let count = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).expect("the page has it");
        line.rsplit(' ').next().expect("a value").parse().expect("a whole number")
    };
    (count("statsidecar_kernel_dropped_packets_total{"), count("statsidecar_lines_total{"))
}

/// Sends from the second core; returns the lines and packets sent.
fn load(target: SocketAddr, rate: u64, seconds: u64, args: &[&str]) -> (u64, u64) {
    let output = pinned(STATSIDECAR, 1)
        .args(["load", "--target", &format!("udp://{target}")])
        .args(["--rate", &rate.to_string(), "--seconds", &seconds.to_string()])
        .args(args)
        .output()
        .expect("the load starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let words: Vec<&str> = text.split_whitespace().collect();
    (words[1].parse().expect("lines"), words[4].parse().expect("packets"))
}

/// A command on one core, if there are two.
fn pinned(program: &str, core: usize) -> Command {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string(), program]);
        command
    } else {
        Command::new(program)
    }
}

/// A running receiver; dropping this ends it.
struct Receiver {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    udp: SocketAddr,
}

impl Receiver {
    fn start(command: &Command) -> Self {
        let mut pinned = pinned(command.get_program().to_str().expect("a path that is text"), 0);
        pinned.args(command.get_args()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = pinned.spawn().expect("the receiver starts");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut receiver = Self { child, output, udp: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let line = receiver.line();
        let address = line.strip_prefix("listening for StatsD on udp://").expect("it says where it listens");
        receiver.udp = address.parse().expect("it is an address");
        receiver
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it prints text");
        line.trim_end().to_owned()
    }

    fn cpu_nanoseconds(&self) -> f64 {
        cpu_nanoseconds(self.child.id())
    }

    fn peak_bytes(&self) -> u64 {
        peak_bytes(self.child.id())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Either may fail for a process that has ended, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU time of all threads of a process so far, once it has read everything.
fn cpu_nanoseconds(process: u32) -> f64 {
    std::thread::sleep(Duration::from_millis(200));
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    tasks
        .map(|task| fs::read_to_string(task.expect("a thread").path().join("schedstat")).expect("it is counted"))
        .map(|schedstat| schedstat.split(' ').next().expect("a time").parse::<f64>().expect("nanoseconds"))
        .sum()
}

fn peak_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak is counted");
    line.trim().split(' ').next().expect("a number").parse::<u64>().expect("KiB") * 1024
}
