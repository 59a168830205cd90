//! Which lines the relay sends to which target, by the same globs as in rules.

use super::pattern::{Automaton, NamePattern};
use crate::config::{Address, Diagnostic, RelayConfig};

/// A target of the relay with the lines that it gets.
#[derive(Clone, Debug)]
pub struct RelayFilter {
    /// The target.
    pub target: Address,
    /// The globs of its tables; `None`: the target gets all lines.
    names: Option<Automaton>,
}

impl RelayFilter {
    /// Whether the target gets lines by their names. Then it gets no line without a name.
    pub(crate) fn asks_for_names(&self) -> bool {
        self.names.is_some()
    }

    /// Whether the target gets a line with this name, which has no tags in it.
    pub(crate) fn takes(&self, name: Option<&str>) -> bool {
        match &self.names {
            Some(names) => name.is_some_and(|name| names.is_match(name)),
            None => true,
        }
    }

    /// The targets of all tables in file order. Errors in the tables go to `diagnostics`.
    pub(super) fn compile(relays: &[RelayConfig], diagnostics: &mut Vec<Diagnostic>) -> Vec<Self> {
        let mut targets: Vec<(&RelayConfig, Vec<NamePattern>)> = Vec::new();
        for relay in relays {
            let pattern = match relay.pattern.as_ref().map(|pattern| (pattern, NamePattern::new(pattern))) {
                Some((written, Err(message))) => {
                    diagnostics.push(Diagnostic::error(written.span(), message));
                    continue;
                }
                Some((_, Ok(pattern))) => Some(pattern),
                None => None,
            };
            match targets.iter_mut().find(|(first, _)| first.target.get_ref() == relay.target.get_ref()) {
                Some((first, patterns)) if first.pattern.is_some() && pattern.is_some() => patterns.extend(pattern),
                Some(_) => {
                    let message = format!(
                        "{} is the target of another [[relay]], and one of the two sends it all lines; leave one of \
                         the two out",
                        relay.target.get_ref()
                    );
                    diagnostics.push(Diagnostic::error(relay.target.span(), message));
                }
                None => targets.push((relay, pattern.into_iter().collect())),
            }
        }
        targets.into_iter().filter_map(|(first, patterns)| Self::new(first, &patterns, diagnostics)).collect()
    }

    fn new(first: &RelayConfig, patterns: &[NamePattern], diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let names = match first.pattern {
            None => None,
            Some(_) => {
                let names = Automaton::new(patterns.iter());
                if names.is_none() {
                    let message = format!(
                        "the globs of the {} [[relay]] tables with this target are too large together; use fewer or \
                         shorter globs",
                        patterns.len()
                    );
                    diagnostics.push(Diagnostic::error(first.target.span(), message));
                }
                Some(names?)
            }
        };
        Some(Self { target: first.target.get_ref().clone(), names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn compile(source: &str) -> (Vec<RelayFilter>, Vec<String>) {
        let (config, mut diagnostics) = load(source);
        let filters = RelayFilter::compile(&config.relays, &mut diagnostics);
        (filters, diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect())
    }

    #[test]
    fn tables_with_the_same_target_are_merged() {
        let (filters, wrong) = compile(
            "[[relay]]\ntarget = \"udp://192.0.2.1:1\"\nmatch = \"a.*\"\n[[relay]]\ntarget = \"tcp://192.0.2.1:1\"\n\
             [[relay]]\ntarget = \"udp://192.0.2.1:1\"\nmatch = \"b*.**\"\n",
        );
        assert_eq!(wrong, [""; 0]);
        let [globs, all] = filters.as_slice() else { panic!("two targets") };
        assert_eq!((globs.target.to_string().as_str(), globs.asks_for_names()), ("udp://192.0.2.1:1", true));
        for (name, is_taken) in
            [("a.x", true), ("a.x.y", false), ("bc.x.y", true), ("c", false), ("a", false), ("", false)]
        {
            assert_eq!(globs.takes(Some(name)), is_taken, "{name}");
        }
        assert!(!globs.takes(None));
        assert!(!all.asks_for_names() && all.takes(None) && all.takes(Some("c")));
    }

    #[test]
    fn a_target_that_gets_all_lines_must_have_one_table() {
        let one = "[[relay]]\ntarget = \"udp://192.0.2.1:1\"\n";
        for (source, targets, wrong) in [
            (format!("{one}{one}"), 1, 1),
            (format!("{one}{one}match = \"a\"\n"), 1, 1),
            (format!("{one}match = \"a\"\n{one}"), 1, 1),
            (format!("{one}match = \"a..b\"\n{one}"), 1, 1),
            (one.to_owned(), 1, 0),
            (String::new(), 0, 0),
        ] {
            let (filters, found) = compile(&source);
            assert_eq!((filters.len(), found.len()), (targets, wrong), "{source}{found:?}");
        }
    }
}
