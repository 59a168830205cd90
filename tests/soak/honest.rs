//! Clients whose every line must count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use crate::support::Client;
use crate::{Stage, To};

/// What the honest clients have sent.
#[derive(Default)]
pub struct Sent {
    /// The values that series must have.
    pub totals: BTreeMap<String, f64>,
    pub udp_packets: u64,
}

impl Sent {
    pub fn add(&mut self, other: Self) {
        other.totals.into_iter().for_each(|(series, total)| *self.totals.entry(series).or_default() += total);
        self.udp_packets += other.udp_packets;
    }
}

/// The largest sum of values in one packet of an honest client, a sample of a rate of 1/2 counted twice.
pub const MOST_IN_A_PACKET: f64 = 40.0 * 2.0 * 1000.0;

/// The clients of the Unix datagram socket, which stays while the process is another. What others send is lost with their
/// connections.
pub const AMONG_RESTARTS: &[fn(&Stage<'_>) -> Sent] = &[
    |stage| lossless(stage, To::Unixgram, "unixgram", 1),
    |stage| lossless(stage, To::Unixgram, "again", 2),
    |stage| broken(stage, To::Unix, 3),
    |stage| broken(stage, To::Tcp, 4),
    |stage| Sent { udp_packets: 0, ..udp(stage) },
];

pub const ACTORS: &[fn(&Stage<'_>) -> Sent] = &[
    |stage| lossless(stage, To::Unixgram, "unixgram", 1),
    |stage| lossless(stage, To::Unix, "unix", 2),
    |stage| lossless(stage, To::Tcp, "tcp", 3),
    // The same series as the first, over another transport.
    |stage| lossless(stage, To::Tcp, "unixgram", 4),
    // Its series exist before the bombs take all the memory there may be, after which there are no new ones.
    |stage| lossless(stage, To::Unixgram, "again", 6),
    udp,
];

/// Sends counters, histograms and relative gauges over a transport that loses nothing.
fn lossless(stage: &Stage<'_>, to: To, name: &str, actor: u64) -> Sent {
    let (mut numbers, mut sent) = (stage.numbers(actor), Sent::default());
    let mut client = Client::connect(stage.address(to));
    while !stage.is_over() {
        let mut packet = String::new();
        for _ in 0..numbers.usize(1..40) {
            let (n, value) = (numbers.u32(0..50), numbers.u32(0..1000));
            let mut count = |series: String, value: f64| *sent.totals.entry(series).or_default() += value;
            let _ = match numbers.u32(0..4) {
                0 => {
                    count(format!("honest_{name}_done_total{{n=\"{n}\"}}"), f64::from(value));
                    writeln!(packet, "honest.{name}.done:{value}|c|#n:{n}")
                }
                // Of a rate of 1/2, every sample stands for two.
                1 => {
                    count(format!("honest_{name}_sampled_total"), f64::from(2 * value));
                    writeln!(packet, "honest.{name}.sampled:{value}|c|@0.5")
                }
                2 => {
                    count(format!("honest_{name}_took_seconds_count"), 1.0);
                    count(format!("honest_{name}_took_seconds_bucket{{le=\"+Inf\"}}"), 1.0);
                    writeln!(packet, "honest.{name}.took:{value}|ms")
                }
                _ => {
                    count(format!("honest_{name}_depth"), f64::from(value) - 500.0);
                    writeln!(packet, "honest.{name}.depth:{:+}|g", i64::from(value) - 500)
                }
            };
        }
        // The last line, so a packet that is counted was applied as a whole.
        *sent.totals.entry(format!("honest_{name}_packets_total")).or_default() += 1.0;
        let _ = writeln!(packet, "honest.{name}.packets:1|c");
        client.send(packet.as_bytes());
        // A client has other work to do. Bursts and pauses alternate.
        if numbers.u32(0..8) == 0 {
            thread::sleep(Duration::from_micros(numbers.u64(0..4_000)));
        }
    }
    sent
}

/// Sends to a stream that breaks with each process, and connects again.
fn broken(stage: &Stage<'_>, to: To, actor: u64) -> Sent {
    let mut numbers = stage.numbers(actor);
    while !stage.is_over() {
        let mut client = Client::connect(stage.address(to));
        while !stage.is_over() && client.try_write(b"load.done:1|c\nload.took:5|ms\n").is_ok() {
            if numbers.u32(0..50) == 0 {
                thread::sleep(Duration::from_micros(numbers.u64(0..4_000)));
            }
        }
    }
    Sent::default()
}

/// Floods UDP now and then, so that the kernel drops packets.
fn udp(stage: &Stage<'_>) -> Sent {
    let (mut numbers, mut sent) = (stage.numbers(5), Sent::default());
    let mut client = Client::connect(stage.address(To::Udp));
    while !stage.is_over() {
        for _ in 0..numbers.usize(1..2000) {
            client.send(b"flood.done:1|c\nflood.depth:3|g");
            sent.udp_packets += 1;
        }
        thread::sleep(Duration::from_millis(numbers.u64(0..50)));
    }
    sent
}
