//! The sample lines of histograms.

use super::names::NameText;
use super::text::{begin, bound, end_with_count, end_with_number, open_labels};
use crate::metric::Bounds;

/// Writes histograms, and keeps the text that consecutive histograms have in common.
#[derive(Debug, Default)]
pub(crate) struct Histograms {
    is_openmetrics: bool,
    bounds: Option<Bounds>,
    /// `le="1"} ` for each bound and for infinity.
    ends: Vec<ShortText>,
    /// The start of every bucket line of a series, in blocks; the last block may be longer than the text.
    begin: Vec<[u8; BLOCK]>,
    /// Memory for the bucket lines of a series.
    lines: Vec<u8>,
}

/// Bucket lines are copied in blocks of this many bytes, because a copy of a constant length takes a few instructions and
/// no call.
const BLOCK: usize = 32;

/// A text that fits a block, with its length.
#[derive(Clone, Copy, Debug, Default)]
struct ShortText {
    block: [u8; BLOCK],
    len: usize,
}

impl ShortText {
    /// The start of `text`, as far as it fits.
    fn new(text: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        let text = text.get(..BLOCK).unwrap_or(text);
        block.get_mut(..text.len()).into_iter().for_each(|start| start.copy_from_slice(text));
        Self { block, len: text.len() }
    }
}

impl Histograms {
    /// A writer of histograms, by the rules of OpenMetrics or of Prometheus.
    pub(crate) fn new(is_openmetrics: bool) -> Self {
        Self { is_openmetrics, ..Self::default() }
    }

    /// Writes a histogram. `labels` is the text between the braces, without `le`. `cumulative` has a count for each bound,
    /// and then the count of all observations.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        name: NameText<'_>,
        labels: &str,
        bounds: &Bounds,
        cumulative: &[u64],
        sum: f64,
    ) {
        self.buckets(out, name, labels, bounds, cumulative);
        // In OpenMetrics a sum is like a counter, and a histogram without it has no count either.
        if !self.is_openmetrics || sum >= 0.0 {
            begin(out, name, "_sum", labels);
            end_with_number(out, sum);
            begin(out, name, "_count", labels);
            end_with_count(out, cumulative.last().copied().unwrap_or_default());
        }
    }

    /// Writes the buckets of a histogram alone.
    pub(crate) fn buckets(
        &mut self,
        out: &mut Vec<u8>,
        name: NameText<'_>,
        labels: &str,
        bounds: &Bounds,
        cumulative: &[u64],
    ) {
        self.prepare(bounds);
        let begin_len = self.begin(name, labels);
        self.lines.resize(self.ends.len() * (begin_len + 3 * BLOCK), 0);
        let mut at = 0;
        let mut number = (0, ShortText::new(b"0\n"));
        for (end, &count) in self.ends.iter().zip(cumulative) {
            if count != number.0 {
                number = (count, number_line(count));
            }
            for (block, from) in self.begin.iter().zip((at..).step_by(BLOCK)) {
                put_block(&mut self.lines, from, block);
            }
            at += begin_len;
            put_block(&mut self.lines, at, &end.block);
            at += end.len;
            put_block(&mut self.lines, at, &number.1.block);
            at += number.1.len;
        }
        out.extend_from_slice(self.lines.get(..at).unwrap_or_default());
    }

    /// Prepares the start of the bucket lines, and returns its length.
    fn begin(&mut self, name: NameText<'_>, labels: &str) -> usize {
        self.lines.clear();
        open_labels(&mut self.lines, name, "_bucket", labels);
        let len = self.lines.len();
        self.lines.resize(len.next_multiple_of(BLOCK), 0);
        self.begin.clear();
        self.begin.extend(self.lines.as_chunks().0);
        len
    }

    fn prepare(&mut self, bounds: &Bounds) {
        if self.bounds.as_ref() == Some(bounds) {
            return;
        }
        self.ends.clear();
        let all = bounds.as_slice().iter().copied().chain([f64::INFINITY]);
        let end = |le| ShortText::new(format!("le=\"{}\"}} ", bound(le, self.is_openmetrics)).as_bytes());
        self.ends.extend(all.map(end));
        self.bounds = Some(bounds.clone());
    }
}

/// A whole number and the end of its line.
fn number_line(n: u64) -> ShortText {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(n).as_bytes();
    let mut line = ShortText::new(digits);
    line.block.get_mut(line.len).into_iter().for_each(|end| *end = b'\n');
    line.len += 1;
    line
}

/// Copies a block to the place `at`, which has room for it.
#[inline(always)]
fn put_block(out: &mut [u8], at: usize, block: &[u8; BLOCK]) {
    let place = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
    debug_assert!(place.is_some(), "there is room");
    place.into_iter().for_each(|place| *place = *block);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn histograms_are_written_with_their_labels() {
        let mut histograms = Histograms::default();
        let mut histogram = |labels: &str, bounds: &[f64], cumulative: &[u64], sum| {
            let bounds = Bounds::new(bounds).expect("they rise");
            written(|out| histograms.write(out, NameText::legal("h"), labels, &bounds, cumulative, sum))
        };
        let expected = "h_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 7.25\nh_count 3\n";
        assert_eq!(histogram("", &[0.5, 1.0], &[1, 1, 3], 7.25), expected);
        assert_eq!(histogram("", &[0.5, 1.0], &[1, 1, 3], 7.25), expected, "the same bounds again");
        let expected = "h_bucket{a=\"b\",le=\"+Inf\"} 2\nh_sum{a=\"b\"} 4\nh_count{a=\"b\"} 2\n";
        assert_eq!(histogram("a=\"b\"", &[], &[2], 4.0), expected, "other bounds");
    }

    #[test]
    fn openmetrics_has_no_negative_sum() {
        let mut histograms = Histograms::new(true);
        let bounds = Bounds::new(&[0.5, 10.0]).expect("they rise");
        let name = NameText { text: "h.t", is_quoted: true };
        let mut histogram =
            |labels: &str, sum| written(|out| histograms.write(out, name, labels, &bounds, &[1, 1, 3], sum));
        let buckets = "{\"h.t_bucket\",a=\"b\",le=\"0.5\"} 1\n{\"h.t_bucket\",a=\"b\",le=\"10.0\"} 1\n\
                       {\"h.t_bucket\",a=\"b\",le=\"+Inf\"} 3\n";
        let rest = "{\"h.t_sum\",a=\"b\"} 0\n{\"h.t_count\",a=\"b\"} 3\n";
        assert_eq!(histogram("a=\"b\"", 0.0), [buckets, rest].concat());
        assert_eq!(histogram("a=\"b\"", -7.25), buckets);
    }

    /// Lines of all lengths about those of the blocks that they are copied in, with the longest bounds and counts.
    #[test]
    fn histograms_of_any_length_are_written_whole() {
        let mut histograms = Histograms::default();
        let bounds = Bounds::new(&[-1.7976931348623157e308, -2.2250738585072014e-308, 100.0]).expect("they rise");
        let counts = [0, 9, 12_345_678_901_234_567_890, u64::MAX];
        for len in 1..100 {
            let (name, value) = ("n".repeat(len), "v".repeat(len % 40));
            for labels in [String::new(), format!("a=\"{value}\"")] {
                let (comma, braced) = match labels.as_str() {
                    "" => ("", String::new()),
                    labels => (",", format!("{{{labels}}}")),
                };
                let bucket = |le: &str, count| format!("{name}_bucket{{{labels}{comma}le=\"{le}\"}} {count}\n");
                let expected = [
                    bucket("-1.7976931348623157e308", "0"),
                    bucket("-2.2250738585072014e-308", "9"),
                    bucket("100", "12345678901234567890"),
                    bucket("+Inf", "18446744073709551615"),
                    format!("{name}_sum{braced} 0.25\n{name}_count{braced} 18446744073709551615\n"),
                ];
                let text =
                    written(|out| histograms.write(out, NameText::legal(&name), &labels, &bounds, &counts, 0.25));
                assert_eq!(text, expected.concat(), "{len}");
            }
        }
    }
}
