//! Signals, descriptors, output and scrapes that go wrong while the state is kept.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;
use crate::support::{Client, Daemon, Manager, PATIENCE, Process, Stopped, get, send_steadily, sum};
use crate::{stop, value};

fn pid(daemon: &Daemon) -> Pid {
    Pid::from_raw(daemon.id().cast_signed()).expect("it runs")
}

/// Waits until this many more snapshots ended so.
fn wait_for_saves(daemon: &Daemon, outcome: &str, more: f64) {
    let series = format!("statsidecar_state_saves_total{{outcome=\"{outcome}\"}}");
    let count = |page: &str| value(page, &series).expect("a metric");
    let before = count(&daemon.scrape());
    daemon.scrape_until("snapshots", |page| count(page) >= before + more);
}

/// SIGHUP reads the config again.
#[test]
fn a_storm_of_signals_loses_nothing() {
    let home = Home::new("signals");
    let mut manager = Manager::new(home.disk(), &["unixgram"]);
    manager.args.push(home.config(""));
    let (listener, over) = (&manager.listeners()[0], AtomicBool::new(false));
    let (sent, last) = thread::scope(|scope| {
        let sender = scope.spawn(|| send_steadily(listener, 10, &over));
        let stopped = Stopped(&over);
        for _ in 0..3 {
            let daemon = manager.start();
            let pid = pid(&daemon);
            let send = |signal| kill_process(pid, signal).expect("it runs");
            let end = Instant::now() + Duration::from_millis(1300); // a snapshot is written meanwhile
            while Instant::now() < end {
                for signal in [Signal::STOP, Signal::CONT, Signal::HUP, Signal::WINCH, Signal::URG, Signal::CHILD] {
                    send(signal);
                }
                thread::sleep(Duration::from_micros(300));
            }
            // Whoever ends it may be impatient. It may be gone before the last of them.
            for _ in 0..500 {
                let _ = kill_process(pid, Signal::TERM).and_then(|()| kill_process(pid, Signal::INT));
            }
            let ended = daemon.wait();
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        }
        let daemon = manager.start();
        drop(stopped);
        (sender.join().expect("it sends"), daemon)
    });
    assert_eq!(sum(&last.scrape(), "a_total"), sent);
}

/// A process that can open no file keeps its last snapshot, and writes the next one when it can.
#[test]
fn a_process_without_descriptors_saves_again_later() {
    let home = Home::new("descriptors");
    let config = home.config("[http]\nmax_connections = 1000\n");
    let daemon = Daemon::start_with_files(40, &["--listen=udp://127.0.0.1:0", "--http=127.0.0.1:0", &config]);
    let mut client = Client::connect(&daemon.listeners[0]);
    client.send(b"a:1|c\nusers:x|s");
    daemon.scrape_with(&["a_total 1", "users 1"]);
    wait_for_saves(&daemon, "saved", 2.0);
    // One of them is for scrapes; the others take all that is left.
    let mut scraper = TcpStream::connect(daemon.http).expect("it accepts");
    scraper.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let mut scrape = || {
        scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n0\r\n\r\n") {
            let mut some = [0; 65536];
            let read = scraper.read(&mut some).expect("an answer");
            assert!(read > 0, "{}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&some[..read]);
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    scrape();
    let crowd: Vec<_> = (0..60).map(|_| TcpStream::connect(daemon.http).expect("it is queued")).collect();
    client.send(b"a:1|c\nusers:y|s");
    let deadline = Instant::now() + PATIENCE;
    let failed = |page: &str| sum(page, "statsidecar_state_saves_total{outcome=\"failed\"}");
    loop {
        let page = scrape();
        if failed(&page) >= 2 {
            assert!(page.contains("\na_total 2\n") && page.contains("\nusers 2\n"), "{page}");
            break;
        }
        assert!(Instant::now() < deadline, "{page}");
        thread::sleep(Duration::from_millis(50));
    }
    drop(crowd);
    wait_for_saves(&daemon, "saved", 2.0);
    let ended = daemon.kill();
    assert_eq!(ended.stderr.matches("cannot save the state").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("Too many open files"), "{}", ended.stderr);
    let page = home.start("").scrape();
    assert_eq!(["a_total", "users"].map(|name| value(&page, name)), [Some(2.0); 2]);
}

/// Starts a sidecar by this shell, in which `"$@"` is the program; its output goes nowhere. Sends a line, and ends it.
fn live(manager: &Manager, shell: &str, total: u64) {
    let mut command = manager.command_by(shell);
    let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    drop((process.0.stdout.take(), process.0.stderr.take()));
    Client::connect(&manager.listeners()[0]).send(b"a:1|c");
    let http = manager.http();
    let deadline = Instant::now() + PATIENCE;
    while value(&get(http, "/metrics"), "a_total") != Some(total as f64) {
        assert!(Instant::now() < deadline, "{}", get(http, "/metrics"));
    }
    kill_process(Pid::from_child(&process.0), Signal::TERM).expect("it runs");
    assert_eq!(process.0.wait().expect("it ends").code(), Some(0));
}

/// The standard streams may lead nowhere, or may not be there at all. Then no file of the state may get their numbers.
#[test]
fn a_process_without_output_keeps_its_state() {
    let home = Home::new("output");
    let mut manager = Manager::new(home.disk(), &["unixgram"]);
    manager.args.push(home.config(""));
    manager.args.push("--log-level=debug".to_owned());
    for (life, shell) in (1..).zip(["exec \"$@\"", "exec \"$@\" >&- 2>&-", "exec \"$@\" <&- >&- 2>&-", "exec \"$@\""]) {
        live(&manager, shell, life);
    }
}

#[test]
fn scrapes_that_are_cut_off_keep_no_series() {
    let home = Home::new("scrapes");
    let daemon = home.start("[[metric]]\nmatch = 'brief'\nname = 'brief_total'\nttl = '1s'\n");
    let mut client = Client::connect(&daemon.listeners[0]);
    for n in 0..5000 {
        client.send(format!("a:{n}|c|#n:{n}\nbrief:1|c|#n:{n}").as_bytes());
    }
    daemon.scrape_when("statsidecar_samples_total", 10_000);
    let mut clients = Vec::new();
    for n in 0..200 {
        let mut scraper = TcpStream::connect(daemon.http).expect("it accepts");
        scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
        let mut some = [0; 1000];
        if n % 3 > 0 {
            scraper.set_read_timeout(Some(PATIENCE)).expect("a limit");
            assert!(scraper.read(&mut some).expect("an answer") > 0);
        }
        // Some of them stay, in the middle of the page.
        if n % 20 == 1 {
            clients.push(scraper);
        }
    }
    daemon.scrape_with(&["statsidecar_state_arena_series 5000", "statsidecar_series_expired_total 5000"]);
    drop(clients);
    daemon.kill();
    let daemon = home.start("");
    let page = daemon.scrape_with(&["statsidecar_state_arena_series 5000"]);
    assert!((0..5000).all(|n| value(&page, &format!("a_total{{n=\"{n}\"}}")) == Some(f64::from(n))));
    stop(daemon);
}
