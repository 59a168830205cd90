//! Restarts under a sender that never pauses. The test holds the sockets, so the kernel queues what is sent in between.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::home::Home;
use crate::support::{Daemon, Manager, Stopped, send_steadily, sum};
use crate::{BATCH, stop, value};

const RESTARTS: u64 = 10;

/// Restarts a sidecar ten times by `end`; gives how many lines were sent and how many are on the last page.
fn restart(transport: &str, workers: u32, lines: u32, end: impl Fn(Daemon)) -> (u64, u64) {
    let home = Home::new("restarts");
    let mut manager = Manager::new(home.disk(), &[transport]);
    // The queue has to last as long as a start takes on a busy machine. Where that is too much, the kernel gives less.
    set_socket_recv_buffer_size(&manager.sockets[1], 4 << 20).expect("a buffer");
    manager.args.push(home.config(&format!("[intake]\nworkers = {workers}\n")));
    let (listener, over) = (&manager.listeners()[0], AtomicBool::new(false));
    thread::scope(|scope| {
        let sender = scope.spawn(|| send_steadily(listener, lines, &over));
        let (stopped, mut before) = (Stopped(&over), 0.0);
        for _ in 0..RESTARTS {
            let daemon = manager.start();
            let total = |page: &str| value(page, "a_total").unwrap_or_default();
            let first = total(&daemon.scrape());
            assert!(first >= before, "{transport}: {first} after {before}");
            let goes_on = |page: &str| total(page) >= before + 10_000.0;
            before = total(&daemon.scrape_until("10,000 more", goes_on));
            // A scrape waits until nothing is in hand, so the end comes some packets later.
            thread::sleep(Duration::from_micros(fastrand::u64(..20_000)));
            end(daemon);
        }
        // The sender may wait for somebody to read.
        let daemon = manager.start();
        drop(stopped);
        let sent = sender.join().expect("it sends");
        // A scrape waits for all that has arrived.
        let page = daemon.scrape();
        assert_eq!(sum(&page, "statsidecar_kernel_dropped_packets_total"), 0, "{transport}");
        (sent, sum(&page, "a_total"))
    })
}

const SENDERS: [(&str, u32, u32); 3] = [("udp", 1, 500), ("udp", 3, 500), ("unixgram", 1, 10)];

#[test]
fn ten_stops_lose_nothing_and_the_total_goes_on() {
    for (transport, workers, lines) in SENDERS {
        let (sent, total) = restart(transport, workers, lines, |daemon| _ = stop(daemon));
        println!("{transport}, {workers} workers: {total} of {sent} lines after {RESTARTS} stops");
        assert_eq!(total, sent, "{transport}");
    }
}

#[test]
fn ten_kills_lose_at_most_the_batches_in_hand() {
    for (transport, workers, lines) in SENDERS {
        let (sent, total) = restart(transport, workers, lines, |daemon| _ = daemon.kill());
        let lost = sent - total;
        let packets = lost as f64 / f64::from(lines);
        println!(
            "{transport}, {workers} workers: {total} of {sent} lines after {RESTARTS} kills; {lost} are lost, in {packets} packets"
        );
        assert!(lost <= RESTARTS * BATCH * u64::from(lines * workers), "{transport}: {lost} of {sent} are lost");
    }
}
