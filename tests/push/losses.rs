//! Receivers that refuse, that are slow, and that come and go: each sample is sent, waiting, refused or shed.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::remote_write::version_2;
use crate::stub::{Stub, WRITTEN};
use crate::support::{Daemon, PATIENCE, Scratch, get};
use crate::{send, sidecar};

fn config(address: std::net::SocketAddr, more: &str) -> String {
    format!(
        "[[remote_write]]\nurl = \"http://{address}/api/v1/write\"\ninterval = \"1s\"\nlabels = {{ job = \"\", instance = \"\" }}\n{more}"
    )
}

/// The counts of the only receiver: sent, refused, shed, waiting.
fn counts(daemon: &Daemon) -> [u64; 4] {
    let status = get(daemon.http, "/api/v1/status");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let push = &status["pushes"][0];
    let of = |word: &str| push["samples"][word].as_u64().expect("a count");
    [of("sent"), of("refused"), of("shed"), push["waiting"].as_u64().expect("a count")]
}

/// Waits until the counts are as `is_right` says.
fn counts_with(daemon: &Daemon, is_right: impl Fn([u64; 4]) -> bool) -> [u64; 4] {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counts = counts(daemon);
        if is_right(counts) {
            return counts;
        }
        assert!(Instant::now() < deadline, "{counts:?}");
    }
}

/// It asks for time twice, once with a pause, and once it closes the connection. All arrives once, in order.
#[test]
fn a_request_is_sent_until_the_receiver_takes_it() {
    let mut answers =
        vec![(503, "", vec![]), (429, "Retry-After: 1\r\n", b"slow\n".to_vec()), (0, "", vec![])].into_iter();
    let stub = Stub::start(move |_| answers.next().unwrap_or((204, WRITTEN, Vec::new())));
    let scratch = Scratch::new("again");
    let daemon = sidecar(&scratch, &config(stub.address, ""));
    let (first, _) = version_2(&stub.next());
    let asked = Instant::now();
    for _ in 0..3 {
        assert_eq!(version_2(&stub.next()).0, first);
    }
    assert!(asked.elapsed() >= Duration::from_secs(1), "the receiver asks for a second");
    let (second, _) = version_2(&stub.next());
    assert!(second.values().next().map(|sample| sample.time) > first.values().next().map(|sample| sample.time));
    let [_, refused, shed, _] = counts_with(&daemon, |[sent, ..]| sent >= (first.len() + second.len()) as u64);
    assert_eq!((refused, shed), (0, 0));
    let page = daemon.scrape();
    let failed = page.lines().find(|line| line.contains("push_requests_total{outcome=\"failed\"")).expect("a line");
    // A connection that the receiver closes is opened again at once.
    assert!(failed.ends_with(" 2"), "{failed}");
}

/// What the receiver will never take is refused, and the rest goes on.
#[test]
fn a_refused_request_is_counted_and_not_sent_again() {
    let mut answers = vec![(400, WRITTEN, b"out of order\n".to_vec())].into_iter();
    let stub = Stub::start(move |_| answers.next().unwrap_or((204, WRITTEN, Vec::new())));
    let scratch = Scratch::new("refused");
    let daemon = sidecar(&scratch, &config(stub.address, ""));
    let (first, _) = version_2(&stub.next());
    let (second, _) = version_2(&stub.next());
    assert_ne!(first, second);
    let all = first.len() as u64;
    let [sent, refused, shed, _] = counts_with(&daemon, |[sent, ..]| sent > 1);
    assert_eq!((refused, shed), (all - 1, 0), "it has said that it took one; {sent} were sent");
    let status = get(daemon.http, "/api/v1/status");
    assert!(status.contains("\"last_error\":\"400 Bad Request: out of order\""), "{status}");
}

/// While the receiver is away, requests wait. When it is back, it gets all these requests in order.
#[test]
fn nothing_is_lost_while_a_receiver_restarts() {
    let reserved = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = reserved.local_addr().expect("an address");
    drop(reserved);
    let scratch = Scratch::new("restart");
    let daemon = sidecar(&scratch, &config(address, ""));
    send(&daemon, "jobs:3|c", &["jobs_total 3"]);
    // Two rounds and more wait.
    counts_with(&daemon, |[.., waiting]| waiting > 150);
    let stub = Stub::start_at(TcpListener::bind(address).expect("the port is free"), |_| (204, WRITTEN, Vec::new()));
    let mut times = Vec::new();
    while times.len() < 3 {
        let (samples, _) = version_2(&stub.next());
        times.push(samples.values().next().expect("a sample").time);
        if let Some(jobs) = samples.get("jobs_total{}") {
            assert_eq!(jobs.bits, 3.0_f64.to_bits());
        }
    }
    assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
    let [_, refused, shed, _] = counts_with(&daemon, |[.., waiting]| waiting == 0);
    assert_eq!((refused, shed), (0, 0));
}

/// A receiver that takes nothing costs the memory of the queue, and the oldest samples; the intake does not notice.
#[test]
fn a_full_queue_sheds_the_oldest() {
    let stub = Stub::start(|_| (503, "Retry-After: 600\r\n", Vec::new()));
    let scratch = Scratch::new("shed");
    let daemon = sidecar(&scratch, &config(stub.address, "queue = \"64KiB\"\n"));
    let lines: Vec<String> = (0..4000).map(|n| format!("a{n}.{}:1|g", fastrand::u64(..))).collect();
    let client = crate::client(daemon.udp[0]);
    for packet in lines.chunks(20) {
        client.send(packet.join("\n").as_bytes()).expect("a packet");
    }
    daemon.scrape_with(&["statsidecar_samples_total{type=\"g\"} 4000"]);
    let [sent, refused, shed, waiting] = counts_with(&daemon, |[_, _, shed, _]| shed > 8000);
    assert_eq!((sent, refused), (0, 0));
    assert!(waiting > 0 && shed > 8000, "{waiting} wait, {shed} are shed");
    daemon.signal("TERM");
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("samples were not pushed before the end"), "{}", ended.stderr);
}

/// A receiver that does not answer delays neither lines, nor scrapes, nor the other receiver.
#[test]
fn a_receiver_that_hangs_delays_nobody() {
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let stub = Stub::start(|_| (204, WRITTEN, Vec::new()));
    let scratch = Scratch::new("hang");
    let tables = config(hanging.local_addr().expect("an address"), "timeout = \"60s\"\n") + &config(stub.address, "");
    let daemon = sidecar(&scratch, &tables);
    let held = crate::stub::accept(&hanging);
    let count = Arc::new(AtomicU64::new(0));
    for round in 1..=3 {
        send(&daemon, "jobs:1|c", &[&format!("jobs_total {round}")]);
        let value = stub.find(|request| version_2(request).0.get("jobs_total{}").map(|sample| sample.bits));
        count.fetch_max(f64::from_bits(value) as u64, Ordering::Relaxed);
    }
    assert!(count.load(Ordering::Relaxed) >= 2);
    let started = Instant::now();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code, Some(0));
    assert!(started.elapsed() < Duration::from_secs(20), "the end does not wait for it: {:?}", started.elapsed());
    drop(held);
}
