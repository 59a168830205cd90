//! `[[metric]]`: the keys of a rule, and which of them go together.
//!
//! Whether a rule's glob, name or templates make sense, and whether two rules agree, is judged where they are
//! compiled, not here.

use toml::Spanned;

use super::section::{Item, Section};
use super::syntax::until_header;
use super::value::{boolean, buckets, choice, factor, label_sets, labels, spanned, text, words};
use crate::config::MetricRule;
use crate::metric::Type;

const TYPES: [(&str, Type); 3] = [("counter", Type::Counter), ("gauge", Type::Gauge), ("histogram", Type::Histogram)];

/// Every rule in `source` that can be made out.
pub(super) fn rules(item: Item<'_>, source: &str) -> Option<Vec<MetricRule>> {
    let items: Vec<_> = item.elements("a metric", "a list of tables, each written [[metric]]")?.collect();
    let nexts = items.iter().skip(1).map(|next| next.value.span().start).chain([source.len()]);
    let rules = items.iter().zip(nexts).filter_map(|(item, next)| {
        let start = item.value.span().start;
        let lines = source.get(start..next).map_or(0, until_header);
        rule(item.section("[[metric]]")?, start + lines)
    });
    Some(rules.collect())
}

/// The rule in `section`, whose lines end at `end`.
fn rule(mut section: Section<'_>, end: usize) -> Option<MetricRule> {
    section.require("match", end, "give the names it is for, as in match = \"app.requests.*\"");
    let pattern = section.read("match", spanned(text));
    let name = section.read("name", spanned(text));
    let kind = section.read("type", spanned(choice(&TYPES)));
    let help = section.read("help", spanned(words));
    let unit = section.read("unit", spanned(words));
    let labels = section.read("labels", labels).unwrap_or_default();
    let buckets = section.read("buckets", spanned(buckets));
    let scale = section.read("scale", spanned(factor));
    let drop = section.read("drop", boolean).unwrap_or(false);
    let init = section.read("init", label_sets).unwrap_or_default();
    section.finish();

    if drop {
        section.forbid_but(&["match", "drop"], "has no effect with drop = true; leave it out");
    } else if let Some(Type::Counter | Type::Gauge) = kind.as_ref().map(Spanned::get_ref) {
        section.forbid("buckets", "goes with type = \"histogram\" only; leave it out or change the type");
    }
    Some(MetricRule { pattern: pattern?, name, kind, help, unit, labels, buckets, scale, drop, init })
}
