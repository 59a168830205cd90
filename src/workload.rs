//! The lines that `load` sends and that the benchmarks apply. They are generated before the measurement.

use std::fmt::Write as _;
use std::str::FromStr;

/// Generated packets.
#[derive(Debug)]
pub struct Workload(Vec<Packet>);

/// A generated packet.
#[derive(Debug, Default)]
pub struct Packet {
    /// Its lines, with `\n` between them.
    pub bytes: Vec<u8>,
    /// How many lines it has.
    pub lines: u64,
}

/// The proportion of counters, gauges and timers.
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

/// How many lines are generated, to be sent repeatedly. With 100,000 series, each has about ten of them.
const LINES: usize = 1 << 20;

/// The limit on the bytes of all lines.
const BYTES: usize = 256 << 20;

impl Workload {
    /// Generates packets of up to `size` bytes (0: one line each) with lines of random series out of `series`. Each line has
    /// `tags` tags; with tags, all series of a type share one name.
    pub fn new(series: usize, tags: usize, mix: Mix, size: usize) -> Self {
        // A fixed seed, so that all runs have the same lines and can be compared.
        let mut random = fastrand::Rng::with_seed(1);
        let series = series.max(1);
        let mut packets = Vec::new();
        let mut packet = Packet::default();
        let mut line = String::new();
        let mut bytes = 0;
        for _ in 0..LINES.max(2 * series) {
            if bytes > BYTES {
                break;
            }
            line.clear();
            write(&mut line, random.usize(..series), tags, mix, &mut random);
            if packet.lines > 0 && packet.bytes.len() + 1 + line.len() > size {
                packets.push(std::mem::take(&mut packet));
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

/// Writes a line of the series `n`, which always has the same type.
fn write(line: &mut String, n: usize, tags: usize, Mix([c, g, ms]): Mix, random: &mut fastrand::Rng) {
    let (statsd_type, name) = match n % (c + g + ms) {
        part if part < c => ("c", "records_read"),
        part if part < c + g => ("g", "queue_length"),
        _ => ("ms", "batch_took"),
    };
    let (stage, instance) = (n % 20, n / 20);
    let _ = match tags {
        0 => write!(line, "etl.stage{stage:02}.instance{instance:05}.{name}:"),
        _ => write!(line, "etl.pipeline.{name}:"),
    };
    let _ = match statsd_type {
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
