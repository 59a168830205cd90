//! Rules that no line can reach, because earlier rules match every line that they match.
//!
//! The check is sound but incomplete: every reported rule is unreachable, but not every unreachable rule is reported.

use std::collections::{BTreeSet, HashMap};

use super::condition::Conditions;
use super::costs::overlap;
use super::inclusion::PatternSearch;
use super::pattern::{Automaton, NamePattern};
use super::rules::CompiledRule;
use crate::config::Diagnostic;
use crate::parse::StatsdType;

/// Reports the rules that are unreachable, and the first rule that shares its names with [too many](overlap).
pub(super) fn unreachable_rules(rules: &[CompiledRule], automaton: &Automaton) -> Vec<Diagnostic> {
    let mut same: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut wide: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    let mut patterns = PatternSearch::new(rules);
    for (index, rule) in rules.iter().enumerate() {
        let written = (rule.written.key(), rule.written.text());
        let twins = same.entry(written).or_default();
        let first = |candidates: &[usize]| candidates.iter().copied().find(|at| covers(rules, *at, rule));
        let (twin, wider) = (first(twins), first(&wide));
        let mut earlier = twin.or(wider).map(|at| [at].into());
        if earlier.is_none() {
            let examples = match examples(rule, index, &mut patterns) {
                Ok(examples) => examples,
                Err(diagnostic) => {
                    found.push(diagnostic);
                    continue;
                }
            };
            let matching = |name: String| (automaton.matches(&name).collect::<Vec<_>>(), name);
            let examples: Vec<_> = examples.into_iter().map(matching).collect();
            let is_glob = matches!(rule.pattern, NamePattern::Glob(_));
            let example = examples.first().filter(|_| is_glob);
            if let Some(overlapping) = example.and_then(|(all, name)| overlap(rule, name, all, rules)) {
                found.push(overlapping);
                break;
            }
            earlier = covering(rules, index, &examples, &mut patterns);
        }
        if let Some(earlier) = earlier {
            found.extend(diagnostic(rules, rule, &earlier, twin.is_some()));
        }
        twins.push(index);
        if rule.pattern.matches_all() {
            wide.push(index);
        }
    }
    found
}

/// Whether the conditions of the rule at `earlier` hold for every line for which those of `rule` hold.
fn covers(rules: &[CompiledRule], earlier: usize, rule: &CompiledRule) -> bool {
    rules.get(earlier).is_some_and(|earlier| earlier.conditions.cover(&rule.conditions))
}

/// Names that the rule matches. A rule whose pattern matches all of them may match all of its names. The error is that it
/// matches no name.
fn examples(rule: &CompiledRule, index: usize, patterns: &mut PatternSearch<'_>) -> Result<Vec<String>, Diagnostic> {
    match &rule.pattern {
        NamePattern::Glob(glob) => Ok(glob.examples()),
        NamePattern::Regex(_) => match patterns.example(index) {
            Some(Some(name)) => Ok(vec![name]),
            Some(None) => {
                let message = format!(
                    "the regex {} matches no name, so no line reaches this rule; correct it, or remove the rule",
                    rule.written.quoted()
                );
                Err(Diagnostic::warning(rule.written.span(), message))
            }
            None => Ok(Vec::new()),
        },
    }
}

/// Earlier rules that together match every line of the rule at `index`: one, or several with different types of lines.
fn covering(
    rules: &[CompiledRule],
    index: usize,
    examples: &[(Vec<usize>, String)],
    patterns: &mut PatternSearch<'_>,
) -> Option<Vec<usize>> {
    let rule = rules.get(index)?;
    let is_glob = |at: usize| rules.get(at).is_some_and(|rule| matches!(rule.pattern, NamePattern::Glob(_)));
    let ((first, _), others) = examples.split_first()?;
    let match_all = |at: &usize| others.iter().all(|(all, _)| all.binary_search(at).is_ok());
    let candidates = || first.iter().copied().take_while(|at| *at < index).filter(match_all);
    // The examples of a glob decide whether another glob covers it.
    let is_by_examples = |at: usize| is_glob(index) && is_glob(at);
    let mut matches_names = |at: usize| is_by_examples(at) || patterns.covers(at, index);
    // The cheap question comes first.
    if let Some(one) = candidates().find(|at| covers(rules, *at, rule) && matches_names(*at)) {
        return Some(vec![one]);
    }
    let mut parts = Vec::new();
    let mut missing = lines_of(&rule.conditions);
    for at in candidates() {
        let Some(earlier) = rules.get(at) else { continue };
        let of_types = Conditions { statsd_types: Vec::new(), ..earlier.conditions.clone() };
        let taken = lines_of(&earlier.conditions);
        if of_types.cover(&rule.conditions) && !missing.is_disjoint(&taken) && matches_names(at) {
            missing.retain(|statsd_type| !taken.contains(statsd_type));
            parts.push(at);
        }
    }
    missing.is_empty().then_some(parts)
}

/// The types of lines that meet the conditions.
fn lines_of(conditions: &Conditions) -> BTreeSet<StatsdType> {
    let types = &conditions.statsd_types;
    if types.is_empty() { StatsdType::ALL.into() } else { types.iter().copied().collect() }
}

fn diagnostic(rules: &[CompiledRule], rule: &CompiledRule, earlier: &[usize], is_twin: bool) -> Option<Diagnostic> {
    let first = rules.get(*earlier.first()?)?;
    let (span, key, text) = (rule.written.span(), rule.written.key(), rule.written.quoted());
    if is_twin && first.conditions == rule.conditions {
        let message = format!("{key} {text} is declared twice, and only the first can match; remove one of the two");
        return Some(Diagnostic::error(span, message));
    }
    let (key, text) = (first.written.key(), first.written.quoted());
    let message = match earlier.len() {
        1 => format!(
            "no line reaches this rule, because {key} = {text} is before it and matches all its lines; put this rule first"
        ),
        several => format!(
            "no line reaches this rule, because {several} rules before it match all its lines, each some types of them, \
             and {key} = {text} is the first; put this rule first"
        ),
    };
    Some(Diagnostic::warning(span, message))
}
