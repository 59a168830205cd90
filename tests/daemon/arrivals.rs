//! A scrape shows all that arrived before it.

use crate::clients;
use crate::support::{Client, Daemon, Scratch, listening};

const ROUNDS: u64 = 500;

fn sends_and_scrapes(daemon: &Daemon) {
    let mut client = Client::connect(&daemon.listeners[0]);
    for round in 1..=ROUNDS {
        client.send(b"a:1|c");
        assert_eq!(clients(&daemon.scrape()), [format!("a_total {round}")], "{}", daemon.listeners[0]);
    }
}

#[test]
fn a_scrape_shows_all_that_arrived_before_it() {
    for transport in ["udp", "unixgram", "tcp", "unix"] {
        sends_and_scrapes(&listening(transport, &[]));
    }
}

#[test]
fn a_scrape_shows_all_that_arrived_at_several_workers() {
    let scratch = Scratch::new("arrivals-workers");
    let config = scratch.write("config.toml", "[intake]\nworkers = 4\n");
    sends_and_scrapes(&listening("udp", &["--config", &config]));
}

/// A client that connects, sends and closes just before the scrape.
#[test]
fn a_scrape_shows_connections_that_wait_to_be_accepted() {
    let daemon = listening("tcp", &[]);
    for round in 1..=ROUNDS {
        Client::connect(&daemon.listeners[0]).send(b"a:1|c");
        assert_eq!(clients(&daemon.scrape()), [format!("a_total {round}")]);
    }
}

#[test]
fn many_packets_before_a_scrape_are_on_it() {
    let daemon = listening("udp", &[]);
    let mut client = Client::connect(&daemon.listeners[0]);
    for round in 1..=20 {
        for _ in 0..200 {
            client.send(b"a:1|c\na:1|c");
        }
        assert_eq!(clients(&daemon.scrape()), [format!("a_total {}", round * 400)]);
    }
}
