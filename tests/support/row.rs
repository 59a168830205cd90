//! Rows: bytes to send, and the series and counters that they must cause.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Client, Exposition, Scratch, listening};

/// The transports over which each row runs, and whether each has packets.
const TRANSPORTS: [(&str, bool); 3] = [("udp", true), ("unixgram", true), ("tcp", false)];

/// One row of a table.
#[derive(Default)]
pub struct Row {
    /// What the row shows.
    pub name: String,
    /// True if the row is about datagrams themselves, so that it does not run over TCP.
    datagrams_only: bool,
    /// Its config file.
    pub config: String,
    packets: Vec<Vec<u8>>,
    /// The lines of the series that clients feed.
    exposed: Vec<String>,
    /// The sidecar's own counters that move, each as `name=value`.
    own: BTreeSet<String>,
}

/// The rows of a file; a file that breaks the format fails every test.
pub fn rows(table: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = Row::default();
    for line in table.lines().filter(|line| !line.is_empty()) {
        if let Some((mark, name)) = line.split_once(' ').filter(|(mark, _)| ["==", "==datagrams"].contains(mark)) {
            row.datagrams_only = mark == "==datagrams";
            assert!(row.name.is_empty(), "{:?} has no line of counters", row.name);
            row.name = name.to_owned();
        } else if let Some(config) = line.strip_prefix("~ ") {
            row.config += &format!("{config}\n");
        } else if let Some(packet) = line.strip_prefix('>') {
            row.packets.push(unescaped(packet.strip_prefix(' ').unwrap_or(packet)));
        } else if let Some(own) = line.strip_prefix('=') {
            row.own = tokens(own);
            assert!(!row.packets.is_empty(), "{:?} sends nothing", row.name);
            assert!(rows.iter().all(|other: &Row| other.name != row.name), "two rows have the name {:?}", row.name);
            rows.push(std::mem::take(&mut row));
        } else {
            row.exposed.push(line.replace("^@", "\0"));
        }
    }
    assert!(row.name.is_empty(), "{:?} has no line of counters", row.name);
    assert!(!rows.is_empty(), "a file of rows is empty");
    rows
}

/// One row for each line of `reason bytes`. The rejected line must cost neither the line before it nor the one behind.
pub fn rejected(table: &str) -> Vec<Row> {
    let row = |line: &str| {
        let (reason, bytes) = line.split_once(' ').expect("a reason and a line");
        Row {
            name: line.to_owned(),
            packets: vec![unescaped(&format!("ok:1|c\n{bytes}\nok:2|c"))],
            exposed: vec!["ok_total 3".to_owned()],
            own: tokens(&format!("lines=3 c=2 {reason}=1")),
            ..Row::default()
        }
    };
    table.lines().map(row).collect()
}

fn tokens(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The bytes of a datagram, from its text in the file.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (escape, after) = after.split_at(1);
        rest = after;
        match escape {
            "n" => bytes.push(b'\n'),
            "r" => bytes.push(b'\r'),
            "t" => bytes.push(b'\t'),
            "\\" => bytes.push(b'\\'),
            "x" => {
                bytes.push(u8::from_str_radix(&after[..2], 16).expect("two hexadecimal digits"));
                rest = &after[2..];
            }
            "{" => {
                let (repetition, after) = after.split_once('}').expect("a repetition ends");
                let (text, times) = repetition.rsplit_once('*').expect("a text and a number");
                bytes.extend(unescaped(text).repeat(times.parse().expect("a number")));
                rest = after;
            }
            _ => panic!("no escape: \\{escape}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

impl Row {
    /// Runs the row over each transport, each time against a new process; the error says what differed.
    pub fn run(&self, scratch: &str) -> Result<(), String> {
        let scratch = Scratch::new(scratch);
        let config = scratch.write("config.toml", &self.config);
        let transports = TRANSPORTS.into_iter().filter(|(_, has_packets)| *has_packets || !self.datagrams_only);
        for (transport, has_packets) in transports {
            self.run_over(transport, has_packets, &config).map_err(|error| format!("over {transport}: {error}"))?;
        }
        Ok(())
    }

    fn run_over(&self, transport: &str, has_packets: bool, config: &str) -> Result<(), String> {
        let daemon = listening(transport, &["--config", config]);
        let mut client = Client::connect(&daemon.listeners[0]);
        let bytes: usize = self.packets.iter().map(|packet| client.send(packet)).sum();
        daemon.scrape_when("statsidecar_bytes_total", bytes as u64);
        let packets = if has_packets { self.packets.len() } else { 0 };
        daemon.scrape_after(packets as u64);
        // A worker adds to its counters one after the other, so the last of them may follow a moment after the packets.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match self.judge(&daemon.scrape(), packets, bytes) {
                Err(_) if Instant::now() < deadline => {}
                judged => return judged,
            }
        }
    }

    fn judge(&self, text: &str, packets: usize, bytes: usize) -> Result<(), String> {
        let fail = |message: String| Err(format!("{message}\n"));
        let exposition = match Exposition::read(text) {
            Ok(exposition) => exposition,
            Err(error) => return fail(format!("the exposition is not valid: {error}\n{text}")),
        };
        let has = |start: &str| self.exposed.iter().any(|line| line.starts_with(start));
        let got = exposition.clients(|head| has(head.get(.."# TYPE ".len()).unwrap_or(head)));
        if got != self.exposed {
            return fail(format!("---- expected ----\n{}\n---- got ----\n{}", self.exposed.join("\n"), got.join("\n")));
        }
        let mut expected = self.own.clone();
        let values = expected.iter().find_map(|token| token.strip_prefix("values=")).map(str::to_owned);
        expected.retain(|token| !token.starts_with("values="));
        let own = exposition.own();
        if own != expected {
            return fail(format!("---- expected ----\n{expected:?}\n---- got ----\n{own:?}"));
        }
        let lines = exposition.sum("statsidecar_lines_total");
        let values = values.map_or(lines, |values| values.parse().expect("a number"));
        let account = ["samples", "rejected_samples", "dropped_samples", "events"];
        let account = account.map(|metric| exposition.sum(&format!("statsidecar_{metric}_total")));
        if account.iter().sum::<f64>() != values {
            return fail(format!("{values} samples were sent; applied, rejected, dropped, events: {account:?}"));
        }
        for (metric, expected) in [
            ("statsidecar_packets_total", packets),
            ("statsidecar_bytes_total", bytes),
            ("statsidecar_kernel_dropped_packets_total", 0),
            ("statsidecar_series", exposition.client_series()),
            ("statsidecar_families", exposition.client_families().count()),
        ] {
            if exposition.sum(metric) != expected as f64 {
                return fail(format!("{metric} is {}, not {expected}", exposition.sum(metric)));
            }
        }
        Ok(())
    }
}
