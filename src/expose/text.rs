//! Prometheus text format 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use memchr::memchr2;

use crate::metric::{Bounds, MetricType, Quantiles, Total};

/// The `Content-Type` of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes the `# HELP` and `# TYPE` lines of a family, and `# UNIT` if it has a unit.
///
/// `# UNIT` is part of OpenMetrics. Parsers of text format 0.0.4 treat it as a comment.
pub(crate) fn header(out: &mut Vec<u8>, name: &str, metric_type: MetricType, help: &str, unit: Option<&str>) {
    put(out, &["# HELP ", name, " "]);
    escaped(out, help);
    put(out, &["\n# TYPE ", name, " ", metric_type.exposed().as_str(), "\n"]);
    if let Some(unit) = unit {
        put(out, &["# UNIT ", name, " "]);
        escaped(out, unit);
        out.push(b'\n');
    }
}

/// Writes text in which line breaks and backslashes are escaped.
fn escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some((before, [c, after @ ..])) = memchr2(b'\\', b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(before);
        out.extend_from_slice(if *c == b'\n' { b"\\n" } else { b"\\\\" });
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Writes a counter; `series` is its name with the labels.
pub(crate) fn counter(out: &mut Vec<u8>, series: &str, total: Total) {
    put(out, &[series, " "]);
    match total {
        Total::Whole(n) => whole(out, n),
        Total::Real(x) => number(out, x),
    }
    out.push(b'\n');
}

/// Writes a gauge; `series` is its name with the labels.
pub(crate) fn gauge(out: &mut Vec<u8>, series: &str, value: f64) {
    put(out, &[series, " "]);
    number(out, value);
    out.push(b'\n');
}

/// Writes a summary. `labels` is the text between the braces, without `quantile`. `values` has a value for each quantile,
/// or NaN if there are no observations.
pub(crate) fn summary(
    out: &mut Vec<u8>,
    name: &str,
    labels: &str,
    (quantiles, values): (&Quantiles, &[f64]),
    sum: f64,
    count: u64,
) {
    for (&quantile, &value) in quantiles.as_slice().iter().zip(values) {
        put(out, &[name, "{", labels, if labels.is_empty() { "" } else { "," }, "quantile=\""]);
        number(out, quantile);
        put(out, &["\"} "]);
        number(out, value);
        out.push(b'\n');
    }
    sum_and_count(out, name, labels, sum, count);
}

/// Writes the last two series of a histogram or a summary.
fn sum_and_count(out: &mut Vec<u8>, name: &str, labels: &str, sum: f64, count: u64) {
    let braces = if labels.is_empty() { ["", ""] } else { ["{", "}"] };
    put(out, &[name, "_sum", braces[0], labels, braces[1], " "]);
    number(out, sum);
    put(out, &["\n", name, "_count", braces[0], labels, braces[1], " "]);
    whole(out, count);
    out.push(b'\n');
}

/// Writes histograms, and keeps the text that consecutive histograms have in common.
#[derive(Debug, Default)]
pub struct Histograms {
    bounds: Option<Bounds>,
    /// `le="1"} ` for each bound and for infinity.
    ends: Vec<String>,
    /// The start of every bucket line of a series.
    begin: Vec<u8>,
}

impl Histograms {
    /// Writes a histogram. `labels` is the text between the braces, without `le`. `cumulative` has a count for each bound,
    /// and then the count of all observations.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        name: &str,
        labels: &str,
        bounds: &Bounds,
        cumulative: &[u64],
        sum: f64,
    ) {
        self.prepare(bounds);
        self.begin.clear();
        put(&mut self.begin, &[name, "_bucket{", labels, if labels.is_empty() { "" } else { "," }]);
        for (end, &count) in self.ends.iter().zip(cumulative) {
            out.extend_from_slice(&self.begin);
            out.extend_from_slice(end.as_bytes());
            whole(out, count);
            out.push(b'\n');
        }
        sum_and_count(out, name, labels, sum, cumulative.last().copied().unwrap_or_default());
    }

    fn prepare(&mut self, bounds: &Bounds) {
        if self.bounds.as_ref() == Some(bounds) {
            return;
        }
        self.ends.clear();
        for &bound in bounds.as_slice() {
            let mut text = Vec::new();
            number(&mut text, bound);
            self.ends.push(format!("le=\"{}\"}} ", String::from_utf8_lossy(&text)));
        }
        self.ends.push("le=\"+Inf\"} ".to_owned());
        self.bounds = Some(bounds.clone());
    }
}

/// Writes `key="value"`, with a comma before it unless `out` is empty.
pub(crate) fn label(out: &mut String, key: &str, value: &str) {
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str(key);
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push(c),
        }
    }
    out.push('"');
}

fn put(out: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

fn whole(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Writes the shortest text that parses to `x`, which is finite or NaN. Whole numbers have no point, as in Go.
fn number(out: &mut Vec<u8>, x: f64) {
    if x.fract() == 0.0 && x.abs() < 1e18 {
        out.extend_from_slice(itoa::Buffer::new().format(x as i64).as_bytes());
    } else {
        out.extend_from_slice(ryu::Buffer::new().format(x).as_bytes());
    }
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
    fn numbers_are_the_shortest_exact_text() {
        for (x, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (3.2, "3.2"),
            (-10.0, "-10"),
            (1e15, "1000000000000000"),
            (1e18, "1e18"),
            (0.005, "0.005"),
            (1e300, "1e300"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(written(|out| number(out, x)), expected);
        }
        assert_eq!(written(|out| counter(out, "a", Total::Whole(u64::MAX))), "a 18446744073709551615\n");
    }

    #[test]
    fn help_and_labels_are_escaped() {
        let expected = "# HELP a one\\ntwo \\\\ \"three\"\n# TYPE a gauge\n";
        assert_eq!(written(|out| header(out, "a", MetricType::Gauge, "one\ntwo \\ \"three\"", None)), expected);
        let mut labels = String::new();
        label(&mut labels, "a", "q\"u\\o\nte");
        label(&mut labels, "b", "é");
        assert_eq!(labels, "a=\"q\\\"u\\\\o\\nte\",b=\"é\"");
    }

    #[test]
    fn a_unit_follows_the_type() {
        let expected = "# HELP d_seconds h\n# TYPE d_seconds histogram\n# UNIT d_seconds seconds\n";
        let header = written(|out| header(out, "d_seconds", MetricType::Histogram, "h", Some("seconds")));
        assert_eq!(header, expected);
    }

    #[test]
    fn summaries_are_written_with_their_labels() {
        let quantiles = Quantiles::new(&[0.5, 0.99]).expect("they rise");
        let expected = "s{quantile=\"0.5\"} 0.25\ns{quantile=\"0.99\"} NaN\ns_sum 7.25\ns_count 3\n";
        assert_eq!(written(|out| summary(out, "s", "", (&quantiles, &[0.25, f64::NAN]), 7.25, 3)), expected);
        let expected =
            "s{a=\"b\",quantile=\"0.5\"} 1\ns{a=\"b\",quantile=\"0.99\"} 2\ns_sum{a=\"b\"} 3\ns_count{a=\"b\"} 2\n";
        assert_eq!(written(|out| summary(out, "s", "a=\"b\"", (&quantiles, &[1.0, 2.0]), 3.0, 2)), expected);
        assert_eq!(written(|out| header(out, "s", MetricType::Summary, "h", None)), "# HELP s h\n# TYPE s summary\n");
        assert_eq!(written(|out| header(out, "s", MetricType::Set, "h", None)), "# HELP s h\n# TYPE s gauge\n");
    }

    #[test]
    fn histograms_are_written_with_their_labels() {
        let mut histograms = Histograms::default();
        let mut histogram = |labels: &str, bounds: &[f64], cumulative: &[u64], sum| {
            let bounds = Bounds::new(bounds).expect("they rise");
            written(|out| histograms.write(out, "h", labels, &bounds, cumulative, sum))
        };
        let expected = "h_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 7.25\nh_count 3\n";
        assert_eq!(histogram("", &[0.5, 1.0], &[1, 1, 3], 7.25), expected);
        assert_eq!(histogram("", &[0.5, 1.0], &[1, 1, 3], 7.25), expected, "the same bounds again");
        let expected = "h_bucket{a=\"b\",le=\"+Inf\"} 2\nh_sum{a=\"b\"} 4\nh_count{a=\"b\"} 2\n";
        assert_eq!(histogram("a=\"b\"", &[], &[2], 4.0), expected, "other bounds");
    }
}
