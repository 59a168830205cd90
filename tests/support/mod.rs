//! Helpers for every test that runs the program, as a process or in the process of the test.
//!
//! A test includes this with `mod support;` (or `#[path]`). Nothing outlives the test: a process is killed when its
//! handle is dropped, every wait has a limit, and only loopback addresses are used.

#![allow(dead_code)] // each test binary uses its part of it

mod client;
mod exposition;
mod in_process;
mod manager;
mod metrics;
pub mod pipeline;
pub mod row;
mod steady;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

#[allow(unused_imports)] // as above
pub use client::Client;
#[allow(unused_imports)] // as above
pub use exposition::Exposition;
#[allow(unused_imports)] // as above
pub use in_process::InProcess;
#[allow(unused_imports)] // as above
pub use manager::Manager;
#[allow(unused_imports)] // as above
pub use metrics::{Metrics, sum};
#[allow(unused_imports)] // as above
pub use steady::{Stopped, send_steadily};

/// How long a process may take to start, and a server to answer. It is so long that only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A child process that is killed when this is dropped.
pub struct Process(pub Child);

impl Process {
    /// Starts the command. A missing program fails the test with its name.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot start {}: {error}", command.get_program().display())))
    }

    /// Waits for the end of a process whose stdout is piped, and returns what it printed. Fails the test if the process
    /// takes longer than `limit` or ends with an error.
    pub fn finish(mut self, limit: Duration) -> String {
        // The end of its output marks the end of the process, and a wait for the output can have a limit.
        let lines = lines_of(self.0.stdout.take().expect("stdout is piped"));
        let deadline = Instant::now() + limit;
        let mut output = String::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => output.extend([line.as_str(), "\n"]),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("not done in {limit:?}; so far:\n{output}"),
            }
        }
        let status = self.0.wait().expect("a child can be waited for");
        assert!(status.success(), "it ended with {status}:\n{output}");
        output
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either may fail for a process that has ended; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command of the Python that has the StatsD clients.
pub fn python() -> Command {
    let mut command = Command::new(std::env::var_os("STATSIDECAR_PYTHON").unwrap_or_else(|| "python3".into()));
    remove_datadog_environment(command.env("PYTHONDONTWRITEBYTECODE", "1"));
    command
}

/// Removes the variables from which DogStatsD clients take an address and tags, because they win over the arguments.
pub fn remove_datadog_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let is_datadogs = |name: &str| name.starts_with("DD_") || name.starts_with("DATADOG_");
        if is_datadogs(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
}

/// The lines of a pipe, read on a thread of its own to its end, so that the writer never blocks on a full pipe.
pub fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line); // an error means that the receiver is gone; the pipe is read on all the same
        }
    });
    receiver
}

/// The body of `GET path`. Any status but 200 fails the test.
pub fn get(server: SocketAddr, path: &str) -> String {
    let (head, body) = request(server, &format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"));
    assert!(head.starts_with("HTTP/1.1 200 "), "GET {path} at {server}: {head}\n{}", String::from_utf8_lossy(&body));
    String::from_utf8(body).expect("the body is UTF-8")
}

/// Sends the request unchanged and reads to the end of the connection; returns the head and the decoded body.
pub fn request(server: SocketAddr, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
    stream.write_all(request.as_bytes()).expect("the request is taken");
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("{server} did not finish its answer"),
        Err(error) => panic!("reading from {server}: {error}"),
    }
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("the answer has a head");
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8(head.to_vec()).expect("a head is text");
    let body = body.get(4..).unwrap_or_default();
    let chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    (head, if chunked { unchunk(body) } else { body.to_vec() })
}

/// The content of a chunked body: lengths in hexadecimal, each on a line before its piece, 0 at the end.
fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n").expect("a chunk starts with its length");
        let (length, rest) = body.split_at(end);
        let length = usize::from_str_radix(&String::from_utf8_lossy(length), 16).expect("a length is hexadecimal");
        if length == 0 {
            return content;
        }
        content.extend_from_slice(rest.get(2..2 + length).expect("a chunk is as long as it says"));
        body = rest.get(2 + length + 2..).expect("a chunk ends with a line end");
    }
}

// ---- The program as a process: its streams, its signals, its exit code ----

/// Starts the program with a UDP listener and an HTTP server on free loopback ports.
pub fn started(args: &[&str]) -> Daemon {
    listening("udp", args)
}

/// The same with the listener on this transport: on a free port, or under a name that no other listener has.
pub fn listening(transport: &str, args: &[&str]) -> Daemon {
    Daemon::start(&[args, &["--listen", &listener(transport), "--http", "127.0.0.1:0"]].concat())
}

/// An address for a listener on this transport.
pub fn listener(transport: &str) -> String {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    match transport {
        "udp" | "tcp" => format!("{transport}://127.0.0.1:0"),
        _ => {
            let n = NAMES.fetch_add(1, Ordering::Relaxed);
            format!("{transport}://@statsidecar-test-{}-{n}", std::process::id())
        }
    }
}

/// A socket that sends to this address.
pub fn client(to: SocketAddr) -> UdpSocket {
    let from = if to.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
    let client = UdpSocket::bind(from).expect("a port");
    client.connect(to).expect("an address");
    client
}

/// A running `statsidecar` with just the arguments it is given; it is killed when this is dropped.
pub struct Daemon {
    process: Process,
    /// The address of each listener, as the program prints it; streams last.
    pub listeners: Vec<String>,
    /// The UDP addresses among them.
    pub udp: Vec<SocketAddr>,
    metrics: Metrics,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Daemon {
    /// Starts the program and waits until it listens.
    pub fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
        command.args(args);
        Self::spawn(command)
    }

    /// The same by a line of shell, in which `"$@"` stands for the program with its arguments.
    pub fn start_by(shell: &str, args: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", shell, "sh", env!("CARGO_BIN_EXE_statsidecar")]).args(args);
        Self::spawn(command)
    }

    /// The same, with a limit on open files.
    pub fn start_with_files(files: usize, args: &[&str]) -> Self {
        Self::start_by(&format!("ulimit -n {files} && exec \"$@\""), args)
    }

    /// The same by this command, of which only the two streams are changed.
    pub fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command);
        let stdout = lines_of(process.0.stdout.take().expect("stdout is piped"));
        let stderr = lines_of(process.0.stderr.take().expect("stderr is piped"));
        let (mut listeners, mut udp) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + PATIENCE;
        let http = loop {
            let Ok(line) = stdout.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                let said: String = stderr.try_iter().collect();
                panic!("the sidecar did not say where it listens: {command:?}: {said}");
            };
            if let Some(address) = line.strip_prefix("listening for StatsD on ") {
                listeners.push(address.to_owned());
                udp.extend(address.strip_prefix("udp://").map(|udp| udp.parse::<SocketAddr>().expect("an address")));
            } else if let Some(address) = line.strip_prefix("serving metrics on http://") {
                let address = address.strip_suffix("/metrics").expect("the path is /metrics");
                break address.parse().expect("the HTTP address is one");
            }
        };
        Self { process, listeners, udp, metrics: Metrics { http }, stdout, stderr }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Sends it a signal by name: `TERM`, `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send SIG{name}");
    }

    /// Waits until every thread of the process is stopped, because SIGSTOP takes effect some time after it is sent.
    pub fn wait_until_stopped(&self) {
        let deadline = Instant::now() + PATIENCE;
        let tasks = format!("/proc/{}/task", self.id());
        let is_stopped = |stat: String| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T"));
        while !std::fs::read_dir(&tasks).expect("it has threads").all(|task| {
            let stat = task.and_then(|task| std::fs::read_to_string(task.path().join("stat")));
            stat.is_ok_and(is_stopped)
        }) {
            assert!(Instant::now() < deadline, "the process does not stop");
            thread::yield_now();
        }
    }

    /// Ends it as a power failure would (SIGKILL), and waits for its end.
    pub fn kill(mut self) -> Ended {
        self.process.0.kill().expect("it runs");
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(self) -> Ended {
        ended(self.process, &self.stdout, &self.stderr)
    }
}

impl Deref for Daemon {
    type Target = Metrics;

    fn deref(&self) -> &Metrics {
        &self.metrics
    }
}

/// The exit code and the output of a process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` if a signal ended the process.
    pub code: Option<i32>,
    /// The lines that it printed and that no test has read.
    pub stdout: String,
    /// The same for standard error.
    pub stderr: String,
}

/// Runs the program to its end in the working directory `folder`.
pub fn run_in(folder: &std::path::Path, args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(args).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let stdout = lines_of(process.0.stdout.take().expect("stdout is piped"));
    let stderr = lines_of(process.0.stderr.take().expect("stderr is piped"));
    ended(process, &stdout, &stderr)
}

/// The same without the pieces of files below the diagnostics.
pub fn run_for_lines(folder: &std::path::Path, args: &[&str]) -> Ended {
    let is_piece = |line: &str| {
        let (number, rest) = line.trim_start().split_at(line.trim_start().find('|').unwrap_or_default());
        rest.starts_with('|') && number.trim_end().bytes().all(|b| b.is_ascii_digit())
    };
    let lines = |text: String| text.split_inclusive('\n').filter(|line| !is_piece(line)).collect();
    let Ended { code, stdout, stderr } = run_in(folder, args);
    Ended { code, stdout: lines(stdout), stderr: lines(stderr) }
}

fn ended(mut process: Process, stdout: &Receiver<String>, stderr: &Receiver<String>) -> Ended {
    let deadline = Instant::now() + PATIENCE;
    let text = |lines: &Receiver<String>| {
        let mut text = String::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => text.extend([line.as_str(), "\n"]),
                Err(RecvTimeoutError::Disconnected) => return text,
                Err(RecvTimeoutError::Timeout) => panic!("the process has not ended in {PATIENCE:?}; so far: {text}"),
            }
        }
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    Ended { code: process.0.wait().expect("a child can be waited for").code(), stdout, stderr }
}

/// A folder for one test, removed when this is dropped.
pub struct Scratch(std::path::PathBuf);

impl Scratch {
    /// An empty folder of this value alone.
    pub fn new(name: &str) -> Self {
        Self::within(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")), name)
    }

    /// The same in the system's folder for temporary files, so that its path is short enough for Unix sockets.
    pub fn short(name: &str) -> Self {
        Self::within(&std::env::temp_dir(), &format!("statsidecar-{name}"))
    }

    /// The same in memory, where the system has a folder for it.
    pub fn memory(name: &str) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        if memory.is_dir() { Self::within(memory, &format!("statsidecar-{name}")) } else { Self::short(name) }
    }

    fn within(parent: &std::path::Path, name: &str) -> Self {
        static FOLDERS: AtomicUsize = AtomicUsize::new(0);
        let n = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{name}-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    /// The path of a file in it, which need not exist.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().expect("the path is text")
    }

    /// The folder.
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// Writes a file in it, and returns the file's path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.into_os_string().into_string().expect("the path is text")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // a folder that cannot be removed harms no other test
    }
}
