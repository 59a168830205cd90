//! Which series of other rules these rules make again: of the rules before a reload, or of the process before this one.

use std::collections::HashMap;

use crate::config::{Limits, Overflow};
use crate::mapping::{Context, Metric, Outcome, Rules};
use crate::parse::tags::Tagged;
use crate::registry::{LineKey, admit_length, overflow_metric, series_text};
use crate::state::text_id;

/// What is known of a series that was made under other rules.
#[derive(Clone, Copy, Debug)]
pub struct KeptSeries<'k> {
    /// Its name with its labels: see [`Series::text`](crate::registry::Series::text).
    pub text: KeptText<'k>,
    /// The key of the line that it was made for; `None`: the rules declared it.
    pub line: Option<LineKey<'k>>,
    /// Whether it takes the samples of its family that are over a limit.
    pub is_overflow: bool,
}

/// The text of a series, or what is known of it.
#[derive(Clone, Copy, Debug)]
pub enum KeptText<'k> {
    /// The text.
    Whole(&'k str),
    /// Its number: see [`text_id`].
    Id(u64),
}

impl KeptText<'_> {
    fn is(self, text: &str) -> bool {
        match self {
            Self::Whole(whole) => whole == text,
            Self::Id(id) => id == text_id(text),
        }
    }
}

/// Rules and limits, asked for the series that other rules have made.
#[derive(Debug)]
pub struct Successors<'r> {
    rules: &'r Rules,
    limits: &'r Limits,
    /// The series of `init` keys, by their text.
    declared: HashMap<String, &'r Metric<'static>>,
}

impl<'r> Successors<'r> {
    /// Asks these rules.
    pub fn new(rules: &'r Rules, limits: &'r Limits) -> Self {
        let declared = rules.initial.iter().map(|metric| (series_text(metric).into_owned(), metric)).collect();
        Self { rules, limits, declared }
    }

    /// Whether the rules declare the series with this text.
    pub(super) fn declare(&self, text: &str) -> bool {
        self.declared.contains_key(text)
    }

    /// Gives `take` the metric of a kept series as it is now. `None` if the series is gone, because its line now feeds
    /// another series or none, or because the rules do not declare it any more.
    ///
    /// Only names and labels are compared. The caller compares the type, and what else the cells depend on
    /// ([`FamilyMetadata::spec`](crate::mapping::FamilyMetadata::spec)). All series of a family have the spec that the first
    /// of them had, so a family has changed only if no series of it has that spec now.
    pub fn metric<T>(&self, kept: &KeptSeries<'_>, take: impl FnOnce(&Metric<'_>) -> T) -> Option<T> {
        let Some(line) = kept.line else {
            let KeptText::Whole(text) = kept.text else { return None };
            return self.declared.get(text).map(|metric| take(metric));
        };
        let tagged = Tagged::new(line.name, line.tags, self.rules.dialects);
        let LineKey { statsd_type, container, .. } = line;
        let mapping = self.rules.map(Context { name: &tagged.name, statsd_type, tags: &tagged.tags, container });
        let Ok(Outcome::Feed(metric, conversion)) = mapping.outcome else { return None };
        if kept.is_overflow {
            if self.limits.overflow != Overflow::Collapse || conversion.is_total() {
                return None;
            }
            let metric = overflow_metric(&metric, &self.rules.constants);
            return kept.text.is(&series_text(&metric)).then(|| take(&metric));
        }
        let text = series_text(&metric);
        let is_same = kept.text.is(&text) && admit_length(self.limits, &metric, &text).is_ok();
        is_same.then(|| take(&metric))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Severity, load};
    use crate::metric::MetricType;
    use crate::parse::StatsdType;

    fn rules(source: &str) -> (Config, Rules) {
        let (config, diagnostics) = load(source);
        assert_eq!(diagnostics, [], "{source}");
        let (rules, diagnostics) = Rules::compile(&config);
        assert!(diagnostics.iter().all(|found| found.severity != Severity::Error), "{diagnostics:?}");
        (config, rules)
    }

    const JOBS: LineKey<'_> =
        LineKey { name: "jobs.done", statsd_type: StatsdType::Counter, tags: "queue:mail", container: "" };

    /// The type and the help of a kept series under the rules of `source`.
    fn kept(source: &str, text: &str, line: Option<LineKey<'_>>, is_overflow: bool) -> Option<(MetricType, String)> {
        let (config, rules) = rules(source);
        let found = |metric: &Metric<'_>| (metric.metadata.metric_type(), metric.metadata.help.to_string());
        Successors::new(&rules, &config.limits)
            .metric(&KeptSeries { text: KeptText::Whole(text), line, is_overflow }, found)
    }

    #[test]
    fn a_series_stays_while_its_line_feeds_it() {
        const RULE: &str = "[[metric]]\nmatch = 'jobs.done'\nname = 'jobs_done_total'\nhelp = 'Jobs.'\n";
        let text = "jobs_done_total{queue=\"mail\"}";
        let stays = |source: &str| kept(source, text, Some(JOBS), false);
        let default = "Counter fed by StatsD; no rule gives it a help text.";
        assert_eq!(stays(""), Some((MetricType::Counter, default.to_owned())));
        assert_eq!(stays(RULE), Some((MetricType::Counter, "Jobs.".to_owned())));
        let gauge = format!("{RULE}type = 'gauge'\n");
        assert_eq!(stays(&gauge), Some((MetricType::Gauge, "Jobs.".to_owned())), "the caller compares the type");
        for gone in [
            "[[metric]]\nmatch = 'jobs.done'\ndrop = true",
            "[[metric]]\nmatch = 'jobs.done'\nname = 'done_total'",
            "[[metric]]\nmatch = 'jobs.done'\nname = 'jobs_done_total'\ntags = 'drop'",
            "[labels]\nsite = 'a'",
            "[tags]\ndialects = []",
            "[limits]\nlabel_value = 3",
        ] {
            assert_eq!(stays(gone), None, "{gone}");
        }
    }

    #[test]
    fn a_declared_series_stays_while_it_is_declared() {
        const RULE: &str = "[[metric]]\nmatch = 'a'\nname = 'a_total'\ntype = 'counter'\nhelp = 'A.'\n";
        let declared = format!("{RULE}init = [{{}}]\n");
        assert_eq!(kept(&declared, "a_total", None, false), Some((MetricType::Counter, "A.".to_owned())));
        assert_eq!(kept(RULE, "a_total", None, false), None);
    }

    #[test]
    fn an_overflow_series_stays_while_samples_collapse() {
        const COLLAPSE: &str = "[limits]\noverflow = 'collapse'\n";
        let text = "jobs_done_total{overflow=\"true\"}";
        assert!(kept(COLLAPSE, text, Some(JOBS), true).is_some());
        assert_eq!(kept("", text, Some(JOBS), true), None);
        let constant = format!("{COLLAPSE}[labels]\nsite = 'a'\n");
        assert_eq!(kept(&constant, text, Some(JOBS), true), None);
    }
}
