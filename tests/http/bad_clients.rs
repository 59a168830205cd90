//! Clients that are slow, silent, chatty or gone: they delay no scrape and no line.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::{connect, many_series, of_series, scrape_request, unzip};
use crate::crowd::{Crowd, Habit};
use crate::support::{Client, Daemon, PATIENCE, request, started, sum};

/// Some clients ask and read nothing; others disconnect in the middle of an answer. There are more of them than the limit
/// on connections. No other client waits for those that stay connected.
#[test]
fn a_client_that_does_not_read_delays_no_other() {
    let _alone = alone();
    let daemon = started(&[]);
    many_series(&daemon, 50_000); // far more bytes than the kernel buffers for a connection
    let expected = of_series(&daemon.scrape()).len();
    let mut stuck = Vec::new();
    for n in 0..100 {
        let mut stream = connect(daemon.http);
        stream.write_all(scrape_request("").as_bytes()).expect("it is sent");
        stream.read_exact(&mut [0; 1000]).expect("the answer begins");
        if n < 20 {
            stuck.push(stream);
        }
    }
    let begun = Instant::now();
    for asked in ["", "Accept-Encoding: gzip\r\n"] {
        let (_, body) = request(daemon.http, &scrape_request(asked));
        let exposition = if asked.is_empty() { String::from_utf8(body).expect("text") } else { unzip(&body) };
        assert_eq!(of_series(&exposition).len(), expected);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited for clients that do not read: {:?}", begun.elapsed());
    // A client that reads late still gets the whole answer.
    let mut late = Vec::new();
    stuck.pop().expect("there are some").read_to_end(&mut late).expect("the rest of the answer");
    assert!(late.ends_with(b"\r\n0\r\n\r\n"), "the answer is complete");
}

/// These tests run one at a time, because each of them keeps both processors of a small machine busy.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A test that has failed leaves the others their turn.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thousand clients of each kind, far more than the limit on connections: each scrape is whole, and soon.
fn scrapes_beside(habit: Habit) {
    let _alone = alone();
    // Each client is an open file of this process.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("the limit can be raised");
    let daemon = started(&[]);
    many_series(&daemon, 20_000);
    let crowd = Crowd::start(1000, habit, daemon.http);
    // From then on there are always more clients than places.
    let begun = Instant::now();
    while crowd.connects() < 1000 {
        assert!(begun.elapsed() < PATIENCE, "{} of 1000 clients have connected", crowd.connects());
        thread::yield_now();
    }
    let mut times: Vec<Duration> = Vec::new();
    for n in 0..20 {
        let begun = Instant::now();
        let asked = if n % 2 == 0 { "" } else { "Accept-Encoding: gzip\r\n" };
        let (_, body) = request(daemon.http, &scrape_request(asked));
        times.push(begun.elapsed());
        let exposition = if asked.is_empty() { String::from_utf8(body).expect("text") } else { unzip(&body) };
        assert_eq!(of_series(&exposition).len(), 20_000);
    }
    times.sort_unstable();
    println!("{habit:?}: median {:?}, at most {:?}, {} connections", times[10], times[19], crowd.connects());
    // The aim is a second; this leaves a factor of ten for a busy machine.
    assert!(times[19] < Duration::from_secs(10), "{habit:?}: {times:?}");
}

#[test]
fn a_scrape_is_answered_beside_a_thousand_silent_clients() {
    scrapes_beside(Habit::Silent);
}

#[test]
fn a_scrape_is_answered_beside_a_thousand_clients_that_send_heads_slowly() {
    scrapes_beside(Habit::SlowHead);
}

#[test]
fn a_scrape_is_answered_beside_a_thousand_clients_that_ask_all_the_time() {
    scrapes_beside(Habit::Chatty);
}

#[test]
fn a_scrape_is_answered_beside_a_thousand_clients_that_read_slowly() {
    scrapes_beside(Habit::SlowReader);
}

/// Hundreds of clients a second ask for a compressed page and disconnect at once.
#[test]
fn aborted_scrapes_take_no_threads_and_delay_no_other() {
    let _alone = alone();
    let daemon = started(&[]);
    many_series(&daemon, 50_000);
    let threads = || std::fs::read_dir(format!("/proc/{}/task", daemon.id())).expect("it runs").count();
    let before = threads();
    let crowd = Crowd::start(4, Habit::Aborts, daemon.http);
    let (mut most, mut longest) = (before, Duration::ZERO);
    while crowd.connects() < 2000 {
        let begun = Instant::now();
        let (_, body) = request(daemon.http, &scrape_request("Accept-Encoding: gzip\r\n"));
        assert_eq!(of_series(&unzip(&body)).len(), 50_000);
        longest = longest.max(begun.elapsed());
        most = most.max(threads());
    }
    println!("{before} threads before, at most {most}; a scrape took at most {longest:?}");
    assert!(most <= before + 1, "{before} threads became {most}");
    assert!(longest < Duration::from_secs(10), "a scrape took {longest:?}");
}

/// 63 clients scrape in a loop beside a real one. There are far fewer expositions than scrapes.
#[test]
fn scrapes_that_wait_at_the_same_moment_share_an_exposition() {
    let _alone = alone();
    let daemon = started(&[]);
    many_series(&daemon, 50_000);
    let count = |metric: &str| sum(&daemon.scrape(), metric);
    let written = count("statsidecar_scrape_duration_seconds_count");
    let scraped = count("statsidecar_scrapes_total");
    let (begun, http) = (Instant::now(), daemon.http);
    thread::scope(|scope| {
        for _ in 0..63 {
            scope.spawn(move || {
                let (_, body) = request(http, &scrape_request("Accept-Encoding: gzip\r\n"));
                assert_eq!(of_series(&unzip(&body)).len(), 50_000);
            });
        }
        let (_, body) = request(daemon.http, &scrape_request("Accept-Encoding: gzip\r\n"));
        println!("the real scrape took {:?}", begun.elapsed());
        assert_eq!(of_series(&unzip(&body)).len(), 50_000);
    });
    let written = count("statsidecar_scrape_duration_seconds_count") - written;
    let scraped = count("statsidecar_scrapes_total") - scraped;
    println!("{written} expositions for {scraped} scrapes");
    assert!(scraped >= 64 && written <= 32, "{written} expositions for {scraped} scrapes");
}

/// The time until all lines of a TCP client are applied.
fn intake(daemon: &Daemon, lines: u64) -> Duration {
    let before = sum(&daemon.scrape(), "statsidecar_lines_total");
    let block = "a:1|c\nb:2|g\nc:3|c|#d:e\nd:4|g\n".repeat(1000);
    let begun = Instant::now();
    let mut client = Client::connect(&daemon.listeners[0]);
    for _ in 0..lines / 4000 {
        client.send(block.as_bytes());
    }
    daemon.scrape_when("statsidecar_lines_total", before + lines);
    begun.elapsed()
}

/// Sends `GET /` again and again on one connection, and reads all answers.
fn pipeline_status_pages(server: SocketAddr) -> TcpStream {
    let stream = connect(server);
    let (mut sends, mut reads) = (stream.try_clone().expect("a handle"), stream.try_clone().expect("a handle"));
    thread::spawn(move || {
        let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
        while sends.write_all(requests.as_bytes()).is_ok() {}
    });
    thread::spawn(move || while matches!(reads.read(&mut [0; 1 << 16]), Ok(len) if len > 0) {});
    stream
}

#[test]
fn a_client_that_pipelines_status_pages_does_not_slow_the_intake_of_streams() {
    let _alone = alone();
    const LINES: u64 = 400_000;
    let daemon = crate::support::listening("tcp", &[]);
    intake(&daemon, LINES);
    // The best of several, because other programs use the processors too.
    let best = |what: &str| {
        let best = (0..3).map(|_| intake(&daemon, LINES)).min().expect("three");
        println!("{what}: {best:?} for {LINES} lines");
        best
    };
    let alone = best("alone");
    let bad = pipeline_status_pages(daemon.http);
    let beside = best("beside a client that pipelines GET /");
    let _ = bad.shutdown(std::net::Shutdown::Both);
    assert!(beside < alone * 2, "{beside:?} instead of {alone:?}");
}

/// A thousand TCP clients send lines all the time. No piece of a page waits until each of them had its turn.
#[test]
fn a_page_does_not_wait_for_busy_streams() {
    let _alone = alone();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("the limit can be raised");
    let daemon = crate::support::listening("tcp", &[]);
    let mut client = Client::connect(&daemon.listeners[0]);
    let tag = "x".repeat(100);
    let lines: String = (0..50_000).map(|n| format!("a{n}:1|c|#tag:{tag}\n")).collect();
    client.send(lines.as_bytes());
    daemon.scrape_when("statsidecar_lines_total", 50_000);

    let mut busy: Vec<Client> = (0..1000).map(|_| Client::connect(&daemon.listeners[0])).collect();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (mut longest, begun) = (Duration::ZERO, Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| {
            let block = "a1:1|c\n".repeat(2000);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                busy.iter_mut().for_each(|client| _ = client.send(block.as_bytes()));
            }
        });
        for _ in 0..5 {
            let mut stream = connect(daemon.http);
            stream.write_all(scrape_request("").as_bytes()).expect("it is sent");
            let mut buffer = vec![0; 1 << 16];
            let mut series = 0;
            loop {
                let waits = Instant::now();
                let len = stream.read(&mut buffer).expect("a piece");
                longest = longest.max(waits.elapsed());
                series += buffer[..len].iter().filter(|byte| **byte == b'\n').count();
                if len == 0 {
                    break;
                }
            }
            assert!(series > 50_000, "the page is whole");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    println!("five pages in {:?}; a piece took at most {longest:?}", begun.elapsed());
    // They take about 1.5 s; this leaves a factor of ten for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(15), "five pages took {:?}", begun.elapsed());
}
