//! Collects the steps of a line, and writes each in words.

use super::explanation::{Detail, Excerpt, Explanation, LineOutcome, Rejection, Step, lossy};
use super::walk::{Rejected, Visitor, walk};
use crate::mapping::{Context, Mapping};
use crate::metric::Update;
use crate::parse::tags::Tag;
use crate::parse::{Group, StatsdType};
use crate::pipeline::Edition;
use crate::registry::Series;
use crate::reject::Reject;

/// What a line, without its line break, does to `pipeline`. The line may make series there, but updates none.
pub fn explain(edition: &Edition, line: &[u8]) -> Explanation {
    let mut steps = Steps { edition, line, steps: Vec::new(), bytes: 0, omitted: 0, ends: SampleEnds::default() };
    walk(edition, line, &mut steps);
    let outcome = steps.ends.outcome();
    let Steps { steps, omitted, .. } = steps;
    Explanation { line: lossy(line), outcome, steps, omitted }
}

/// How many bytes of text the steps of a line have at most. Thousands of samples may have a series with kilobytes of
/// labels.
const MOST_TEXT: usize = 2 << 20;

/// How many characters of rejected bytes are shown. A line may have thousands of bad groups.
const SHOWN: usize = 200;

/// How many samples ended in which way.
#[derive(Debug, Default)]
struct SampleEnds {
    events: usize,
    applied: usize,
    dropped: usize,
    rejected: usize,
}

impl SampleEnds {
    fn outcome(&self) -> LineOutcome {
        match self {
            Self { events: 1.., .. } => LineOutcome::Event,
            Self { rejected: 0, applied: 0, .. } => LineOutcome::Dropped,
            Self { rejected: 0, .. } => LineOutcome::Applied,
            Self { applied: 0, dropped: 0, .. } => LineOutcome::Rejected,
            _ => LineOutcome::PartlyRejected,
        }
    }
}

/// Collects the steps of a line.
struct Steps<'p> {
    edition: &'p Edition,
    line: &'p [u8],
    steps: Vec<Step>,
    bytes: usize,
    omitted: usize,
    ends: SampleEnds,
}

impl Steps<'_> {
    fn add(&mut self, detail: Detail, text: String) {
        if self.bytes > MOST_TEXT {
            self.omitted += 1;
            return;
        }
        self.bytes += text.len();
        self.steps.push(Step { detail, text });
    }
}

impl Visitor for Steps<'_> {
    fn event(&mut self) {
        self.ends.events += 1;
        self.add(Detail::Event, "counted by statsidecar_events_total, and not exposed".to_owned());
    }

    fn parsed(&mut self, group: &Group<'_>, context: &Context<'_>) {
        let (value, container) = (lossy(group.values), lossy(group.container));
        let r#type = group.statsd_type.as_str();
        let mut text = format!("name {:?}, value {value:?}, type {type}", context.name);
        match group.rate {
            Ok(1.0) => {}
            Ok(rate) => text.push_str(&format!(", rate {rate}")),
            Err(_) => text.push_str(", a rate that cannot be used"),
        }
        if !container.is_empty() {
            text.push_str(&format!(", container {container:?}"));
        }
        let (name, rate) = (context.name.to_owned(), group.rate.ok());
        self.add(Detail::Parsed { name, value, r#type, rate, container }, text);
        for Tag { dialect, pair } in context.tags {
            if let Ok((key, value)) = pair {
                let dialect = dialect.as_str();
                let text = format!("{key:?} is {value:?} ({dialect})");
                self.add(Detail::Tag { key: (*key).to_owned(), value: (*value).to_owned(), dialect }, text);
            }
        }
        for section in group.unknown_sections() {
            let section = lossy(section);
            let text = format!("section {section:?}, which is not known");
            self.add(Detail::Skipped { section }, text);
        }
    }

    fn mapped(&mut self, mapping: &Mapping<'_>) {
        let (detail, text) = rule(self.edition, mapping);
        self.add(detail, text);
        for (error, count) in mapping.tag_errors.iter().filter(|(_, count)| *count > 0) {
            let reason = error.reason();
            self.add(Detail::Tags { reason, count }, format!("{count} with {reason}: {}", error.effect()));
        }
    }

    fn updates(&mut self, series: &Series, update: Update<'_>, over: Option<Reject>) {
        self.ends.applied += 1;
        let (name, r#type) = (series.written(), series.cells.type_of().as_str());
        let update = words(update);
        let mut text = format!("{name} ({type}) {update}");
        if let Some(limit) = over {
            text.push_str(&format!(", as one of its own would be over the {limit}"));
        }
        let over = over.map(Reject::reason);
        self.add(Detail::Series { series: name.into_owned(), r#type, update, over }, text);
    }

    fn dropped(&mut self, group: &Group<'_>) {
        self.ends.dropped += 1;
        let is_unexposed_check = group.statsd_type == StatsdType::ServiceCheck && !self.edition.rules.service_checks;
        let because = if is_unexposed_check { "[defaults] service_checks is false" } else { "the rule says drop" };
        self.add(Detail::Dropped, format!("{because}: counted, and not exposed"));
    }

    fn rejected(&mut self, rejected: &Rejected<'_>) {
        self.ends.rejected += 1;
        let Rejected { bytes, reason, at, mapped } = *rejected;
        let text = format!("{reason} ({}): {}", beginning(bytes).escape_debug(), reason.remedy());
        let excerpt = at.map(|at| Excerpt::new(self.line, at));
        let (remedy, word) = (reason.remedy(), reason.reason());
        self.add(Detail::Rejected(Rejection { reason: word, remedy, at, excerpt }), text);
        if let (Reject::EmptyName, Some((context, mapping))) = (reason, mapped) {
            self.add(Detail::Note, empty_name(self.edition, context, mapping));
        }
    }
}

/// The step of the rule that matches.
fn rule(edition: &Edition, mapping: &Mapping<'_>) -> (Detail, String) {
    let rules = &edition.rules;
    let Some((index, captures)) = &mapping.rule else {
        let detail = Detail::Rule { number: None, preset: None, pattern: None, captures: Vec::new() };
        return (detail, "none matches; the name is the line's own".to_owned());
    };
    let pattern = rules.pattern(*index).map(|pattern| format!("{} = {}", pattern.key(), pattern.quoted()));
    let pattern = pattern.unwrap_or_default();
    let preset = rules.preset(*index);
    let (number, mut text) = match preset {
        Some(preset) => (None, format!("of the preset {preset} ({pattern})")),
        None => (Some(index + 1), format!("{} ({pattern})", index + 1)),
    };
    for (number, capture) in captures.iter().enumerate().skip(1) {
        match rules.capture_name(*index, number) {
            Some(name) => text.push_str(&format!(", ${name} = {capture:?}")),
            None => text.push_str(&format!(", ${number} = {capture:?}")),
        }
    }
    let captures = captures.iter().skip(1).map(|capture| (*capture).to_owned()).collect();
    (Detail::Rule { number, preset, pattern: Some(pattern), captures }, text)
}

/// What a name without characters was made from.
fn empty_name(edition: &Edition, context: &Context<'_>, mapping: &Mapping<'_>) -> String {
    let name = context.name;
    match mapping.rule.as_ref().and_then(|(index, _)| Some((index, edition.rules.name_template(*index)?))) {
        Some((index, template)) => {
            format!("the name {template:?} of rule {} is empty for the name {name:?} of the line", index + 1)
        }
        None => format!("the name of the line is {name:?}"),
    }
}

/// How a sample updates its series.
fn words(update: Update<'_>) -> String {
    match update {
        Update::Count(n) => format!("adds {n}"),
        Update::Add(x) => format!("adds {x}"),
        Update::Total(x) => format!("follows the total {x}"),
        Update::Set(x) => format!("is set to {x}"),
        Update::Move(x) => format!("moves by {x}"),
        Update::Observe { value, weight: 1.0 } => format!("observes {value}"),
        Update::Observe { value, weight } => format!("observes {value} with weight {weight}"),
        Update::Member(member) => format!("sees the member {:?}", lossy(member)),
    }
}

/// The first characters of rejected bytes.
fn beginning(bytes: &[u8]) -> String {
    // A character has four bytes at most.
    let beginning = String::from_utf8_lossy(bytes.get(..4 * (SHOWN + 1)).unwrap_or(bytes));
    let mut text: String = beginning.chars().take(SHOWN).collect();
    if text.len() < beginning.len() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::{Config, load};
    use crate::mapping::Rules;

    fn edition(config: &str) -> Edition {
        let (config, diagnostics) = load(config);
        assert_eq!(diagnostics, [], "the config is right");
        Edition::new(&config, Rules::compile(&config).0)
    }

    /// The rejections of lines, one after the other, as a line of text each with a caret under the wrong byte.
    fn rejections(config: &str, lines: &[&[u8]]) -> Vec<(&'static str, Option<usize>)> {
        let edition = edition(config);
        let steps = lines.iter().flat_map(|line| explain(&edition, line).steps);
        let rejections = steps.filter_map(|step| match step.detail {
            Detail::Rejected(Rejection { reason, at, .. }) => Some((reason, at)),
            _ => None,
        });
        rejections.collect()
    }

    #[test]
    fn the_wrong_byte_of_a_line_is_found() {
        for (line, caret, reason) in [
            // Lines that cannot be taken apart.
            ("a 1", "   ^", "malformed_line"),
            ("took=5|ms", "         ^", "malformed_line"),
            ("a:1", "   ^", "malformed_line"),
            ("a:1|", "    ^", "unknown_type"),
            ("a:1|zz|#k:v", "    ^", "unknown_type"),
            ("a:1|c ", "    ^", "unknown_type"),
            ("a:1|c:2|c|#k:v", "     ^", "unknown_type"),
            ("a:1|c|c:x|@1:2|c|c:y", "                 ^", "malformed_line"),
            (":1|c", "^", "empty_name"),
            // Values.
            ("a:12x4|c", "    ^", "bad_value"),
            ("a:|c", "  ^", "bad_value"),
            ("a:NaN|g", "  ^", "bad_value"),
            ("a:-|g", "   ^", "bad_value"),
            ("a:1e|g", "    ^", "bad_value"),
            ("a:1.2.3|g", "     ^", "bad_value"),
            ("a: 1|g", "  ^", "bad_value"),
            ("a:1e400|g", "  ^", "bad_value"),
            ("a:|s", "  ^", "bad_value"),
            ("a:-3|c", "  ^", "negative_counter"),
            ("a:1|c|@2", "       ^", "bad_sample_rate"),
            ("a:1|c|@0.5|@x", "            ^", "bad_sample_rate"),
            ("a:1|c|@1:2|#k:v", "        ^", "bad_sample_rate"),
            ("statsidecar_x:1|g", "^", "reserved_name"),
            // Service checks and events.
            ("_sc|a", "     ^", "malformed_line"),
            ("_sc|a|7", "      ^", "bad_value"),
            ("_sc||0", "    ^", "empty_name"),
            ("_e{5,4}:title", "             ^", "malformed_line"),
            ("_e{5,4}:title|tex", "                 ^", "malformed_line"),
            ("_e{5,4}:title|texts", "                  ^", "malformed_line"),
            ("_e{4,4}:title|text", "            ^", "malformed_line"),
            ("_e{x,4}:title|text", "   ^", "malformed_line"),
            ("_e{5,4", "      ^", "malformed_line"),
            ("_e{0,4}:|text", "   ^", "malformed_line"),
        ] {
            let at = caret.find('^').filter(|at| caret.len() == at + 1);
            assert_eq!(rejections("", &[line.as_bytes()]), [(reason, at)], "{line}\n{caret}");
        }
        assert_eq!(rejections("", &[b"a:1|c|x\xff"]), [("not_utf8", Some(7))]);
        assert_eq!(rejections("", &[b"a:1|c|#k:\xff"]), [("not_utf8", Some(9))]);
        assert_eq!(rejections("[intake]\nmax_line = 16", &[b"a:1|c|#k:123456789"]), [("line_too_long", Some(16))]);
    }

    #[test]
    fn the_wrong_tag_or_type_is_found() {
        let tags = "[limits]\ntags = 2";
        assert_eq!(rejections(tags, &[b"a:1|c|#k:v,l:w,m:x"]), [("tag_limit", Some(15))]);
        let long = "[limits]\nlabel_value = 2";
        assert_eq!(rejections(long, &[b"a,k=v,l=www:1|c"]), [("label_too_long", Some(8))]);
        assert_eq!(rejections("", &[b"a:1|g", b"a:1:2|h"]), [("type_conflict", Some(6)); 2]);
        assert_eq!(rejections("", &[b"a:1|h", b"a_count:1|g"]), [("name_collision", Some(0))]);
        // No byte of the line is wrong.
        assert_eq!(rejections("[limits]\nseries = 1", &[b"a:1|c", b"b:1|c"]), [("series_limit", None)]);
    }

    #[test]
    fn an_excerpt_shows_where_a_long_line_is_wrong() {
        let line = format!("{}:1x\u{1b}|c|#{}", "é".repeat(100), "k".repeat(100));
        let at = line.find('x').unwrap_or_default();
        let excerpt = Excerpt::new(line.as_bytes(), at);
        let expected = format!("...{}:1x\\u{{1b}}|c|#{}...", "é".repeat(58), "k".repeat(14));
        assert_eq!(excerpt, Excerpt { text: expected, column: 63 });
    }

    #[test]
    fn an_explanation_is_a_value_for_programs() {
        let edition = edition("[[metric]]\nmatch = \"jobs.*\"\nname = \"jobs_total\"\nlabels = { queue = \"$1\" }");
        let value = serde_json::to_value(explain(&edition, b"jobs.mail:2:x|c")).unwrap();
        let remedy = "write a finite decimal number without blanks (5, -5, +5, .5, 1e3); in a set, any text that is not empty; in a service check, 0 to 3";
        let expected = json!({
            "line": "jobs.mail:2:x|c",
            "outcome": "partly_rejected",
            "steps": [
                {
                    "step": "parsed", "name": "jobs.mail", "value": "2:x", "type": "c", "rate": 1.0, "container": "",
                    "text": "name \"jobs.mail\", value \"2:x\", type c",
                },
                {
                    "step": "rule", "number": 1, "preset": null, "pattern": "match = \"jobs.*\"", "captures": ["mail"],
                    "text": "1 (match = \"jobs.*\"), $1 = \"mail\"",
                },
                {
                    "step": "series", "series": "jobs_total{queue=\"mail\"}", "type": "counter", "update": "adds 2", "over": null,
                    "text": "jobs_total{queue=\"mail\"} (counter) adds 2",
                },
                {
                    "step": "rejected", "reason": "bad_value", "remedy": remedy, "at": 12,
                    "excerpt": {"text": "jobs.mail:2:x|c", "column": 12},
                    "text": format!("bad_value (x): {remedy}"),
                },
            ],
            "omitted": 0,
        });
        assert_eq!(value, expected);
    }

    /// A line of thousands of samples may have kilobytes of labels.
    #[test]
    fn the_text_of_an_explanation_is_bounded() {
        let line = format!("a{}|c|#k:{}", ":1".repeat(20_000), "v".repeat(20_000));
        let explanation = explain(&edition(""), line.as_bytes());
        let bytes: usize = explanation.steps.iter().map(|step| step.text.len()).sum();
        assert!((MOST_TEXT..MOST_TEXT + 40_000).contains(&bytes), "{bytes}");
        assert!(explanation.steps.len() + explanation.omitted > 20_000);
        assert!(explanation.to_string().ends_with(&format!("  and {} more steps\n", explanation.omitted)));
    }

    #[test]
    fn a_scratch_pipeline_leaves_the_live_one_as_it_is() {
        let live =
            edition("[limits]\nseries = 2\n[[metric]]\nmatch = \"up\"\nname = \"up\"\ntype = \"gauge\"\ninit = [{}]");
        let scratch = live.scratch();
        let outcomes = ["up:1|g", "a:1|c", "b:1|c"].map(|line| explain(&scratch, line.as_bytes()).outcome);
        assert_eq!(outcomes, [LineOutcome::Applied, LineOutcome::Applied, LineOutcome::Rejected]);
        assert_eq!(live.registry.counts().series.iter().sum::<u64>(), 0);
        assert_eq!(scratch.registry.counts().series.iter().sum::<u64>(), 2);
    }

    proptest! {
        #[test]
        fn prop_any_bytes_are_explained_within_the_line(
            line in prop::collection::vec(
                prop_oneof![any::<u8>(), prop::sample::select(b"a1:|c@#,;=[]_e{}.-msghkv\xff".to_vec())],
                0..64,
            ),
        ) {
            let (rules, _) = Rules::compile(&Config::default());
            let explanation = explain(&Edition::new(&Config::default(), rules), &line);
            for step in &explanation.steps {
                if let Detail::Rejected(Rejection { at, reason, .. }) = &step.detail {
                    prop_assert!(at.is_none_or(|at| at <= line.len()), "{:?}", step);
                    let needs_place = !reason.ends_with("_limit") && *reason != "series_too_long";
                    prop_assert_eq!(at.is_some(), needs_place, "{:?}", step);
                }
            }
            prop_assert!(!explanation.to_string().is_empty());
        }
    }
}
