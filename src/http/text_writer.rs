//! Families and series in a text format.

use std::borrow::Cow;
use std::sync::Arc;

use super::exposures::{Exposure, Shape};
use super::own_texts::own_labels;
use crate::expose::header::Header;
use crate::expose::histograms::Histograms;
use crate::expose::names::{NameText, is_legal, quotable};
use crate::expose::{Escaping, Format, text};
use crate::mapping::FamilyMetadata;
use crate::metric::{Cells, MetricType};
use crate::registry::{Family, Series};
use crate::telemetry::{OwnFamily, OwnValue};

/// Writes families and series, one after the other, in a text format.
pub(super) struct TextWriter {
    format: Format,
    is_openmetrics: bool,
    /// The time, for sets and summaries.
    now: u32,
    /// The newest header of each type, because families of one rule have the same, in the order of [`MetricType::ALL`].
    headers: [Option<CachedHeader>; MetricType::ALL.len()],
    histograms: Histograms,
    /// Memory for a histogram's counts.
    cumulative: Vec<u64>,
    /// Memory for a summary's quantiles.
    values: Vec<f64>,
    /// The name of the family, if its series have it in another form.
    renamed: Option<Renamed>,
    shape: Shape,
}

struct CachedHeader {
    metadata: Arc<FamilyMetadata>,
    shape: Shape,
    header: Header,
}

/// A name that is not the one in the text of the series.
#[derive(Clone)]
struct Renamed {
    text: String,
    is_quoted: bool,
}

impl TextWriter {
    pub(super) fn new(format: Format, now: u32) -> Self {
        let is_openmetrics = format.syntax.is_openmetrics();
        Self {
            format,
            is_openmetrics,
            now,
            headers: Default::default(),
            histograms: Histograms::new(is_openmetrics),
            cumulative: Vec::new(),
            values: Vec::new(),
            renamed: None,
            shape: Shape::Whole,
        }
    }

    /// Another one that goes on in the same family.
    pub(super) fn fork(&self) -> Self {
        Self { renamed: self.renamed.clone(), shape: self.shape, ..Self::new(self.format, self.now) }
    }

    /// Begins a family with its header.
    pub(super) fn enter(&mut self, out: &mut Vec<u8>, family: &Family, exposure: Option<&Exposure>) {
        self.shape = exposure.map(|exposure| exposure.shape).unwrap_or_default();
        let name = exposure.and_then(|exposure| exposure.name.as_deref());
        let may_quote = self.format.syntax.has_escaping() && self.format.escaping == Escaping::Utf8;
        self.renamed = match name {
            Some(name) => Some(Renamed { text: name.to_owned(), is_quoted: false }),
            None if may_quote && !is_legal(family.name()) => {
                Some(Renamed { text: quotable(family.name()), is_quoted: true })
            }
            None => None,
        };
        let metadata = family.metadata();
        let metric_type = metadata.metric_type();
        let Some(newest) = self.headers.get_mut(metric_type as usize) else { return };
        if !newest.as_ref().is_some_and(|newest| Arc::ptr_eq(&newest.metadata, metadata) && newest.shape == self.shape)
        {
            let word = type_word(metric_type, self.shape);
            let header = Header::new(word, &metadata.help, metadata.unit.as_deref(), self.is_openmetrics);
            *newest = Some(CachedHeader { metadata: Arc::clone(metadata), shape: self.shape, header });
        }
        let name = name_text(self.renamed.as_ref(), family.name());
        let text = self.family_name(name.text, metric_type, self.shape);
        let with_unit = !self.is_openmetrics || has_unit(&text, metadata.unit.as_deref());
        for CachedHeader { header, .. } in self.headers.get(metric_type as usize).into_iter().flatten() {
            header.write(out, NameText { text: &text, ..name }, with_unit);
        }
    }

    /// The name in the header of a family whose samples begin with `name`.
    fn family_name<'n>(&self, name: &'n str, metric_type: MetricType, shape: Shape) -> Cow<'n, str> {
        let suffix = match (shape, metric_type) {
            (Shape::Whole, MetricType::Counter) if self.is_openmetrics => {
                return name.strip_suffix("_total").unwrap_or(name).into();
            }
            (Shape::Parts, MetricType::Histogram) => "_bucket",
            (Shape::Sums, _) => "_sum",
            (Shape::Counts, _) => "_count",
            _ => return name.into(),
        };
        [name, suffix].concat().into()
    }

    pub(super) fn series(&mut self, out: &mut Vec<u8>, series: &Series) {
        match &series.cells {
            Cells::Counter(counter) => {
                self.begin(out, series);
                text::end_with_total(out, counter.total());
            }
            Cells::Gauge(gauge) => {
                self.begin(out, series);
                text::end_with_number(out, gauge.value());
            }
            Cells::Histogram(histogram) => {
                let sum = histogram.read(&mut self.cumulative);
                let (name, labels) = (name_text(self.renamed.as_ref(), series.name()), series.labels());
                let (bounds, cumulative) = (histogram.bounds(), &self.cumulative);
                match self.shape {
                    Shape::Whole | Shape::Unknown => {
                        self.histograms.write(out, name, labels, bounds, cumulative, sum);
                    }
                    Shape::Parts => self.histograms.buckets(out, name, labels, bounds, cumulative),
                    Shape::Sums => sum_of(out, name, labels, sum),
                    Shape::Counts => count_of(out, name, labels, cumulative.last().copied().unwrap_or_default()),
                }
            }
            Cells::Set(set) => {
                self.begin(out, series);
                text::end_with_number(out, set.count(self.now));
            }
            Cells::Summary(summary) => {
                let (sum, count) = summary.read(self.now, &mut self.values);
                let (name, labels) = (name_text(self.renamed.as_ref(), series.name()), series.labels());
                let is_whole = matches!(self.shape, Shape::Whole | Shape::Unknown);
                if is_whole || self.shape == Shape::Parts {
                    // Without a type any number is allowed.
                    let is_strict = self.is_openmetrics && is_whole;
                    let quantiles = (summary.quantiles(), self.values.as_slice());
                    text::quantiles(out, name, labels, quantiles, self.is_openmetrics, is_strict);
                }
                if self.shape == Shape::Sums || is_whole && (!self.is_openmetrics || sum >= 0.0) {
                    sum_of(out, name, labels, sum);
                }
                if is_whole || self.shape == Shape::Counts {
                    count_of(out, name, labels, count);
                }
            }
        }
    }

    /// Begins the line of a series that has one.
    fn begin(&self, out: &mut Vec<u8>, series: &Series) {
        match &self.renamed {
            None => text::begin_series(out, series.text()),
            renamed => text::begin(out, name_text(renamed.as_ref(), series.name()), "", series.labels()),
        }
    }

    /// One of the sidecar's own metrics, with those constant labels that it has not itself.
    pub(super) fn own(
        &mut self,
        family: &OwnFamily,
        constants: &[(String, String)],
        exposure: Option<&Exposure>,
    ) -> Vec<u8> {
        let (metric_type, mut out) = (family.metric.metric_type, Vec::new());
        let shape = exposure.map(|exposure| exposure.shape).unwrap_or_default();
        let name = exposure.and_then(|exposure| exposure.name.as_deref()).unwrap_or(family.metric.name);
        let header_name = self.family_name(name, metric_type, shape);
        let header = Header::new(type_word(metric_type, shape), family.metric.help, None, self.is_openmetrics);
        header.write(&mut out, NameText::legal(&header_name), false);
        let name = NameText::legal(name);
        for row in &family.rows {
            let labels = own_labels(row, constants);
            match &row.value {
                OwnValue::Number(total) => {
                    text::begin(&mut out, name, "", &labels);
                    text::end_with_total(&mut out, *total);
                }
                OwnValue::Histogram(bounds, cumulative, sum) => {
                    self.histograms.write(&mut out, name, &labels, bounds, cumulative, *sum);
                }
            }
        }
        out
    }

    /// Ends the exposition.
    pub(super) fn end(&self, out: &mut Vec<u8>) {
        if self.is_openmetrics {
            out.extend_from_slice(b"# EOF\n");
        }
    }
}

fn type_word(metric_type: MetricType, shape: Shape) -> &'static str {
    if shape == Shape::Whole { metric_type.exposed().as_str() } else { "unknown" }
}

/// Whether OpenMetrics allows the unit: the name of the family must end with it.
fn has_unit(name: &str, unit: Option<&str>) -> bool {
    let stem = unit.filter(|unit| is_legal(unit)).and_then(|unit| name.strip_suffix(unit));
    stem.is_some_and(|stem| stem.ends_with('_'))
}

fn name_text<'n>(renamed: Option<&'n Renamed>, own: &'n str) -> NameText<'n> {
    renamed.map_or(NameText::legal(own), |Renamed { text, is_quoted }| NameText { text, is_quoted: *is_quoted })
}

fn sum_of(out: &mut Vec<u8>, name: NameText<'_>, labels: &str, sum: f64) {
    text::begin(out, name, "_sum", labels);
    text::end_with_number(out, sum);
}

fn count_of(out: &mut Vec<u8>, name: NameText<'_>, labels: &str, count: u64) {
    text::begin(out, name, "_count", labels);
    text::end_with_count(out, count);
}
