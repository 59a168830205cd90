//! Which rules the lines of a capture reach, and which names no rule matches.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use super::capture_summary::{counted, rule_word};
use super::explanation::lossy;
use super::walk::{Rejected, Visitor, walk};
use crate::config::escape_hidden;
use crate::mapping::{Context, Mapping};
use crate::metric::Update;
use crate::parse::Group;
use crate::pipeline::Edition;
use crate::registry::Series;
use crate::reject::Reject;

/// The most names without a rule that are kept.
const MOST_NAMES: usize = 10_000;

/// How many of them are printed.
const SHOWN_NAMES: usize = 20;

/// How many characters of an example are kept.
const SHOWN: usize = 100;

/// Counts the lines that reach each rule.
pub struct Coverage<'p> {
    edition: &'p Edition,
    lines: u64,
    /// Lines of which no rule is asked: events, and lines that cannot be read.
    unasked: u64,
    /// By the index of the rule.
    rules: Vec<Reached>,
    /// The lines with a name that no rule matches, by name.
    unmapped: BTreeMap<String, u64>,
    /// The lines with further such names.
    more_unmapped: u64,
    /// The line that is read.
    line: LineState,
}

/// The lines that reach a rule.
#[derive(Clone, Debug, Default)]
struct Reached {
    lines: u64,
    /// The number of the last of them. A line with several groups counts once.
    last: u64,
    /// Those with a sample that is rejected.
    rejected: u64,
    last_rejected: u64,
    example: String,
}

/// What is known of a line.
#[derive(Debug, Default)]
struct LineState {
    text: String,
    name: String,
    rule: Option<usize>,
    is_asked: bool,
}

impl<'p> Coverage<'p> {
    /// Counts for the rules of `pipeline`, which has no series yet.
    pub fn new(edition: &'p Edition) -> Self {
        let rules = (0..).map_while(|index| edition.rules.pattern(index)).map(|_| Reached::default()).collect();
        Self {
            edition,
            lines: 0,
            unasked: 0,
            rules,
            unmapped: BTreeMap::new(),
            more_unmapped: 0,
            line: LineState::default(),
        }
    }

    /// Takes a line, without its line break.
    pub fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        self.line.is_asked = false;
        self.line.text = lossy(line.get(..4 * SHOWN).unwrap_or(line)).chars().take(SHOWN).collect();
        walk(self.edition, line, self);
        self.unasked += u64::from(!self.line.is_asked);
    }

    fn write_rules(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = &self.edition.rules;
        let described = |index: usize| {
            let preset = rules.preset(index);
            let pattern = rules.pattern(index).map(|pattern| format!("{} = {}", pattern.key(), pattern.quoted()));
            format!(
                "rule {} ({})",
                rule_word(preset.is_none().then_some(index + 1), preset),
                pattern.unwrap_or_default()
            )
        };
        let (reached, idle): (Vec<_>, Vec<_>) = self.rules.iter().enumerate().partition(|(_, rule)| rule.lines > 0);
        for (index, Reached { lines, rejected, example, .. }) in reached {
            let rejected = if *rejected > 0 { format!(", {rejected} of them rejected") } else { String::new() };
            writeln!(f, "  {}: {}{rejected}, such as {}", described(index), counted(*lines, "line"), visible(example))?;
        }
        let (own, of_presets): (Vec<_>, Vec<_>) = idle.into_iter().partition(|(at, _)| rules.preset(*at).is_none());
        for (index, _) in own {
            writeln!(f, "  {}: no line", described(index))?;
        }
        match of_presets.len() as u64 {
            0 => Ok(()),
            idle => writeln!(f, "  {} of presets: no line", counted(idle, "rule")),
        }
    }

    fn write_unmapped(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.unmapped.values().sum::<u64>() + self.more_unmapped;
        if lines == 0 {
            return Ok(());
        }
        let at_least = if self.more_unmapped > 0 { "more than " } else { "" };
        let names = counted(self.unmapped.len() as u64, "name");
        writeln!(f, "  no rule: {} of {at_least}{names}", counted(lines, "line"))?;
        let mut largest: Vec<_> = self.unmapped.iter().collect();
        largest.sort_by_key(|(name, lines)| (Reverse(**lines), *name));
        for (name, lines) in largest.iter().take(SHOWN_NAMES) {
            writeln!(f, "    {}: {}", visible(name), counted(**lines, "line"))?;
        }
        match largest.len().saturating_sub(SHOWN_NAMES) {
            0 => Ok(()),
            more => writeln!(f, "    and {more} more"),
        }
    }
}

impl Visitor for Coverage<'_> {
    fn event(&mut self) {}

    fn parsed(&mut self, _: &Group<'_>, context: &Context<'_>) {
        self.line.is_asked = true;
        self.line.name = context.name.chars().take(SHOWN).collect();
    }

    fn mapped(&mut self, mapping: &Mapping<'_>) {
        self.line.rule = mapping.rule.as_ref().map(|(index, _)| *index);
        match self.line.rule {
            Some(index) => {
                let Some(rule) = self.rules.get_mut(index).filter(|rule| rule.last != self.lines) else { return };
                if rule.lines == 0 {
                    rule.example.clone_from(&self.line.text);
                }
                rule.lines += 1;
                rule.last = self.lines;
            }
            None => {
                let has_room = self.unmapped.len() < MOST_NAMES;
                match self.unmapped.get_mut(&self.line.name) {
                    Some(lines) => *lines += 1,
                    None if has_room => drop(self.unmapped.insert(self.line.name.clone(), 1)),
                    None => self.more_unmapped += 1,
                }
            }
        }
    }

    fn updates(&mut self, _: &Series, _: Update<'_>, _: Option<Reject>) {}

    fn dropped(&mut self, _: &Group<'_>) {}

    fn rejected(&mut self, rejected: &Rejected<'_>) {
        let rule = rejected.mapped.and(self.line.rule).and_then(|index| self.rules.get_mut(index));
        if let Some(rule) = rule.filter(|rule| rule.last_rejected != self.lines) {
            rule.rejected += 1;
            rule.last_rejected = self.lines;
        }
    }
}

/// The number of lines, then a line for each rule, those that no line reaches last, and the names that no rule matches.
impl fmt::Display for Coverage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reached = self.rules.iter().filter(|rule| rule.lines > 0).count();
        writeln!(f, "{} reach {reached} of {}", counted(self.lines, "line"), counted(self.rules.len() as u64, "rule"))?;
        self.write_rules(f)?;
        self.write_unmapped(f)?;
        match self.unasked {
            0 => Ok(()),
            1 => writeln!(f, "  1 line that is an event or cannot be read: see explain --file"),
            lines => writeln!(f, "  {lines} lines that are events or cannot be read: see explain --file"),
        }
    }
}

fn visible(text: &str) -> String {
    let mut visible = String::new();
    escape_hidden(&mut visible, text);
    visible
}
