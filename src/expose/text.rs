//! Sample lines of the text formats: Prometheus' own, and OpenMetrics.
//!
//! A sample line is `name{key="value"} number`. A name that is not made of letters, digits, `_` and `:` is between the
//! braces: `{"name",key="value"} number`.
//!
//! Sources: <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::borrow::Cow;

use super::names::NameText;
use crate::metric::{Quantiles, Total};

/// Ends a line with the value of a counter.
pub(crate) fn end_with_total(out: &mut Vec<u8>, total: Total) {
    match total {
        Total::Whole(n) => whole(out, n),
        Total::Real(x) => number(out, x),
    }
    out.push(b'\n');
}

/// Ends a line with a number.
pub(crate) fn end_with_number(out: &mut Vec<u8>, value: f64) {
    number(out, value);
    out.push(b'\n');
}

/// Ends a line with a count.
pub(crate) fn end_with_count(out: &mut Vec<u8>, count: u64) {
    whole(out, count);
    out.push(b'\n');
}

/// Begins a line whose series has this text, with the braces.
pub(crate) fn begin_series(out: &mut Vec<u8>, series: &str) {
    put(out, &[series, " "]);
}

/// Begins a line. `labels` is the text between the braces.
pub(crate) fn begin(out: &mut Vec<u8>, name: NameText<'_>, suffix: &str, labels: &str) {
    match (name.is_quoted, labels) {
        (false, "") => put(out, &[name.text, suffix, " "]),
        (false, labels) => put(out, &[name.text, suffix, "{", labels, "} "]),
        (true, "") => put(out, &["{\"", name.text, suffix, "\"} "]),
        (true, labels) => put(out, &["{\"", name.text, suffix, "\",", labels, "} "]),
    }
}

/// Begins a line up to the place of a last label that the metric adds to `labels`.
pub(super) fn open_labels(out: &mut Vec<u8>, name: NameText<'_>, suffix: &str, labels: &str) {
    let comma = if labels.is_empty() { "" } else { "," };
    match name.is_quoted {
        false => put(out, &[name.text, suffix, "{", labels, comma]),
        true => put(out, &["{\"", name.text, suffix, "\",", labels, comma]),
    }
}

/// Writes the quantiles of a summary. `labels` is the text between the braces, without `quantile`. `values` has a value for
/// each quantile, or NaN if there are no observations. In OpenMetrics a summary has no negative ones: they are left out if
/// `is_positive`.
pub(crate) fn quantiles(
    out: &mut Vec<u8>,
    name: NameText<'_>,
    labels: &str,
    (quantiles, values): (&Quantiles, &[f64]),
    is_openmetrics: bool,
    is_positive: bool,
) {
    for (&quantile, &value) in quantiles.as_slice().iter().zip(values) {
        if is_positive && value < 0.0 {
            continue;
        }
        open_labels(out, name, "", labels);
        put(out, &["quantile=\"", &bound(quantile, is_openmetrics), "\"} "]);
        end_with_number(out, value);
    }
}

/// A number as the value of a label. OpenMetrics has floats there, as Go writes them: `1.0`, `1e+06`.
pub(crate) fn bound(x: f64, is_openmetrics: bool) -> Cow<'static, str> {
    if x == f64::INFINITY {
        return "+Inf".into();
    }
    let mut text = Vec::new();
    number(&mut text, x);
    let text = String::from_utf8(text).unwrap_or_default(); // it is ASCII
    if !is_openmetrics {
        return text.into();
    }
    let scientific = format!("{x:e}");
    match scientific.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>())) {
        Some((digits, Ok(exponent))) if !(-4..6).contains(&exponent) && x != 0.0 => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs()).into()
        }
        _ if text.contains('.') => text.into(),
        _ => format!("{text}.0").into(),
    }
}

/// The labels in a text between braces, as [`labels`] writes it.
pub(crate) fn label_pairs(mut text: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    std::iter::from_fn(move || {
        let (key, rest) = text.split_once("=\"")?;
        let mut is_escaped = false;
        let end = rest.bytes().position(|b| {
            let ends = b == b'"' && !is_escaped;
            is_escaped = b == b'\\' && !is_escaped;
            ends
        })?;
        let (value, rest) = rest.split_at(end);
        text = rest.get(1..).unwrap_or_default();
        text = text.strip_prefix(',').unwrap_or(text);
        Some((key, unescaped(value)))
    })
}

fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return value.into();
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        out.push(match c {
            '\\' => match rest.next() {
                Some('n') => '\n',
                other => other.unwrap_or(c),
            },
            c => c,
        });
    }
    out.into()
}

/// Writes `key="value",key="value"`.
pub(crate) fn labels<'l>(out: &mut String, labels: impl Iterator<Item = (&'l str, &'l str)>) {
    for (number, (key, value)) in labels.enumerate() {
        if number > 0 {
            out.push(',');
        }
        out.push_str(key);
        out.push_str("=\"");
        label_value(out, value);
        out.push('"');
    }
}

fn label_value(out: &mut String, value: &str) {
    let mut rest = value;
    // Values are so short that a call of `memchr` costs more than this loop.
    while let Some(at) = rest.bytes().position(|b| matches!(b, b'\\' | b'"' | b'\n')) {
        let (before, special) = rest.split_at(at);
        out.push_str(before);
        out.push_str(match special.as_bytes().first() {
            Some(b'\n') => "\\n",
            Some(b'"') => "\\\"",
            _ => "\\\\",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}

pub(super) fn put(out: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

fn whole(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Writes the shortest text that parses to `x`, which is finite or NaN. Whole numbers have no point, as in Go.
pub(super) fn number(out: &mut Vec<u8>, x: f64) {
    let whole = x as i64;
    // Not `fract`, which calls the C library on processors before SSE 4.1.
    if whole as f64 == x && x.abs() < 1e18 {
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    } else {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format(x);
        if x.abs() >= 1e16 {
            // Without the plus of the exponent.
            text.split('+').for_each(|part| put(out, &[part]));
        } else {
            out.extend_from_slice(text.as_bytes());
        }
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
            (-1.5e300, "-1.5e300"),
            (f64::MAX, "1.7976931348623157e308"),
            (1234567890123456.8, "1234567890123456.8"),
            (0.00001, "0.00001"),
            (0.0000015, "1.5e-6"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(written(|out| number(out, x)), expected);
        }
        let counter = written(|out| {
            begin_series(out, "a");
            end_with_total(out, Total::Whole(u64::MAX));
        });
        assert_eq!(counter, "a 18446744073709551615\n");
    }

    #[test]
    fn openmetrics_has_floats_in_labels() {
        for (x, prometheus, openmetrics) in [
            (0.0, "0", "0.0"),
            (1.0, "1", "1.0"),
            (-2.5, "-2.5", "-2.5"),
            (0.005, "0.005", "0.005"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "0.00001", "1e-05"),
            (999_999.0, "999999", "999999.0"),
            (1e6, "1000000", "1e+06"),
            (1_234_567.5, "1234567.5", "1.2345675e+06"),
            (1e100, "1e100", "1e+100"),
            (f64::INFINITY, "+Inf", "+Inf"),
        ] {
            assert_eq!((&*bound(x, false), &*bound(x, true)), (prometheus, openmetrics));
        }
    }

    #[test]
    fn labels_are_escaped_and_read_again() {
        let pairs = [("a", "q\"u\\o\nte"), ("b", "é"), ("c", "\\"), ("d", "\\n"), ("e", "x\",y=\"z")];
        let mut written = String::new();
        labels(&mut written, pairs.into_iter());
        assert_eq!(written, r#"a="q\"u\\o\nte",b="é",c="\\",d="\\n",e="x\",y=\"z""#);
        assert!(label_pairs(&written).eq(pairs.map(|(key, value)| (key, value.into()))));
        assert_eq!(label_pairs("").count(), 0);
    }

    #[test]
    fn quantiles_are_written_with_their_labels() {
        let of = Quantiles::new(&[0.5, 1.0]).expect("they rise");
        let write = |name, labels: &str, values: &[f64], is_openmetrics| {
            written(|out| quantiles(out, name, labels, (&of, values), is_openmetrics, is_openmetrics))
        };
        let name = NameText::legal("s");
        let expected = "s{quantile=\"0.5\"} 0.25\ns{quantile=\"1\"} NaN\n";
        assert_eq!(write(name, "", &[0.25, f64::NAN], false), expected);
        let expected = "s{a=\"b\",quantile=\"0.5\"} -1\ns{a=\"b\",quantile=\"1\"} 2\n";
        assert_eq!(write(name, "a=\"b\"", &[-1.0, 2.0], false), expected);
        assert_eq!(write(name, "a=\"b\"", &[-1.0, 2.0], true), "s{a=\"b\",quantile=\"1.0\"} 2\n");
        let name = NameText { text: "s.t", is_quoted: true };
        let expected = "{\"s.t\",quantile=\"0.5\"} 1\n{\"s.t\",quantile=\"1\"} 2\n";
        assert_eq!(write(name, "", &[1.0, 2.0], false), expected);
    }

    #[test]
    fn a_quoted_name_is_between_the_braces() {
        let begun =
            |is_quoted, labels: &str| written(|out| begin(out, NameText { text: "a.b", is_quoted }, "_sum", labels));
        assert_eq!(begun(true, ""), "{\"a.b_sum\"} ");
        assert_eq!(begun(true, "c=\"d\""), "{\"a.b_sum\",c=\"d\"} ");
        assert_eq!(begun(false, "c=\"d\""), "a.b_sum{c=\"d\"} ");
    }
}
