//! Real scrapers, old and new, read each format: they are up, and they have the right values under the same names.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use crate::server::Prometheus;
use crate::support::{Daemon, PATIENCE, Scratch, client, started};
use crate::tools;

const CONFIG: &str = r#"
defaults.buckets = [0.05, 0.1, 1]
[[metric]]
match = "size"
type = "summary"
unit = "bytes"
name = "size_bytes"
[[metric]]
match = "plain"
name = "plain"
help = 'A "help" \\ text.'
"#;

const LINES: &str = "jobs:2|c|#queue:a\"b\\c\njobs:3|c|#queue:mail\nworkers:-1.5|g\ntook:70|ms\ntook:5000|ms\nsize:8|h\n\
                     plain:7|c\nonline:x|s\nonline:y|s\nonline:x|s";

/// Queries, and the value that each must have: one series in each job.
const EXPECTED: [(&str, &str); 10] = [
    ("jobs_total{queue=\"mail\"}", "3"),
    ("jobs_total{queue=\"a\\\"b\\\\c\"}", "2"),
    ("workers", "-1.5"),
    ("took_seconds_sum", "5.07"),
    ("took_seconds_count", "2"),
    ("took_seconds_bucket{le=\"0.1\"}", "1"),
    ("took_seconds_bucket{le=\"+Inf\"}", "2"),
    ("size_bytes{quantile=\"0.5\"}", "8"),
    ("plain", "7"),
    ("online", "2"),
];

/// Names that only some scrapers take as they are.
const OTHER_CONFIG: &str = "defaults.naming = \"utf8\"\ndefaults.buckets = [1]\n";

const OTHER_LINES: &str = "jobs.done:2|c|#queue:mail\ntook.ms:500|ms\nwork-\"ers\":3|g\nplain_total:7|c";

/// A scrape job with these lines of config.
pub fn job(name: &str, target: SocketAddr, lines: &str) -> String {
    format!(
        "- job_name: {name}\n  scrape_interval: 1s\n  scrape_timeout: 1s\n{lines}  static_configs:\n  - targets: [\"{target}\"]\n"
    )
}

/// The sidecar with the lines applied.
fn sidecar() -> Daemon {
    let sidecar = sidecar_of(CONFIG, LINES);
    sidecar.scrape_with(&["jobs_total{queue=\"mail\"} 3", "online 2"]);
    sidecar
}

fn sidecar_of(config: &str, lines: &str) -> Daemon {
    let scratch = Scratch::new("scrapers");
    let sidecar = started(&["--config", &scratch.write("config.toml", config)]);
    client(sidecar.udp[0]).send(lines.as_bytes()).expect("a packet");
    sidecar
}

/// The values of the answer to a query.
fn values(prometheus: &Prometheus, expression: &str) -> Vec<String> {
    let answer: serde_json::Value = serde_json::from_str(&prometheus.query(expression)).expect("it is JSON");
    let result = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{expression}: {answer}")).clone();
    result.iter().map(|series| series["value"][1].as_str().expect("a number").to_owned()).collect()
}

/// Waits until so many jobs are up, and all have scraped.
fn wait_for(prometheus: &Prometheus, jobs: usize) {
    let deadline = Instant::now() + PATIENCE;
    while values(prometheus, "up") != vec!["1"; jobs] {
        assert!(Instant::now() < deadline, "not all are up: {}", prometheus.query("up"));
        // A scraper does not report that it has scraped.
        thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Waits until each job has each value.
fn check(prometheus: &Prometheus, jobs: usize) {
    wait_for(prometheus, jobs);
    let values = |expression: &str| values(prometheus, expression);
    for (query, expected) in EXPECTED {
        assert_eq!(values(query), vec![expected; jobs], "{query}");
    }
    // One for each bound and for infinity, whatever the format writes for a whole number.
    assert_eq!(values("count by (job) (took_seconds_bucket)"), vec!["4"; jobs]);
}

/// How many scrapes got this format.
fn scrapes(sidecar: &Daemon, format: &str) -> u64 {
    let page = sidecar.scrape();
    let series = format!("statsidecar_scrapes_total{{format=\"{format}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&series)).expect("it is counted");
    line.parse().expect("a number")
}

/// A program that `tests/newer_peers` has fetched.
pub fn newer(path: &str) -> PathBuf {
    let peers = std::env::var_os("STATSIDECAR_PEERS")
        .expect("STATSIDECAR_PEERS names the folder of tests/newer_peers, which has newer programs than the system");
    PathBuf::from(peers).join(path)
}

#[test]
fn the_prometheus_of_the_system_is_up() {
    tools::require();
    for (args, format) in [(&[][..], "openmetrics"), (&["--enable-feature=native-histograms"], "protobuf")] {
        let (sidecar, folder) = (sidecar(), Scratch::new("prometheus"));
        let config = format!("scrape_configs:\n{}", job("any", sidecar.http, ""));
        let prometheus = Prometheus::start_with(folder.path(), OsStr::new("prometheus"), args, &config);
        check(&prometheus, 1);
        assert!(scrapes(&sidecar, format) > 0, "it asks for {format}");
    }
}

#[test]
fn a_newer_prometheus_is_up_in_each_format() {
    let (sidecar, folder) = (sidecar(), Scratch::new("newer-prometheus"));
    let mut jobs = job("any", sidecar.http, "");
    let protocols = [
        "PrometheusProto",
        "OpenMetricsText1.0.0",
        "OpenMetricsText0.0.1",
        "PrometheusText1.0.0",
        "PrometheusText0.0.4",
    ];
    for protocol in protocols {
        jobs.push_str(&job(protocol, sidecar.http, &format!("  scrape_protocols: [{protocol}]\n")));
    }
    for escaping in ["underscores", "values"] {
        jobs.push_str(&job(escaping, sidecar.http, &format!("  metric_name_escaping_scheme: {escaping}\n")));
    }
    let config = format!("scrape_configs:\n{jobs}");
    let program = newer("prometheus/usr/bin/prometheus");
    let prometheus = Prometheus::start_with(folder.path(), program.as_os_str(), &[], &config);
    check(&prometheus, 3 + protocols.len());
    for format in ["protobuf", "openmetrics", "text"] {
        assert!(scrapes(&sidecar, format) > 0, "{format}");
    }
}

#[test]
fn a_newer_victoriametrics_is_up() {
    let (sidecar, folder) = (sidecar(), Scratch::new("victoriametrics"));
    let config = format!("scrape_configs:\n{}", job("any", sidecar.http, ""));
    let program = newer("victoria-metrics/usr/bin/victoria-metrics");
    check(&Prometheus::start_victoria(folder.path(), program.as_os_str(), &config), 1);
}

#[test]
fn names_stay_as_they_are_for_a_newer_prometheus_that_takes_them() {
    let (sidecar, folder) = (sidecar_of(OTHER_CONFIG, OTHER_LINES), Scratch::new("names"));
    sidecar.scrape_with(&["jobs_done{queue=\"mail\"} 2", "plain_total 7"]);
    let mut jobs = job("any", sidecar.http, "");
    let other_names = ["OpenMetricsText1.0.0", "PrometheusText1.0.0"];
    for protocol in ["PrometheusProto", "PrometheusText0.0.4", "OpenMetricsText0.0.1"].into_iter().chain(other_names) {
        jobs.push_str(&job(protocol, sidecar.http, &format!("  scrape_protocols: [{protocol}]\n")));
    }
    for escaping in ["underscores", "dots", "values"] {
        jobs.push_str(&job(escaping, sidecar.http, &format!("  metric_name_escaping_scheme: {escaping}\n")));
    }
    let program = newer("prometheus/usr/bin/prometheus");
    let config = format!("scrape_configs:\n{jobs}");
    // With it, a job without protocols of its own asks for protobuf first.
    let args = ["--enable-feature=native-histograms"];
    let prometheus = Prometheus::start_with(folder.path(), program.as_os_str(), &args, &config);
    wait_for(&prometheus, 9);
    // Those in the formats that have no other names are as if escaped. Protobuf has no word for it in the header of
    // Prometheus, so with that protocol alone it is the same.
    let text = ["PrometheusProto", "PrometheusText0.0.4", "OpenMetricsText0.0.1", "underscores"];
    let names = [
        (
            &["any", "OpenMetricsText1.0.0", "PrometheusText1.0.0"][..],
            ["jobs.done", "took.ms", "work-\\\"ers\\\"", "plain_total"],
        ),
        (&text[..], ["jobs_done", "took_ms", "work__ers_", "plain_total"]),
        (&["dots"], ["jobs_dot_done", "took_dot_ms", "work__ers_", "plain__total"]),
        (&["values"], ["U__jobs_2e_done", "U__took_2e_ms", "U__work_2d__22_ers_22_", "plain_total"]),
    ];
    for (jobs, [counter, timer, gauge, plain]) in names {
        for job in jobs {
            let value =
                |name: &str, labels: &str| values(&prometheus, &format!("{{\"{name}\",job=\"{job}\"{labels}}}"));
            assert_eq!(
                value(counter, ",queue=\"mail\""),
                ["2"],
                "{job}: {}",
                prometheus.query("{__name__!~\"statsidecar.*\"}")
            );
            assert_eq!(value(&format!("{timer}_sum"), ""), ["0.5"], "{job}");
            assert_eq!(value(&format!("{timer}_bucket"), ",le=\"1.0\""), ["1"], "{job}");
            assert_eq!(value(gauge, ""), ["3"], "{job}");
            assert_eq!(value(plain, ""), ["7"], "{job}");
            assert_eq!(values(&prometheus, &format!("count({{job=\"{job}\",__name__=~\".*done.*\"}})")), ["1"]);
        }
    }
}

#[test]
fn the_prometheus_of_the_system_gets_names_with_underscores() {
    tools::require();
    for args in [&[][..], &["--enable-feature=native-histograms"]] {
        let (sidecar, folder) = (sidecar_of(OTHER_CONFIG, OTHER_LINES), Scratch::new("underscores"));
        sidecar.scrape_with(&["jobs_done{queue=\"mail\"} 2", "plain_total 7"]);
        let config = format!("scrape_configs:\n{}", job("any", sidecar.http, ""));
        let prometheus = Prometheus::start_with(folder.path(), OsStr::new("prometheus"), args, &config);
        wait_for(&prometheus, 1);
        for (query, expected) in [("jobs_done", "2"), ("took_ms_sum", "0.5"), ("work__ers_", "3"), ("plain_total", "7")]
        {
            assert_eq!(values(&prometheus, query), [expected], "{query}");
        }
    }
}

/// Without a start, the first sample of a counter is no increase.
#[test]
fn a_newer_prometheus_counts_the_first_increment_from_the_start_of_a_series() {
    let (sidecar, folder) = (sidecar(), Scratch::new("starts"));
    let jobs = ["PrometheusProto", "PrometheusText0.0.4"]
        .map(|protocol| job(protocol, sidecar.http, &format!("  scrape_protocols: [{protocol}]\n")));
    let program = newer("prometheus/usr/bin/prometheus");
    let args = ["--enable-feature=created-timestamp-zero-ingestion"];
    let config = format!("scrape_configs:\n{}", jobs.concat());
    let prometheus = Prometheus::start_with(folder.path(), program.as_os_str(), &args, &config);
    wait_for(&prometheus, 2);
    client(sidecar.udp[0]).send(b"late:5|c").expect("a packet");
    // Two scrapes of each, so that there is a rate.
    prometheus.wait_for("count(count_over_time(late_total[1m]) >= 3) == 2");
    assert_eq!(values(&prometheus, "increase(late_total{job=\"PrometheusText0.0.4\"}[1m])"), ["0"]);
    assert_ne!(values(&prometheus, "increase(late_total{job=\"PrometheusProto\"}[1m])"), ["0"]);
    assert_eq!(values(&prometheus, "max(resets(late_total[1m]))"), ["0"], "the start does not change");
}
