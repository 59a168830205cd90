//! Which format a client gets by its `Accept`, and that the exposition is in that format.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::proto::{MetricFamily, MetricType};
use protobuf::{CodedInputStream, Message, UnknownValueRef};

use crate::client::{header, scrape_request, unzip_bytes};
use crate::support::{InProcess, client, request, started};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT_1: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores";
const TEXT_1_UTF8: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
const OPENMETRICS_0: &str = "application/openmetrics-text; version=0.0.1; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
const OPENMETRICS_UTF8: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                        escaping=underscores";
const PROTOBUF_UTF8: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                             encoding=delimited; escaping=allow-utf-8";

/// What `Accept` becomes. The first rows are what real programs send.
const ROWS: &[(&str, &str)] = &[
    // Prometheus 1 and 2, as they changed
    (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
        PROTOBUF,
    ),
    ("text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT),
    ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPENMETRICS_0),
    (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        OPENMETRICS,
    ),
    (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        PROTOBUF,
    ),
    (
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        OPENMETRICS,
    ),
    // Prometheus 3: 3.5; newer ones; with other scrape_protocols; with native histograms; with other names
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        OPENMETRICS_UTF8,
    ),
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
        OPENMETRICS_UTF8,
    ),
    ("text/plain;version=0.0.4;q=0.6,*/*;q=0.5", TEXT),
    ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4", TEXT_1_UTF8),
    (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        PROTOBUF_UTF8,
    ),
    (
        "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=underscores;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        OPENMETRICS,
    ),
    (
        "application/openmetrics-text;version=1.0.0;escaping=dots;q=0.6,text/plain;version=1.0.0;escaping=dots;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots",
    ),
    (
        "application/openmetrics-text;version=1.0.0;escaping=values;q=0.6,*/*;q=0.2",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values",
    ),
    // As the documentation of Prometheus writes it
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1",
        OPENMETRICS_UTF8,
    ),
    // One that knows OpenMetrics 2.0
    (
        "application/openmetrics-text;version=2.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.1",
        OPENMETRICS_UTF8,
    ),
    // VictoriaMetrics and vmagent, Telegraf, the receiver of the OpenTelemetry Collector, the Datadog Agent, Java clients
    ("text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT),
    (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3",
        PROTOBUF,
    ),
    (
        "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=underscores;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        OPENMETRICS,
    ),
    (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.9,text/plain;version=0.0.4;q=0.8",
        OPENMETRICS,
    ),
    ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", TEXT),
    // curl and wget, Python's requests, Firefox, Chromium, an RSS reader
    ("*/*", TEXT),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
    (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
        TEXT,
    ),
    ("application/atom+xml, application/json", TEXT),
    // By hand
    ("application/openmetrics-text", OPENMETRICS),
    ("application/openmetrics-text; version=1.0.0", OPENMETRICS),
    ("application/openmetrics-text; version=\"1.0.0\"; escaping=\"allow-utf-8\"", OPENMETRICS_UTF8),
    ("Application/OpenMetrics-Text;VERSION=1.0.0;Q=0.9,text/plain", TEXT),
    ("text/plain", TEXT),
    ("text/*", TEXT),
    ("text/plain;version=1.0.0", TEXT_1),
    ("text/plain; version=1.0.0; charset=utf-8; escaping=what", TEXT_1),
    ("text/plain;version=0.0.4;escaping=allow-utf-8", TEXT),
    ("application/openmetrics-text;version=0.0.1;escaping=allow-utf-8", OPENMETRICS_0),
    (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8",
        PROTOBUF_UTF8,
    ),
    // Weights: equal ones, none, 0, of what is less exact
    ("application/openmetrics-text,text/plain", OPENMETRICS),
    ("text/plain,application/openmetrics-text", TEXT),
    ("text/plain;q=0.5,application/openmetrics-text;q=0.50001", OPENMETRICS),
    ("application/openmetrics-text;version=1.0.0;q=0,text/plain;version=0.0.4;q=0.1", TEXT),
    ("application/openmetrics-text;q=0.2,*/*", TEXT),
    ("*/*,text/plain;version=0.0.4;q=0.1,application/openmetrics-text;q=0.5", OPENMETRICS),
    ("application/openmetrics-text;q=0.1,application/openmetrics-text;version=1.0.0;q=0,text/plain;q=0.05", TEXT),
    ("text/plain;q=0,*/*;q=0", TEXT),
    // Never without being named, or with other encodings
    ("application/*", TEXT),
    ("application/vnd.google.protobuf", TEXT),
    ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", TEXT),
    ("application/vnd.google.protobuf;proto=other.Family;encoding=delimited", TEXT),
    ("application/openmetrics-text;version=2.0.0", TEXT),
    ("text/plain;version=0.0.3", TEXT),
    // Broken
    ("", TEXT),
    (",,;;,=", TEXT),
    ("application/openmetrics-text;version=1.0.0;q=high,text/plain;q=0.1", TEXT),
    ("application/openmetrics-text;q=NaN", TEXT),
    ("application/openmetrics-text;q=7,text/plain;version=1.0.0;q=0.3", TEXT_1),
    ("application/openmetrics-text;version=\"1.0.0,text/plain", TEXT),
    ("text/plain;charset=\"a,application/openmetrics-text\"", TEXT),
    ("application/openmetrics-text ; version = 1.0.0 ; q = 0.9 , text/plain ; q = 0.1", OPENMETRICS),
    ("application/openmetrics-texts", TEXT),
];

/// Gauges, a counter and a histogram, each with what its exposition must have.
const LINES: &str = "workers:3|g|#pool:\"a\"\njobs:2|c\ntook:70|ms\n9lives:1|g";

#[test]
fn each_client_gets_the_best_format_that_it_accepts() {
    assert!(ROWS.len() >= 30);
    let daemon = started(&[]);
    client(daemon.udp[0]).send(LINES.as_bytes()).expect("a packet");
    daemon.scrape_with(&["jobs_total 2", "took_seconds_count 1", "_9lives 1"]);
    for (accept, expected) in ROWS {
        let (head, body) = request(daemon.http, &scrape_request(&format!("Accept: {accept}\r\n")));
        let content_type = header(&head, "content-type").expect("it has a type");
        assert_eq!(content_type, *expected, "{accept}");
        assert_eq!(header(&head, "vary"), Some("accept, accept-encoding"));
        if content_type.starts_with("application/vnd.google.protobuf") {
            is_protobuf(&body);
        } else {
            let text = String::from_utf8(body).expect("text");
            let is_openmetrics = content_type.starts_with("application/openmetrics-text");
            is_text(&text, is_openmetrics, content_type.ends_with("dots"));
        }
    }
    let scrapes = daemon.scrape();
    for format in ["text", "openmetrics", "protobuf"] {
        let none = format!("statsidecar_scrapes_total{{format=\"{format}\"}} 0\n");
        assert!(!scrapes.contains(&none) && scrapes.contains(none.trim_end_matches(" 0\n")), "{scrapes}");
    }
}

fn is_text(text: &str, is_openmetrics: bool, has_dots: bool) {
    let has = |line: &str| {
        let line =
            if has_dots { line.replace("_", "__").replace("__seconds__", "__seconds_") } else { line.to_owned() };
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    };
    has("workers{pool=\"\\\"a\\\"\"} 3");
    has("_9lives 1");
    assert_eq!(text.matches("# EOF\n").count(), usize::from(is_openmetrics));
    assert_eq!(text.ends_with("# EOF\n"), is_openmetrics);
    if has_dots {
        return;
    }
    has("jobs_total 2");
    has(if is_openmetrics { "# TYPE jobs counter" } else { "# TYPE jobs_total counter" });
    has(if is_openmetrics { "took_seconds_bucket{le=\"1.0\"} 1" } else { "took_seconds_bucket{le=\"1\"} 1" });
    has("took_seconds_sum 0.07");
}

/// The messages of the exposition, read by the library of another project.
fn families(body: &[u8]) -> Vec<MetricFamily> {
    let mut stream = CodedInputStream::from_bytes(body);
    let mut families = Vec::new();
    while !stream.eof().expect("it is in memory") {
        let len = stream.read_raw_varint64().expect("a length");
        let bytes = stream.read_raw_bytes(len as u32).expect("a message as long as its length says");
        let family = MetricFamily::parse_from_bytes(&bytes).expect("a family");
        assert!(
            family.special_fields.unknown_fields().iter().all(|(number, _)| number == 5),
            "5 is the unit: {family}"
        );
        families.push(family);
    }
    families
}

fn is_protobuf(body: &[u8]) {
    let families = families(body);
    let family = |name: &str| families.iter().find(|family| family.name() == name).expect("it is there");
    let workers = family("workers");
    assert_eq!(workers.type_(), MetricType::GAUGE);
    let [metric] = &workers.metric[..] else { panic!("one series: {workers}") };
    assert_eq!(metric.gauge.value(), 3.0);
    assert_eq!((metric.label[0].name(), metric.label[0].value()), ("pool", "\"a\""));
    assert_eq!(family("jobs_total").type_(), MetricType::COUNTER);
    assert_eq!(family("jobs_total").metric[0].counter.value(), 2.0);
    assert!(family("jobs_total").help().starts_with("Counter fed by StatsD"));
    let took = &family("took_seconds").metric[0].histogram;
    assert_eq!((took.sample_count(), took.sample_sum()), (1, 0.07));
    let count_of = |le: f64| took.bucket.iter().find(|bucket| bucket.upper_bound() == le).map(|b| b.cumulative_count());
    assert_eq!([0.05, 0.1, f64::INFINITY].map(count_of), [Some(0), Some(1), Some(1)]);
    let own = family("statsidecar_scrape_duration_seconds");
    assert_eq!((own.type_(), own.metric[0].histogram.sample_count() > 0), (MetricType::HISTOGRAM, true));
}

/// A family is one message, however long, because some clients keep only the last message of a name. It is sent in pieces,
/// between others.
#[test]
fn a_long_family_is_one_message() {
    let daemon = started(&[]);
    let (series, filler) = (5000, "x".repeat(100));
    let lines: Vec<String> = (0..series).map(|n| format!("long:{n}|g|#n:{n},filler:{filler}")).collect();
    let others = (0..300).map(|n| format!("long{n}:{n}|g"));
    let lines: Vec<String> = lines.into_iter().chain(others).collect();
    let client = client(daemon.udp[0]);
    for (sent, packet) in (1..).zip(lines.chunks(50)) {
        client.send(packet.join("\n").as_bytes()).expect("a packet");
        daemon.scrape_after(sent);
    }
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    for coding in ["", "Accept-Encoding: gzip\r\n"] {
        let (_, body) = request(daemon.http, &scrape_request(&format!("Accept: {accept}\r\n{coding}")));
        let body = if coding.is_empty() { body } else { unzip_bytes(&body) };
        let families = families(&body);
        let long: Vec<_> = families.iter().filter(|family| family.name() == "long").collect();
        let [long] = &long[..] else { panic!("{} messages", long.len()) };
        let mut values: Vec<f64> = long.metric.iter().map(|metric| metric.gauge.value()).collect();
        values.sort_by(f64::total_cmp);
        assert!(values.into_iter().eq((0..series).map(f64::from)));
        assert!(families.is_sorted_by(|one, other| one.name() < other.name()) && families.len() > 330);
    }
}

#[test]
fn a_client_can_ask_for_some_metrics_alone() {
    let daemon = started(&[]);
    client(daemon.udp[0]).send(LINES.as_bytes()).expect("a packet");
    daemon.scrape_with(&["jobs_total 2", "took_seconds_count 1"]);
    let openmetrics = "Accept: application/openmetrics-text\r\n";
    for (query, accept, types) in [
        ("name[]=jobs_total", "", &["# TYPE jobs_total counter"][..]),
        (
            "name%5B%5D=took_seconds_bucket&name[]=workers",
            "",
            &["# TYPE took_seconds histogram", "# TYPE workers gauge"],
        ),
        ("name[]=jobs", openmetrics, &["# TYPE jobs counter"]),
        ("name[]=statsidecar_series_limit&name[]=none", openmetrics, &["# TYPE statsidecar_series_limit gauge"]),
        ("name[]=none", openmetrics, &[]),
    ] {
        let asked = scrape_request(accept).replace("/metrics", &format!("/metrics?{query}"));
        let (_, body) = request(daemon.http, &asked);
        let text = String::from_utf8(body).expect("text");
        let shown: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        assert_eq!(shown, types, "{query}");
        assert!(!types.is_empty() || text == "# EOF\n", "{text}");
    }
    // The size that is shown is that of a whole exposition.
    let size = daemon.scrape().len();
    assert_eq!(request(daemon.http, &scrape_request("").replace("/metrics", "/metrics?name[]=x")).1, b"");
    daemon.scrape_with(&[&format!("statsidecar_exposition_bytes {size}")]);
}

/// When a counter was 0, in seconds since the Unix epoch. The reader of protocol buffers is older than this field.
fn created(body: &[u8], name: &str) -> u64 {
    let families = families(body);
    let family = families.iter().find(|family| family.name() == name).expect("it is there");
    let fields = family.metric[0].counter.special_fields.unknown_fields();
    let Some(UnknownValueRef::LengthDelimited(timestamp)) = fields.get(3) else { panic!("{name} has no start") };
    let mut stream = CodedInputStream::from_bytes(timestamp);
    assert_eq!(stream.read_raw_varint64().expect("a key"), 1 << 3);
    stream.read_raw_varint64().expect("seconds")
}

#[test]
fn by_protobuf_a_series_has_its_start_which_stays_the_same() {
    let unix = || SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let begun = unix();
    let daemon = InProcess::start_with_clock("", &["udp://127.0.0.1:0"]);
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let scrape = || request(daemon.http, &scrape_request(&format!("Accept: {accept}\r\n"))).1;
    let client = client(daemon.address());
    client.send(b"early:1|c").expect("a packet");
    daemon.scrape_with(&["early_total 1"]);
    let early = created(&scrape(), "early_total");
    assert!((begun..=unix()).contains(&early), "{early}");
    daemon.advance(100);
    client.send(b"early:1|c\nlate:1|c").expect("a packet");
    daemon.scrape_with(&["early_total 2", "late_total 1"]);
    let page = scrape();
    assert_eq!(created(&page, "early_total"), early);
    assert_eq!(created(&page, "late_total"), early + 100);
    assert!((begun..=unix()).contains(&created(&page, "statsidecar_lines_total")));
}
