//! A Prometheus for the test, with the scrape jobs of the examples and its data in a folder of the test.

use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::examples::Example;
use crate::support::{PATIENCE, Process, get, lines_of};

/// A running Prometheus; it is killed when this is dropped.
pub struct Prometheus {
    address: SocketAddr,
    _process: Process,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes each job at its address once a second, and waits until it is ready.
    pub fn start<'a>(folder: &Path, jobs: impl Iterator<Item = (&'a Example, SocketAddr)>) -> Self {
        let jobs: String = jobs.map(|(example, target)| job(example, target)).collect();
        let config = format!("scrape_configs:\n{jobs}");
        let path = folder.join("prometheus.yml");
        fs::write(&path, &config).expect("the folder takes a file");
        let mut check = Command::new("promtool");
        check.args(["check", "config"]).arg(&path).stdout(Stdio::piped());
        Process::spawn(&mut check).finish(PATIENCE);
        Self::start_with(folder, OsStr::new("prometheus"), &[], &config)
    }

    /// Starts this Prometheus with these arguments and this config, and waits until it is ready.
    pub fn start_with(folder: &Path, program: &OsStr, args: &[&str], config: &str) -> Self {
        let path = folder.join("prometheus.yml");
        fs::write(&path, config).expect("the folder takes a file");
        let address = free_address();
        let mut command = Command::new(program);
        command.args(args).arg(format!("--config.file={}", path.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        Self::ready(command, address, "Server is ready to receive web requests")
    }

    /// Starts a VictoriaMetrics with this config of scrapes, and waits until it is ready.
    pub fn start_victoria(folder: &Path, program: &OsStr, config: &str) -> Self {
        let path = folder.join("scrape.yml");
        fs::write(&path, config).expect("the folder takes a file");
        let address = free_address();
        let mut command = Command::new(program);
        command.arg(format!("-promscrape.config={}", path.display()));
        command.arg(format!("-storageDataPath={}", folder.join("data").display()));
        command.arg(format!("-httpListenAddr={address}"));
        // Otherwise the newest half minute is left out of queries.
        command.arg("-search.latencyOffset=0s");
        Self::ready(command, address, "started server at")
    }

    /// Starts the program, and waits until its log has `ready`.
    fn ready(mut command: Command, address: SocketAddr, ready: &str) -> Self {
        let mut process = Process::spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let log = lines_of(process.0.stderr.take().expect("stderr is piped"));
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        while !seen.contains(ready) {
            let line = log.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("{command:?} did not start:\n{seen}"));
            seen.extend([line.as_str(), "\n"]);
        }
        Self { address, _process: process }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its answer to a query at this moment, as JSON.
    pub fn query(&self, expression: &str) -> String {
        get(self.address, &format!("/api/v1/query?query={}", percent_encoded(expression)))
    }

    /// Waits until the expression has a result.
    pub fn wait_for(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        // Prometheus does not report changes, so the test asks again and again.
        while self.query(expression).contains(r#""result":[]"#) {
            assert!(Instant::now() < deadline, "after {PATIENCE:?} there is no result of {expression}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The example's scrape job, with another target and a short interval.
fn job(example: &Example, target: SocketAddr) -> String {
    let file = fs::read_to_string(example.path("prometheus.yml")).expect("each example has a prometheus.yml");
    let (_, job) = file.split_once("scrape_configs:\n").expect("it has scrape configs");
    assert!(job.contains(&format!("job_name: \"{}\"", example.job)), "{job}");
    let job = replaced_once(job, "scrape_interval: 15s", "scrape_interval: 1s");
    let old = job.split('"').find(|text| text.starts_with("127.0.0.1:")).expect("its target is on loopback").to_owned();
    replaced_once(&job, &old, &target.to_string())
}

fn replaced_once(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old} must be there once:\n{text}");
    text.replace(old, new)
}

/// An address that was free a moment ago, because Prometheus does not print a port that it chose itself.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("loopback has ports")
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { (byte as char).into() } else { format!("%{byte:02X}") })
        .collect()
}
