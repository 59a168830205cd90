//! A pattern of dotted names, and what the lines that match it have.

use std::collections::{BTreeMap, BTreeSet};

use super::observations::SeenLines;
use crate::parse::StatsdType;

/// A part of a pattern. Names that a literal matches go there first, so it sorts first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Token {
    /// Itself.
    Literal(String),
    /// This, and then anything.
    Prefix(String),
    /// Anything.
    Any,
}

/// A part that varies.
#[derive(Clone, Debug)]
pub(super) struct VaryingPart {
    /// The name of its label.
    pub label: String,
    /// The values, without the prefix; not all of them if there are many.
    pub values: BTreeSet<String>,
    /// How many values there are.
    pub count: usize,
    /// Whether there is no end to the values, so that they make no label.
    pub is_endless: bool,
}

/// The names of one pattern and one type.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    /// How many names there are, and some of them.
    pub names: u64,
    pub examples: Vec<String>,
    /// What their lines have.
    pub seen: SeenLines,
}

/// A pattern, and the lines that match it, by type.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Its parts; those that vary have a variable.
    pub parts: Vec<(Token, Option<VaryingPart>)>,
    pub leaf: BTreeMap<StatsdType, Leaf>,
}
