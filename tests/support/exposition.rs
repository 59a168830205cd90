//! A strict reader of the text exposition format.

use std::collections::{BTreeMap, BTreeSet};

/// An exposition as its families, in their order.
pub struct Exposition<'a>(Vec<Family<'a>>);

pub struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    /// The `# HELP` line, the `# TYPE` line and, if the family has a unit, the `# UNIT` line.
    head: Vec<&'a str>,
    samples: Vec<Sample<'a>>,
}

struct Sample<'a> {
    line: &'a str,
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    value: f64,
}

impl<'a> Exposition<'a> {
    /// Reads an exposition; the error names the first part that breaks the format.
    pub fn read(text: &'a str) -> Result<Self, String> {
        let mut families: Vec<Family<'a>> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut lines = text.strip_suffix('\n').ok_or("the last line has no end")?.split('\n').peekable();
        while let Some(help) = lines.next() {
            let name = help.strip_prefix("# HELP ").and_then(|rest| rest.split(' ').next());
            let name = name.ok_or_else(|| format!("expected the help of a family instead of {help:?}"))?;
            let type_ = lines.next().unwrap_or_default();
            let kind = type_.strip_prefix("# TYPE ").and_then(|rest| rest.strip_prefix(name)?.strip_prefix(' '));
            let kind = kind.ok_or_else(|| format!("{name} has {type_:?} instead of its type"))?;
            let mut head = vec![help, type_];
            head.extend(lines.next_if(|line| line.starts_with(&format!("# UNIT {name} "))));
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("# ")) {
                let sample = Sample::read(line).ok_or_else(|| format!("not a sample: {line:?}"))?;
                if !seen.insert((sample.name, sample.labels.clone())) {
                    return Err(format!("a duplicate series: {line:?}"));
                }
                samples.push(sample);
            }
            let family = Family { name, kind, head, samples };
            family.judge()?;
            if families.last().is_some_and(|before| before.name >= name) {
                return Err(format!("{name} is out of order"));
            }
            families.push(family);
        }
        Ok(Self(families))
    }

    pub fn client_families(&self) -> impl Iterator<Item = &Family<'a>> {
        const PROCESS: [&str; 8] = [
            "process_cpu_seconds_total",
            "process_max_fds",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_threads",
            "process_virtual_memory_bytes",
            "process_virtual_memory_max_bytes",
        ];
        self.0.iter().filter(|family| !family.name.starts_with("statsidecar_") && !PROCESS.contains(&family.name))
    }

    /// How many series the clients feed. A histogram counts as one, and so does a summary.
    pub fn client_series(&self) -> usize {
        let is_one = |family: &Family<'_>, sample: &Sample<'_>| {
            !matches!(family.kind, "histogram" | "summary") || sample.name.strip_prefix(family.name) == Some("_count")
        };
        self.client_families().map(|family| family.samples.iter().filter(|sample| is_one(family, sample)).count()).sum()
    }

    /// The lines of the series that clients feed, and the lines before them that `with_head` wants.
    pub fn clients(&self, with_head: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        for family in self.client_families() {
            lines.extend(family.head.iter().filter(|line| with_head(line)).map(|line| (*line).to_owned()));
            lines.extend(family.samples.iter().map(|sample| sample.line.to_owned()));
        }
        lines
    }

    fn samples(&self, family: &str) -> impl Iterator<Item = &Sample<'a>> {
        self.0.iter().filter(move |found| found.name == family).flat_map(|family| &family.samples)
    }

    pub fn sum(&self, family: &str) -> f64 {
        self.samples(family).map(|sample| sample.value).sum()
    }

    /// The sidecar's own counters that are not 0, in the words of the rows.
    pub fn own(&self) -> BTreeSet<String> {
        let mut counts: Vec<(String, f64)> = vec![
            ("lines".to_owned(), self.sum("statsidecar_lines_total")),
            ("dropped".to_owned(), self.sum("statsidecar_dropped_samples_total")),
            ("events".to_owned(), self.sum("statsidecar_events_total")),
            ("merged".to_owned(), self.sum("statsidecar_merged_names_total")),
            (
                "mapped".to_owned(),
                self.sum("statsidecar_samples_total") - self.sum("statsidecar_unmapped_samples_total"),
            ),
        ];
        for (family, label, prefix) in [
            ("statsidecar_samples_total", "type", ""),
            ("statsidecar_rejected_samples_total", "reason", ""),
            ("statsidecar_tag_errors_total", "reason", "tag:"),
            ("statsidecar_unknown_sections_total", "section", "section:"),
        ] {
            let samples = self.samples(family);
            counts.extend(samples.map(|sample| (format!("{prefix}{}", sample.labels[label]), sample.value)));
        }
        counts.into_iter().filter(|(_, n)| *n != 0.0).map(|(what, n)| format!("{what}={n}")).collect()
    }
}

impl Family<'_> {
    fn judge(&self) -> Result<(), String> {
        let suffixes: &[&str] = match self.kind {
            "counter" | "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["", "_sum", "_count"],
            kind => return Err(format!("{} is of the unknown type {kind:?}", self.name)),
        };
        let mut buckets: BTreeMap<Vec<_>, Vec<f64>> = BTreeMap::new();
        for sample in &self.samples {
            let suffix = sample.name.strip_prefix(self.name).filter(|suffix| suffixes.contains(suffix));
            let suffix = suffix.ok_or_else(|| format!("not of {}: {:?}", self.name, sample.line))?;
            if self.kind == "counter" && sample.value < 0.0 {
                return Err(format!("a counter below 0: {:?}", sample.line));
            }
            let le = sample.labels.get("le");
            if le.is_some() != (suffix == "_bucket") {
                return Err(format!("le is for buckets alone: {:?}", sample.line));
            }
            let is_quantile = self.kind == "summary" && suffix.is_empty();
            if sample.labels.contains_key("quantile") != is_quantile || sample.value.is_nan() && !is_quantile {
                return Err(format!("quantiles alone have that label and may be NaN: {:?}", sample.line));
            }
            let labels = sample.labels.iter().filter(|(key, _)| **key != "le").collect();
            let counts = buckets.entry(labels).or_default();
            match suffix {
                "_bucket" if counts.last().is_some_and(|last| *last > sample.value) => {
                    return Err(format!("a bucket below the one before: {:?}", sample.line));
                }
                "_bucket" => counts.push(sample.value),
                "_count" if self.kind == "histogram" && counts.last() != Some(&sample.value) => {
                    return Err(format!("not the count of all buckets: {:?}", sample.line));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'a> Sample<'a> {
    /// Reads `name{key="value",...} number`.
    fn read(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = BTreeMap::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                let (key, after) = rest.split_once("=\"")?;
                let end = unescaped_quote(after)?;
                let is_new = labels.insert(key, &after[..end]).is_none();
                if !is_new || !is_name(key) || key.starts_with("__") || end == 0 {
                    return None;
                }
                rest = &after[end + 1..];
                match rest.split_at_checked(1)? {
                    (",", after) => rest = after,
                    ("}", after) => break rest = after,
                    _ => return None,
                }
            }
        }
        let value: f64 = rest.strip_prefix(' ')?.parse().ok()?;
        (is_name(&name.replace(':', "_")) && !value.is_infinite()).then_some(Self { line, name, labels, value })
    }
}

/// The place of the first quote that no backslash escapes; none if an escape is wrong.
fn unescaped_quote(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(at),
            '\\' if !matches!(chars.next()?.1, '\\' | '"' | 'n') => return None,
            _ => {}
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !text.starts_with(|c: char| c.is_ascii_digit())
}
