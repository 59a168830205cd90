//! Packets and lines gather in the kernel where they come one by one and fast.

use std::time::{Duration, Instant};

use crate::clients;
use crate::idle::sleeps;
use crate::support::{Client, Daemon, Scratch, listening, sum};

/// Sends lines one by one, each `apart` from the one before; gives how often the receiving `thread` has slept.
fn sleeps_for(daemon: &Daemon, thread: &str, lines: u32, apart: Duration) -> u64 {
    let mut client = Client::connect(&daemon.listeners[0]);
    let (before, begun) = (sleeps(daemon, thread), Instant::now());
    for number in 0..lines {
        while begun.elapsed() < apart * number {
            std::hint::spin_loop();
        }
        client.send(b"a:1|c");
    }
    assert_eq!(clients(&daemon.scrape()), [format!("a_total {lines}")]);
    sleeps(daemon, thread) - before
}

/// Ten lines in a pause. Half of the receive buffer bounds one of UDP, at 768 bytes a microsecond; 10 ms bound any.
fn a_tenth_of_a_pause(daemon: &Daemon) -> Duration {
    let buffer = match daemon.listeners[0].starts_with("udp") {
        true => sum(&daemon.scrape(), "statsidecar_receive_buffer_bytes"),
        false => u64::MAX / 1000,
    };
    Duration::from_nanos((buffer * 1000 / 768 / 2).min(10_000_000) / 10)
}

#[test]
fn a_thread_sleeps_less_often_than_lines_come() {
    let scratch = Scratch::new("gathering");
    let at_once = scratch.write("config.toml", "[intake]\ngather = \"0\"\n");
    for (transport, thread) in [("udp", "intake"), ("tcp", "statsidecar")] {
        let (gathering, at_once) = (listening(transport, &[]), listening(transport, &["--config", &at_once]));
        let apart = a_tenth_of_a_pause(&gathering);
        let [few, many] = [&gathering, &at_once].map(|daemon| sleeps_for(daemon, thread, 1000, apart));
        // A buffer for less than a millisecond is not gathered in, and this machine may give no other.
        let gathers = apart >= Duration::from_micros(100);
        assert_eq!(few * 2 < many, gathers, "{transport}: {few} against {many}");
    }
}

fn sends_ten_and_scrapes(daemon: &Daemon) {
    let mut client = Client::connect(&daemon.listeners[0]);
    for round in 1..=1000 {
        (0..10).for_each(|_| _ = client.send(b"a:1|c"));
        assert_eq!(clients(&daemon.scrape()), [format!("a_total {}", round * 10)], "{}", daemon.listeners[0]);
    }
}

#[test]
fn a_scrape_ends_the_pause_in_which_lines_gather() {
    ["udp", "tcp"].iter().for_each(|transport| sends_ten_and_scrapes(&listening(transport, &[])));
}

#[test]
fn a_scrape_ends_the_pauses_of_several_workers() {
    let scratch = Scratch::new("gathering-workers");
    let config = scratch.write("config.toml", "[intake]\nworkers = 2\n");
    sends_ten_and_scrapes(&listening("udp", &["--config", &config]));
}

/// The kernel reports the end of a connection at once, however little has gathered.
#[test]
fn a_connection_that_closes_in_a_pause_is_read_to_its_end() {
    let daemon = listening("tcp", &[]);
    for round in 1..=100 {
        let mut client = Client::connect(&daemon.listeners[0]);
        (0..10).for_each(|_| _ = client.send(b"a:1|c"));
        client.write(b"a:1|c");
        drop(client);
        let closed =
            format!("statsidecar_closed_connections_total{{listener=\"{}\",reason=\"end\"}}", daemon.listeners[0]);
        let exposition = daemon.scrape_with(&[&format!("{closed} {round}")]);
        assert_eq!(clients(&exposition), [format!("a_total {}", round * 11)]);
    }
}
