//! Limits on rules that are asked one after the other, so that a new name stays cheap.

use std::collections::HashMap;

use super::pattern::NamePattern;
use super::rules::CompiledRule;
use crate::config::Diagnostic;

/// The most rules with `match_tags` that have one pattern. For a name of the pattern, each is asked for the tags.
const MOST_OF_ONE_PATTERN: usize = 256;

/// The most rules whose globs have two `*` in a part. Each is asked for each name.
const MOST_COMBINATORIAL: usize = 512;

/// The most rules whose regexes have two parts such as `.*` with only text between. Each is asked for each name.
const MOST_COMBINATORIAL_REGEXES: usize = 1024;

/// The most rules with `match_tags` whose pattern is a regex. Each may be asked for each name.
const MOST_REGEXES_WITH_TAGS: usize = 1024;

/// The most rules that may match one name. It is known for the names of globs only.
const MOST_OF_ONE_NAME: usize = 1024;

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
    let is_glob = |rule: &CompiledRule| matches!(rule.pattern, NamePattern::Glob(_));
    for (globs, most, what) in [
        (true, MOST_COMBINATORIAL, "two * in a part of their glob; use one * where that is enough"),
        (
            false,
            MOST_COMBINATORIAL_REGEXES,
            "two parts such as .* in their regex; use a part that ends, such as [^.]*, where that is enough",
        ),
    ] {
        let mut combinatorial =
            rules.iter().filter(|rule| is_glob(rule) == globs && rule.pattern.is_combinatorial()).skip(most);
        found.extend(
            combinatorial
                .next()
                .map(|rule| Diagnostic::error(rule.written.span(), format!("more than {most} rules have {what}"))),
        );
    }
    let regexes = rules.iter().filter(|rule| !is_glob(rule) && !rule.conditions.tags.is_empty());
    found.extend(regexes.skip(MOST_REGEXES_WITH_TAGS).take(1).map(|rule| {
        let message = format!(
            "more than {MOST_REGEXES_WITH_TAGS} rules with match_tags have a regex; use globs, or take the value of the tag \
             into a label"
        );
        Diagnostic::error(rule.written.span(), message)
    }));
    found
}

/// Reports a rule if too many rules match a name that it matches, of which `matching` are the rules.
pub(super) fn overlap(
    rule: &CompiledRule,
    name: &str,
    matching: &[usize],
    rules: &[CompiledRule],
) -> Option<Diagnostic> {
    // Nearly all names have few.
    if matching.len() <= MOST_OF_ONE_PATTERN {
        return None;
    }
    let has_tags = |at: &&usize| rules.get(**at).is_some_and(|rule| !rule.conditions.tags.is_empty());
    let (most, of) = match matching.iter().filter(has_tags).count() {
        with_tags if with_tags > MOST_OF_ONE_PATTERN => (MOST_OF_ONE_PATTERN, "rules with match_tags"),
        _ if matching.len() > MOST_OF_ONE_NAME => (MOST_OF_ONE_NAME, "rules"),
        _ => return None,
    };
    let name: String = name.chars().take(60).collect();
    let message = format!("more than {most} {of} match names like {name:?}; use fewer *, or take parts into labels");
    Some(Diagnostic::error(rule.written.span(), message))
}
