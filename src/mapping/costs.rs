//! Limits on rules that are asked one after the other, so that a new name stays cheap.

use std::collections::HashMap;

use super::rules::CompiledRule;
use crate::config::Diagnostic;

/// The most rules with `match_tags` that have one pattern. For a name of the pattern, each is asked for the tags.
const MOST_OF_ONE_PATTERN: usize = 256;

/// The most rules whose globs have two `*` in a part. Each is asked for each name.
const MOST_COMBINATORIAL: usize = 512;

/// Reports the first rule beyond each limit.
pub(super) fn costs(rules: &[CompiledRule]) -> Vec<Diagnostic> {
    let mut with_tags: HashMap<(&str, &str), usize> = HashMap::new();
    let mut found = Vec::new();
    for rule in rules.iter().filter(|rule| !rule.conditions.tags.is_empty()) {
        let of_pattern = with_tags.entry((rule.written.key(), rule.written.text())).or_default();
        *of_pattern += 1;
        if *of_pattern == MOST_OF_ONE_PATTERN + 1 {
            let pattern = rule.written.quoted();
            let message = format!(
                "more than {MOST_OF_ONE_PATTERN} rules with match_tags have the pattern {pattern}; give them patterns of \
                 their own, or take the value of the tag into a label"
            );
            found.push(Diagnostic::error(rule.written.span(), message));
        }
    }
    let combinatorial = rules.iter().filter(|rule| rule.pattern.is_combinatorial()).nth(MOST_COMBINATORIAL);
    found.extend(combinatorial.map(|rule| {
        let message = format!(
            "more than {MOST_COMBINATORIAL} rules have two * in a part of their glob; use one * where that is enough"
        );
        Diagnostic::error(rule.written.span(), message)
    }));
    found
}
