//! A capture, read by a few lines that know nothing of the program under test.

use std::fs;
use std::path::Path;

/// The lines of a capture, in their order.
pub struct Capture(pub Vec<String>);

/// A line that has one number.
pub struct Line<'l> {
    pub name: &'l str,
    pub value: f64,
    pub statsd_type: &'l str,
    rate: f64,
    pub tags: &'l str,
}

impl Capture {
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/captures/{name}.txt"));
        let text = fs::read_to_string(path).expect("the capture can be read");
        Self(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.0.iter().filter_map(|line| Line::read(line))
    }

    /// The lines of one type whose names and tags contain all of `parts`, joined to one text.
    pub fn of<'c>(&'c self, statsd_type: &'c str, parts: &'c [&'c str]) -> impl Iterator<Item = Line<'c>> {
        self.lines().filter(move |line| {
            let text = format!("^{}$#{}#", line.name, line.tags.replace(',', "#"));
            line.statsd_type == statsd_type && parts.iter().all(|part| text.contains(part))
        })
    }
}

impl<'l> Line<'l> {
    fn read(line: &'l str) -> Option<Self> {
        let (name, rest) = line.split_once(':')?;
        let mut pieces = rest.splitn(3, '|');
        let (value, statsd_type) = (pieces.next()?, pieces.next()?);
        let sections = pieces.next().unwrap_or_default();
        let (before, tags) = sections.split_once('#').unwrap_or((sections, ""));
        let rate = before.split('|').find_map(|section| section.strip_prefix('@')?.parse().ok()).unwrap_or(1.0);
        Some(Self { name, value: value.parse().ok()?, statsd_type, rate, tags })
    }
}

/// What the emitter has counted: the sum of the values, each divided by its rate.
pub fn counted<'l>(lines: impl Iterator<Item = Line<'l>>) -> f64 {
    lines.map(|line| line.value / line.rate).sum()
}

/// How much a running total has risen; a lower total is a new beginning.
pub fn risen<'l>(lines: impl Iterator<Item = Line<'l>>) -> f64 {
    let (mut sum, mut last) = (0.0, 0.0);
    for line in lines {
        sum += if line.value >= last { line.value - last } else { line.value };
        last = line.value;
    }
    sum
}

/// How many lines there are.
pub fn number<'l>(lines: impl Iterator<Item = Line<'l>>) -> f64 {
    lines.count() as f64
}

/// The sum of the values as they came.
pub fn total<'l>(lines: impl Iterator<Item = Line<'l>>) -> f64 {
    lines.map(|line| line.value).sum()
}

/// The last value.
pub fn last<'l>(lines: impl Iterator<Item = Line<'l>>) -> f64 {
    lines.last().expect("there is a line").value
}
