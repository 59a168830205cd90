//! `statsidecar send`: sends lines from a script.

use std::io::{self, ErrorKind, Read};
use std::process::ExitCode;

use clap::Args;

use super::output::{FAILED, WRONG, fail};
use super::sender::Sender;
use crate::config::{Address, Tags};
use crate::parse::{self, Line};
use crate::reject::Reject;

/// A packet is filled up to this size, so that it needs no fragments on an Ethernet.
const PACKET: usize = 1432;

/// Send lines from a script: statsidecar send 'deploys:1|c' 'deploy.time:3.2|ms'
#[derive(Args, Debug)]
pub(super) struct Send {
    /// The lines; - reads lines from the standard input
    #[arg(required = true, value_name = "LINE")]
    lines: Vec<String>,
    /// The address to send to, written as in [intake] listen
    #[arg(long, value_name = "ADDRESS", default_value = "udp://127.0.0.1:8125")]
    to: Address,
}

impl Send {
    pub(super) fn run(self) -> ExitCode {
        let lines = match self.all_lines() {
            Ok(lines) => lines,
            Err(error) => return fail(&format!("cannot read the standard input: {error}\n"), FAILED),
        };
        let wrong: String = lines.iter().filter_map(|line| wrong(line)).collect();
        if !wrong.is_empty() {
            return fail(&format!("{wrong}nothing was sent\n"), WRONG);
        }
        match self.send(&lines) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                fail(&format!("cannot send to {}: nobody listens there\n", self.to), FAILED)
            }
            Err(error) => fail(&format!("cannot send to {}: {error}\n", self.to), FAILED),
        }
    }

    /// The lines of the arguments, and of the standard input where they name it.
    fn all_lines(&self) -> io::Result<Vec<String>> {
        let mut text = String::new();
        for argument in &self.lines {
            match argument.as_str() {
                "-" => _ = io::stdin().lock().read_to_string(&mut text)?,
                line => text.push_str(line),
            }
            text.push('\n');
        }
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Fills packets with lines, and sends them.
    fn send(&self, lines: &[String]) -> io::Result<()> {
        let mut sender = Sender::connect(&self.to)?;
        let mut packet = String::new();
        for line in lines {
            if !packet.is_empty() && packet.len() + 1 + line.len() > PACKET {
                sender.send_surely(packet.as_bytes())?;
                packet.clear();
            }
            if !packet.is_empty() {
                packet.push('\n');
            }
            packet.push_str(line);
        }
        if !packet.is_empty() {
            sender.send_surely(packet.as_bytes())?;
        }
        sender.delivered()
    }
}

/// What is wrong with a line, if no config would accept it.
fn wrong(line: &str) -> Option<String> {
    let refused = |reject: Reject| Some(format!("{line:?}: {reject}: {}\n", reject.remedy()));
    match parse::line(line.as_bytes(), Tags::default().dialects, usize::MAX) {
        Line::TooLong { .. } | Line::Event(Ok(())) => None,
        Line::Event(Err(reject)) => refused(reject),
        Line::Groups(mut groups) => groups.find_map(|group| match group {
            Err(reject) => refused(reject),
            Ok(group) => group.samples().find_map(|value| value.err().or(group.rate.err())).and_then(refused),
        }),
    }
}
