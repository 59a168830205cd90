//! Rules that can never match, since an earlier one takes every line that they would.
//!
//! It is found where that is cheap: what is said is true, and not everything that is true is said.

use std::collections::HashMap;

use super::pattern::{Automaton, NamePattern};
use super::rule::CompiledRule;
use crate::config::Diagnostic;

/// What is wrong with the order of the rules.
pub fn unreachable_rules(rules: &[CompiledRule], automaton: &Automaton) -> Vec<Diagnostic> {
    let mut same: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut wide: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let written = (rule.written.key(), rule.written.text());
        let covers = |earlier: &usize| {
            rules.get(*earlier).is_some_and(|earlier| earlier.conditions.cover(&rule.conditions)).then_some(*earlier)
        };
        let twin = same.get(&written).and_then(|same| same.iter().find_map(covers));
        let earlier = twin.or_else(|| wide.iter().find_map(covers)).or_else(|| {
            let wider = wider_globs(rule, rules, automaton);
            wider.into_iter().take_while(|earlier| *earlier < index).find_map(|earlier| covers(&earlier))
        });
        if let Some(earlier) = earlier.and_then(|at| rules.get(at)) {
            found.push(said(rule, earlier, twin.is_some()));
        }
        same.entry(written).or_default().push(index);
        if rule.pattern.takes_all() {
            wide.push(index);
        }
    }
    found
}

/// The globs that match whatever the glob of `rule` does, itself among them.
fn wider_globs(rule: &CompiledRule, rules: &[CompiledRule], automaton: &Automaton) -> Vec<usize> {
    let NamePattern::Glob(glob) = &rule.pattern else { return Vec::new() };
    let is_glob = |at: &usize| rules.get(*at).is_some_and(|rule| matches!(rule.pattern, NamePattern::Glob(_)));
    let mut specimens = glob.specimens().into_iter();
    let mut wider: Vec<_> = specimens.next().iter().flat_map(|name| automaton.matches(name)).filter(is_glob).collect();
    for name in specimens {
        let matching: Vec<_> = automaton.matches(&name).collect();
        wider.retain(|at| matching.binary_search(at).is_ok());
    }
    wider
}

fn said(rule: &CompiledRule, earlier: &CompiledRule, is_twin: bool) -> Diagnostic {
    let (span, key, text) = (rule.written.span(), rule.written.key(), rule.written.quoted());
    if is_twin && earlier.conditions == rule.conditions {
        let message = format!("{key} {text} is declared twice, and only the first can match; remove one of the two");
        return Diagnostic::error(span, message);
    }
    let (key, text) = (earlier.written.key(), earlier.written.quoted());
    let message =
        format!("no line gets to this rule: {key} = {text} comes first and takes them all; put this one before it");
    Diagnostic::warning(span, message)
}
