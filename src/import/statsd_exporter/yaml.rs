//! YAML: the first document of a file as a tree of values with their places.
//!
//! The size of the tree is bounded, because aliases of aliases can turn a few lines into more than memory holds.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;
use std::slice;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};

use super::comments::YamlComment;
use crate::config::reader::{Node, Setting, Table};
use crate::config::{Diagnostic, Spanned, quoted};

/// The deepest nesting of lists and tables; a mapping file needs five levels.
const DEPTH: usize = 32;

/// The largest tree, in values and bytes of text. A value counts as often as aliases repeat it.
const WEIGHT: usize = 16 * 1024 * 1024;

/// A YAML value that is about to be read.
pub(super) type YamlSetting<'a> = Setting<'a, YamlNode>;

/// A YAML table of settings.
pub(super) type YamlTable<'a> = Table<'a, YamlNode>;

/// This table of settings.
pub(super) fn table<'a>(setting: &YamlSetting<'a>) -> Option<YamlTable<'a>> {
    setting.table(format!("in {}", setting.name), "a table")
}

/// A value and its place.
#[derive(Debug)]
pub(super) struct YamlNode {
    span: Range<usize>,
    value: YamlValue,
}

#[derive(Debug)]
enum YamlValue {
    /// A scalar. It is `plain` without quotes, and can then be a number, a boolean or null as well as text.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Rc<YamlNode>>),
    /// Keys, which are scalars, and values in file order; each key once.
    Table(Vec<YamlEntry>),
}

type YamlEntry = (Rc<YamlNode>, Rc<YamlNode>);

impl YamlNode {
    /// The text of a scalar without quotes.
    fn plain(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }
}

impl Node for YamlNode {
    fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    fn shown(&self) -> String {
        match &self.value {
            YamlValue::Scalar { text, plain: true } => quoted(text).trim_matches('"').to_owned(),
            YamlValue::Scalar { text, .. } => quoted(text),
            YamlValue::List(_) => "a list".to_owned(),
            YamlValue::Table(_) => "a table".to_owned(),
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.plain(), Some("" | "~" | "null" | "Null" | "NULL"))
    }

    fn text(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    fn boolean(&self) -> Option<bool> {
        match self.plain()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        self.plain().and_then(parse_number)
    }

    fn list(&self) -> Option<impl Iterator<Item = &Self>> {
        match &self.value {
            YamlValue::List(nodes) => Some(nodes.iter().map(Rc::as_ref)),
            _ => None,
        }
    }

    fn table(&self) -> Option<impl Iterator<Item = (Spanned<&str>, &Self)>> {
        let YamlValue::Table(entries) = &self.value else { return None };
        Some(entries.iter().filter_map(|(key, value)| Some((Spanned::new(key.span(), key.text()?), value.as_ref()))))
    }
}

/// A number of YAML 1.1.
///
/// Source: <https://yaml.org/type/float.html>.
fn parse_number(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let digits = unsigned.replace('_', "");
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return u64::from_str_radix(hexadecimal, 16).ok().map(|value| sign * value as f64);
    }
    // Rust would also accept `inf`, `nan` and `infinity`, which are words in YAML.
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.len() - unsigned.len() <= 1;
    is_number.then(|| digits.parse::<f64>().ok().map(|value| sign * value)).flatten()
}

/// The first document of a file.
#[derive(Debug)]
pub(super) struct Document {
    /// Its value; `None` if it is empty.
    pub(super) root: Option<Rc<YamlNode>>,
    /// Whether another document follows.
    pub(super) has_more: bool,
    /// Errors in spite of which the rest can be read.
    pub(super) errors: Vec<Diagnostic>,
    /// Its comments, in file order.
    pub(super) comments: Vec<YamlComment>,
}

/// Parses the first document. After the error of an `Err`, nothing can be parsed.
pub(super) fn parse(source: &str) -> Result<Document, Diagnostic> {
    let options = granit_parser::options! {
        flow_nesting_limit: DEPTH, block_nesting_limit: DEPTH, max_buffered_comment_events: usize::MAX
    };
    let parser = Parser::new_from_str_with_options(source, options);
    let mut tree =
        Tree { source, parser, anchors: HashMap::new(), weight: 0, errors: Vec::new(), comments: Vec::new() };
    let root = tree.nodes()?.pop();
    let mut rest = tree.parser.take_while(Result::is_ok);
    let has_more = rest.any(|event| matches!(event, Ok((Event::DocumentStart(..), _))));
    Ok(Document { root, has_more, errors: tree.errors, comments: tree.comments })
}

fn syntax(source: &str, error: &ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(source.len());
    // A glob often begins with `*`, which YAML reads as an alias.
    let is_alias = source.get(at..).is_some_and(|rest| rest.starts_with('*'));
    let hint = if is_alias { "; text that begins with * needs quotes" } else { "" };
    Diagnostic::error(at..at, format!("not valid YAML: {}{hint}", error.kind()))
}

/// Builds the tree from the events of the parser. The parser limits the depth of the recursion.
struct Tree<'s> {
    source: &'s str,
    parser: Parser<'s, StrInput<'s>>,
    /// The values of anchors, with their weights.
    anchors: HashMap<usize, (Rc<YamlNode>, usize)>,
    /// The weight of everything so far.
    weight: usize,
    errors: Vec<Diagnostic>,
    comments: Vec<YamlComment>,
}

impl Tree<'_> {
    /// The values up to the end of the list, table or document that is open. In a table, keys and values alternate.
    fn nodes(&mut self) -> Result<Vec<Rc<YamlNode>>, Diagnostic> {
        let mut nodes = Vec::new();
        while let Some(event) = self.parser.next() {
            let (event, span) = event.map_err(|error| syntax(self.source, &error))?;
            if matches!(event, Event::SequenceEnd | Event::MappingEnd | Event::DocumentEnd) {
                break;
            }
            nodes.extend(self.node(event, &span.byte_range().unwrap_or_default())?);
        }
        Ok(nodes)
    }

    /// The value that begins with `event`, if one does.
    fn node(&mut self, event: Event<'_>, span: &Range<usize>) -> Result<Option<Rc<YamlNode>>, Diagnostic> {
        let before = self.weight;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.charge(1 + text.len(), span)?;
                let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let plain = style == ScalarStyle::Plain && !is_text;
                (YamlValue::Scalar { text: text.into_owned(), plain }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.charge(1, span)?;
                (YamlValue::List(self.nodes()?), anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                self.charge(1, span)?;
                let nodes = self.nodes()?;
                (YamlValue::Table(self.table(nodes)), anchor)
            }
            Event::Alias(anchor) => {
                let message = "this alias refers to a value that contains the alias itself";
                let known = self.anchors.get(&anchor).cloned();
                let (node, weight) = known.ok_or_else(|| Diagnostic::error(span.clone(), message))?;
                self.charge(weight, span)?;
                return Ok(Some(node));
            }
            Event::Comment(text, _) => {
                self.charge(1 + text.len(), span)?;
                self.comments.push(YamlComment { at: span.start, text: text.into_owned() });
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let node = Rc::new(YamlNode { span: span.clone(), value });
        if anchor != 0 {
            self.anchors.insert(anchor, (Rc::clone(&node), self.weight - before));
        }
        Ok(Some(node))
    }

    /// Adds to the weight of the file.
    fn charge(&mut self, weight: usize, span: &Range<usize>) -> Result<(), Diagnostic> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight <= WEIGHT {
            return Ok(());
        }
        let message = format!(
            "with its aliases repeated, the file has more than {WEIGHT} values and bytes of text; remove aliases"
        );
        Err(Diagnostic::error(span.clone(), message))
    }

    /// The entries of a table, and those that `<<` merges into it. Own keys win over merged ones, and earlier tables
    /// over later ones.
    fn table(&mut self, nodes: Vec<Rc<YamlNode>>) -> Vec<YamlEntry> {
        let mut nodes = nodes.into_iter();
        let (mut entries, mut merged) = (Vec::new(), Vec::new());
        let mut keys: HashSet<String> = HashSet::new();
        while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
            let Some(text) = key.text() else {
                self.errors.push(Diagnostic::error(key.span.clone(), "a key must be text"));
                continue;
            };
            if key.plain() == Some("<<") {
                merged.push(value);
            } else if !keys.insert(text.to_owned()) {
                let message = format!("{} is given twice; keep one", quoted(text));
                self.errors.push(Diagnostic::error(key.span.clone(), message));
            } else {
                entries.push((key, value));
            }
        }
        for node in merged {
            let tables = if let YamlValue::List(tables) = &node.value { tables } else { slice::from_ref(&node) };
            for table in tables {
                let YamlValue::Table(others) = &table.value else {
                    let message = "<< merges a table, or a list of tables";
                    self.errors.push(Diagnostic::error(node.span.clone(), message));
                    break;
                };
                let new = others.iter().filter(|(key, _)| key.text().is_some_and(|text| keys.insert(text.to_owned())));
                entries.extend(new.cloned());
            }
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_syntax_of_yaml() {
        for (text, expected) in [
            ("5", Some(5.0)),
            ("-5", Some(-5.0)),
            ("+.5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1_000", Some(1000.0)),
            ("1e-6", Some(1e-6)),
            ("0x10", Some(16.0)),
            (".inf", Some(f64::INFINITY)),
            ("-.Inf", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("nan", None),
            ("--1", None),
            ("1s", None),
            ("", None),
            (".", None),
            ("0x", None),
        ] {
            assert_eq!(parse_number(text), expected, "{text}");
        }
        assert!(parse_number(".nan").is_some_and(f64::is_nan));
    }
}
