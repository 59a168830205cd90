//! A strict reader of text format 0.0.4, which accepts only what `statsidecar` writes.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::collections::BTreeSet;

/// One sample line.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

/// The family and the value of each sample, or the first error.
pub fn check(page: &str) -> Result<Vec<(String, f64)>, String> {
    let mut lines = page.strip_suffix('\n').ok_or("the last line has no end")?.split('\n').peekable();
    let mut samples = Vec::new();
    let mut last = "";
    while let Some(line) = lines.next() {
        let (name, help) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| format!("{line:?} where a HELP line should be"))?;
        is_name(name, true)?;
        escapes(help, &['\\', 'n'])?;
        if name <= last {
            return Err(format!("{name} comes after {last}"));
        }
        last = name;
        let line = lines.next().unwrap_or_default();
        let kind = line.strip_prefix(&format!("# TYPE {name} ")).ok_or_else(|| format!("{line:?} for its TYPE"))?;
        lines.next_if(|line| {
            line.strip_prefix(&format!("# UNIT {name} ")).is_some_and(|unit| is_name(unit, false).is_ok())
        });
        let mut family = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            family.push(sample(line).map_err(|error| format!("{error} in {line:?}"))?);
        }
        check_family(name, kind, &family).map_err(|error| format!("{name}: {error}"))?;
        samples.extend(family.iter().map(|sample| (name.to_owned(), sample.value)));
    }
    Ok(samples)
}

fn check_family(name: &str, kind: &str, family: &[Sample<'_>]) -> Result<(), String> {
    let mut series = BTreeSet::new();
    if family.is_empty() || !family.iter().all(|sample| series.insert((sample.name, &sample.labels))) {
        return Err("it has no samples, or one of them twice".to_owned());
    }
    match kind {
        "counter" | "gauge" => {
            let is_right = |s: &Sample<'_>| {
                s.name == name && s.value.is_finite() && (kind == "gauge" || s.value >= 0.0) && !is_reserved(&s.labels)
            };
            family.iter().all(is_right).then_some(()).ok_or_else(|| format!("a sample is not that of a {kind}"))
        }
        "summary" => {
            let mut rest = family;
            while !rest.is_empty() {
                rest = summary(name, rest)?;
            }
            Ok(())
        }
        "histogram" => {
            let mut rest = family;
            while !rest.is_empty() {
                rest = histogram(name, rest)?;
            }
            Ok(())
        }
        _ => Err(format!("it is a {kind:?}")),
    }
}

/// Reads the first series of a summary, and gives the others.
fn summary<'s, 'a>(name: &str, samples: &'s [Sample<'a>]) -> Result<&'s [Sample<'a>], String> {
    let (quantiles, rest) = samples.split_at(samples.iter().take_while(|sample| sample.name == name).count());
    let [sum, count, rest @ ..] = rest else { return Err("it has no _sum and _count".to_owned()) };
    if (sum.name.strip_prefix(name), count.name.strip_prefix(name)) != (Some("_sum"), Some("_count")) {
        return Err("it has no _sum and _count behind its quantiles".to_owned());
    }
    let mut last = (-1.0, f64::NEG_INFINITY);
    for sample in quantiles {
        let Some((("quantile", quantile), labels)) = sample.labels.split_last() else {
            return Err("a quantile has no such label".to_owned());
        };
        let quantile = number(quantile)?;
        if labels != sum.labels || sum.labels != count.labels || is_reserved(labels) {
            return Err("its labels are not the same throughout".to_owned());
        }
        if quantile <= last.0 || quantile > 1.0 || sample.value < last.1 {
            return Err(format!("its quantiles do not rise at {quantile}"));
        }
        last = (quantile, sample.value);
    }
    if sum.value.is_finite() && count.value >= 0.0 { Ok(rest) } else { Err("a sum or a count is none".to_owned()) }
}

/// Reads the first series of a histogram, and gives the others.
fn histogram<'s, 'a>(name: &str, samples: &'s [Sample<'a>]) -> Result<&'s [Sample<'a>], String> {
    let is_bucket = |sample: &Sample<'_>| sample.name.strip_prefix(name) == Some("_bucket");
    let (buckets, rest) = samples.split_at(samples.iter().take_while(|sample| is_bucket(sample)).count());
    let [sum, count, rest @ ..] = rest else { return Err("it has no _sum and _count".to_owned()) };
    if (sum.name.strip_prefix(name), count.name.strip_prefix(name)) != (Some("_sum"), Some("_count")) {
        return Err("it has no _sum and _count behind its buckets".to_owned());
    }
    let mut last = (f64::NEG_INFINITY, 0.0);
    for bucket in buckets {
        let Some((("le", le), labels)) = bucket.labels.split_last() else {
            return Err("a bucket has no le".to_owned());
        };
        let le = if *le == "+Inf" { f64::INFINITY } else { number(le)? };
        if labels != sum.labels || sum.labels != count.labels || is_reserved(labels) {
            return Err("its labels are not the same throughout".to_owned());
        }
        if le <= last.0 || bucket.value < last.1 {
            return Err(format!("its buckets do not rise at {le}"));
        }
        last = (le, bucket.value);
    }
    if last == (f64::INFINITY, count.value) { Ok(rest) } else { Err("+Inf is not _count".to_owned()) }
}

fn is_reserved(labels: &[(&str, &str)]) -> bool {
    labels.iter().any(|(key, _)| *key == "le" || *key == "quantile" || key.starts_with("__"))
}

fn sample(line: &str) -> Result<Sample<'_>, String> {
    let end = line.find(['{', ' ']).ok_or("there is no value")?;
    let (name, mut rest) = line.split_at(end);
    is_name(name, true)?;
    let mut labels: Vec<(&str, &str)> = Vec::new();
    while let Some(label) = rest.strip_prefix(if labels.is_empty() { '{' } else { ',' }) {
        let (key, value) = label.split_once("=\"").ok_or("a label has no value")?;
        is_name(key, false)?;
        let end = closing_quote(value).ok_or("a label's value does not end")?;
        let (value, after) = (&value[..end], &value[end + 1..]);
        escapes(value, &['\\', 'n', '"'])?;
        if value.is_empty() || labels.iter().any(|(other, _)| *other == key) {
            return Err(format!("{key} is empty, or there twice"));
        }
        labels.push((key, value));
        rest = after;
    }
    if !labels.is_empty() {
        rest = rest.strip_prefix('}').ok_or("the labels do not end")?;
    }
    let value = match rest.strip_prefix(' ').ok_or("there is no blank before the value")? {
        // Quantiles may be that, which the family shows.
        "NaN" if labels.iter().any(|(key, _)| *key == "quantile") => f64::NAN,
        value => number(value)?,
    };
    Ok(Sample { name, labels, value })
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    })
}

/// Whether each backslash stands before one of `allowed`.
fn escapes(text: &str, allowed: &[char]) -> Result<(), String> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && !chars.next().is_some_and(|c| allowed.contains(&c)) {
            return Err(format!("{text:?} is escaped badly"));
        }
    }
    Ok(())
}

fn is_name(name: &str, is_metric: bool) -> Result<(), String> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || is_metric && c == ':';
    let is_first = |c: char| is_legal(c) && !c.is_ascii_digit();
    let is_right = name.starts_with(is_first) && name.chars().all(is_legal);
    is_right.then_some(()).ok_or_else(|| format!("{name:?} is no name"))
}

/// A finite number without a blank, a sign `+` or anything else that only some parsers take.
fn number(text: &str) -> Result<f64, String> {
    let is_plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'-'));
    let value = text.parse::<f64>().ok().filter(|value| is_plain && value.is_finite());
    value.ok_or_else(|| format!("{text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_is_right_passes() {
        let page = "# HELP a A \\\\ \\n b\n# TYPE a counter\na 1\na{b=\"\\\"\\\\\\n}\",c=\"d\"} 1e18\n\
                    # HELP h H\n# TYPE h histogram\n\
                    h_bucket{a=\"b\",le=\"-0.5\"} 1\nh_bucket{a=\"b\",le=\"+Inf\"} 2\nh_sum{a=\"b\"} -3\nh_count{a=\"b\"} 2\n\
                    # HELP s S\n# TYPE s summary\ns{a=\"b\",quantile=\"0.5\"} NaN\ns_sum{a=\"b\"} 0\ns_count{a=\"b\"} 0\n\
                    s{quantile=\"0\"} -1\ns{quantile=\"1\"} 2\ns_sum 1\ns_count 2\n";
        let samples = check(page).unwrap();
        assert_eq!(samples.len(), 13);
        assert_eq!(samples[1], ("a".to_owned(), 1e18));
    }

    #[test]
    fn what_is_wrong_does_not() {
        let gauge = |lines: &str| format!("# HELP a A\n# TYPE a gauge\n{lines}");
        let summary = |lines: &str| format!("# HELP s S\n# TYPE s summary\n{lines}");
        let histogram = |lines: &str| format!("# HELP h H\n# TYPE h histogram\n{lines}");
        for page in [
            "".to_owned(),
            "a 1\n".to_owned(),
            "# HELP a A\n# TYPE a gauge\n".to_owned(),
            "# HELP a A\n# TYPE b gauge\nb 1\n".to_owned(),
            "# HELP a A\\x\n# TYPE a gauge\na 1\n".to_owned(),
            "# HELP a A\n# TYPE a counter\na -1\n".to_owned(),
            "# HELP a A\n# TYPE a summary\na 1\n".to_owned(),
            "# HELP b B\n# TYPE b gauge\nb 1\n# HELP a A\n# TYPE a gauge\na 1\n".to_owned(),
            gauge("a 1"),
            gauge("a  1\n"),
            gauge("a NaN\n"),
            gauge("a 1e999\n"),
            gauge("a +1\n"),
            gauge("a 1\na 2\n"),
            gauge("b 1\n"),
            gauge("a{} 1\n"),
            gauge("a{b=\"\"} 1\n"),
            gauge("a{b=\"c\",} 1\n"),
            gauge("a{b=\"c\"d\"} 1\n"),
            gauge("a{b=\"\\x\"} 1\n"),
            gauge("a{b=\"c\",b=\"d\"} 1\n"),
            gauge("a{0=\"c\"} 1\n"),
            gauge("a{b:c=\"c\"} 1\n"),
            gauge("a{le=\"c\"} 1\n"),
            gauge("a{__b=\"c\"} 1\n"),
            gauge("a\n"),
            gauge("a{quantile=\"0.5\"} NaN\n"),
            summary("s_sum 1\n"),
            summary("s{quantile=\"0.5\"} 1\n"),
            summary("s 1\ns_sum 1\ns_count 1\n"),
            summary("s{quantile=\"0.5\"} 2\ns{quantile=\"0.9\"} 1\ns_sum 1\ns_count 1\n"),
            summary("s{quantile=\"0.9\"} 1\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n"),
            summary("s{quantile=\"2\"} 1\ns_sum 1\ns_count 1\n"),
            summary("s{quantile=\"0.5\"} 1\ns_sum{a=\"b\"} 1\ns_count{a=\"b\"} 1\n"),
            summary("s{quantile=\"0.5\"} 1\ns_sum NaN\ns_count 1\n"),
            histogram("h_sum 1\nh_count 1\n"),
            histogram("h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n"),
            histogram("h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n"),
            histogram("h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"),
            histogram("h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"),
            histogram("h_bucket{le=\"+Inf\"} 1\nh_sum{a=\"b\"} 1\nh_count 1\n"),
            histogram("h_bucket{le=\"+Inf\"} 1\nh_count 1\n"),
        ] {
            assert!(check(&page).is_err(), "{page}");
        }
    }
}
