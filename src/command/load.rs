//! `statsidecar load`: sends lines at a given rate, and accounts for them.

mod account;

use std::hint;
use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::client::{Client, Login};
use super::output::{FAILED, WRONG, fail, print};
use super::sender::Sender;
use crate::config::Address;
use crate::workload::{Mix, Workload};
use account::{Account, scrape};

/// Send lines at a given rate, and account for them
#[derive(Args, Debug)]
pub(super) struct Load {
    /// The address to send to, written as in [intake] listen
    #[arg(long, value_name = "ADDRESS", default_value = "udp://127.0.0.1:8125")]
    target: Address,
    /// Lines per second; 0 sends as fast as possible
    #[arg(long, value_name = "LINES", default_value_t = 100_000)]
    rate: u64,
    /// How long to send
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Number of different series; each line picks one at random
    #[arg(long, default_value_t = 1000)]
    series: usize,
    /// DogStatsD tags on each line; with tags, all series of a type share one name
    #[arg(long, default_value_t = 0)]
    tags: usize,
    /// Proportion of counters, gauges and timers
    #[arg(long, value_name = "C:G:MS", default_value = "5:2:3")]
    mix: Mix,
    /// Fill packets up to this size; 0 sends one line per packet
    #[arg(long, value_name = "BYTES", default_value_t = 1432)]
    packet: usize,
    /// Send each packet at its own time, and not in bursts of half a millisecond; this takes a whole core
    #[arg(long)]
    even: bool,
    /// Send bursts of this many lines, back to back, and rest in between
    #[arg(long, value_name = "LINES", conflicts_with = "even", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    burst: Option<u64>,
    /// The HTTP address of the receiving sidecar, whose counters must add up with what was sent
    #[arg(long, value_name = "URL")]
    scrape: Option<String>,
    #[command(flatten)]
    login: Login,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    packets: u64,
    lines: u64,
    /// Packets that the sending system refused: nobody listens, or its buffers are full.
    failed: u64,
    elapsed: Duration,
}

impl Load {
    pub(super) fn run(self) -> ExitCode {
        match self.send_and_account() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => fail(
                "what arrived does not add up with what was sent; does another program send to this sidecar too?\n",
                FAILED,
            ),
            Err(code) => code,
        }
    }

    /// Gives whether the account adds up; true without `--scrape`. The error is the exit code.
    fn send_and_account(&self) -> Result<bool, ExitCode> {
        let cannot = |error: io::Error| fail(&format!("cannot send to {}: {error}\n", self.target), FAILED);
        let workload = Workload::new(self.series, self.tags, self.mix, self.packet);
        let sidecar = self.scrape.as_deref().map(|url| Client::new(url, &self.login)).transpose();
        let sidecar = sidecar.map_err(|why| fail(&format!("{why}\n"), WRONG))?;
        let before = sidecar.as_ref().map(scrape).transpose().map_err(cannot)?;
        let mut sender = Sender::connect(&self.target).map_err(cannot)?;
        let sent = self.send(&mut sender, &workload).map_err(cannot)?;
        print(&format!(
            "sent        {} lines in {} packets in {:.2} s: {:.0} lines/s\n",
            sent.lines,
            sent.packets,
            sent.elapsed.as_secs_f64(),
            sent.lines as f64 / sent.elapsed.as_secs_f64()
        ))?;
        if sent.failed > 0 {
            print(&format!("not sent    {} packets: nobody listens, or the system refused them\n", sent.failed))?;
        }
        let (Some(sidecar), Some(before)) = (&sidecar, before) else { return Ok(true) };
        let packets = if sender.has_packets() { sent.packets } else { 0 };
        // This ends a stream, so that its last line is applied.
        drop(sender);
        let account = Account::settle(sidecar, &before, packets, sent.lines).map_err(cannot)?;
        print(&account.report(sent.lines))?;
        Ok(account.adds_up(packets, sent.lines))
    }

    fn send(&self, sender: &mut Sender, workload: &Workload) -> io::Result<Sent> {
        let mut sent = Sent::default();
        let mut packets = workload.packets().iter().cycle();
        let (start, length) = (Instant::now(), Duration::from_secs(self.seconds));
        loop {
            sent.elapsed = start.elapsed();
            if sent.elapsed >= length {
                return Ok(sent);
            }
            let due = match self.rate {
                0 => sent.lines + 1000,
                rate => due(rate, self.burst, sent.elapsed),
            };
            while sent.lines < due {
                let Some(packet) = packets.next() else { return Ok(sent) };
                if !sender.send(&packet.bytes)? {
                    sent.failed += 1;
                    break;
                }
                sent.packets += 1;
                sent.lines += packet.lines;
            }
            match (self.rate, self.even) {
                (0, _) => {}
                (_, true) => hint::spin_loop(),
                (_, false) => thread::sleep(Duration::from_micros(500)),
            }
        }
    }
}

/// How many lines should have been sent by now. Bursts are sent whole, the first one at once.
fn due(rate: u64, burst: Option<u64>, elapsed: Duration) -> u64 {
    let lines = (rate as f64 * elapsed.as_secs_f64()) as u64;
    burst.map_or(lines, |burst| (lines / burst + 1) * burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_whole_and_lines_are_not_ahead_of_their_time() {
        let at = |burst, millis| due(100, burst, Duration::from_millis(millis));
        assert_eq!([0, 15, 490, 500].map(|millis| at(None, millis)), [0, 1, 49, 50]);
        assert_eq!([0, 490, 500, 999].map(|millis| at(Some(50), millis)), [50, 50, 100, 100]);
    }
}
