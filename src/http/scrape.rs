//! `/metrics`: the page, made anew for each scrape.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use super::{State, answer};
use crate::expose::text;
use crate::metric::Cells;
use crate::pipeline::Pipeline;
use crate::registry::{FamilyHead, Series};
use crate::telemetry::{Facts, Family, Value};

pub(super) fn respond(state: &State) -> Response<Full<Bytes>> {
    let started = Instant::now();
    let page = page(&state.pipeline, &(state.facts)());
    state.pipeline.telemetry.scraped(started.elapsed().as_secs_f64());
    answer(StatusCode::OK, text::CONTENT_TYPE, page)
}

/// The page in text format 0.0.4: every family, the sidecar's own among them, in the order of the names.
pub fn page(pipeline: &Pipeline, facts: &Facts) -> Vec<u8> {
    let mut page = Page { out: Vec::new(), constants: pipeline.rules.constants(), cumulative: Vec::new() };
    let own = pipeline.telemetry.families(facts);
    let mut own = own.iter().peekable();
    pipeline.registry.for_each(|name, head, series| {
        while let Some(before) = own.next_if(|family| family.description.name < name) {
            page.own(before);
        }
        page.family(name, head, series);
    });
    own.for_each(|family| page.own(family));
    page.out
}

/// A page that is being written.
struct Page<'a> {
    out: Vec<u8>,
    constants: &'a [(String, String)],
    /// A histogram's counts, in memory that all of them use.
    cumulative: Vec<u64>,
}

impl Page<'_> {
    fn family(&mut self, name: &str, head: &FamilyHead, series: &[std::sync::Arc<Series>]) {
        text::header(&mut self.out, name, head.kind, &head.help);
        for series in series {
            match &series.cells {
                Cells::Counter(counter) => text::counter(&mut self.out, series.text(), counter.total()),
                Cells::Gauge(gauge) => text::gauge(&mut self.out, series.text(), gauge.value()),
                Cells::Histogram(histogram) => {
                    let sum = histogram.read(&mut self.cumulative);
                    let bounds = histogram.bounds().as_slice();
                    text::histogram(&mut self.out, name, series.labels(), bounds, &self.cumulative, sum);
                }
            }
        }
    }

    /// An own metric: its labels, and those constant labels that it has not itself.
    fn own(&mut self, family: &Family) {
        let name = family.description.name;
        if family.rows.is_empty() {
            return;
        }
        text::header(&mut self.out, name, family.description.kind, family.description.help);
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
                Value::Total(total) => text::counter(&mut self.out, &series, *total),
                Value::Number(value) => text::gauge(&mut self.out, &series, *value),
                Value::Histogram { bounds, cumulative, sum } => {
                    text::histogram(&mut self.out, name, &labels, bounds.as_slice(), cumulative, *sum);
                }
            }
        }
    }
}
