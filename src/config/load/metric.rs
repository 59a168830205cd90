//! `[[metric]]`: the keys of a rule, and which of them go together.
//!
//! Whether a rule's glob, name or templates make sense, and whether two rules agree, is judged where they are
//! compiled, not here.

use toml::Spanned;

use super::section::{Item, Section};
use super::value::{
    boolean, buckets, by_tag, choice, duration, factor, label_name, label_sets, labels, one_or_more, quantiles,
    spanned, text, texts, words,
};
use crate::config::{KeptTags, MetricRule, Prefer, RulePattern};
use crate::metric::MetricType;

const TYPES: [(&str, MetricType); 5] = [
    ("counter", MetricType::Counter),
    ("gauge", MetricType::Gauge),
    ("histogram", MetricType::Histogram),
    ("set", MetricType::Set),
    ("summary", MetricType::Summary),
];

/// What `keep_tags` and `drop_tags` must be.
const TAGS: &str = "a list of tags such as [\"env\", \"region\"]";

/// Every rule in `source` that can be made out.
pub(super) fn rules(item: Item<'_>, source: &str) -> Option<Vec<MetricRule>> {
    let tables = item.tables("a metric", "[[metric]]", source)?;
    Some(tables.into_iter().filter_map(|(section, end)| rule(section, end)).collect())
}

/// The rule in `section`, whose lines end at `end`.
fn rule(mut section: Section<'_>, end: usize) -> Option<MetricRule> {
    let pattern = pattern(&mut section, end);
    let match_type =
        section.read("match_type", one_or_more("a type such as \"ms\", or a list such as [\"ms\", \"h\"]"));
    let match_tags = section.read("match_tags", by_tag("a table such as { env = \"prod\", region = \"*\" }", words));
    let name = section.read("name", spanned(text));
    let metric_type = section.read("type", spanned(choice(&TYPES)));
    let help = section.read("help", spanned(words));
    let unit = section.read("unit", spanned(words));
    let labels = section.read("labels", labels).unwrap_or_default();
    let tags = tags(&mut section);
    let rename_tags = section.read("rename_tags", by_tag("a table such as { svc = \"service\" }", label_name));
    let prefer = section.read("prefer", choice(&[("rule", Prefer::Rule), ("tag", Prefer::Tag)])).unwrap_or_default();
    let buckets = section.read("buckets", spanned(buckets));
    let quantiles = section.read("quantiles", spanned(quantiles));
    let scale = section.read("scale", spanned(factor));
    let ttl = section.read("ttl", spanned(duration));
    let drop = section.read("drop", boolean).unwrap_or(false);
    let init = section.read("init", label_sets).unwrap_or_default();
    section.finish();

    let rule = MetricRule {
        pattern: pattern?,
        match_type: match_type.unwrap_or_default(),
        match_tags: match_tags.unwrap_or_default(),
        name,
        metric_type,
        help,
        unit,
        labels,
        tags,
        rename_tags: rename_tags.unwrap_or_default(),
        prefer,
        buckets,
        quantiles,
        scale,
        ttl,
        drop,
        init,
    };
    go_together(&section, &rule);
    Some(rule)
}

/// The names that a rule is for, in the one of two ways to say it.
fn pattern(section: &mut Section<'_>, end: usize) -> Option<RulePattern> {
    let glob = section.read("match", spanned(text)).map(RulePattern::Glob);
    let regex = section.read("match_regex", spanned(text)).map(RulePattern::Regex);
    if !section.has("match_regex") {
        section.require("match", end, "give the names it is for, as in match = \"app.requests.*\"");
    } else if section.has("match") {
        section.forbid("match_regex", "stands beside \"match\", and a rule has one of the two; leave one out");
    }
    glob.or(regex)
}

/// Which tags become labels, in the one of three ways to say it.
fn tags(section: &mut Section<'_>) -> KeptTags {
    let tags = section.read("tags", choice(&[("keep", KeptTags::All), ("drop", KeptTags::None)]));
    let only = section.read("keep_tags", texts(TAGS));
    let all_but = section.read("drop_tags", texts(TAGS));
    if section.has("keep_tags") {
        section.forbid("drop_tags", "stands beside \"keep_tags\", which drops all others already; leave one out");
    }
    match (tags, only, all_but) {
        (Some(KeptTags::None), ..) => KeptTags::None,
        (_, Some(only), _) => KeptTags::Only(only),
        (_, None, Some(all_but)) => KeptTags::AllBut(all_but),
        (_, None, None) => KeptTags::All,
    }
}

/// Reports keys that have no effect beside others.
fn go_together(section: &Section<'_>, rule: &MetricRule) {
    if rule.drop {
        let allowed = ["match", "match_regex", "match_type", "match_tags", "drop"];
        return section.forbid_but(&allowed, "has no effect with drop = true; leave it out");
    }
    if let Some(metric_type) = rule.metric_type.as_ref().map(Spanned::get_ref) {
        if *metric_type != MetricType::Histogram {
            section.forbid("buckets", "goes with type = \"histogram\" only; leave it out or change the type");
        }
        if *metric_type == MetricType::Set {
            section.forbid("scale", "has no effect on a set, whose members are no numbers; leave it out");
        }
        if *metric_type != MetricType::Summary {
            section.forbid("quantiles", "goes with type = \"summary\" only; leave it out or change the type");
        }
    }
    if rule.tags == KeptTags::None {
        for key in ["keep_tags", "drop_tags", "rename_tags", "prefer"] {
            section.forbid(key, "has no effect with tags = \"drop\"; leave one of the two out");
        }
    } else if rule.labels.is_empty() {
        section.forbid("prefer", "has no effect without \"labels\" in the same rule; leave it out");
    }
    if !rule.init.is_empty() && rule.ttl.as_ref().is_some_and(|ttl| !ttl.get_ref().is_zero()) {
        section.forbid("ttl", "has no effect with \"init\", whose metric never leaves; leave one of the two out");
    }
}
