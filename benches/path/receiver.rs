//! Running receivers, what they use, and what is sent to them.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

pub(crate) const STATSIDECAR: &str = env!("CARGO_BIN_EXE_statsidecar");

/// A running receiver; dropping this ends it.
pub(crate) struct Receiver {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) udp: SocketAddr,
}

impl Receiver {
    /// Starts `command` on the first core, and waits until it says where it listens.
    pub(crate) fn start(command: &Command) -> Self {
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

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it prints text");
        line.trim_end().to_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Either may fail for a process that has ended, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running sidecar.
pub(crate) struct Sidecar {
    pub(crate) receiver: Receiver,
    page: SocketAddr,
}

impl Sidecar {
    /// Starts one on a free port, with this config file.
    pub(crate) fn start(config: Option<&Path>) -> Self {
        let mut command = Command::new(STATSIDECAR);
        command.args(["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.args(config.iter().flat_map(|config| [Path::new("--config"), config]));
        let mut receiver = Receiver::start(&command);
        let page = receiver.line();
        let page = page.strip_prefix("serving metrics on http://").and_then(|page| page.strip_suffix("/metrics"));
        let page = page.expect("it serves a page").parse().expect("it has an address");
        Self { receiver, page }
    }

    /// An answer of `/metrics` with its head, as bytes.
    pub(crate) fn scrape(&self, headers: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.page).expect("the page answers");
        let request = format!("GET /metrics HTTP/1.0\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("the page takes a request");
        let mut answer = Vec::new();
        io::Read::read_to_end(&mut stream, &mut answer).expect("the page is whole");
        answer
    }

    /// The sum of a counter. All that was sent before is in it.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let text = String::from_utf8(self.scrape("")).expect("the page is text");
        let line = text.lines().find(|line| line.starts_with(name)).expect("the page has it");
        line.rsplit(' ').next().expect("a value").parse().expect("a whole number")
    }

    /// The packets that the kernel has dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.count("statsidecar_kernel_dropped_packets_total{")
    }
}

/// What all threads of a process have used so far.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu_nanoseconds: f64,
    /// How often a thread went to sleep, and so was woken.
    pub(crate) wakes: u64,
}

impl Usage {
    pub(crate) fn of(process: u32) -> Self {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
        let mut usage = Self { cpu_nanoseconds: 0.0, wakes: 0 };
        for task in tasks.map(|task| task.expect("a thread").path()) {
            // A thread may end at any time.
            let read = |name| fs::read_to_string(task.join(name)).unwrap_or_default();
            let cpu = read("schedstat").split(' ').next().and_then(|time| time.parse::<f64>().ok());
            let status = read("status");
            let wakes = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            usage.cpu_nanoseconds += cpu.unwrap_or_default();
            usage.wakes += wakes.and_then(|wakes| wakes.trim().parse::<u64>().ok()).unwrap_or_default();
        }
        usage
    }

    /// The same once it has read everything.
    pub(crate) fn settled(process: u32) -> Self {
        thread::sleep(Duration::from_millis(200));
        Self::of(process)
    }
}

/// The most memory that a process has had.
pub(crate) fn peak_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak is counted");
    line.trim().split(' ').next().expect("a number").parse::<u64>().expect("KiB") * 1024
}

/// Sends from the second core; returns the lines and packets sent.
pub(crate) fn load(target: SocketAddr, rate: u64, seconds: u64, args: &[&str]) -> (u64, u64) {
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

/// Whether sender and receiver have a core each.
pub(crate) fn has_two_cores() -> bool {
    thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
}

/// A command on one core, if there are two.
pub(crate) fn pinned(program: &str, core: usize) -> Command {
    if has_two_cores() {
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string(), program]);
        command
    } else {
        Command::new(program)
    }
}

/// Writes a config file of this run.
pub(crate) fn write_config(name: &str, text: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("statsidecar-bench-{}-{name}.toml", std::process::id()));
    fs::write(&path, text).expect("a file can be written");
    path
}

/// Folders for a state that nobody has used; removed when this is dropped.
pub(crate) struct StateFolders([PathBuf; 2]);

impl StateFolders {
    pub(crate) fn new() -> Self {
        let name = format!("statsidecar-bench-{}", std::process::id());
        let folders = Self([env::temp_dir().join(&name), Path::new("/dev/shm").join(&name)]);
        folders.remove();
        folders
    }

    /// The lines of a config that uses them.
    pub(crate) fn config(&self) -> String {
        let [path, arena] = &self.0;
        format!("[state]\npath = {path:?}\narena = {arena:?}\n")
    }

    fn remove(&self) {
        for folder in &self.0 {
            let _ = fs::remove_dir_all(folder); // it may not be there
        }
    }
}

impl Drop for StateFolders {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The middle one of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
