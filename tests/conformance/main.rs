//! What a line means, row by row: bytes are sent to the running program over a real socket, and its metrics are
//! scraped.
//!
//! Each row names the datagrams, the series that must be exposed, and every counter that must have moved. The expected
//! values were worked out by hand from the meaning of the lines, and not copied from the program. A name such as
//! `(exporter 12)` or `(trap 3)` marks bytes that other programs are known to read in another way. The module `cases`
//! checks that none of these numbers is missing.
//!
//! Every row is a test with a name, so a part of the name runs it alone:
//!
//! ```sh
//! cargo test --test conformance -- tag_limit
//! cargo test --test conformance -- "limits::at the limit"
//! ```
//!
//! The rows are in `rows/`, one file for each topic. Each row runs over UDP, over a Unix socket for datagrams, and over
//! TCP. On TCP each datagram is sent with a `\n` behind it, unless it ends with one. The series and the counters must
//! be the same, except that TCP has no packets to count. A row about datagrams themselves begins with `==datagrams` and
//! runs over the first two transports only.
//!
//! ```text
//! == what the row shows           (==datagrams for datagrams only)
//! ~ a line of the config file
//! > a datagram, with \n \r \t \\ \xHH, and \{TEXT*N} for a repetition
//! the series lines; also the lines of # HELP, # TYPE or # UNIT if the row has any of that sort
//! = lines=2 c=1 bad_value=1       every counter that moved; `values` where samples are not as many as lines
//! ```
//!
//! `rejects.txt` has one rejected line on each line, behind its reason. Each is a row too: the rejected line is sent
//! between two good lines, which must be applied.

mod cases;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use support::row::{Row, rejected, rows};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = cases::trials();
    for (topic, rows) in topics() {
        trials.extend(rows.into_iter().enumerate().map(|(n, row)| trial(&topic, n, row)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// One row as a test.
fn trial(topic: &str, n: usize, row: Row) -> Trial {
    let scratch = format!("conformance-{topic}-{n}");
    Trial::test(format!("{topic}::{}", row.name), move || row.run(&scratch).map_err(Failed::from))
}

/// Every file of rows: its name, and its rows.
fn topics() -> Vec<(String, Vec<Row>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let read = |path: &Path| fs::read_to_string(path).expect("a file of rows is UTF-8");
    let mut topics = vec![("rejects".to_owned(), rejected(&read(&folder.join("rejects.txt"))))];
    for file in fs::read_dir(folder.join("rows")).expect("there is a folder of rows") {
        let path = file.expect("the folder can be read").path();
        let topic = path.file_stem().and_then(|name| name.to_str()).expect("a topic is text").to_owned();
        topics.push((topic, rows(&read(&path))));
    }
    topics.sort_by(|one, other| one.0.cmp(&other.0));
    topics
}
