//! Lines to measure with, made before the clock runs: what `load` sends, and what the benchmarks apply.

use std::fmt::Write as _;
use std::str::FromStr;

/// Packets made ready.
#[derive(Debug)]
pub struct Workload(Vec<Packet>);

/// One packet.
#[derive(Debug)]
pub struct Packet {
    /// Its lines, with `\n` between them.
    pub bytes: Vec<u8>,
    /// How many lines they are.
    pub lines: u64,
}

/// Parts of counters, gauges and timers.
#[derive(Clone, Copy, Debug)]
pub struct Mix([usize; 3]);

impl Default for Mix {
    /// Half counters, a fifth gauges, the rest timers.
    fn default() -> Self {
        Self([5, 2, 3])
    }
}

impl FromStr for Mix {
    type Err = &'static str;

    /// Reads `5:2:3`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<usize> = text.split(':').map_while(|part| part.parse().ok()).collect();
        match parts[..] {
            [c, g, ms] if c + g + ms > 0 => Ok(Self([c, g, ms])),
            _ => Err("write three whole numbers, not all 0: counters, gauges and timers, as in 5:2:3"),
        }
    }
}

/// How many lines are made; they are sent over and over. Enough to meet each of 100,000 series about ten times.
const LINES: usize = 1 << 20;

/// How many bytes of lines are enough, however few they are.
const BYTES: usize = 256 << 20;

impl Workload {
    /// Packets filled to `size` bytes (0: one line each) with lines of random series out of `series`. With `tags`, a
    /// line carries as many, and one name has all series of its kind.
    pub fn new(series: usize, tags: usize, mix: Mix, size: usize) -> Self {
        // The same lines in every run, so that runs can be compared.
        let mut random = fastrand::Rng::with_seed(1);
        let series = series.max(1);
        let mut packets = Vec::new();
        let mut packet = Packet { bytes: Vec::new(), lines: 0 };
        let mut line = String::new();
        let mut bytes = 0;
        for _ in 0..LINES.max(2 * series) {
            if bytes > BYTES {
                break;
            }
            line.clear();
            write(&mut line, random.usize(..series), tags, mix, &mut random);
            if packet.lines > 0 && packet.bytes.len() + 1 + line.len() > size {
                packets.push(std::mem::replace(&mut packet, Packet { bytes: Vec::new(), lines: 0 }));
            }
            if packet.lines > 0 {
                packet.bytes.push(b'\n');
            }
            packet.bytes.extend_from_slice(line.as_bytes());
            packet.lines += 1;
            bytes += line.len();
        }
        packets.push(packet);
        Self(packets)
    }

    /// The packets, in the order to send them.
    pub fn packets(&self) -> &[Packet] {
        &self.0
    }
}

/// Writes a line of the series `n`, whose kind is the same each time.
fn write(line: &mut String, n: usize, tags: usize, Mix([c, g, ms]): Mix, random: &mut fastrand::Rng) {
    let part = n % (c + g + ms);
    let kind = if part < c {
        "c"
    } else if part < c + g {
        "g"
    } else {
        "ms"
    };
    let name = match kind {
        "c" => "records_read",
        "g" => "queue_length",
        _ => "batch_took",
    };
    let (stage, instance) = (n % 20, n / 20);
    let _ = match tags {
        0 => write!(line, "etl.stage{stage:02}.instance{instance:05}.{name}:"),
        _ => write!(line, "etl.pipeline.{name}:"),
    };
    let _ = match kind {
        "c" => write!(line, "1|c"),
        "g" => write!(line, "{}|g", random.u32(..10_000)),
        _ => write!(line, "{}.{}|ms", random.u32(..2000), random.u32(..10)),
    };
    for tag in 0..tags {
        let separator = if tag == 0 { "|#" } else { "," };
        let _ = match tag {
            0 => write!(line, "{separator}stage:stage{stage:02}"),
            1 => write!(line, "{separator}instance:{instance:05}"),
            _ => write!(line, "{separator}tag{tag}:value{tag}"),
        };
    }
}
