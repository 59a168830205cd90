//! The thread that makes pages: it waits for no client, and it is missed when it is gone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use statsidecar::config::{self};
use statsidecar::http::{BoundListener, Server, ServerState, Timeouts};
use statsidecar::mapping::Rules;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::{Pipeline, Worker};
use statsidecar::telemetry::{Listener, Snapshot};

use crate::client::{ask, connect, scrape_request, status};
use crate::support::{PATIENCE, get, started, sum};

/// A server for a pipeline of its own, whose series expire after a second without a line.
fn server(
    snapshot: impl Fn() -> Snapshot + Send + Sync + 'static,
    catch_up: impl Fn() + Send + Sync + 'static,
) -> (Arc<Pipeline>, SocketAddr, Server) {
    let (config, _) = config::load("[defaults]\nttl = \"1s\"\n");
    let pipeline = Arc::new(Pipeline::new(&config, Rules::compile(&config).0));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let state = ServerState::new(Arc::clone(&pipeline), Box::new(snapshot), Box::new(|| true), Box::new(catch_up));
    let server = Server::start(vec![BoundListener::Tcp(listener)], state, 64, Timeouts::default()).expect("threads");
    (pipeline, address, server)
}

/// A client reads nothing of its page. Meanwhile all series expire, and their memory is free at once.
#[test]
fn a_slow_reader_keeps_no_series_that_expire() {
    let (pipeline, address, _server) = server(Snapshot::default, || ());
    let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::Shared);
    let udp = Listener::new("udp://test".to_owned());
    let tag = "x".repeat(1000);
    for n in 0..20_000 {
        let line = format!("a:{n}|c|#n:{n},tag:{tag}");
        worker.begin(&udp, None).batch().packet(line.as_bytes());
    }
    drop(worker);
    let mut stuck = connect(address);
    stuck.write_all(scrape_request("").as_bytes()).expect("it is sent");
    stuck.read_exact(&mut [0; 1000]).expect("the page begins");
    // Another client gets its page: by then, the first one has a page of its own, which waits.
    assert!(get(address, "/metrics").len() > 20_000_000);
    assert!(pipeline.set_time(9));
    let expired = pipeline.sweep();
    assert_eq!(expired.len(), 20_000);
    let held = || expired.iter().filter(|series| Arc::strong_count(series) > 1).count();
    let deadline = Instant::now() + PATIENCE;
    while held() > 0 {
        assert!(Instant::now() < deadline, "{} series are held", held());
        std::thread::yield_now();
    }
}

/// A client that disconnects while it waits for its page: the page is not made.
#[test]
fn no_page_is_made_for_clients_that_are_gone() {
    let (begun, begins) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new((begun, gate));
    let catch_up = move || {
        let gate = gate.lock().expect("no test panics here");
        let _ = gate.0.send(()); // the test has ended, or waits
        let _ = gate.1.recv();
    };
    let (_, address, _server) = server(Snapshot::default, catch_up);
    for asked in ["", "Accept-Encoding: gzip\r\n"].repeat(10) {
        let mut gone = connect(address);
        gone.write_all(scrape_request(asked).as_bytes()).expect("it is sent");
        begins.recv_timeout(PATIENCE).expect("its page is about to be made");
        // The head of the answer, which comes first.
        gone.read_exact(&mut [0; 16]).expect("the answer begins");
        drop(gone);
        // The server notices it before it answers this.
        assert_eq!(get(address, "/-/healthy"), "statsidecar is healthy.\n");
        open.send(()).expect("the server waits");
    }
    drop(open);
    let page = get(address, "/metrics");
    assert_eq!(sum(&page, "statsidecar_scrape_duration_seconds_count"), 0, "{page}");
}

#[test]
fn without_the_thread_that_makes_pages_scrapes_and_readiness_say_so() {
    let (_, address, _server) = server(|| panic!("as a bug would"), || ());
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(status(&ask(address, "GET", path).0), "200 OK", "{path}");
    }
    // This scrape ends the thread, so its answer is torn.
    let mut torn = connect(address);
    torn.write_all(scrape_request("").as_bytes()).expect("it is sent");
    let mut answer = Vec::new();
    let _ = torn.read_to_end(&mut answer);
    assert!(!answer.ends_with(b"\r\n0\r\n\r\n"));
    let begun = Instant::now();
    while status(&ask(address, "GET", "/-/ready").0) == "200 OK" {
        assert!(begun.elapsed() < PATIENCE, "it stays ready");
    }
    for path in ["/metrics", "/", "/-/ready"] {
        let (head, body) = ask(address, "GET", path);
        assert_eq!(status(&head), "503 Service Unavailable", "{path}");
        assert!(String::from_utf8_lossy(&body).to_lowercase().contains("no page can be made"), "{path}");
    }
    assert_eq!(get(address, "/-/healthy"), "statsidecar is healthy.\n");
}

/// The system gives the program no more memory for the stack of a thread.
#[test]
fn a_page_needs_no_new_thread() {
    let daemon = started(&[]);
    let size = |daemon: &crate::support::Daemon| {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", daemon.id())).expect("it runs");
        statm.split(' ').next().and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
    };
    // Tokio's threads have stacks of 2 MiB.
    let limit = format!("--as={}", size(&daemon) + (3 << 19));
    let limited = Command::new("prlimit").args(["--pid", &daemon.id().to_string(), &limit]).status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit, of util-linux, is missing");
    for _ in 0..10 {
        assert!(daemon.scrape().contains("\nstatsidecar_build_info{"));
        assert!(get(daemon.http, "/").contains("Listeners"));
        std::thread::sleep(Duration::from_millis(1));
    }
}
