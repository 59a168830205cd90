//! The exposition is valid in every format, whatever was sent: promtool, the reference parsers of Python and a reader of
//! protocol buffers accept it.
//!
//! Most cases run in the process of the test, because that takes a millisecond each. Some go over a real socket to a
//! real program, which must survive them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::UdpSocket;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use prometheus::proto::MetricFamily;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protobuf::{CodedInputStream, Message};
use statsidecar::expose::{Escaping, Format, Syntax};
use statsidecar::http;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::{Pipeline, Worker};
use statsidecar::telemetry::{Listener, Snapshot};

use crate::datagrams::packet;
use crate::support::pipeline::pipeline;
use crate::support::{Ended, Process, Scratch, get, started};
use crate::tools;

/// Configs that let clients and texts choose as much of the exposition as a config can.
const CONFIGS: [&str; 4] = [
    "",
    r#"
    [defaults]
    naming = "verbatim"
    timer = "summary"
    quantiles = [0, 0.5, 0.999]
    service_checks = true
    container_label = true
    [limits]
    series = 60
    family_series = 3
    tags = 4
    [labels]
    constant = "q\"u\\o\nt\u0000e\r\u2028{}#"
    "#,
    r##"
    [limits]
    series = 2000
    [[metric]]
    match = "a.*.*"
    name = "$1"
    labels = { one = "$1", all = "\"$0\\" }
    [[metric]]
    match = "b.**"
    name = "b_$1"
    type = "histogram"
    buckets = [-1e308, 5e-324, 0.1, 1e300]
    help = "a \"help\\n\\\\ of\nlines, \u0000 and\r\u2028 # HELP x"
    scale = -1e300
    [[metric]]
    match = "c*.*"
    name = "c"
    type = "gauge"
    scale = 1e300
    labels = { le_ = "$1", constant = "$2" }
    [[metric]]
    match = "d.*"
    drop = true
    [[metric]]
    match = "x*"
    name = "x"
    type = "summary"
    scale = -1e300
    init = [{}]
    "##,
    r##"
    [defaults]
    naming = "utf8"
    timer = "summary"
    [[metric]]
    match = "a.*"
    name = "é \"$1\" \\ {x=\"y\"} # HELP"
    type = "histogram"
    buckets = [-1, 1e9]
    unit = "total"
    [[metric]]
    match = "c*.**"
    name = "U__$1.$2_created"
    "##,
];

// ---- The tests ----

#[test]
fn a_fresh_exposition_is_valid() {
    tools::require();
    let page = started(&[]).scrape();
    assert_eq!(Reference::start().judge(&page), Ok(()));
    assert_eq!(promtool(&page), Ok(Verdict::Good), "{page}");
}

#[test]
fn prop_the_exposition_is_valid_after_any_bytes() {
    tools::require();
    let mut reference = Reference::start();
    for config in CONFIGS {
        // promtool takes long to start, so it judges one exposition with the packets of all cases.
        let all = pipeline(config);
        let listener = Listener::new("udp://test".to_owned());
        let mut all_worker = Worker::new(Arc::clone(&all), Sharing::Shared);
        check(300, 5000, |packets| {
            let one = pipeline(config);
            let mut worker = Worker::new(Arc::clone(&one), Sharing::Shared);
            for packet in packets {
                worker.begin(&listener, None).batch().packet(packet);
                all_worker.begin(&listener, None).batch().packet(packet);
            }
            reference.judge(&page(&one))?;
            every_format(&one, &mut reference)
        });
        let page = page(&all);
        assert!(all.current().registry.len() >= 50, "only {} series", all.current().registry.len());
        assert!(matches!(promtool(&page), Ok(Verdict::Good | Verdict::Unusual)), "{:?}\n{page}", promtool(&page));
        every_format(&all, &mut reference).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn prop_the_program_survives_any_datagram() {
    tools::require();
    let scratch = Scratch::new("exposition");
    let sidecar = started(&["--config", &scratch.write("config.toml", CONFIGS[2])]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    let mut reference = Reference::start();
    let mut sent = 0;
    // A failed case is not made smaller, because the program stays damaged after it.
    check(40, 0, |packets| {
        for packet in packets {
            socket.send_to(packet, sidecar.udp[0]).map_err(|error| format!("{error}, {} bytes", packet.len()))?;
            sent += 1;
        }
        let page = sidecar.scrape_settled(sent);
        reference.judge(&page)?;
        match promtool(&page) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("promtool: {error}:\n{page}")),
        }
    });
    // The program answers only while every thread of the intake lives.
    get(sidecar.http, "/-/ready");
    get(sidecar.http, "/-/healthy");
    get(sidecar.http, "/");
    sidecar.signal("KILL");
    let Ended { code, stderr: log, .. } = sidecar.wait();
    assert_eq!(code, None, "the program has ended by itself: {log}");
    assert!(log.contains("listening"), "this is not the log: {log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn wrong_expositions_are_found() {
    tools::require();
    let mut reference = Reference::start();
    assert_eq!(reference.judge("# HELP a \\\\\na 1\nb{c=\"\\\"\"} 2\n"), Ok(()));
    assert_eq!(reference.judge("# TYPE a summary\na{quantile=\"0.5\"} NaN\na_sum 0\na_count 0\n"), Ok(()));
    for (page, is_for_promtool) in [
        ("a{b=\"c} 1\n", true),
        ("a{b=\"c\"d\"} 1\n", true),
        ("a-b 1\n", true),
        ("a{b-c=\"d\"} 1\n", true),
        ("a{b=\"1\",b=\"2\"} 1\n", true),
        ("a x\n", true),
        ("a NaN\n", false),
        ("a{b=\"1\"} 1\na{b=\"1\"} 2\n", false),
        ("a 1\na{b=\"1\"} 2", true),
    ] {
        assert!(reference.judge(page).is_err(), "{page}");
        assert!(promtool(page).is_err() == is_for_promtool, "{page}");
    }
    for page in [
        "# TYPE a counter\na 1\n# EOF\n",
        "# TYPE a counter\na_total 1\n",
        "# TYPE a gauge\na 1\n# TYPE a_b counter\na_b_total 1\n# TYPE a_b_created gauge\na_b_created 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum -1\na_count 1\n# EOF\n",
    ] {
        assert!(reference.judge_openmetrics(page).is_err(), "{page}");
    }
    assert_eq!(reference.judge_openmetrics("# TYPE a counter\na_total 1\n# EOF\n"), Ok(()));
    assert_eq!(promtool("# HELP a a\n# TYPE a counter\na 1\n"), Ok(Verdict::Unusual), "no _total");
}

/// Runs cases of datagrams; a failed case is made smaller in at most so many steps.
fn check(cases: u32, shrink: u32, mut case: impl FnMut(&[Vec<u8>]) -> Result<(), String>) {
    let mut runner =
        TestRunner::new(Config { cases, max_shrink_iters: shrink, failure_persistence: None, ..Config::default() });
    let case = std::cell::RefCell::new(&mut case);
    let result = runner.run(&prop::collection::vec(packet(), 1..6), |packets| {
        case.borrow_mut()(&packets).map_err(TestCaseError::fail)
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

// ---- Expositions ----

fn page(pipeline: &Pipeline) -> String {
    String::from_utf8(http::exposition(pipeline, &Snapshot::default())).expect("the page is UTF-8")
}

/// Judges the exposition in each format but the one that [`page`] gives.
fn every_format(pipeline: &Pipeline, reference: &mut Reference) -> Result<(), String> {
    let formats = Syntax::ALL.into_iter().flat_map(|syntax| Escaping::ALL.map(|escaping| Format { syntax, escaping }));
    for format in formats.filter(|format| format.syntax.has_escaping() || format.escaping == Escaping::Underscores) {
        let page = http::exposition_as(pipeline, &Snapshot::default(), format);
        let judged = match format.syntax {
            Syntax::Protobuf => protobuf(&page, format.escaping),
            Syntax::OpenMetrics0 | Syntax::OpenMetrics1 => reference.judge_openmetrics(&text(page)),
            Syntax::Text0 | Syntax::Text1 => reference.judge(&text(page)),
        };
        judged.map_err(|error| format!("{format:?}: {error}"))?;
    }
    Ok(())
}

fn text(page: Vec<u8>) -> String {
    String::from_utf8(page).expect("the page is UTF-8")
}

/// Reads an exposition in protocol buffers, whose families and series must all be different.
fn protobuf(page: &[u8], escaping: Escaping) -> Result<(), String> {
    let mut stream = CodedInputStream::from_bytes(page);
    let mut names = BTreeSet::new();
    while !stream.eof().map_err(|error| error.to_string())? {
        let mut read = || {
            MetricFamily::parse_from_bytes(
                &stream.read_raw_varint64().and_then(|len| stream.read_raw_bytes(len as u32))?,
            )
        };
        let family = read().map_err(|error| error.to_string())?;
        let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if escaping != Escaping::Utf8 && !family.name().chars().all(is_legal) || !names.insert(family.name().to_owned())
        {
            return Err(format!("the name {:?}", family.name()));
        }
        let mut series = BTreeSet::new();
        for metric in &family.metric {
            let labels: BTreeMap<_, _> = metric.label.iter().map(|label| (label.name(), label.value())).collect();
            let has_value = [
                metric.counter.is_some(),
                metric.gauge.is_some(),
                metric.histogram.is_some(),
                metric.summary.is_some(),
            ];
            if labels.len() < metric.label.len()
                || has_value.iter().filter(|has| **has).count() != 1
                || !series.insert(labels)
            {
                return Err(format!("{metric} of {}", family.name()));
            }
        }
    }
    Ok(())
}

/// How many samples an exposition has. Each line must be a sample, and none may occur twice.
fn samples(page: &str) -> Result<usize, String> {
    let lines = page.strip_suffix('\n').ok_or("the last line is open")?.split('\n');
    let mut series = BTreeSet::new();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let (name, _) = line.rsplit_once(' ').ok_or_else(|| format!("{line:?} is no sample"))?;
        if !series.insert(name) {
            return Err(format!("{name} is there twice"));
        }
    }
    Ok(series.len())
}

/// The exposition without the family `_total`.
fn without_total_alone(page: &str) -> String {
    let starts = ["# HELP _total ", "# TYPE _total ", "_total ", "_total{"];
    page.split_inclusive('\n').filter(|line| !starts.iter().any(|start| line.starts_with(start))).collect()
}

// ---- The judges ----

/// An exposition that promtool could read.
#[derive(Debug, PartialEq)]
enum Verdict {
    Good,
    /// promtool criticizes a name or a help text, which the client chooses.
    Unusual,
}

/// The judgement of promtool; the error is its own text.
fn promtool(page: &str) -> Result<Verdict, String> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let bytes = page.as_bytes().to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().expect("promtool ends");
    let written = writer.join().expect("the writer does not panic");
    match output.status.code() {
        Some(0) if written.is_ok() => Ok(Verdict::Good),
        Some(3) if written.is_ok() => Ok(Verdict::Unusual),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The parser of the Python client. One process reads many expositions, because a process takes long to start.
struct Reference {
    process: Process,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// Reads expositions, each behind a line with its format and its length; answers with one line each.
const SCRIPT: &str = r#"
import sys
from math import isfinite, isnan
from prometheus_client import openmetrics, parser
import prometheus_client.openmetrics.parser

parsers = {b"text": parser, b"openmetrics": openmetrics.parser}

def read(families):
    samples = [sample for family in families for sample in family.samples]
    for sample in samples:
        if not isfinite(sample.value) and not (isnan(sample.value) and "quantile" in sample.labels):
            raise ValueError(f"{sample} is no number")
    return len(samples)

for line in sys.stdin.buffer:
    format, length = line.split()
    page = sys.stdin.buffer.read(int(length)).decode()
    try:
        answer = f"ok {read(parsers[format].text_string_to_metric_families(page))}"
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    print(ascii(answer)[1:-1], flush=True)
"#;

impl Reference {
    fn start() -> Self {
        let mut command = tools::python();
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child: Child = command.spawn().expect("the interpreter starts");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { process: Process(child), stdin, stdout }
    }

    /// Whether it reads every sample of the exposition.
    ///
    /// It takes `_total` off the name of a counter and refuses the empty name that `_total` alone leaves. Prometheus
    /// and promtool take that name, so the judgement is theirs.
    fn judge(&mut self, page: &str) -> Result<(), String> {
        let page = &without_total_alone(page);
        self.agree("text", page)
    }

    /// The same by the rules of OpenMetrics.
    fn judge_openmetrics(&mut self, page: &str) -> Result<(), String> {
        self.agree("openmetrics", page)
    }

    fn agree(&mut self, format: &str, page: &str) -> Result<(), String> {
        let (expected, read) = (samples(page)?, self.samples(format, page));
        if read == Ok(expected) { Ok(()) } else { Err(format!("{read:?} instead of {expected} samples:\n{page}")) }
    }

    /// How many samples it reads; the error is its own text.
    fn samples(&mut self, format: &str, page: &str) -> Result<usize, String> {
        let mut request = String::new();
        let _ = writeln!(request, "{format} {}", page.len());
        request.push_str(page);
        let mut answer = String::new();
        let sent = self.stdin.write_all(request.as_bytes()).and_then(|()| self.stdin.flush());
        let read = sent.and_then(|()| self.stdout.read_line(&mut answer));
        assert!(read.is_ok_and(|len| len > 0), "the interpreter has ended: {:?}", self.process.0.try_wait());
        let answer = answer.trim_end();
        answer.strip_prefix("ok ").and_then(|count| count.parse().ok()).ok_or_else(|| answer.to_owned())
    }
}
