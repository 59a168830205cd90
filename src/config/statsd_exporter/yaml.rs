//! The YAML layer: the file as a tree of values, each with its place, and a bound on what it unfolds to.
//!
//! What a key means is none of this module's business.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use crate::config::diagnostic::{Diagnostic, quoted};

/// How deep lists and tables may stand in one another; a mapping file needs five levels.
const DEPTH: usize = 32;

/// How much a file may come to, in values and bytes of text, each counted as often as an alias repeats it. So aliases of
/// aliases cannot make of a few lines more than memory holds.
const WEIGHT: usize = 16 * 1024 * 1024;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

/// What a value is; a number is text until somebody wants it as a number.
#[derive(Debug)]
pub(super) enum Value {
    /// Text; `plain` where it stands without quotes, so that it may be a number, a boolean or nothing.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Rc<Node>>),
    /// Keys and values in file order; no key is there twice.
    Table(Vec<Entry>),
}

/// A key and its value.
pub(super) type Entry = (Rc<Node>, Rc<Node>);

impl Node {
    /// Whether it says nothing: `~`, `null`, or nothing at all.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// A file's first document.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Its value; `None` where it is empty.
    pub(super) root: Option<Rc<Node>>,
    /// Whether another document follows.
    pub(super) has_more: bool,
    /// What is wrong with it, where the rest can be judged all the same.
    pub(super) problems: Vec<Diagnostic>,
}

/// Reads the first document; `Err` is what nothing can be read beyond.
pub(super) fn read(source: &str) -> Result<Document, Diagnostic> {
    let options = granit_parser::options! { flow_nesting_limit: DEPTH, block_nesting_limit: DEPTH };
    let mut parser = Parser::new_from_str_with_options(source, options);
    let mut tree = Tree::default();
    let mut document = Document::default();
    for event in &mut parser {
        let (event, span) = event.map_err(|error| syntax(source, &error))?;
        match event {
            Event::DocumentEnd => {
                document.root = tree.root.take();
                break;
            }
            event => tree.take(event, &place(&span))?,
        }
    }
    let mut rest = parser.take_while(Result::is_ok);
    document.has_more = rest.any(|event| matches!(event, Ok((Event::DocumentStart(..), _))));
    document.problems = tree.problems;
    Ok(document)
}

fn syntax(source: &str, error: &ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(source.len());
    // As a match often does. YAML takes it for the name of something that was said before.
    let is_alias = source.get(at..).is_some_and(|rest| rest.starts_with('*'));
    let hint = if is_alias { "; text that begins with * must stand in quotes" } else { "" };
    Diagnostic::error(at..at, format!("not valid YAML: {}{hint}", error.kind()))
}

fn place(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or_default()
}

/// The tree while it is read.
#[derive(Default)]
struct Tree {
    root: Option<Rc<Node>>,
    /// The lists and tables that have not ended, from the outermost.
    open: Vec<Open>,
    /// What aliases stand for, with its weight.
    anchors: HashMap<usize, (Rc<Node>, usize)>,
    /// What has been read so far, with all that aliases repeat.
    weight: usize,
    problems: Vec<Diagnostic>,
}

struct Open {
    span: Range<usize>,
    anchor: usize,
    is_table: bool,
    /// The elements; in a table a key and its value by turns.
    nodes: Vec<Rc<Node>>,
    weight: usize,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, span: &Range<usize>) -> Result<(), Diagnostic> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let weight = 1 + text.len();
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain && !is_text };
                self.charge(weight, span)?;
                self.add(Rc::new(Node { span: span.clone(), value }), anchor, weight);
            }
            Event::SequenceStart(_, anchor, _) => self.open(span, anchor, false)?,
            Event::MappingStart(_, anchor, _) => self.open(span, anchor, true)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some((node, weight)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Diagnostic::error(span.clone(), "this alias stands for something that it is part of"));
                };
                self.charge(weight, span)?;
                self.add(node, 0, weight);
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts what the file comes to.
    fn charge(&mut self, weight: usize, span: &Range<usize>) -> Result<(), Diagnostic> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight <= WEIGHT {
            return Ok(());
        }
        let message = format!("with its aliases, the file comes to more than {WEIGHT} values and bytes of text here");
        Err(Diagnostic::error(span.clone(), message))
    }

    fn open(&mut self, span: &Range<usize>, anchor: usize, is_table: bool) -> Result<(), Diagnostic> {
        self.open.push(Open { span: span.clone(), anchor, is_table, nodes: Vec::new(), weight: 1 });
        self.charge(1, span)
    }

    fn close(&mut self) {
        let Some(Open { span, anchor, is_table, nodes, weight }) = self.open.pop() else { return };
        let value = if is_table { Value::Table(self.table(nodes)) } else { Value::List(nodes) };
        self.add(Rc::new(Node { span, value }), anchor, weight);
    }

    /// Adds a value to what it stands in.
    fn add(&mut self, node: Rc<Node>, anchor: usize, weight: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (Rc::clone(&node), weight));
        }
        match self.open.last_mut() {
            Some(open) => {
                open.weight = open.weight.saturating_add(weight);
                open.nodes.push(node);
            }
            None => self.root = Some(node),
        }
    }

    /// The entries of a table, with those that `<<` takes in from others; its own win, and of others the first.
    fn table(&mut self, nodes: Vec<Rc<Node>>) -> Vec<Entry> {
        let mut nodes = nodes.into_iter();
        let (mut entries, mut merged) = (Vec::new(), Vec::new());
        let mut keys: HashSet<String> = HashSet::new();
        while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
            let Some(text) = key.text() else {
                self.problems.push(Diagnostic::error(key.span.clone(), "a key must be text"));
                continue;
            };
            if matches!(&key.value, Value::Scalar { plain: true, .. }) && text == "<<" {
                merged.push(value);
            } else if !keys.insert(text.to_owned()) {
                let message = format!("{} is given twice; keep one", quoted(text));
                self.problems.push(Diagnostic::error(key.span.clone(), message));
            } else {
                entries.push((key, value));
            }
        }
        for table in merged {
            self.merge(&table, &mut keys, &mut entries);
        }
        entries
    }

    fn merge(&mut self, node: &Rc<Node>, keys: &mut HashSet<String>, entries: &mut Vec<Entry>) {
        match &node.value {
            Value::Table(others) => {
                for (key, value) in others {
                    if key.text().is_some_and(|text| keys.insert(text.to_owned())) {
                        entries.push((Rc::clone(key), Rc::clone(value)));
                    }
                }
            }
            // A list within the list is no table: it takes part in nothing.
            Value::List(tables) if tables.iter().all(|table| matches!(table.value, Value::Table(_))) => {
                tables.iter().for_each(|table| self.merge(table, keys, entries));
            }
            _ => {
                let message = "<< takes in a table, or a list of tables".to_owned();
                self.problems.push(Diagnostic::error(node.span.clone(), message));
            }
        }
    }
}
