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
        let series = series.max(1);
        Self::of(LINES.max(2 * series), |random, _| random.usize(..series), tags, mix, size)
    }

    /// Generates packets with one line of each series, in a random order. Otherwise they are as those of
    /// [`new`](Self::new).
    pub fn of_new_series(series: usize, tags: usize, mix: Mix, size: usize) -> Self {
        let mut numbers: Vec<_> = (0..series).collect();
        random().shuffle(&mut numbers);
        Self::of(series, |_, at| numbers[at], tags, mix, size)
    }

    /// Generates packets with so many lines. `series` gives the series of each by its place.
    fn of(
        lines: usize,
        series: impl Fn(&mut fastrand::Rng, usize) -> usize,
        tags: usize,
        mix: Mix,
        size: usize,
    ) -> Self {
        let mut random = random();
        let mut packets = Vec::new();
        let mut packet = Packet::default();
        let mut line = String::new();
        let mut bytes = 0;
        for at in 0..lines {
            if bytes > BYTES {
                break;
            }
            line.clear();
            let number = series(&mut random, at);
            write(&mut line, number, tags, mix, &mut random);
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

/// Numbers from a fixed seed, so that all runs have the same lines and can be compared.
fn random() -> fastrand::Rng {
    fastrand::Rng::with_seed(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_series_has_one_line() {
        for (tags, first, last) in [
            (0, "etl.stage00.instance00000.records_read", "etl.stage19.instance00009.batch_took"),
            (
                2,
                "etl.pipeline.records_read#stage:stage00,instance:00000",
                "etl.pipeline.batch_took#stage:stage19,instance:00009",
            ),
        ] {
            let workload = Workload::of_new_series(200, tags, Mix::default(), 500);
            assert!(workload.packets().len() > 1 && workload.packets().iter().all(|packet| packet.bytes.len() <= 500));
            assert_eq!(workload.packets().iter().map(|packet| packet.lines).sum::<u64>(), 200);
            let packets =
                workload.packets().iter().map(|packet| std::str::from_utf8(&packet.bytes).expect("it is text"));
            let series = packets.flat_map(str::lines).map(|line| {
                let name = line.split(':').next().unwrap_or_default();
                name.to_owned() + line.find('#').and_then(|at| line.get(at..)).unwrap_or_default()
            });
            let series: std::collections::BTreeSet<_> = series.collect();
            assert_eq!(series.len(), 200);
            assert!(series.contains(first) && series.contains(last), "{series:?}");
        }
    }
}
