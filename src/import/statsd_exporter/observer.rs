//! The options of observers: what `ms`, `h` and `d` lines become, in one mapping or by default.

use std::time::Duration;

use super::duration::duration;
use super::yaml::{YamlSetting, YamlTable, table};
use crate::config::reader::{Node, number, rising, spanned, word};
use crate::config::{Spanned, Timer};

/// The options of observers that the file sets.
#[derive(Debug, Default)]
pub(super) struct ObserverOptions {
    /// The metric type of observers.
    pub(super) observer: Option<Timer>,
    pub(super) buckets: Option<Spanned<Vec<f64>>>,
    pub(super) quantiles: Option<Spanned<Vec<f64>>>,
    pub(super) max_age: Option<Spanned<Duration>>,
    has_histogram_options: bool,
    /// The keys that have no counterpart in a config.
    pub(super) unsupported: Vec<&'static str>,
}

impl ObserverOptions {
    /// Reads the keys that mappings and the defaults have in common, by their current names or those up to 0.30.
    pub(super) fn read(keys: &mut YamlTable<'_>) -> Self {
        let mut options = Self::default();
        let observer = one_of_two(keys.get("observer_type"), keys.get("timer_type"), "observer_type");
        options.observer = observer.filter(|observer| observer.value.text() != Some("")).and_then(|it| word(&it));
        let (mut quantiles, mut buckets) = (None, None);
        if let Some(mut summary) = keys.get("summary_options").and_then(|summary| table(&summary)) {
            quantiles = summary.get("quantiles");
            options.max_age = summary.read("max_age", spanned(duration)).filter(|age| !age.get_ref().is_zero());
            options.skip(&mut summary, ["age_buckets", "buf_cap"]);
            summary.finish_leniently();
        }
        if let Some(mut histogram) = keys.get("histogram_options").and_then(|histogram| table(&histogram)) {
            options.has_histogram_options = true;
            buckets = histogram.get("buckets");
            options.skip(&mut histogram, ["native_histogram_bucket_factor", "native_histogram_max_buckets"]);
            histogram.finish_leniently();
        }
        let quantiles = one_of_two(quantiles, keys.get("quantiles"), "summary_options");
        options.quantiles =
            quantiles.and_then(|it| spanned(quantile_values)(&it)).filter(|it| !it.get_ref().is_empty());
        let buckets = one_of_two(buckets, keys.get("buckets"), "histogram_options");
        options.buckets = buckets.and_then(|it| spanned(bucket_bounds)(&it)).filter(|it| !it.get_ref().is_empty());
        options
    }

    fn skip(&mut self, block: &mut YamlTable<'_>, numbers: [&'static str; 2]) {
        for key in numbers {
            if let Some(setting) = block.get(key) {
                number(&setting, "a number", |_| true);
                self.unsupported.push(key);
            }
        }
    }

    /// Reports options of the other type than the one that `keys` or the defaults name.
    pub(super) fn check(&self, default: Option<Timer>, keys: &YamlTable<'_>) {
        match self.observer.or(default) {
            Some(Timer::Histogram) => {
                keys.forbid("summary_options", "has no effect with observer_type: histogram; leave it out");
            }
            Some(Timer::Summary) => {
                keys.forbid("histogram_options", "has no effect with observer_type: summary; leave it out");
            }
            None => {}
        }
    }

    /// Whether it has options of a histogram, but no type.
    pub(super) fn has_untyped_buckets(&self) -> bool {
        self.observer.is_none() && (self.buckets.is_some() || self.has_histogram_options)
    }
}

/// A setting by its current name or by its old one. Both are an error.
fn one_of_two<'a>(new: Option<YamlSetting<'a>>, old: Option<YamlSetting<'a>>, name: &str) -> Option<YamlSetting<'a>> {
    if let (Some(_), Some(old)) = (&new, &old) {
        old.fail::<()>(format!("{} is the old name of a setting that {name} has here too; keep one", old.name));
    }
    new.or(old)
}

/// Quantiles, sorted; how exact each must be is ignored.
fn quantile_values(setting: &YamlSetting<'_>) -> Option<Vec<f64>> {
    let quantiles = setting.elements("a quantile", "a list")?.filter_map(|element| {
        let mut keys = element.table("in this element", "a table")?;
        let right = "a number from 0 to 1";
        let value = keys.read("quantile", |quantile| number(quantile, right, |value| (0.0..=1.0).contains(&value)));
        keys.require("quantile", "give a number from 0 to 1");
        keys.read("error", |error| number(error, "a number", |_| true));
        keys.finish_leniently();
        value
    });
    let mut values: Vec<f64> = quantiles.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    Some(values)
}

/// Upper bounds, without the infinite one at the end, which every histogram has.
fn bucket_bounds(setting: &YamlSetting<'_>) -> Option<Vec<f64>> {
    let mut bounds: Vec<_> = setting.elements("a bucket", "a list")?.collect();
    bounds.pop_if(|bound| bound.value.number() == Some(f64::INFINITY));
    rising(&setting.name, &bounds, "a finite number", f64::is_finite)
}
