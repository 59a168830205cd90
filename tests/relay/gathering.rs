//! Lines that gather in the kernel reach the targets of the relay in time, in order and at the end.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::{accept, relaying, to};

const LINES: usize = 1000;

/// Far less than a pause, so that they gather.
const APART: Duration = Duration::from_micros(500);

/// What a busy machine may add to the delay of a line.
const SLACK: Duration = Duration::from_millis(100);

fn target() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let relay = to(&format!("tcp://{}", listener.local_addr().expect("an address")));
    (listener, relay)
}

/// The relay waits 100 ms for more lines, and gathering adds 10 ms to that.
#[test]
fn half_of_the_lines_reach_a_target_within_the_time_of_the_relay() {
    for (transport, workers) in [("udp", 1), ("udp", 2), ("tcp", 1)] {
        let (listener, relay) = target();
        let config = format!("[intake]\nworkers = {workers}\n{relay}");
        let (_daemon, mut client, _scratch) = relaying("relay-gathering", transport, &config);
        let sending = thread::spawn(move || {
            let begun = Instant::now();
            let sent = (0..LINES).map(|n| {
                while begun.elapsed() < APART * n as u32 {
                    thread::yield_now();
                }
                client.send(format!("a:{n}|g").as_bytes());
                Instant::now()
            });
            sent.collect::<Vec<_>>()
        });
        let lines = BufReader::new(accept(&listener)).lines().take(LINES).enumerate();
        let arrived = lines.map(|(n, line)| {
            assert_eq!(line.expect("a line"), format!("a:{n}|g"), "{transport}, {workers}");
            Instant::now()
        });
        let arrived: Vec<_> = arrived.collect();
        let sent = sending.join().expect("all are sent");
        let mut delays: Vec<_> = sent.iter().zip(arrived).map(|(sent, arrived)| arrived - *sent).collect();
        delays.sort();
        let median = delays[LINES / 2];
        assert!(median < Duration::from_millis(110) + SLACK, "{transport}, {workers}: {median:?}");
    }
}

#[test]
fn lines_that_gather_at_the_end_are_relayed() {
    for (transport, workers) in [("udp", 1), ("udp", 2), ("tcp", 1)] {
        let (listener, relay) = target();
        let config = format!("[intake]\nworkers = {workers}\n{relay}");
        let (daemon, mut client, _scratch) = relaying("relay-gathering-end", transport, &config);
        let receiving = thread::spawn(move || {
            let mut text = String::new();
            accept(&listener).read_to_string(&mut text).expect("text");
            text
        });
        let lines: Vec<String> = (0..100).map(|n| format!("a:{n}|g")).collect();
        lines.iter().for_each(|line| _ = client.send(line.as_bytes()));
        daemon.signal("TERM");
        let ended = daemon.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(receiving.join().expect("it ends").lines().collect::<Vec<_>>(), lines, "{transport}, {workers}");
    }
}
