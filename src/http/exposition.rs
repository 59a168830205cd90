//! The exposition of a scrape, written piece by piece.

use std::sync::Arc;

use crate::expose::text::{self, Histograms};
use crate::metric::Cells;
use crate::pipeline::Pipeline;
use crate::prefetch::prefetch;
use crate::registry::{Families, Series};
use crate::telemetry::{OwnFamily, OwnValue, Snapshot};

/// A piece is sent once it has this many bytes: few enough to stay in the processor's cache, many enough that sending
/// costs little beside writing.
const PIECE: usize = 64 << 10;

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
pub(super) struct Exposition {
    /// The sidecar's own metrics by their names, written when the exposition began.
    own: Arc<[OwnText]>,
    /// How many of them are written.
    own_written: usize,
    families: Families,
    /// The family from which series are copied next.
    from: usize,
    /// The labels, with braces, of the last series of that family that was copied, if any was.
    after: Option<String>,
    /// Copied series with the indexes of their families; those before `next` are written.
    copied: Vec<(usize, Arc<Series>)>,
    next: usize,
    /// The family whose header was written last.
    header: Option<usize>,
    writer: SeriesWriter,
}

/// An own metric with its name and its lines.
type OwnText = (&'static str, Vec<u8>);

struct SeriesWriter {
    /// The time, for sets and summaries.
    now: u32,
    histograms: Histograms,
    /// Memory for a histogram's counts.
    cumulative: Vec<u64>,
    /// Memory for a summary's quantiles.
    values: Vec<f64>,
}

impl Exposition {
    pub(super) fn new(pipeline: &Pipeline, snapshot: &Snapshot) -> Self {
        let mut writer = SeriesWriter::new(pipeline.clock.now());
        let own = pipeline.telemetry.families(snapshot);
        let own = own.iter().map(|family| (family.metric.name, writer.own(family, &pipeline.rules.constants)));
        Self {
            own: own.collect(),
            own_written: 0,
            families: pipeline.registry.families(),
            from: 0,
            after: None,
            copied: Vec::new(),
            next: 0,
            header: None,
            writer,
        }
    }

    /// Another exposition that goes on where this one is. It holds no series until it is written.
    pub(super) fn fork(&self) -> Self {
        let (from, after) = self.position();
        Self {
            own: Arc::clone(&self.own),
            own_written: self.own_written,
            families: Arc::clone(&self.families),
            from,
            after,
            copied: Vec::new(),
            next: 0,
            header: self.header,
            writer: SeriesWriter::new(self.writer.now),
        }
    }

    /// Lets go of the series that are copied and not written; they are copied again when they are needed. So they can
    /// expire while a client is slow.
    pub(super) fn park(&mut self) {
        (self.from, self.after) = self.position();
        (self.copied, self.next) = (Vec::new(), 0);
    }

    /// The family of the next series to write, and the labels of the last one in it that was written.
    fn position(&self) -> (usize, Option<String>) {
        match self.next.checked_sub(1).and_then(|last| self.copied.get(last)) {
            Some((family, series)) => (*family, Some(series.braced_labels().to_owned())),
            None => (self.from, self.after.clone()),
        }
    }

    /// Adds the next piece to `out`; gives whether more may follow.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) -> bool {
        out.reserve(PIECE + ROOM);
        while out.len() < PIECE {
            let Some((index, _)) = self.copied.get(self.next) else {
                self.copy();
                if self.copied.is_empty() {
                    self.own(out, |_| true);
                    return false;
                }
                continue;
            };
            self.next += 1;
            if self.next % AHEAD == 1 {
                self.copied.iter().skip(self.next).take(AHEAD).for_each(|(_, series)| series.prefetch());
            }
            if self.header != Some(*index) {
                let index = *index;
                self.header = Some(index);
                if let Some(family) = self.families.get(index).cloned() {
                    self.own(out, |name| name < &**family.name());
                    let metadata = family.metadata();
                    let unit = metadata.unit.as_deref();
                    text::header(out, family.name(), metadata.metric_type(), &metadata.help, unit);
                }
            }
            self.copied.get(self.next - 1).inspect(|(_, series)| self.writer.series(out, series));
        }
        true
    }

    /// Adds the own metrics that are not written yet, while their names are `before` the next family.
    fn own(&mut self, out: &mut Vec<u8>, before: impl Fn(&str) -> bool) {
        while let Some((_, text)) = self.own.get(self.own_written).filter(|(name, _)| before(name)) {
            out.extend_from_slice(text);
            self.own_written += 1;
        }
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
                self.after = self.copied.last().map(|(_, series)| series.braced_labels().to_owned());
            } else {
                (self.from, self.after) = (self.from + 1, None);
            }
        }
    }
}

impl SeriesWriter {
    fn new(now: u32) -> Self {
        Self { now, histograms: Histograms::default(), cumulative: Vec::new(), values: Vec::new() }
    }

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
    fn own(&mut self, family: &OwnFamily, constants: &[(String, String)]) -> Vec<u8> {
        let (name, mut out) = (family.metric.name, Vec::new());
        text::header(&mut out, name, family.metric.metric_type, family.metric.help, None);
        for row in &family.rows {
            let mut pairs: Vec<(&str, &str)> = row.labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
            for (key, value) in constants {
                if !pairs.iter().any(|(own, _)| own == key) {
                    pairs.push((key, value));
                }
            }
            pairs.sort_unstable();
            let mut labels = String::new();
            pairs.iter().for_each(|(key, value)| text::label(&mut labels, key, value));
            let series = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") };
            match &row.value {
                OwnValue::Number(total) => text::counter(&mut out, &series, *total),
                OwnValue::Histogram(bounds, cumulative, sum) => {
                    self.histograms.write(&mut out, name, &labels, bounds, cumulative, *sum);
                }
            }
        }
        out
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
    #[test]
    fn a_parked_exposition_holds_no_series_and_goes_on_where_it_was() {
        let (config, _) = config::load("[defaults]\nttl = \"1s\"\nnaming = \"verbatim\"\n");
        let pipeline = Arc::new(Pipeline::new(&config, Rules::compile(&config).0));
        let listener = Listener::new("udp://test".to_owned());
        let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
        // One family of many series, and many families of one.
        for n in 0..3000 {
            let line = format!("a:1|c|#n:{n:04},filler:{}\nb{n:04}:1|g", "x".repeat(100));
            worker.begin(&listener, None).batch().packet(line.as_bytes());
        }
        let whole = exposition(&pipeline, &Snapshot::default());
        let (mut parked, mut forked, mut piece) = (Vec::new(), Vec::new(), Vec::new());
        let mut one = Exposition::new(&pipeline, &Snapshot::default());
        let mut is_more = true;
        while is_more {
            let mut other = one.fork();
            assert!(other.copied.is_empty());
            is_more = one.write(&mut piece);
            one.park();
            assert!(one.copied.is_empty());
            parked.append(&mut piece);
            other.write(&mut piece);
            forked.append(&mut piece);
        }
        assert!(parked == whole && forked == whole);
    }
}
