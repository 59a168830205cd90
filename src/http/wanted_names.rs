//! The metrics that a client asks for by `name[]`, as the client libraries of Prometheus serve them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::exposures::{Exposure, Exposures, Shape};
use crate::metric::MetricType;
use crate::registry::Family;
use crate::telemetry::OwnMetric;

/// Names of metrics or of their samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedNames(Arc<BTreeSet<String>>);

impl WantedNames {
    /// The names in the query of a request; `None`: it has none, and asks for everything.
    pub(super) fn read(query: &str) -> Option<Self> {
        let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "name[]");
        let names: BTreeSet<String> = pairs.map(|(_, name)| name.into_owned()).collect();
        (!names.is_empty()).then(|| Self(names.into()))
    }

    /// What is wanted of `families`, which are written as `all` says.
    pub(super) fn select(&self, families: &[Arc<Family>], all: Option<&Exposures>) -> Exposures {
        let own = OwnMetric::ALL.iter().map(|own| (own.name, own.metric_type)).collect::<Vec<_>>();
        let others = families.iter().map(|family| (&**family.name(), family.metadata().metric_type()));
        Exposures {
            own: self.of(&own, all.map(|all| all.own.as_slice())),
            others: self.of(&others.collect::<Vec<_>>(), all.map(|all| all.others.as_slice())),
        }
    }

    /// The wanted ones of these families, each a name and a type.
    fn of(&self, families: &[(&str, MetricType)], all: Option<&[Exposure]>) -> Vec<Exposure> {
        let is_wanted = |exposure: &Exposure| {
            families.get(exposure.family).is_some_and(|(name, metric_type)| self.want(exposure, name, *metric_type))
        };
        match all {
            Some(all) => all.iter().filter(|exposure| is_wanted(exposure)).cloned().collect(),
            None => {
                let as_it_is = |family| Exposure { family, name: None, shape: Shape::Whole };
                (0..families.len()).map(as_it_is).filter(is_wanted).collect()
            }
        }
    }

    /// Whether a family is wanted: by its own name, by the one in the exposition, or by the name of a sample.
    fn want(&self, exposure: &Exposure, own: &str, metric_type: MetricType) -> bool {
        let name = exposure.name.as_deref().unwrap_or(own);
        // OpenMetrics has the counter `x_total` as `x`.
        let stem = || name.strip_suffix("_total").filter(|_| metric_type == MetricType::Counter);
        let has = |name: &str| self.0.contains(name);
        let has_sample = |suffix: &&str| has(&format!("{name}{suffix}"));
        has(own) || has(name) || stem().is_some_and(has) || metric_type.suffixes().iter().any(has_sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_wanted_by_each_of_its_names() {
        let exposure = |name: Option<&str>| Exposure { family: 0, name: name.map(Box::from), shape: Shape::Whole };
        for (query, expected) in [
            ("name[]=t", true),
            ("name%5B%5D=t_bucket", true),
            ("x=y&name[]=a&name[]=t_sum", true),
            ("name[]=t_total", false),
            ("name[]=", false),
            ("name[]=t_bucket_sum", false),
        ] {
            let wanted = WantedNames::read(query).expect("it has names");
            assert_eq!(wanted.want(&exposure(None), "t", MetricType::Histogram), expected, "{query}");
        }
        let wanted = |query| WantedNames::read(query).expect("it has names");
        let other = exposure(Some("a_b_total"));
        for name in ["name[]=a.b_total", "name[]=a_b_total", "name[]=a_b"] {
            assert!(wanted(name).want(&other, "a.b_total", MetricType::Counter), "{name}");
        }
        assert!(!wanted("name[]=a_b").want(&other, "a.b_total", MetricType::Gauge));
        assert_eq!(WantedNames::read("name=a&[]=b"), None);
    }
}
