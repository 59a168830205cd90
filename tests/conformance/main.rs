//! What a line means, row by row: bytes to the running program over a real socket, and a real scrape back.
//!
//! Each row names the datagrams, the series that must be on the page, and every counter that must have moved. What is
//! expected was worked out by hand from what the lines mean, not copied from the program. A name such as
//! `(exporter 12)` or `(trap 3)` says that other programs are known to read these very bytes in another way; the module
//! `cases` counts them, so that none vanishes.
//!
//! Every row is run over UDP, over a Unix socket for datagrams, and over TCP. On TCP each datagram is sent with a `\n`
//! behind it, unless it ends with one; the series and the counters are the same, but there are no packets to be
//! counted. A row that is about datagrams themselves begins with `==datagrams` and is run over the first two.
//!
//! ```text
//! == what the row shows           (==datagrams for datagrams only)
//! ~ a line of the config file
//! > a datagram, with \n \r \t \\ \xHH, and \{TEXT*N} for a repetition
//! the page: the series lines; also the lines of # TYPE or # HELP where the row has any of that sort
//! = lines=2 c=1 bad_value=1       all that moved; `values` where samples are not as many as lines
//! ```

mod cases;
mod conflicts;
mod contract;
mod daemon;
mod dialects;
mod expiry;
mod exporter;
mod limits;
mod mapping;
mod packets;
mod page;
mod refused;
mod rejects;
mod row;
mod rules;
mod sections;
mod service;
mod sockets;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod tags;
mod types;
mod windows;
mod workers;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};

use page::Page;
use support::Daemon;

fn started(args: &[&str]) -> Daemon {
    Daemon::start(&[args, &["--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]].concat())
}

/// With a listener of its own on this transport: on any free port, or under a name that nobody else has.
fn listening(transport: &str, args: &[&str]) -> Daemon {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    let address = match transport {
        "udp" | "tcp" => format!("{transport}://127.0.0.1:0"),
        _ => {
            let n = NAMES.fetch_add(1, Ordering::Relaxed);
            format!("{transport}://@statsidecar-conformance-{}-{n}", std::process::id())
        }
    };
    Daemon::start(&[args, &["--listen", &address, "--http", "127.0.0.1:0"]].concat())
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
