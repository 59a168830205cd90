//! Whether the series that a rule declares with `init` are series that its lines can feed.
//!
//! The check is sound but incomplete: no line feeds a series that it reports.

use regex::Regex;

use super::condition::Conditions;
use super::labels::{TagPolicy, find_in};
use super::pattern::NamePattern;
use super::template::CaptureTemplate;
use crate::config::{Config, Diagnostic, Labels, MetricRule, Prefer, Spanned};

/// What decides which labels the series of a rule have.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelSources<'r> {
    pub labels: &'r [(String, CaptureTemplate)],
    pub tags: &'r TagPolicy,
    pub conditions: &'r Conditions,
    pub pattern: &'r NamePattern,
    pub constants: &'r [(String, String)],
}

impl LabelSources<'_> {
    /// Warns of each label set of `init` that no line feeds. `already` has the places of errors.
    pub(super) fn check(&self, rule: &MetricRule, config: &Config, found: &mut Vec<Diagnostic>) {
        let container = config.defaults.container_label;
        // A value is compared with a template for many label sets, so the templates are compiled once.
        let values: Vec<_> = self.labels.iter().map(|(key, template)| (key.as_str(), self.value(template))).collect();
        for set in &rule.init {
            for (key, value) in set.get_ref() {
                let wrong = self.wrong_key(key.get_ref(), container).map(|message| (key, message));
                let wrong = wrong.or_else(|| Some((value, self.wrong_value(&values, key.get_ref(), value.get_ref())?)));
                found.extend(wrong.map(|(at, message)| Diagnostic::warning(at.span(), message)));
            }
            found.extend(self.missing_tag(set.get_ref()).map(|message| Diagnostic::warning(set.span(), message)));
        }
    }

    /// Reports a label that the rule does not make.
    fn wrong_key(&self, key: &str, container: bool) -> Option<String> {
        let is_made = find_in(self.labels, key).is_some()
            || (container && key == "container_id")
            || self.tags.renamed.iter().any(|(_, to)| to == key)
            || (find_in(&self.tags.renamed, key).is_none() && self.tags.keeps(key))
            // A tag with the key of a constant label, or with a reserved one, is renamed so.
            || key.starts_with("exported_");
        (!is_made).then(|| {
            format!("init sets {key:?}, which is no label of this rule and no tag that it keeps, so no line feeds the series")
        })
    }

    /// Reports a value that no line gives the label.
    fn wrong_value(&self, values: &[(&str, Option<Regex>)], key: &str, value: &str) -> Option<String> {
        let of_label = values.iter().find(|(of, _)| *of == key).and_then(|(_, regex)| regex.as_ref());
        // With `prefer = "tag"` a tag may give the label any value.
        if self.tags.prefer == Prefer::Rule && of_label.is_some_and(|regex| !regex.is_match(value)) {
            return Some(format!(
                "init sets {key:?} to {value:?}, which the names that the rule matches cannot give it, so no line feeds the \
                 series"
            ));
        }
        let (tag, glob) = self.demanded().find(|(_, _, label)| *label == key).map(|(tag, glob, _)| (tag, glob))?;
        (!value.is_empty() && !glob.is_match(value)).then(|| {
            format!("init sets {key:?} to {value:?}, which match_tags does not let the tag {tag:?} be, so no line feeds the series")
        })
    }

    /// Reports a label that every line has because `match_tags` demands its tag, and that the label set lacks.
    fn missing_tag(&self, set: &Labels) -> Option<String> {
        let lacks = |label: &str| !set.iter().any(|(key, _): &(Spanned<String>, _)| key.get_ref() == label);
        // An empty value makes no label.
        let (tag, _, label) = self.demanded().find(|(_, glob, label)| !glob.is_match("") && lacks(label))?;
        Some(format!(
            "init lacks the label {label:?}, which every series of this rule has, because match_tags demands the tag {tag:?}"
        ))
    }

    /// The tags that `match_tags` demands, with the globs of their values and the labels that they always become.
    fn demanded(&self) -> impl Iterator<Item = (&str, &super::glob::GlobPart, &str)> {
        self.conditions.tags.iter().filter_map(|(tag, glob)| {
            let renamed = find_in(&self.tags.renamed, tag);
            let label = renamed.map_or(tag.as_str(), String::as_str);
            let is_taken = find_in(self.labels, label).is_some() || find_in(self.constants, label).is_some();
            let is_plain = !self.tags.renamed.iter().any(|(from, to)| to == label && from != tag);
            (self.tags.keeps(tag) && !is_taken && is_plain).then_some((tag.as_str(), glob, label))
        })
    }

    /// A regex that every value of a label with this template matches; `None`: it may be anything.
    fn value(&self, template: &CaptureTemplate) -> Option<Regex> {
        if template.is_literal() {
            return None;
        }
        let text = template.to_regex(|capture| self.pattern.capture_regex(capture));
        regex::RegexBuilder::new(&text).size_limit(64 << 10).build().ok()
    }
}
