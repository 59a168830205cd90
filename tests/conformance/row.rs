//! Rows: bytes in, the page and the counters out.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::listening;
use crate::page::Page;
use crate::support::{Client, Scratch};

/// Over which each row is run, and whether there are packets.
const TRANSPORTS: [(&str, bool); 3] = [("udp", true), ("unixgram", true), ("tcp", false)];

#[derive(Default)]
pub struct Row {
    pub name: String,
    /// Whether it is about datagrams themselves.
    pub datagrams_only: bool,
    pub config: String,
    pub packets: Vec<Vec<u8>>,
    pub page: Vec<String>,
    pub own: BTreeSet<String>,
}

/// Runs every row of a table, each against a program of its own, and tells all that failed.
pub fn check(topic: &str, table: &str) {
    run(topic, rows(table));
}

pub fn run(topic: &str, rows: Vec<Row>) {
    assert!(!rows.is_empty(), "no rows");
    let scratch = Scratch::new(topic);
    let failures: Vec<String> = rows.iter().enumerate().filter_map(|(n, row)| row.run(&scratch, n).err()).collect();
    assert!(failures.is_empty(), "{} of {} rows failed\n\n{}", failures.len(), rows.len(), failures.join("\n"));
}

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
            rows.push(std::mem::take(&mut row));
        } else {
            row.page.push(line.replace("^@", "\0"));
        }
    }
    assert!(row.name.is_empty(), "{:?} has no line of counters", row.name);
    rows
}

pub fn tokens(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The bytes that a datagram's text stands for.
pub fn unescaped(text: &str) -> Vec<u8> {
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
    fn run(&self, scratch: &Scratch, n: usize) -> Result<(), String> {
        let config = scratch.write(&format!("{n}.toml"), &self.config);
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
        // A worker adds its counters up one after the other, so the last of them may come a moment after the packets.
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            match self.judge(&daemon.scrape(), packets, bytes) {
                Err(_) if Instant::now() < deadline => {}
                judged => return judged,
            }
        }
    }

    fn judge(&self, text: &str, packets: usize, bytes: usize) -> Result<(), String> {
        let fail = |message: String| Err(format!("== {}\n{message}\n", self.name));
        let page = match Page::read(text) {
            Ok(page) => page,
            Err(error) => return fail(format!("the page is not valid: {error}\n{text}")),
        };
        let has = |start: &str| self.page.iter().any(|line| line.starts_with(start));
        let got = page.clients(has("# HELP "), has("# TYPE "));
        if got != self.page {
            return fail(format!("---- expected ----\n{}\n---- got ----\n{}", self.page.join("\n"), got.join("\n")));
        }
        let mut expected = self.own.clone();
        let values = expected.iter().find_map(|token| token.strip_prefix("values=")).map(str::to_owned);
        expected.retain(|token| !token.starts_with("values="));
        let own = page.own();
        if own != expected {
            return fail(format!("---- expected ----\n{expected:?}\n---- got ----\n{own:?}"));
        }
        let lines = page.sum("statsidecar_lines_total");
        let values = values.map_or(lines, |values| values.parse().expect("a number"));
        let account = ["samples", "rejected_samples", "dropped_samples", "events"];
        let account = account.map(|metric| page.sum(&format!("statsidecar_{metric}_total")));
        if account.iter().sum::<f64>() != values {
            return fail(format!("{values} samples came in; applied, rejected, dropped, events: {account:?}"));
        }
        for (metric, expected) in [
            ("statsidecar_packets_total", packets),
            ("statsidecar_bytes_total", bytes),
            ("statsidecar_kernel_dropped_packets_total", 0),
            ("statsidecar_series", page.client_series()),
            ("statsidecar_families", page.client_families().count()),
        ] {
            if page.sum(metric) != expected as f64 {
                return fail(format!("{metric} is {}, not {expected}", page.sum(metric)));
            }
        }
        Ok(())
    }
}
