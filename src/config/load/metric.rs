//! `[[metric]]`: the keys of a rule, and which of them exclude each other.
//!
//! `mapping` checks globs, names and templates, and whether two rules contradict each other, where it compiles them.

use toml::Spanned;

use super::monitoring::{alert_of_metric, panel_of_metric, query, subsystem};
use super::syntax::{TomlSetting, TomlTable, tables};
use super::value::{
    buckets, by_tag, duration, label_sets, labels, native, one_or_more, quantiles, require_buckets, texts, unit,
};
use crate::config::reader::{boolean, choice, factor, label_name, spanned, text, text_not_empty, word};
use crate::config::schema::{CounterValue, KeptTags, MetricRule, RulePattern};
use crate::metric::MetricType;

/// What `keep_tags` and `drop_tags` must be.
const TAGS: &str = "a list of tags such as [\"env\", \"region\"]";

/// Every rule that can be read.
pub(super) fn rules(setting: &TomlSetting<'_>, source: &str) -> Option<Vec<MetricRule>> {
    Some(tables(setting, "[[metric]]", source)?.into_iter().filter_map(rule).collect())
}

fn rule(mut table: TomlTable<'_>) -> Option<MetricRule> {
    let pattern = pattern(&mut table);
    let match_type = one_or_more("a type such as \"ms\", or a list such as [\"ms\", \"h\"]");
    let match_tags = by_tag("a table such as { env = \"prod\", region = \"*\" }", text_not_empty);
    let rename_tags = by_tag("a table such as { svc = \"service\" }", label_name);
    let is_complete = pattern.is_some();
    let rule = MetricRule {
        // Without a pattern, the other keys are read all the same, to find their errors.
        pattern: pattern.unwrap_or_else(|| RulePattern::Glob(Spanned::new(0..0, String::new()))),
        match_type: table.read("match_type", match_type).unwrap_or_default(),
        match_tags: table.read("match_tags", match_tags).unwrap_or_default(),
        name: table.read("name", spanned(text)),
        metric_type: table.read("type", spanned(word)),
        help: table.read("help", spanned(text_not_empty)),
        unit: table.read("unit", spanned(unit)),
        labels: table.read("labels", labels).unwrap_or_default(),
        tags: tags(&mut table),
        rename_tags: table.read("rename_tags", rename_tags).unwrap_or_default(),
        prefer: table.read("prefer", word).unwrap_or_default(),
        buckets: table.read("buckets", spanned(buckets)),
        quantiles: table.read("quantiles", spanned(quantiles)),
        native: table.read("native", spanned(native)),
        value: table.read("value", word).unwrap_or_default(),
        negative: table.read("negative", word),
        scale: table.read("scale", spanned(factor)),
        ttl: table.read("ttl", spanned(duration)),
        drop: table.read("drop", boolean).unwrap_or(false),
        init: table.read("init", label_sets).unwrap_or_default(),
        subsystem: table.read("subsystem", subsystem),
        description: table.read("description", text_not_empty),
        query: table.read("query", spanned(query)),
        panel: table.read("panel", panel_of_metric),
        alert: table.read("alert", alert_of_metric),
        preset: None,
    };
    table.finish();
    let native = rule.native.as_ref().and_then(|native| *native.get_ref());
    require_buckets(&table, rule.buckets.as_ref().map(|buckets| buckets.get_ref().as_slice()), native);
    if is_complete {
        forbid_without_effect(&table, &rule);
    }
    is_complete.then_some(rule)
}

/// The names that a rule matches, by one of two keys.
fn pattern(table: &mut TomlTable<'_>) -> Option<RulePattern> {
    let glob = table.read("match", spanned(text)).map(RulePattern::Glob);
    let regex = table.read("match_regex", spanned(text)).map(RulePattern::Regex);
    if let Some(RulePattern::Regex(text)) = &regex
        && text.get_ref().contains('\u{8}')
    {
        let why = "has a backspace, because that is \"\\b\" in double quotes; write the regex in single quotes";
        table.forbid("match_regex", why);
    }
    if !table.has("match_regex") {
        table.require("match", "give the names that the rule matches, as in match = \"app.requests.*\"");
    } else if table.has("match") {
        table.forbid("match_regex", "excludes \"match\" in the same rule; leave one of the two out");
    }
    glob.or(regex)
}

/// Which tags become labels, by one of three keys.
fn tags(table: &mut TomlTable<'_>) -> KeptTags {
    let tags = table.read("tags", choice(&[("keep", KeptTags::All), ("drop", KeptTags::None)]));
    let only = table.read("keep_tags", texts(TAGS));
    let all_but = table.read("drop_tags", texts(TAGS));
    if table.has("keep_tags") {
        table.forbid(
            "drop_tags",
            "has no effect with \"keep_tags\", which drops all other tags; leave one of the two out",
        );
    }
    match (tags, only, all_but) {
        (Some(KeptTags::None), ..) => KeptTags::None,
        (_, Some(only), _) => KeptTags::Only(only),
        (_, None, Some(all_but)) => KeptTags::AllBut(all_but),
        (_, None, None) => KeptTags::All,
    }
}

/// Reports keys that have no effect because of others in the same rule.
fn forbid_without_effect(table: &TomlTable<'_>, rule: &MetricRule) {
    if rule.drop {
        let allowed = ["match", "match_regex", "match_type", "match_tags", "drop"];
        return table.forbid_but(&allowed, "has no effect with drop = true; leave it out");
    }
    if let Some(metric_type) = rule.metric_type.as_ref().map(Spanned::get_ref) {
        if *metric_type != MetricType::Histogram {
            table.forbid("buckets", "needs type = \"histogram\"; leave it out or change the type");
            table.forbid("native", "needs type = \"histogram\"; leave it out or change the type");
        }
        if *metric_type != MetricType::Counter {
            table.forbid("value", "needs type = \"counter\"; leave it out or change the type");
        }
        if *metric_type != MetricType::Gauge {
            table.forbid("negative", "needs type = \"gauge\"; leave it out or change the type");
        }
        if *metric_type == MetricType::Set {
            table.forbid("scale", "has no effect on a set, because its members are not numbers; leave it out");
        }
        if *metric_type != MetricType::Summary {
            table.forbid("quantiles", "needs type = \"summary\"; leave it out or change the type");
        }
    }
    if rule.value == CounterValue::Total && rule.metric_type.is_none() {
        table.forbid("value", "needs type = \"counter\" in the same rule, because it holds for every type of lines");
    }
    if rule.tags == KeptTags::None {
        for key in ["keep_tags", "drop_tags", "rename_tags", "prefer"] {
            table.forbid(key, "has no effect with tags = \"drop\"; leave one of the two out");
        }
    } else if rule.labels.is_empty() {
        table.forbid("prefer", "has no effect without \"labels\" in the same rule; leave it out");
    }
    if !rule.init.is_empty() && rule.ttl.as_ref().is_some_and(|ttl| !ttl.get_ref().is_zero()) {
        table.forbid(
            "ttl",
            "has no effect with \"init\", because such a series never expires; leave one of the two out",
        );
    }
}
