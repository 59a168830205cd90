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
mod tag_policies;
mod tags;
mod types;
mod windows;
mod workers;

use page::Page;
use support::{client, listening, started};

fn clients(page: &str) -> Vec<String> {
    Page::read(page).expect("the page is valid").clients(false, false)
}
