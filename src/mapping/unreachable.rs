//! Rules that no line can reach, because an earlier rule matches every line that they match.
//!
//! The check is sound but incomplete: every reported rule is unreachable, but not every unreachable rule is reported.

use std::collections::HashMap;

use super::costs::overlap;
use super::pattern::{Automaton, NamePattern};
use super::rules::CompiledRule;
use crate::config::Diagnostic;

/// Reports the rules that are unreachable, and the first rule that shares its names with [too many](overlap).
pub(super) fn unreachable_rules(rules: &[CompiledRule], automaton: &Automaton) -> Vec<Diagnostic> {
    let mut same: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut wide: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let written = (rule.written.key(), rule.written.text());
        let covers = |earlier: &usize| {
            rules.get(*earlier).is_some_and(|earlier| earlier.conditions.cover(&rule.conditions)).then_some(*earlier)
        };
        let twin = same.get(&written).and_then(|same| same.iter().find_map(covers));
        let mut earlier = twin.or_else(|| wide.iter().find_map(covers));
        if earlier.is_none()
            && let NamePattern::Glob(glob) = &rule.pattern
        {
            let matching = |name: String| (automaton.matches(&name).collect::<Vec<_>>(), name);
            let examples: Vec<_> = glob.examples().into_iter().map(matching).collect();
            if let Some(overlapping) = examples.first().and_then(|(all, name)| overlap(rule, name, all, rules)) {
                found.push(overlapping);
                break;
            }
            earlier = wider_globs(rules, &examples).take_while(|earlier| *earlier < index).find_map(|at| covers(&at));
        }
        if let Some(earlier) = earlier.and_then(|at| rules.get(at)) {
            found.push(diagnostic(rule, earlier, twin.is_some()));
        }
        same.entry(written).or_default().push(index);
        if rule.pattern.matches_all() {
            wide.push(index);
        }
    }
    found
}

/// The globs that match every name that a glob matches, given its examples, each with the rules that match it. The glob
/// itself is one of them.
fn wider_globs(rules: &[CompiledRule], examples: &[(Vec<usize>, String)]) -> impl Iterator<Item = usize> {
    let is_glob = |at: &usize| rules.get(*at).is_some_and(|rule| matches!(rule.pattern, NamePattern::Glob(_)));
    let (first, others) = examples.split_first().map_or((&[][..], &[][..]), |((all, _), others)| (all, others));
    let match_all = |at: &usize| others.iter().all(|(all, _)| all.binary_search(at).is_ok());
    first.iter().copied().filter(is_glob).filter(match_all)
}

fn diagnostic(rule: &CompiledRule, earlier: &CompiledRule, is_twin: bool) -> Diagnostic {
    let (span, key, text) = (rule.written.span(), rule.written.key(), rule.written.quoted());
    if is_twin && earlier.conditions == rule.conditions {
        let message = format!("{key} {text} is declared twice, and only the first can match; remove one of the two");
        return Diagnostic::error(span, message);
    }
    let (key, text) = (earlier.written.key(), earlier.written.quoted());
    let message = format!(
        "no line reaches this rule, because {key} = {text} is before it and matches all its lines; put this rule first"
    );
    Diagnostic::warning(span, message)
}
