//! What a running sidecar exposes for the series of an explanation.

use std::collections::HashMap;

use super::explanation::{Detail, Explanation, Step};

impl Explanation {
    /// Adds behind each step that updates a series what `exposition`, a text of `/metrics`, has for it.
    pub fn add_current(&mut self, exposition: &str) {
        let wanted = self.steps.iter().flat_map(|step| samples_of(&step.detail));
        let mut values: HashMap<String, Option<&str>> = wanted.map(|sample| (sample, None)).collect();
        for line in exposition.lines() {
            if let Some((sample, value)) = line.rsplit_once(' ')
                && let Some(found) = values.get_mut(sample)
            {
                *found = Some(value);
            }
        }
        let steps = std::mem::take(&mut self.steps);
        for step in steps {
            let samples = samples_of(&step.detail);
            self.steps.push(step);
            if samples.is_empty() {
                continue;
            }
            let value = |sample: &String| Some(format!("{sample} {}", values.get(sample).copied().flatten()?));
            let samples: Vec<String> = samples.iter().filter_map(value).collect();
            let text = if samples.is_empty() { "it does not exist yet".to_owned() } else { samples.join(", ") };
            self.steps.push(Step { detail: Detail::Current { samples }, text });
        }
    }
}

/// The samples that `/metrics` has for the series of a step; none if the step is no series.
fn samples_of(detail: &Detail) -> Vec<String> {
    let Detail::Series { series, r#type, .. } = detail else { return Vec::new() };
    match *r#type {
        "histogram" | "summary" => {
            // The suffix goes before the labels, or into the quotes of the name.
            let quoted =
                || Some(2 + series.strip_prefix("{\"")?.replace("\\\\", "__").replace("\\\"", "__").find('"')?);
            let end = quoted().or_else(|| series.find('{')).unwrap_or(series.len());
            let (name, labels) = series.split_at(end);
            ["count", "sum"].map(|part| format!("{name}_{part}{labels}")).to_vec()
        }
        _ => vec![series.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::LineOutcome;

    fn series(series: &str, r#type: &'static str) -> Step {
        let (series, update) = (series.to_owned(), String::new());
        Step { detail: Detail::Series { series, r#type, update, over: None }, text: String::new() }
    }

    #[test]
    fn the_values_of_each_series_are_found() {
        let steps =
            vec![series("a_total{k=\"v w\"}", "counter"), series("t{k=\"v\"}", "histogram"), series("g", "gauge")];
        let (line, outcome) = (String::new(), LineOutcome::Applied);
        let mut explanation = Explanation { line, outcome, steps, omitted: 0 };
        explanation.add_current(
            "# TYPE a_total counter\na_total{k=\"v w\"} 7\na_total 8\n\
             t_bucket{k=\"v\",le=\"+Inf\"} 3\nt_sum{k=\"v\"} 1.5\nt_count{k=\"v\"} 3\n",
        );
        let texts: Vec<_> = explanation.steps.iter().map(|step| step.text.as_str()).collect();
        let expected =
            ["", "a_total{k=\"v w\"} 7", "", "t_count{k=\"v\"} 3, t_sum{k=\"v\"} 1.5", "", "it does not exist yet"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_suffix_goes_into_the_quotes_of_a_name() {
        for (text, expected) in [
            ("t{k=\"v\"}", "t_count{k=\"v\"}"),
            ("{\"a.b\"}", "{\"a.b_count\"}"),
            ("{\"a\\\"\\\\{\",k=\"{\"}", "{\"a\\\"\\\\{_count\",k=\"{\"}"),
        ] {
            let [count, _] = &samples_of(&series(text, "histogram").detail)[..] else { panic!("two samples") };
            assert_eq!(count, expected);
        }
    }
}
