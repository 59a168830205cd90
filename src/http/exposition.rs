//! The exposition of a scrape, written piece by piece.

use std::borrow::Cow;
use std::sync::Arc;

use super::exposures::{Exposure, Exposures};
use super::own_texts::OwnTexts;
use super::protobuf_writer::StartTimes;
use super::series_writer::SeriesWriter;
use crate::expose::Format;
use crate::pipeline::Pipeline;
use crate::prefetch::prefetch;
use crate::registry::{Families, Family, Series};
use crate::telemetry::Snapshot;

/// A piece is sent once it has this many bytes: few enough to stay in the processor's cache, many enough that sending
/// costs little beside writing.
const PIECE: usize = 64 << 10;

/// How far the last series of a piece may go beyond [`PIECE`], as a rule, before the memory of the piece grows.
const ROOM: usize = 4 << 10;

/// How many series are copied from their families at a time: few enough that they are still in the processor's cache when
/// they are written, many enough that finding the place in a large family costs little. A family's lock is held for some
/// 20 us at most.
const CHUNK: usize = 256;

/// How many series and families are asked for ahead of their use, so that their cache misses overlap.
const AHEAD: usize = 16;

/// The whole exposition in text format 0.0.4: every family, the sidecar's own among them, in the order of their names.
pub fn exposition(pipeline: &Pipeline, snapshot: &Snapshot) -> Vec<u8> {
    exposition_as(pipeline, snapshot, Format::TEXT)
}

/// The whole exposition in this format.
pub fn exposition_as(pipeline: &Pipeline, snapshot: &Snapshot, format: Format) -> Vec<u8> {
    let (mut whole, mut piece) = (Vec::new(), Vec::new());
    let registry = &pipeline.current().registry;
    let families = registry.families();
    let exposures = Exposures::new(&families, format, registry.are_names_legal()).map(Arc::new);
    let mut exposition = Exposition::new(pipeline, snapshot, format, families, exposures, None);
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
    own: OwnTexts,
    walk: FamilyWalk,
    /// The place in the walk of the family from which series are copied next.
    from: usize,
    /// The labels, with braces, of the last series of that family that was copied, if any was.
    after: Option<String>,
    /// Copied series with the places of their families; those before `next` are written.
    copied: Vec<(usize, Arc<Series>)>,
    next: usize,
    /// The place of the family that was entered last.
    entered: Option<usize>,
    writer: SeriesWriter,
}

/// The families in the order in which they are written.
#[derive(Clone)]
struct FamilyWalk {
    families: Families,
    /// `None`: all of them, as they are.
    exposures: Option<Arc<Exposures>>,
}

impl FamilyWalk {
    fn family(&self, place: usize) -> Option<&Arc<Family>> {
        match &self.exposures {
            None => self.families.get(place),
            Some(exposures) => self.families.get(exposures.others.get(place)?.family),
        }
    }

    fn exposure(&self, place: usize) -> Option<&Exposure> {
        self.exposures.as_ref()?.others.get(place)
    }
}

impl Exposition {
    /// The exposition of `families`, as what `exposures` says; without `starts` no series has a start.
    pub(super) fn new(
        pipeline: &Pipeline,
        snapshot: &Snapshot,
        format: Format,
        families: Families,
        exposures: Option<Arc<Exposures>>,
        starts: Option<StartTimes>,
    ) -> Self {
        let edition = pipeline.current();
        let mut writer = SeriesWriter::new(format, pipeline.clock.now(), starts, PIECE);
        let own = pipeline.telemetry.families(snapshot).into_iter().filter_map(|family| {
            let exposure = match &exposures {
                None => None,
                Some(exposures) => Some(exposures.own_of(family.metric.name)?),
            };
            let name = exposure.and_then(|exposure| exposure.name.clone());
            let text = writer.own(&family, &edition.rules.constants, exposure);
            Some((name.map_or(family.metric.name.into(), |name| Cow::from(String::from(name))), text))
        });
        Self {
            own: OwnTexts::new(own.collect()),
            walk: FamilyWalk { families, exposures },
            from: 0,
            after: None,
            copied: Vec::new(),
            next: 0,
            entered: None,
            writer,
        }
    }

    /// Another exposition that goes on where this one is. It holds no series until it is written.
    pub(super) fn fork(&self) -> Self {
        let (from, after) = self.position();
        Self {
            own: self.own.clone(),
            walk: self.walk.clone(),
            from,
            after,
            copied: Vec::new(),
            next: 0,
            entered: self.entered,
            writer: self.writer.fork(),
        }
    }

    /// Lets go of the series that are copied and not written; they are copied again when they are needed. So they can
    /// expire while a client is slow.
    pub(super) fn park(&mut self) {
        (self.from, self.after) = self.position();
        (self.copied, self.next) = (Vec::new(), 0);
    }

    /// The place of the family of the next series to write, and the labels of the last one in it that was written.
    fn position(&self) -> (usize, Option<String>) {
        match self.next.checked_sub(1).and_then(|last| self.copied.get(last)) {
            Some((place, series)) => (*place, Some(series.braced_labels().to_owned())),
            None => (self.from, self.after.clone()),
        }
    }

    /// Adds the next piece to `out`, which may be empty; gives whether more may follow.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) -> bool {
        out.reserve(PIECE + ROOM);
        let mut rest = self.writer.at_once();
        while self.writer.pour(out) && out.len() < PIECE && rest > 0 {
            let Some((place, series)) = self.copied.get(self.next) else {
                self.copy();
                self.copied.iter().take(AHEAD).for_each(|(_, series)| series.prefetch());
                if self.copied.is_empty() && !self.writer.leave(out) {
                    self.own.write(out, |_| true);
                    self.writer.end(out);
                    return false;
                }
                continue;
            };
            if self.entered != Some(*place) {
                if self.writer.leave(out) {
                    continue;
                }
                self.entered = Some(*place);
                if let Some(family) = self.walk.family(*place) {
                    let exposure = self.walk.exposure(*place);
                    let name = exposure.and_then(|exposure| exposure.name.as_deref()).unwrap_or(family.name());
                    self.own.write(out, |own| own < name);
                    self.writer.enter(out, family, exposure);
                }
            }
            self.copied.get(self.next + 1 + AHEAD).inspect(|(_, series)| series.prefetch());
            self.writer.series(out, series);
            self.next += 1;
            rest -= 1;
        }
        true
    }

    /// Copies the next series; none after the last.
    fn copy(&mut self) {
        self.copied.clear();
        self.next = 0;
        while self.copied.len() < CHUNK
            && let Some(family) = self.walk.family(self.from)
        {
            self.walk.family(self.from + 2 * AHEAD).inspect(|family| prefetch(&***family));
            self.walk.family(self.from + AHEAD).inspect(|family| family.prefetch_only());
            let (place, room) = (self.from, CHUNK - self.copied.len());
            let before = self.copied.len();
            family.copy_after(self.after.as_deref(), room, &mut self.copied, |series| (place, Arc::clone(series)));
            if self.copied.len() - before == room {
                self.after = self.copied.last().map(|(_, series)| series.braced_labels().to_owned());
            } else {
                (self.from, self.after) = (self.from + 1, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::expose::{Escaping, Syntax};
    use crate::mapping::Rules;
    use crate::metric::Sharing;
    use crate::pipeline::Worker;
    use crate::telemetry::Listener;

    fn begun(pipeline: &Pipeline, syntax: Syntax) -> Exposition {
        let (format, families) = (Format { syntax, escaping: Escaping::Utf8 }, pipeline.current().registry.families());
        let exposures = Exposures::new(&families, format, true).map(Arc::new);
        Exposition::new(pipeline, &Snapshot::default(), format, families, exposures, None)
    }

    fn pipeline(config: &str) -> Arc<Pipeline> {
        let (config, _) = config::load(config);
        Arc::new(Pipeline::new(&config, Rules::compile(&config).0))
    }

    /// A slow client reads a family of more series than are copied at once. Meanwhile they expire, and the name comes back
    /// with another type.
    #[test]
    fn a_family_that_comes_back_while_it_is_written_has_one_header() {
        let pipeline = pipeline("[defaults]\nttl = \"1s\"\nnaming = \"verbatim\"\n");
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
        let mut exposition = begun(&pipeline, Syntax::Text0);
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
    fn each_family_has_the_header_of_its_rule() {
        let rules = "[[metric]]\nmatch = \"b\"\nhelp = \"Bees.\"\nunit = \"bees\"\n[[metric]]\nmatch = \"c\"\nhelp = \"Seas.\"\n";
        let pipeline = pipeline(&format!("{rules}[defaults]\nnaming = \"verbatim\"\n"));
        let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
        let listener = Listener::new("udp://test".to_owned());
        worker.begin(&listener, None).batch().packet(b"a:1|g\nb:2|g\nc:3|g\nd:4|g\ne:5|c");
        let whole = String::from_utf8(exposition(&pipeline, &Snapshot::default())).expect("it is UTF-8");
        let expected = "\
            # HELP a Gauge fed by StatsD; no rule gives it a help text.\n# TYPE a gauge\na 1\n\
            # HELP b Bees.\n# TYPE b gauge\n# UNIT b bees\nb 2\n\
            # HELP c Seas.\n# TYPE c gauge\nc 3\n\
            # HELP d Gauge fed by StatsD; no rule gives it a help text.\n# TYPE d gauge\nd 4\n\
            # HELP e Counter fed by StatsD; no rule gives it a help text.\n# TYPE e counter\ne 5\n";
        assert!(whole.starts_with(expected), "{whole}");
    }

    #[test]
    fn a_parked_exposition_holds_no_series_and_goes_on_where_it_was() {
        let pipeline = pipeline("[defaults]\nttl = \"1s\"\nnaming = \"verbatim\"\n");
        let listener = Listener::new("udp://test".to_owned());
        let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
        // One family of many series, and many families of one.
        for n in 0..3000 {
            let line = format!("a:1|c|#n:{n:04},filler:{}\nb{n:04}:1|g", "x".repeat(100));
            worker.begin(&listener, None).batch().packet(line.as_bytes());
        }
        for syntax in Syntax::ALL {
            let format = Format { syntax, escaping: Escaping::Utf8 };
            let whole = exposition_as(&pipeline, &Snapshot::default(), format);
            let (mut parked, mut forked, mut piece) = (Vec::new(), Vec::new(), Vec::new());
            let mut one = begun(&pipeline, syntax);
            let mut is_more = true;
            while is_more {
                let mut other = one.fork();
                assert!(other.copied.is_empty());
                is_more = one.write(&mut piece);
                assert!(piece.len() < PIECE + ROOM, "{syntax:?}");
                one.park();
                assert!(one.copied.is_empty());
                parked.append(&mut piece);
                other.write(&mut piece);
                forked.append(&mut piece);
            }
            assert!(parked == whole && forked == whole, "{syntax:?}");
        }
    }

    #[test]
    fn openmetrics_keeps_the_names_of_samples() {
        let config = "[[metric]]\nmatch = \"t\"\nname = \"t_seconds\"\nunit = \"seconds\"\nbuckets = [0.5, 1]\n\
                      [[metric]]\nmatch = \"n\"\nname = \"n\"\nbuckets = [-1]\nunit = \"bytes\"\n\
                      [[metric]]\nmatch = \"plain\"\nname = \"plain\"\nhelp = \"A \\\"help\\\".\"\n";
        let pipeline = pipeline(config);
        let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::SingleWriter);
        let listener = Listener::new("udp://test".to_owned());
        let lines = "a:1|c|#b:c\njobs:1|c\njobs:1|g\nt:700|ms\nplain:2|c\nn:-2|h\nn:3|h|#x:y\nq:1|c\nq.created:1|c";
        worker.begin(&listener, None).batch().packet(lines.as_bytes());
        let format = Format { syntax: Syntax::OpenMetrics1, escaping: Escaping::Utf8 };
        let whole = String::from_utf8(exposition_as(&pipeline, &Snapshot::default(), format)).expect("it is UTF-8");
        let help = |what: &str| format!("{what} fed by StatsD; no rule gives it a help text.");
        let (counter, gauge, histogram) = (help("Counter"), help("Gauge"), help("Histogram"));
        let expected = [
            format!("# HELP a {counter}\n# TYPE a counter\na_total{{b=\"c\"}} 1\n"),
            format!("# HELP jobs {gauge}\n# TYPE jobs gauge\njobs 1\n"),
            // OpenMetrics would call the counter `jobs` too.
            format!("# HELP jobs_total {counter}\n# TYPE jobs_total unknown\njobs_total 1\n"),
            // A histogram with negative bounds has no sum there.
            format!("# HELP n_bucket {histogram}\n# TYPE n_bucket unknown\n"),
            "n_bucket{le=\"-1.0\"} 1\nn_bucket{le=\"+Inf\"} 1\n".to_owned(),
            "n_bucket{x=\"y\",le=\"-1.0\"} 0\nn_bucket{x=\"y\",le=\"+Inf\"} 1\n".to_owned(),
            format!("# HELP n_sum {histogram}\n# TYPE n_sum unknown\nn_sum -2\nn_sum{{x=\"y\"}} 3\n"),
            format!("# HELP n_count {histogram}\n# TYPE n_count unknown\nn_count 1\nn_count{{x=\"y\"}} 1\n"),
            // A rule has chosen the name, and queries have it.
            "# HELP plain A \\\"help\\\".\n# TYPE plain unknown\nplain 2\n".to_owned(),
        ];
        let expected = expected.concat();
        assert!(whole.starts_with(&expected), "{whole}\n\n{expected}");
        for expected in [
            format!("# HELP q_created {counter}\n# TYPE q_created counter\nq_created_total 1\n"),
            format!("# HELP q_total {counter}\n# TYPE q_total unknown\nq_total 1\n"),
            format!("# HELP t_seconds {histogram}\n# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n"),
            "t_seconds_bucket{le=\"0.5\"} 0\nt_seconds_bucket{le=\"1.0\"} 1\nt_seconds_bucket{le=\"+Inf\"} 1\n"
                .to_owned(),
        ] {
            assert!(whole.contains(&expected), "{whole}\n\n{expected}");
        }
        assert!(whole.ends_with("\n# EOF\n"), "{whole}");
    }
}
