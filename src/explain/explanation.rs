//! What a line does, as a value that is printed, or written as JSON.

use std::fmt;

use serde::Serialize;

use crate::config::escape_hidden;

/// What one line does, step by step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The line. A byte that is not UTF-8 is shown as U+FFFD.
    pub line: String,
    /// What becomes of it in a word.
    pub outcome: LineOutcome,
    /// The steps, in the order of the path.
    pub steps: Vec<Step>,
    /// How many more steps there are. A line of thousands of samples has too many to show.
    pub omitted: usize,
}

/// What becomes of a line in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineOutcome {
    /// Each sample is applied, or dropped by a rule.
    Applied,
    /// Each sample is dropped.
    Dropped,
    /// It is an event, which is counted.
    Event,
    /// Some samples are rejected.
    PartlyRejected,
    /// Each sample is rejected.
    Rejected,
}

/// A step on the way of a line: what it is, and the same as text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What the step is.
    #[serde(flatten)]
    pub detail: Detail,
    /// The step in words.
    pub text: String,
}

/// What a step is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Detail {
    /// The line is an event.
    Event,
    /// The parts of the line.
    Parsed {
        /// The name, without tags.
        name: String,
        /// The values, as received.
        value: String,
        /// The type, as the line writes it.
        r#type: &'static str,
        /// The sample rate; `None`: it cannot be used.
        rate: Option<f64>,
        /// The container, or empty.
        container: String,
    },
    /// A tag.
    Tag {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// In which dialect it is written.
        dialect: &'static str,
    },
    /// A section that is not known.
    Skipped {
        /// The section.
        section: String,
    },
    /// The rule that matches, or that none does.
    Rule {
        /// The number of the rule in the file, from 1; `None`: no rule matches, or one of a preset.
        number: Option<usize>,
        /// The preset that the rule is of.
        preset: Option<&'static str>,
        /// The pattern; `None`: no rule matches.
        pattern: Option<String>,
        /// What the pattern captures, from `$1` on.
        captures: Vec<String>,
    },
    /// Tags that were left out or changed.
    Tags {
        /// Why.
        reason: &'static str,
        /// How many.
        count: u64,
    },
    /// A sample updates a series.
    Series {
        /// The series, as `/metrics` writes it.
        series: String,
        /// Its type.
        r#type: &'static str,
        /// The update in words.
        update: String,
        /// The limit because of which it is the overflow series.
        over: Option<&'static str>,
    },
    /// A sample is dropped.
    Dropped,
    /// A sample, or all of the line, is rejected.
    Rejected(Rejection),
    /// A remark on the step before.
    Note,
    /// What a running sidecar exposes for the series of the step before.
    Current {
        /// The values, as `/metrics` writes them.
        samples: Vec<String>,
    },
}

/// Why a sample is rejected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rejection {
    /// The reason, as in `statsidecar_rejected_samples_total`.
    pub reason: &'static str,
    /// What the sender or the operator can change.
    pub remedy: &'static str,
    /// Which byte of the line is wrong, from 0; the length of the line if something is missing there. `None`: it is no
    /// byte of the line, as with a limit on series.
    pub at: Option<usize>,
    /// The piece of the line around that byte, escaped.
    pub excerpt: Option<Excerpt>,
}

/// A piece of a line, with a mark.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Excerpt {
    /// The piece, escaped.
    pub text: String,
    /// How many characters of it precede the mark.
    pub column: usize,
}

/// How many characters of a line an excerpt shows before its mark, and behind it.
const AROUND: (usize, usize) = (60, 20);

impl Excerpt {
    /// The piece of `line` around the byte `at`.
    pub(super) fn new(line: &[u8], at: usize) -> Self {
        // A character has four bytes at most, so so many bytes have the characters to show.
        let start = at.saturating_sub(4 * AROUND.0);
        let before = String::from_utf8_lossy(line.get(start..at).unwrap_or(line));
        let after = line.get(at..line.len().min(at + 4 * AROUND.1)).unwrap_or_default();
        let after = String::from_utf8_lossy(after);
        let skipped = before.chars().count().saturating_sub(AROUND.0);
        let mut text = if start > 0 || skipped > 0 { "...".to_owned() } else { String::new() };
        escape(&mut text, before.chars().skip(skipped));
        let column = text.chars().count();
        escape(&mut text, after.chars().take(AROUND.1));
        if after.chars().count() > AROUND.1 || at + after.len() < line.len() {
            text.push_str("...");
        }
        Self { text, column }
    }
}

fn escape(text: &mut String, characters: impl Iterator<Item = char>) {
    text.extend(characters.flat_map(char::escape_debug));
}

/// Bytes as text. What is not UTF-8 is shown as U+FFFD.
pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Detail {
    /// The word for the step.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Parsed { .. } => "parsed",
            Self::Tag { .. } => "tag",
            Self::Skipped { .. } => "skipped",
            Self::Rule { .. } => "rule",
            Self::Tags { .. } => "tags",
            Self::Series { .. } => "series",
            Self::Dropped => "dropped",
            Self::Rejected(_) => "rejected",
            Self::Note => "",
            Self::Current { .. } => "current",
        }
    }
}

/// The text of an explanation: the line, and its steps below it.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.line.escape_debug())?;
        for Step { detail, text } in &self.steps {
            let mut visible = String::with_capacity(text.len());
            escape_hidden(&mut visible, text);
            writeln!(f, "  {:<9}{visible}", detail.word())?;
            if let Detail::Rejected(Rejection { excerpt: Some(excerpt), .. }) = detail {
                writeln!(f, "  {:<9}{}", "", excerpt.text)?;
                writeln!(f, "  {:<9}{:column$}^", "", "", column = excerpt.column)?;
            }
        }
        match self.omitted {
            0 => Ok(()),
            omitted => writeln!(f, "  and {omitted} more steps"),
        }
    }
}
