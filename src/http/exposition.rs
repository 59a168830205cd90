//! The exposition of a scrape, written piece by piece.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec;

use crate::expose::text::{self, Histograms};
use crate::metric::Cells;
use crate::pipeline::Pipeline;
use crate::prefetch::prefetch;
use crate::registry::{Families, Series};
use crate::telemetry::{OwnFamily, OwnValue, Snapshot};

/// A piece is sent once it has this many bytes: few enough to stay in the processor's cache, many enough that sending
/// costs little beside writing.
pub(super) const PIECE: usize = 64 << 10;

/// How far the last series of a piece may go beyond [`PIECE`], as a rule, before the memory of the piece grows.
const ROOM: usize = 4 << 10;

/// How many series are copied from their families at a time: a family's lock is held for some 100 us at most.
const CHUNK: usize = 1024;

/// How many series and families are asked for ahead of their use, so that their cache misses overlap.
const AHEAD: usize = 32;

/// The whole exposition in text format 0.0.4: every family, the sidecar's own among them, in the order of their names.
pub fn exposition(pipeline: &Pipeline, snapshot: &Snapshot) -> Vec<u8> {
    let (mut whole, mut piece) = (Vec::new(), Vec::new());
    let mut exposition = Exposition::new(pipeline, snapshot);
    while exposition.write(&mut piece) {
        whole.append(&mut piece);
    }
    whole.append(&mut piece);
    whole
}

/// An exposition that is being written. It holds a small part of the series at a time, however many exist.
///
/// It walks the families as they were when it began. So a family has one header, even if it expires and comes back as
/// another while a slow client reads.
pub(super) struct Exposition<'a> {
    /// The sidecar's own metrics that are not written yet.
    own: Peekable<vec::IntoIter<OwnFamily>>,
    families: Families,
    /// The family from which series are copied next.
    from: usize,
    /// The last series of that family that was copied, if any was.
    after: Option<Arc<Series>>,
    /// Copied series with the indexes of their families; those before `next` are written.
    copied: Vec<(usize, Arc<Series>)>,
    next: usize,
    /// The family whose header was written last.
    header: Option<usize>,
    writer: FamilyWriter<'a>,
}

struct FamilyWriter<'a> {
    constants: &'a [(String, String)],
    /// The time, for sets and summaries.
    now: u32,
    histograms: Histograms,
    /// Memory for a histogram's counts.
    cumulative: Vec<u64>,
    /// Memory for a summary's quantiles.
    values: Vec<f64>,
}

impl<'a> Exposition<'a> {
    pub(super) fn new(pipeline: &'a Pipeline, snapshot: &Snapshot) -> Self {
        Self {
            own: pipeline.telemetry.families(snapshot).into_iter().peekable(),
            families: pipeline.registry.families(),
            from: 0,
            after: None,
            copied: Vec::new(),
            next: 0,
            header: None,
            writer: FamilyWriter {
                constants: &pipeline.rules.constants,
                now: pipeline.clock.now(),
                histograms: Histograms::default(),
                cumulative: Vec::new(),
                values: Vec::new(),
            },
        }
    }

    /// Adds the next piece to `out`; gives whether more may follow.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) -> bool {
        out.reserve(PIECE + ROOM);
        while out.len() < PIECE {
            let Some((index, series)) = self.copied.get(self.next) else {
                self.copy();
                if self.copied.is_empty() {
                    self.own.by_ref().for_each(|family| self.writer.own(out, &family));
                    return false;
                }
                continue;
            };
            self.next += 1;
            if self.next % AHEAD == 1 {
                self.copied.iter().skip(self.next).take(AHEAD).for_each(|(_, series)| series.prefetch());
            }
            if self.header != Some(*index) {
                self.header = Some(*index);
                while let Some(before) = self.own.next_if(|family| family.metric.name < series.name()) {
                    self.writer.own(out, &before);
                }
                if let Some(family) = self.families.get(*index) {
                    let metadata = family.metadata();
                    let unit = metadata.unit.as_deref();
                    text::header(out, family.name(), metadata.metric_type(), &metadata.help, unit);
                }
            }
            self.writer.series(out, series);
        }
        true
    }

    /// Copies the next series; none after the last.
    fn copy(&mut self) {
        self.copied.clear();
        self.next = 0;
        while self.copied.len() < CHUNK
            && let Some(family) = self.families.get(self.from)
        {
            self.families.get(self.from + AHEAD).inspect(|ahead| prefetch(&***ahead));
            let (index, room) = (self.from, CHUNK - self.copied.len());
            let before = self.copied.len();
            family.copy_after(self.after.as_deref(), room, &mut self.copied, |series| (index, Arc::clone(series)));
            if self.copied.len() - before == room {
                self.after = self.copied.last().map(|(_, series)| Arc::clone(series));
            } else {
                (self.from, self.after) = (self.from + 1, None);
            }
        }
    }
}

impl FamilyWriter<'_> {
    fn series(&mut self, out: &mut Vec<u8>, series: &Series) {
        match &series.cells {
            Cells::Counter(counter) => text::counter(out, series.text(), counter.total()),
            Cells::Gauge(gauge) => text::gauge(out, series.text(), gauge.value()),
            Cells::Histogram(histogram) => {
                let sum = histogram.read(&mut self.cumulative);
                let (name, labels) = (series.name(), series.labels());
                self.histograms.write(out, name, labels, histogram.bounds(), &self.cumulative, sum);
            }
            Cells::Set(set) => text::gauge(out, series.text(), set.count(self.now)),
            Cells::Summary(summary) => {
                let (sum, count) = summary.read(self.now, &mut self.values);
                let quantiles = (summary.quantiles(), self.values.as_slice());
                text::summary(out, series.name(), series.labels(), quantiles, sum, count);
            }
        }
    }

    /// An own metric: its labels, and those constant labels that it has not itself.
    fn own(&mut self, out: &mut Vec<u8>, family: &OwnFamily) {
        let name = family.metric.name;
        text::header(out, name, family.metric.metric_type, family.metric.help, None);
        for row in &family.rows {
            let mut pairs: Vec<(&str, &str)> = row.labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
            for (key, value) in self.constants {
                if !pairs.iter().any(|(own, _)| own == key) {
                    pairs.push((key, value));
                }
            }
            pairs.sort_unstable();
            let mut labels = String::new();
            pairs.iter().for_each(|(key, value)| text::label(&mut labels, key, value));
            let series = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") };
            match &row.value {
                OwnValue::Number(total) => text::counter(out, &series, *total),
                OwnValue::Histogram(bounds, cumulative, sum) => {
                    self.histograms.write(out, name, &labels, bounds, cumulative, *sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::mapping::Rules;
    use crate::metric::Sharing;
    use crate::pipeline::Worker;
    use crate::telemetry::Listener;

    /// A slow client reads a family of more series than are copied at once. Meanwhile they expire, and the name comes back
    /// with another type.
    #[test]
    fn a_family_that_comes_back_while_it_is_written_has_one_header() {
        let (config, _) = config::load("[defaults]\nttl = \"1s\"\nnaming = \"verbatim\"\n");
        let pipeline = Arc::new(Pipeline::new(&config, Rules::compile(&config).0));
        let listener = Listener::new("udp://test".to_owned());
        let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
        let mut send = |statsd_type: &str, series: std::ops::Range<usize>| {
            let filler = "x".repeat(100);
            for n in series {
                let line = format!("a:1|{statsd_type}|#n:{n:04},filler:{filler}");
                worker.begin(&listener, None).batch().packet(line.as_bytes());
            }
        };
        send("c", 0..3000);
        let (mut piece, mut whole) = (Vec::new(), Vec::new());
        let mut exposition = Exposition::new(&pipeline, &Snapshot::default());
        assert!(exposition.write(&mut piece), "more than a piece");
        whole.append(&mut piece);
        assert!(pipeline.set_time(9));
        assert_eq!(pipeline.sweep().len(), 3000);
        send("g", 2000..3000);
        while exposition.write(&mut piece) {
            whole.append(&mut piece);
        }
        whole.append(&mut piece);
        let whole = String::from_utf8(whole).expect("it is UTF-8");
        let headers: Vec<_> = whole.lines().filter(|line| line.starts_with("# TYPE a ")).collect();
        assert_eq!(headers, ["# TYPE a counter"]);
    }
}
