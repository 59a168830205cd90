//! Whether every name that one pattern matches is also matched by another, and a name that a pattern matches.
//!
//! Both are searches over the states of lazy DFAs: of one, or of two that read the same name. A search ends at the first
//! name that it looks for. If it needs too many states, its result is not known.

use std::collections::{HashMap, HashSet, VecDeque};

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::{Anchored, Input, MatchKind};

use super::pattern::NamePattern;
use super::rules::CompiledRule;

/// The most memory of the automaton of one pattern, in bytes.
const SIZE: usize = 512 * 1024;

/// The most states, or pairs of states, of one search, and of all searches together. This is a fraction of a second.
const STATES: usize = 2_000;
const ALL_STATES: usize = 40_000;

/// The most automata that are built.
const AUTOMATA: usize = 1_000;

/// Searches over the patterns of rules, by the indexes of these.
pub(super) struct PatternSearch<'r> {
    rules: &'r [CompiledRule],
    /// `None`: too large.
    automata: HashMap<usize, Option<PatternAutomaton>>,
    /// How many more states may be visited.
    states: usize,
}

impl<'r> PatternSearch<'r> {
    pub(super) fn new(rules: &'r [CompiledRule]) -> Self {
        Self { rules, automata: HashMap::new(), states: ALL_STATES }
    }

    /// A shortest name that the pattern matches; `Some(None)`: it matches no name; `None`: it is not known.
    pub(super) fn example(&mut self, of: usize) -> Option<Option<String>> {
        let mut automaton = self.take(of)?;
        let found = search(&mut automaton, None, &mut self.states);
        self.automata.insert(of, Some(automaton));
        found.map(|name| name.map(|name| String::from_utf8_lossy(&name).into_owned()))
    }

    /// Whether `wide` is known to match every name that `narrow` matches.
    pub(super) fn covers(&mut self, wide: usize, narrow: usize) -> bool {
        let (Some(mut narrow_one), Some(mut wide_one)) = (self.take(narrow), self.take(wide)) else { return false };
        let counterexample = search(&mut narrow_one, Some(&mut wide_one), &mut self.states);
        self.automata.insert(narrow, Some(narrow_one));
        self.automata.insert(wide, Some(wide_one));
        counterexample == Some(None)
    }

    /// Takes an automaton out of the map, so that two can be used at once.
    fn take(&mut self, of: usize) -> Option<PatternAutomaton> {
        let built = self.automata.len() < AUTOMATA;
        let pattern = &self.rules.get(of)?.pattern;
        let automaton = self.automata.entry(of).or_insert_with(|| PatternAutomaton::new(pattern).filter(|_| built));
        automaton.take()
    }
}

/// The lazy DFA of a pattern.
struct PatternAutomaton {
    dfa: DFA,
    cache: Cache,
}

/// Why a search cannot go on: an automaton is too large, or cannot read a byte.
struct Unknown;

impl PatternAutomaton {
    fn new(pattern: &NamePattern) -> Option<Self> {
        let config = DFA::config()
            .match_kind(MatchKind::All)
            .cache_capacity(SIZE)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(0));
        let limited = thompson::Config::new().nfa_size_limit(Some(SIZE));
        let dfa = DFA::builder().configure(config).thompson(limited).build(&pattern.to_text_regex()).ok()?;
        let cache = dfa.create_cache();
        Some(Self { dfa, cache })
    }

    fn start(&mut self) -> Result<LazyStateID, Unknown> {
        let input = Input::new("").anchored(Anchored::Yes);
        self.dfa.start_state_forward(&mut self.cache, &input).map_err(|_| Unknown)
    }

    fn next(&mut self, state: LazyStateID, byte: u8) -> Result<LazyStateID, Unknown> {
        let next = self.dfa.next_state(&mut self.cache, state, byte).map_err(|_| Unknown)?;
        if next.is_quit() { Err(Unknown) } else { Ok(next) }
    }

    /// Whether a name may end in this state.
    fn accepts(&mut self, state: LazyStateID) -> Result<bool, Unknown> {
        Ok(self.dfa.next_eoi_state(&mut self.cache, state).map_err(|_| Unknown)?.is_match())
    }
}

/// A shortest name that `of` matches and `without` does not; `Some(None)`: there is none; `None`: it is not known.
fn search(
    of: &mut PatternAutomaton,
    mut without: Option<&mut PatternAutomaton>,
    states: &mut usize,
) -> Option<Option<Vec<u8>>> {
    let bytes = bytes(of, without.as_deref());
    let first = (of.start().ok()?, without.as_mut().map(|without| without.start()).transpose().ok()?);
    let mut seen = HashSet::from([first]);
    // Each entry has its place in `path`, in which a name is read backwards.
    let mut path: Vec<(usize, u8)> = vec![(0, 0)];
    let mut queue = VecDeque::from([(first, 0)]);
    while let Some(((state, other), at)) = queue.pop_front() {
        *states = states.checked_sub(1)?;
        let is_other = match (without.as_mut(), other) {
            (Some(without), Some(other)) => without.accepts(other).ok()?,
            _ => false,
        };
        if !is_other && of.accepts(state).ok()? {
            return Some(Some(name(&path, at)));
        }
        for &byte in &bytes {
            let next = of.next(state, byte).ok()?;
            if next.is_dead() {
                continue;
            }
            let other = match (without.as_mut(), other) {
                (Some(without), Some(other)) => Some(without.next(other, byte).ok()?),
                _ => None,
            };
            if seen.insert((next, other)) {
                if seen.len() > STATES {
                    return None;
                }
                path.push((at, byte));
                queue.push_back(((next, other), path.len() - 1));
            }
        }
    }
    Some(None)
}

/// One byte of each class that the automata tell apart, letters first. No name has a line break.
fn bytes(of: &PatternAutomaton, without: Option<&PatternAutomaton>) -> Vec<u8> {
    let mut classes = HashSet::new();
    let all = (b'a'..=b'z').chain(b'0'..=b'9').chain(0..=u8::MAX).filter(|byte| *byte != b'\n');
    let class =
        |byte: &u8| (of.dfa.byte_classes().get(*byte), without.map(|without| without.dfa.byte_classes().get(*byte)));
    all.filter(|byte| classes.insert(class(byte))).collect()
}

/// The name that leads to the entry `at` of a path.
fn name(path: &[(usize, u8)], mut at: usize) -> Vec<u8> {
    let mut name = Vec::new();
    while let Some((before, byte)) = path.get(at).filter(|_| at > 0) {
        name.push(*byte);
        at = *before;
    }
    name.reverse();
    name
}
