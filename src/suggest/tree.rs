//! A trie of the dotted parts of names, in which siblings that are one metric are merged.
//!
//! From the root down, each node decides which of its children are values of a label: ids, what follows a measure or a
//! noun such as `table`, and siblings with the same children. Merged siblings pool what is below them, so that a node
//! further down decides on all of it. Each name is looked at once for each of its parts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::naming;
use super::observations::{Observations, is_endless};
use super::pattern::{Leaf, Pattern, Token, VaryingPart};
use super::token::Look;
use super::words;
use crate::parse::StatsdType;

/// The names with a common beginning.
#[derive(Debug, Default)]
pub(super) struct Branch {
    children: BTreeMap<Token, Branch>,
    leaf: BTreeMap<StatsdType, Leaf>,
    variable: Option<VaryingPart>,
}

/// The patterns of all names. A pattern comes before those that match its names too.
pub(super) fn patterns(observations: Observations) -> Vec<Pattern> {
    let mut root = Branch::default();
    for (name, types) in observations.names {
        let node = name
            .split('.')
            .fold(&mut root, |node, part| node.children.entry(Token::Literal(part.to_owned())).or_default());
        let leaf = |seen| Leaf { names: 1, examples: vec![name.clone()], seen };
        node.leaf = types.into_iter().map(|(statsd_type, seen)| (statsd_type, leaf(seen))).collect();
    }
    root.generalize(&Above::default());
    let mut patterns = Vec::new();
    root.collect(&mut Vec::new(), &mut patterns);
    patterns
}

/// What a node knows of the parts above it.
#[derive(Clone, Debug, Default)]
struct Above {
    /// The part that leads to the node; `None`: it varies, or the node is the root.
    part: Option<String>,
    /// The part before that one.
    before: Option<String>,
    /// Whether the parts say what is measured, so that those below are dimensions of it.
    is_measured: bool,
    /// Whether even a single part below is a dimension, because other measures have the same below them.
    is_recurring: bool,
    /// Whether the part that leads to the node is a verb of HTTP.
    is_method: bool,
}

/// What becomes of a child of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Keep,
    Any,
    Prefix(String),
}

impl Branch {
    /// Merges the children that are values of a label, here and below.
    fn generalize(&mut self, above: &Above) {
        let recurring = self.recurring();
        let decisions = self.decide(above, &recurring);
        let children = std::mem::take(&mut self.children);
        let mut merged: BTreeMap<Token, (Branch, Vec<String>)> = BTreeMap::new();
        for ((token, child), decision) in children.into_iter().zip(decisions) {
            let Token::Literal(part) = token else { continue };
            let (token, value) = match decision {
                Decision::Keep => (Token::Literal(part), None),
                Decision::Any => (Token::Any, Some(part)),
                Decision::Prefix(prefix) => {
                    let value = part.strip_prefix(&prefix).unwrap_or(&part).to_owned();
                    (Token::Prefix(prefix), Some(value))
                }
            };
            match merged.entry(token) {
                Entry::Vacant(entry) => drop(entry.insert((child, Vec::from_iter(value)))),
                Entry::Occupied(mut entry) => {
                    let (node, values) = entry.get_mut();
                    node.absorb(child);
                    values.extend(value);
                }
            }
        }
        for (token, (mut node, values)) in merged {
            if !values.is_empty() {
                node.variable = Some(variable(&token, values, above));
            }
            node.generalize(&above.below(&token, node.variable.as_ref(), &recurring));
            self.children.insert(token, node);
        }
    }

    /// Adds what another node has.
    fn absorb(&mut self, other: Self) {
        for (token, child) in other.children {
            match self.children.entry(token) {
                Entry::Vacant(entry) => drop(entry.insert(child)),
                Entry::Occupied(mut entry) => entry.get_mut().absorb(child),
            }
        }
        for (statsd_type, leaf) in other.leaf {
            let own = self.leaf.entry(statsd_type).or_default();
            own.names += leaf.names;
            own.examples.extend(leaf.examples);
            own.examples.truncate(3);
            own.seen.merge(leaf.seen);
        }
    }

    /// The children with their parts. Before a node is generalized, all of them are literals.
    fn parts(&self) -> impl Iterator<Item = (&str, &Branch)> {
        self.children.iter().filter_map(|(token, child)| match token {
            Token::Literal(part) => Some((part.as_str(), child)),
            _ => None,
        })
    }

    fn is_inner(&self) -> bool {
        !self.children.is_empty()
    }

    /// The children that are quantities, of which most have the same below them, and no quantities:
    /// `open_slots.default_pool` beside `used_slots.default_pool`.
    fn recurring(&self) -> BTreeSet<String> {
        let is_candidate = |(part, child): &(&str, &Branch)| child.is_inner() && words::is_quantity(part);
        let candidates: Vec<_> = self.parts().filter(is_candidate).collect();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for (part, _) in candidates.iter().flat_map(|(_, child)| child.parts()) {
            if !words::is_quantity(part) {
                *times.entry(part).or_default() += 1;
            }
        }
        let recurs = |part: &str| times.get(part).is_some_and(|times| *times >= 2 && times * 2 >= candidates.len());
        let most_recur =
            |child: &Branch| child.parts().filter(|(part, _)| recurs(part)).count() * 2 >= child.children.len();
        let found = candidates.iter().filter(|(_, child)| most_recur(child));
        found.map(|(part, _)| (*part).to_owned()).collect()
    }

    /// What becomes of each child.
    fn decide(&self, above: &Above, recurring: &BTreeSet<String>) -> Vec<Decision> {
        let looks: Vec<Look> = self.parts().map(|(part, _)| Look::of(part)).collect();
        let mut prefixes: BTreeMap<&str, usize> = BTreeMap::new();
        for look in &looks {
            if let Look::Numbered(prefix) = look {
                *prefixes.entry(prefix).or_default() += 1;
            }
        }
        let alike = Alike::of(self, above, recurring);
        let words = self.parts().zip(&looks).filter(|(_, look)| **look == Look::Word).map(|((part, _), _)| part);
        let ids = looks.iter().filter(|look| matches!(look, Look::Number | Look::Endless)).count();
        let below = Below::of(words, ids, looks.len(), above);
        self.parts()
            .zip(looks.iter())
            .map(|((part, child), look)| match look {
                Look::Number | Look::Endless => Decision::Any,
                // Words and ids in one place are values of one label.
                // A pattern has no empty part, and `*` matches one.
                _ if part.is_empty() => Decision::Any,
                _ if below.takes(part, child) || alike.takes(part, child) => Decision::Any,
                Look::EndlessOf(prefix) => Decision::Prefix(prefix.clone()),
                Look::Numbered(prefix) => {
                    let word = prefix.trim_end_matches(|c: char| !c.is_alphanumeric());
                    let is_several = prefixes.get(prefix.as_str()).is_some_and(|times| *times >= 2);
                    match !words::is_measure(word) && (is_several || words::is_entity(word) || words::is_key(word)) {
                        true => Decision::Prefix(prefix.clone()),
                        false => Decision::Keep,
                    }
                }
                Look::Word => Decision::Keep,
            })
            .collect()
    }

    /// The patterns of the node and of what is below it.
    fn collect(self, path: &mut Vec<(Token, Option<VaryingPart>)>, patterns: &mut Vec<Pattern>) {
        if !self.leaf.is_empty() {
            patterns.push(Pattern { parts: path.clone(), leaf: self.leaf });
        }
        for (token, mut child) in self.children {
            path.push((token, child.variable.take()));
            child.collect(path, patterns);
            path.pop();
        }
    }
}

impl Above {
    /// What a child knows.
    fn below(&self, token: &Token, variable: Option<&VaryingPart>, recurring: &BTreeSet<String>) -> Self {
        match token {
            Token::Literal(part) => Self {
                part: Some(part.clone()),
                before: self.part.clone(),
                is_measured: is_measured(part),
                is_recurring: recurring.contains(part),
                is_method: words::is_method(part)
                    || (self.part.as_deref() == Some("http") && words::is_method_word(part)),
            },
            _ => Self {
                part: None,
                before: None,
                is_measured: self.is_measured || self.is_recurring,
                is_recurring: self.is_recurring,
                is_method: variable.is_some_and(|variable| variable.label == "method"),
            },
        }
    }
}

/// Whether what follows a part are dimensions of it. Parts of the memory, and of the load, are metrics of their own.
fn is_measured(part: &str) -> bool {
    const OF_PARTS: [&str; 9] = ["memory", "cpu", "load", "usage", "capacity", "rate", "value", "rss", "percent"];
    !OF_PARTS.contains(&words::last_word(part).as_str()) && (words::is_measure(part) || words::is_outcome(part))
}

/// Which words are values because of what is above them.
struct Below<'a> {
    above: &'a Above,
    /// Whether several words are there that may be values.
    is_several: bool,
    /// Whether there are so many words that nobody wrote them into a program.
    is_many: bool,
    /// Whether most of their siblings are ids.
    is_among_ids: bool,
}

impl<'a> Below<'a> {
    fn of<'p>(words: impl Iterator<Item = &'p str>, ids: usize, siblings: usize, above: &'a Above) -> Self {
        let (mut values, mut all) = (0, 0);
        for word in words {
            all += 1;
            values += usize::from(!words::is_statistic(word) && !words::is_measure(word));
        }
        Self {
            above,
            is_several: values >= 2,
            is_many: values >= 40 && values * 10 >= all * 9,
            is_among_ids: ids > 0 && ids * 2 >= siblings,
        }
    }

    fn takes(&self, part: &str, child: &Branch) -> bool {
        let Above { part: parent, is_measured, is_recurring, is_method, .. } = self.above;
        let is_noun = words::is_key(part) && child.is_inner();
        if words::is_statistic(part) || words::is_measure(part) || is_noun {
            return false;
        }
        let parent = parent.as_deref().unwrap_or_default();
        let is_of_http = ["http", "method", "request", "requests"].contains(&parent);
        (*is_measured && self.is_several)
            || *is_recurring
            || words::is_key(parent)
            || (*is_method && child.is_inner())
            || words::is_method(part)
            || (is_of_http && words::is_method_word(part))
            || (self.is_many && !words::is_quantity(part))
            || (self.is_among_ids && !words::is_quantity(part) && !words::is_entity(part))
    }
}

/// Which children are values because they have the same below them.
struct Alike {
    /// What most of them have below them.
    common: BTreeSet<String>,
    are_values: bool,
}

impl Alike {
    fn of(node: &Branch, above: &Above, recurring: &BTreeSet<String>) -> Self {
        let candidates: Vec<_> =
            node.parts().filter(|(part, child)| is_candidate(part, child) && !recurring.contains(*part)).collect();
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for field in candidates.iter().flat_map(|(_, child)| fields(child)) {
            *times.entry(field).or_default() += 1;
        }
        let common: BTreeSet<String> = times
            .into_iter()
            .filter(|(_, times)| *times >= 2 && times * 2 >= candidates.len())
            .map(|(field, _)| field)
            .collect();
        let alike = candidates.iter().filter(|(_, child)| has_common(child, &common)).count();
        // How something ended is no sign of a kind: all operations succeed or fail.
        let signs = common.iter().filter(|field| !words::is_outcome(field)).count();
        let quantities = common.iter().filter(|field| words::is_quantity(field)).count();
        let measures = common.iter().filter(|field| words::is_measure(field) || words::is_statistic(field)).count();
        let score = alike.saturating_sub(1) * signs;
        let is_among = words::is_entity(above.part.as_deref().unwrap_or_default());
        let are_values = alike >= 2
            && alike * 2 >= candidates.len()
            && quantities * 3 >= common.len()
            && match (is_among, measures) {
                (true, _) => signs >= 1,
                (false, 0) => score >= 6,
                (false, _) => score >= 3,
            };
        Self { common, are_values }
    }

    fn takes(&self, part: &str, child: &Branch) -> bool {
        self.are_values && is_candidate(part, child) && has_common(child, &self.common)
    }
}

/// Whether a child may be one of several of a kind.
fn is_candidate(part: &str, child: &Branch) -> bool {
    child.is_inner()
        && !words::is_statistic(part)
        && !words::is_measure(part)
        && !words::is_outcome(part)
        && !words::is_key(part)
}

/// What is directly below a node, with ids as one.
fn fields(node: &Branch) -> BTreeSet<String> {
    let field = |part: &str| if Look::of(part) == Look::Word { part.to_owned() } else { "*".to_owned() };
    node.parts().map(|(part, _)| field(part)).collect()
}

/// Whether at least half of what is below a node is common.
fn has_common(node: &Branch, common: &BTreeSet<String>) -> bool {
    let fields = fields(node);
    let hits = fields.iter().filter(|field| common.contains(*field)).count();
    hits > 0 && hits * 2 >= fields.len()
}

/// The part that varies between merged children.
fn variable(token: &Token, values: Vec<String>, above: &Above) -> VaryingPart {
    let count = values.len();
    let endless = values.iter().filter(|value| Look::of(value) == Look::Endless).count();
    let before = above.before.as_deref().filter(|_| above.is_measured || above.is_recurring);
    let label = naming::label(token, &values, [before, above.part.as_deref()], above.is_method);
    let values = values.into_iter().take(20).collect();
    VaryingPart { label, values, count, is_endless: endless * 2 >= count || is_endless(count) }
}
