//! The cold half of the path: which route a key has. Asked once for a series and worker, and by `explain`.

use super::key::Key;
use super::route::{Plan, Route};
use super::sample::Sample;
use crate::mapping::{Context, Conversion, Mapping, Outcome, Rules};
use crate::parse::SampleValue;
use crate::parse::tags::Tagged;
use crate::registry::Registry;
use crate::reject::Reject;

/// Maps keys by the rules, and finds or makes their series.
#[derive(Clone, Copy, Debug)]
pub struct Resolver<'p> {
    pub(super) rules: &'p Rules,
    pub(super) registry: &'p Registry,
}

/// What becomes of the samples of a key.
pub type Resolution = Result<Route, Unresolved>;

/// A sample that has no route. No cache remembers that, because the next sample of the key may have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// Why the sample is rejected.
    pub reject: Reject,
    /// The metric that is over a limit on series, if that is why.
    pub over_limit: Option<String>,
    /// The conversion of the key's values; `None` if they do not matter.
    conversion: Option<Conversion>,
    /// What a value is refused for that the conversion refuses, if not for its own reason.
    conflict: Option<Reject>,
}

impl Unresolved {
    /// Why another sample of the key is refused too; `None` if it must be resolved. So the thousands of bad values of a
    /// packed line are not mapped one by one.
    pub(crate) fn refuses(&self, value: SampleValue<'_>, rate: Result<f64, Reject>) -> Option<Reject> {
        let update = self.conversion.map(|conversion| rate.and_then(|rate| conversion.update(value, rate)));
        match update {
            Some(Err(reject)) => Some(self.conflict.unwrap_or(reject)),
            Some(Ok(_)) => self.over_limit.as_ref().map(|_| self.reject),
            None => Some(self.reject),
        }
    }
}

impl From<Reject> for Unresolved {
    fn from(reject: Reject) -> Self {
        Self { reject, over_limit: None, conversion: None, conflict: None }
    }
}

impl<'p> Resolver<'p> {
    /// The route of all samples with the key of this one, which arrives at `now`; and the rule that matches it, by its
    /// index.
    #[cold]
    pub(super) fn resolve(&self, sample: &Sample<'_>, now: u32) -> (Resolution, Option<usize>) {
        let tagged = self.tagged(&sample.key);
        let context = tagged.as_ref().map_err(|reject| *reject).and_then(|tagged| self.context(&sample.key, tagged));
        match context {
            Ok(context) => {
                let mapping = self.map(&context);
                let rule = mapping.rule.as_ref().map(|(rule, _)| *rule);
                (self.route(&sample.key, &mapping, sample.value, sample.rate, now), rule)
            }
            Err(reject) => (Err(reject.into()), None),
        }
    }

    /// The name and the tags of a key, told apart.
    pub fn tagged<'k>(&self, key: &Key<'k>) -> Result<Tagged<'k>, Reject> {
        Ok(Tagged::new(text(key.name)?, text(key.tags)?, self.rules.dialects))
    }

    /// The key as the rules see it.
    pub fn context<'k>(&self, key: &Key<'k>, tagged: &'k Tagged<'k>) -> Result<Context<'k>, Reject> {
        let Key { statsd_type, container, .. } = *key;
        Ok(Context { name: &tagged.name, statsd_type, tags: &tagged.tags, container: text(container)? })
    }

    /// What the rules make of a key.
    pub fn map<'k>(&self, context: &Context<'k>) -> Mapping<'k>
    where
        'p: 'k,
    {
        self.rules.map(*context)
    }

    /// The route of a mapped key. A sample that is rejected makes no series.
    pub fn route(
        &self,
        key: &Key<'_>,
        mapping: &Mapping<'_>,
        value: SampleValue<'_>,
        rate: Result<f64, Reject>,
        now: u32,
    ) -> Resolution {
        let (metric, conversion) = match &mapping.outcome {
            Ok(Outcome::Feed(metric, conversion)) => (metric, *conversion),
            Ok(Outcome::Drop) => return Ok(Route::Drop),
            Err(reject) => return Ok(Route::Reject(*reject)),
        };
        if let Err(reject) = rate.and_then(|rate| conversion.update(value, rate)) {
            // A conflict rejects every sample of the key, so it comes before what is wrong with this one.
            let conflict = self.registry.conflict(metric);
            let reject = conflict.unwrap_or(reject);
            return Err(Unresolved { reject, over_limit: None, conversion: Some(conversion), conflict });
        }
        let plan = Plan { conversion, tag_errors: mapping.tag_errors, is_unmapped: mapping.rule.is_none() };
        let line = key.text().ok();
        match self.registry.get_or_create(metric, line, now) {
            Ok(series) => Ok(Route::Apply { series, plan }),
            Err(limit @ (Reject::SeriesLimit | Reject::FamilySeriesLimit | Reject::MemoryLimit)) => {
                // The totals of several emitters in one series would each look like a restart of the one before.
                let may_collapse = !conversion.is_total();
                let overflow = || self.registry.get_or_create_overflow(metric, line, &self.rules.constants, now);
                match may_collapse.then(overflow).flatten() {
                    Some(series) => Ok(Route::Overflow { series, plan, limit }),
                    None => Err(Unresolved {
                        reject: limit,
                        over_limit: Some(metric.name.clone()),
                        conversion: Some(conversion),
                        conflict: None,
                    }),
                }
            }
            Err(conflict) => Ok(Route::Reject(conflict)),
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Reject> {
    std::str::from_utf8(bytes).map_err(|_| Reject::NotUtf8)
}
