//! Real receivers get what is pushed: Prometheus by remote write 1.0 and 2.0, VictoriaMetrics by remote write and OTLP. Each
//! is down at first, and is restarted in between. It scrapes the sidecar too, and in the end what was pushed to it and what
//! it has scraped are the same series with the same values.
//!
//! `tests/newer_peers` has the newer programs; STATSIDECAR_PEERS names its folder.

// A test that panics has failed, which is all it should do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fleet;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use support::{Daemon, PATIENCE, Process, Scratch, client, get, lines_of};

const RULES: &str = r#"
defaults.buckets = [0.05, 0.1, 1]
[[metric]]
match = "size"
type = "summary"
[[metric]]
match = "took"
name = "took_seconds"
unit = "seconds"
help = 'A "help" \ text.'
"#;

const LINES: &str = "jobs:2|c|#queue:a\"b\\c\njobs:3|c|#queue:mail\nworkers:-1.5|g\ntook:70|ms\ntook:5000|ms\nsize:8|h\n\
                     online:x|s\nonline:y|s";

/// The metrics that the lines make.
const NAMES: &str = "(jobs_total|workers|took_seconds_.*|size|size_.*|online)";

/// The labels that say who has pushed.
const OWN_LABELS: [&str; 5] = ["instance", "job", "service_instance_id", "service_name", "__name__"];

/// A series by its name and labels, without those that say who has pushed.
type Key = (String, BTreeMap<String, String>);

/// A receiver that can be started again with its data.
struct Peer {
    program: PathBuf,
    args: Vec<String>,
    address: SocketAddr,
    ready: &'static str,
    /// Whether it leaves numbers in labels as they come.
    keeps_numbers: bool,
    process: Option<Process>,
    data: Scratch,
}

impl Peer {
    fn prometheus(program: PathBuf, scraped: SocketAddr) -> Self {
        let (data, address) = (Scratch::new("receiver"), free_address());
        let config = data.write("prometheus.yml", &scrape_config(scraped));
        let args = vec![
            format!("--config.file={config}"),
            format!("--storage.tsdb.path={}", data.file("data")),
            format!("--web.listen-address={address}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ];
        let ready = "Server is ready to receive web requests";
        Self { program, args, address, ready, keeps_numbers: false, process: None, data }
    }

    fn victoria(program: PathBuf, scraped: SocketAddr) -> Self {
        let (data, address) = (Scratch::new("receiver"), free_address());
        let config = data.write("scrape.yml", &scrape_config(scraped));
        let args = vec![
            format!("-promscrape.config={config}"),
            format!("-storageDataPath={}", data.file("data")),
            format!("-httpListenAddr={address}"),
            "-opentelemetry.usePrometheusNaming".to_owned(),
            // Otherwise the newest half minute is left out of queries.
            "-search.latencyOffset=0s".to_owned(),
        ];
        Self { program, args, address, ready: "started server at", keeps_numbers: true, process: None, data }
    }

    fn start(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(self.data.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command);
        let log = lines_of(process.0.stderr.take().expect("stderr is piped"));
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        while !seen.contains(self.ready) {
            let line = log.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            seen += &line.unwrap_or_else(|_| panic!("{command:?} did not start:\n{seen}"));
        }
        self.process = Some(process);
    }

    fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let kill = Command::new("sh").args(["-c", &format!("kill -TERM {}", process.0.id())]).status();
        assert!(kill.is_ok_and(|status| status.success()));
        process.0.wait().expect("a child can be waited for");
    }

    /// The series of a query, with the last field of each as it is.
    fn query(&self, expression: &str) -> Vec<(Key, serde_json::Value)> {
        let expression = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let answer = get(self.address, &format!("/api/v1/query?query={expression}"));
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let series = answer["data"]["result"].as_array().expect("a list").iter().map(|series| {
            let labels = series["metric"].as_object().expect("labels");
            let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
            let name = labels.get("__name__").map(text).unwrap_or_default();
            let labels = labels.iter().filter(|(name, _)| !OWN_LABELS.contains(&name.as_str()));
            let labels = labels.map(|(name, value)| {
                // VictoriaMetrics keeps numbers as they come.
                let number = text(value).parse::<f64>().ok().filter(|_| self.keeps_numbers && name == "le");
                (name.clone(), number.map_or_else(|| text(value), |number| number.to_string()))
            });
            let labels = labels.collect();
            let value = match &series["values"] {
                serde_json::Value::Null if series["histogram"].is_array() => &series["histogram"][1],
                serde_json::Value::Null => &series["value"][1],
                values => values,
            };
            ((name, labels), value.clone())
        });
        series.collect()
    }

    /// The values of the series that the lines make: what was scraped, or what was pushed.
    fn values(&self, job: &str) -> BTreeMap<Key, f64> {
        let series = self.query(&format!("{{__name__=~\"{NAMES}\",{job}}}"));
        let number = |value: serde_json::Value| value.as_str().expect("text").parse().expect("a number");
        series.into_iter().map(|(key, value)| (key, number(value))).collect()
    }

    /// Waits until what was pushed is what was scraped, and has this value of `jobs_total`.
    fn has_both(&self, jobs: f64) {
        self.until(|pushed| of(pushed, "jobs_total", "mail") == Some(jobs) && *pushed == self.values(SCRAPED));
    }

    /// Waits until what was pushed is as `is_right` says.
    fn until(&self, is_right: impl Fn(&BTreeMap<Key, f64>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pushed = self.values(PUSHED);
            if is_right(&pushed) {
                return;
            }
            assert!(Instant::now() < deadline, "pushed {pushed:#?}\nscraped {:#?}", self.values(SCRAPED));
            // A receiver does not report that it has received.
            thread::sleep(Duration::from_millis(100));
        }
    }
}

const SCRAPED: &str = "job=\"scraped\"";
const PUSHED: &str = "job!=\"scraped\"";

fn scrape_config(target: SocketAddr) -> String {
    format!(
        "scrape_configs:\n- job_name: scraped\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  \
         - targets: [\"{target}\"]\n"
    )
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port")
}

fn of(all: &BTreeMap<Key, f64>, name: &str, label: &str) -> Option<f64> {
    all.iter().find(|((own, labels), _)| own == name && labels.values().any(|value| value == label)).map(|(_, v)| *v)
}

/// `table` is the config of the receiver, with ADDRESS in it.
fn check(peer: fn(PathBuf, SocketAddr) -> Peer, program: PathBuf, table: &str) {
    let (http, scratch) = (free_address(), Scratch::new("pushed"));
    let mut peer = peer(program, http);
    let config = format!("{RULES}{}interval = \"1s\"\n", table.replace("ADDRESS", &peer.address.to_string()));
    let daemon = Daemon::start(&[
        "--config",
        &scratch.write("push.toml", &config),
        "--listen",
        "udp://127.0.0.1:0",
        "--http",
        &http.to_string(),
    ]);
    let client = client(daemon.udp[0]);
    client.send(LINES.as_bytes()).expect("a packet");
    daemon.scrape_with(&["online 2"]);
    waiting(&daemon, |waiting| waiting > 0);

    peer.start();
    peer.has_both(3.0);

    peer.stop();
    client.send(b"jobs:4|c|#queue:mail\nlate:1|c").expect("a packet");
    daemon.scrape_with(&["late_total 1", "jobs_total{queue=\"mail\"} 7"]);
    waiting(&daemon, |waiting| waiting > 0);
    peer.start();
    peer.has_both(7.0);

    // What waited has arrived too: there is no gap.
    waiting(&daemon, |waiting| waiting == 0);
    let samples = peer.query(&format!("workers{{{PUSHED}}}[5m]"));
    let [(_, samples)] = &samples[..] else { panic!("{samples:?}") };
    let times: Vec<f64> = samples.as_array().unwrap().iter().map(|sample| sample[0].as_f64().unwrap()).collect();
    assert!(times.len() >= 3, "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] < 2.0), "{times:?}");
    for outcome in ["refused", "shed"] {
        let page = daemon.scrape();
        let lines = page.lines().filter(|line| {
            line.starts_with("statsidecar_push_samples_total{") && line.contains(&format!("outcome=\"{outcome}\""))
        });
        assert!(lines.clone().count() == 1 && lines.clone().all(|line| line.ends_with(" 0")), "{page}");
    }

    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // VictoriaMetrics leaves histograms of OTLP as they are.
    peer.until(|values| values.keys().all(|(name, _)| name.starts_with("took_") || name.starts_with("size")));
}

/// Waits for samples that wait, or for their end.
fn waiting(daemon: &Daemon, is_right: impl Fn(u64) -> bool) {
    daemon.scrape_until("samples wait, or none does", |page| {
        let line =
            page.lines().find(|line| line.starts_with("statsidecar_push_waiting_samples{")).expect("it is there");
        is_right(line.rsplit(' ').next().unwrap().parse().unwrap())
    });
}

fn newer(path: &str) -> PathBuf {
    let peers = std::env::var_os("STATSIDECAR_PEERS")
        .expect("STATSIDECAR_PEERS names the folder of tests/newer_peers, which has newer programs than the system");
    Path::new(&peers).join(path)
}

const REMOTE_WRITE: &str = "[[remote_write]]\nurl = \"http://ADDRESS/api/v1/write\"\nlabels = { job = \"shop\" }\n";
const OTLP: &str =
    "[[otlp]]\nurl = \"http://ADDRESS/opentelemetry/v1/metrics\"\nresource = { \"service.name\" = \"shop\" }\n";

#[test]
fn the_prometheus_of_the_system_gets_remote_write_1() {
    check(Peer::prometheus, "prometheus".into(), REMOTE_WRITE);
}

#[test]
fn a_newer_prometheus_gets_remote_write_2() {
    check(Peer::prometheus, newer("prometheus/usr/bin/prometheus"), REMOTE_WRITE);
}

/// The same native histogram, scraped by protobuf and pushed.
#[test]
fn a_newer_prometheus_gets_native_histograms() {
    let (http, scratch) = (free_address(), Scratch::new("pushed-native"));
    let mut peer = Peer::prometheus(newer("prometheus/usr/bin/prometheus"), http);
    peer.args.push("--enable-feature=native-histograms".to_owned());
    let table = REMOTE_WRITE.replace("ADDRESS", &peer.address.to_string());
    let config = scratch.write("push.toml", &format!("defaults.native = true\n{table}interval = \"1s\"\n"));
    let http = http.to_string();
    let daemon = Daemon::start(&["--config", &config, "--listen", "udp://127.0.0.1:0", "--http", &http]);
    client(daemon.udp[0]).send(b"took:320|ms\ntook:20|ms\ntook:0|ms\ntook:-4000|ms").expect("a packet");
    daemon.scrape_with(&["took_seconds_count 4"]);
    peer.start();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let [pushed, scraped] = [PUSHED, SCRAPED].map(|job| peer.query(&format!("took_seconds{{{job}}}")));
        if pushed == scraped && pushed.len() == 1 {
            assert_eq!(pushed[0].1["count"], "4", "{pushed:?}");
            assert_eq!(pushed[0].1["buckets"].as_array().map(Vec::len), Some(4), "{pushed:?}");
            return;
        }
        assert!(Instant::now() < deadline, "pushed {pushed:#?}\nscraped {scraped:#?}");
        // A receiver does not report that it has received.
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_newer_victoriametrics_gets_remote_write() {
    check(Peer::victoria, newer("victoria-metrics/usr/bin/victoria-metrics"), REMOTE_WRITE);
}

#[test]
fn a_newer_victoriametrics_gets_otlp() {
    check(Peer::victoria, newer("victoria-metrics/usr/bin/victoria-metrics"), OTLP);
}
