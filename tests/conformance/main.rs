//! What a line means, row by row: bytes to the running program over a real socket, and a real scrape back.
//!
//! Each row names the datagrams, the series that must be on the page, and every counter that must have moved. What is
//! expected was worked out by hand from what the lines mean, not copied from the program. A name such as
//! `(exporter 12)` says that other programs are known to read these very bytes in another way.
//!
//! ```text
//! == what the row shows
//! ~ a line of the config file
//! > a datagram, with \n \r \t \\ \xHH, and \{TEXT*N} for a repetition
//! the page: the series lines; also the lines of # TYPE or # HELP where the row has any of that sort
//! = lines=2 c=1 bad_value=1       all that moved; `values` where samples are not as many as lines
//! ```

mod conflicts;
mod daemon;
mod dialects;
mod limits;
mod mapping;
mod packets;
mod page;
mod rejects;
mod row;
mod rules;
mod sections;
#[path = "../support/mod.rs"]
mod support;
mod tags;
mod types;
mod workers;

use std::net::UdpSocket;

use page::Page;
use support::Daemon;

fn started(args: &[&str]) -> Daemon {
    Daemon::start(&[args, &["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]].concat())
}

fn client(to: std::net::SocketAddr) -> UdpSocket {
    let from = if to.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
    let client = UdpSocket::bind(from).expect("a port");
    client.connect(to).expect("an address");
    client
}

fn clients(page: &str) -> Vec<String> {
    Page::read(page).expect("the page is valid").clients(false, false)
}
