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
    let mut overlapping = None;
    for (index, rule) in rules.iter().enumerate() {
        let written = (rule.written.key(), rule.written.text());
        let covers = |earlier: &usize| {
            rules.get(*earlier).is_some_and(|earlier| earlier.conditions.cover(&rule.conditions)).then_some(*earlier)
        };
        let twin = same.get(&written).and_then(|same| same.iter().find_map(covers));
        let earlier = twin.or_else(|| wide.iter().find_map(covers)).or_else(|| {
            let wider = wider_globs(rule, rules, automaton, &mut overlapping);
            wider.into_iter().take_while(|earlier| *earlier < index).find_map(|earlier| covers(&earlier))
        });
        if let Some(earlier) = earlier.and_then(|at| rules.get(at)) {
            found.push(diagnostic(rule, earlier, twin.is_some()));
        }
        same.entry(written).or_default().push(index);
        if rule.pattern.matches_all() {
            wide.push(index);
        }
        if overlapping.is_some() {
            break;
        }
    }
    found.extend(overlapping);
    found
}

/// The globs that match every name that the glob of `rule` matches. The glob itself is one of them.
fn wider_globs(
    rule: &CompiledRule,
    rules: &[CompiledRule],
    automaton: &Automaton,
    overlapping: &mut Option<Diagnostic>,
) -> Vec<usize> {
    let NamePattern::Glob(glob) = &rule.pattern else { return Vec::new() };
    let is_glob = |at: &usize| rules.get(*at).is_some_and(|rule| matches!(rule.pattern, NamePattern::Glob(_)));
    let mut examples = glob.examples().into_iter();
    let mut wider: Vec<_> = examples
        .next()
        .iter()
        .flat_map(|name| {
            let matching: Vec<_> = automaton.matches(name).collect();
            *overlapping = overlap(rule, name, &matching, rules);
            matching
        })
        .filter(is_glob)
        .collect();
    for name in examples {
        let matching: Vec<_> = automaton.matches(&name).collect();
        wider.retain(|at| matching.binary_search(at).is_ok());
    }
    wider
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
