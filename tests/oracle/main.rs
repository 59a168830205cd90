//! The parser against another one: both must read a line alike.
//!
//! The other parser is the crate `statsd-parser`. [`DIFFERENCES`] lists where the two differ on purpose. Each
//! difference rewrites a line so that the other parser should read it alike, or corrects its result. So lines with a
//! difference are compared too.

mod differences;
mod lines;

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use statsd_parser::{Message, Metric, ParseError};
use statsidecar::parse::{self, Group, SimpleLine, StatsdType, tags, value};
use statsidecar::reject::Reject;

use differences::{DIFFERENCES, Difference, MARK, Mend};
use lines::{good_line, mutated, name, number, rate, statsd_type};

// ---- The comparison ----

/// One sample as either parser reads it.
#[derive(Clone, Debug, PartialEq)]
struct Reading {
    name: String,
    value: Result<f64, Reject>,
    statsd_type: StatsdType,
    rate: Result<f64, Reject>,
    tags: BTreeMap<String, String>,
}

/// Every sample of a line as this parser reads it; `None` stands for one that is lost.
fn ours(line: &str) -> Vec<Option<Reading>> {
    if parse::event(line.as_bytes()).is_some() {
        return vec![None];
    }
    parse::groups(line.as_bytes())
        .flat_map(|group| match group {
            Ok(group) => group.each_value().map(|text| Some(reading(&group, text))).collect(),
            Err(_) => vec![None],
        })
        .map(whole)
        .collect()
}

/// A line as the reader of simple lines reads it; `None` if that reader leaves the line to the general one.
fn ours_if_simple(line: &str) -> Option<Reading> {
    let (simple, len) = parse::simple_line(line.as_bytes())?;
    let SimpleLine { name, tags, rate, statsd_type, .. } = simple;
    assert_eq!(len, line.len(), "{line:?} ends where it ends");
    Some(Reading {
        name: text(name),
        value: Ok(simple.number().to_f64()),
        statsd_type,
        rate: Ok(rate),
        tags: tags_of(tags),
    })
}

fn reading(group: &Group<'_>, value: &[u8]) -> Reading {
    Reading {
        name: text(group.name),
        value: value::number(value).map(value::Number::to_f64),
        statsd_type: group.statsd_type,
        rate: group.rate,
        tags: tags_of(group.tags),
    }
}

fn tags_of(section: &[u8]) -> BTreeMap<String, String> {
    tags::dogstatsd(&text(section)).flatten().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn text(part: &[u8]) -> String {
    String::from_utf8(part.to_vec()).expect("the line is UTF-8, and is cut at characters")
}

/// The other parser's reading of the unchanged line; `Err` if it refuses the line.
fn theirs(line: &str) -> Result<Reading, ParseError> {
    let Message { name, tags, metric } = statsd_parser::parse(line)?;
    let (statsd_type, value, rate) = match metric {
        Metric::Counter(m) => (StatsdType::Counter, m.value, m.sample_rate),
        Metric::Gauge(m) => (StatsdType::Gauge, m.value, m.sample_rate),
        Metric::Timing(m) => (StatsdType::Timer, m.value, m.sample_rate),
        Metric::Histogram(m) => (StatsdType::Histogram, m.value, m.sample_rate),
        Metric::Meter(m) => (StatsdType::Meter, m.value, m.sample_rate),
        // A service check has neither value nor type here, so this reading is one that no line gives.
        Metric::ServiceCheck(_) => (StatsdType::Distribution, 0.0, None),
    };
    let name = name.strip_prefix(MARK).unwrap_or(&name).to_owned();
    Ok(Reading { name, value: Ok(value), statsd_type, rate: Ok(rate.unwrap_or(1.0)), tags: tags.unwrap_or_default() })
}

/// The reading if it is applied; `None` if anything is wrong with it.
fn whole(reading: Option<Reading>) -> Option<Reading> {
    reading.filter(|reading| reading.value.is_ok() && reading.rate.is_ok())
}

/// The expected result of this parser: that of the other one, with the differences that `is_known` accepts. `None` if
/// the other parser must not be asked.
fn expected(line: &str, is_known: impl Fn(&Difference) -> bool) -> Option<Vec<Option<Reading>>> {
    let mut lines = vec![line.to_owned()];
    let known = || DIFFERENCES.iter().filter(|difference| is_known(difference));
    for difference in known() {
        match difference.mend {
            Mend::NotAsked(applies) if applies(line) => return None,
            Mend::Lines(mend) => lines = lines.into_iter().flat_map(|l| mend(&l).unwrap_or(vec![l])).collect(),
            _ => {}
        }
    }
    let read = |line: &String| {
        let mut reading = theirs(line).ok()?;
        for difference in known() {
            if let Mend::Reading(mend) = difference.mend {
                mend(&mut reading);
            }
        }
        whole(Some(reading))
    };
    Some(lines.iter().map(read).collect())
}

/// Whether the two parsers agree on a line, given the differences that `is_known` accepts.
fn agree(line: &str, is_known: impl Fn(&Difference) -> bool) -> bool {
    expected(line, is_known).is_none_or(|expected| ours(line) == expected)
}

// ---- The tests ----

#[test]
fn each_difference_is_needed() {
    for difference in DIFFERENCES {
        let Difference { name, why, example, .. } = difference;
        assert!(!why.is_empty(), "{name}");
        assert!(theirs(example).is_ok(), "{name}: the other parser does not even take {example}");
        assert!(agree(example, |_| true), "{name}: {example} is not explained");
        assert!(!agree(example, |known| known.name != *name), "{name}: {example} is no longer read differently");
    }
}

/// The other parser does not know these reasons, so they are checked here.
#[test]
fn rejected_samples_have_the_right_reason() {
    for (line, expected) in [
        ("a:inf|c", (Err(Reject::BadValue), Ok(1.0))),
        ("a:1|c|@0", (Ok(1.0), Err(Reject::BadSampleRate))),
        ("a:1|c|#k:v|@x", (Ok(1.0), Err(Reject::BadSampleRate))),
        ("a:1|c|@0.5:2|#k:v", (Ok(1.0), Err(Reject::BadSampleRate))),
    ] {
        let group = parse::groups(line.as_bytes()).next().expect("one group").expect("it can be taken apart");
        assert_eq!((value::number(group.values).map(value::Number::to_f64), group.rate), expected, "{line}");
    }
}

#[test]
fn prop_good_lines_are_read_alike() {
    compare(good_line(), 9);
}

#[test]
fn prop_packed_lines_are_read_like_their_parts() {
    let pairs =
        prop::collection::vec((prop::collection::vec(number(), 1..4), statsd_type(), prop::option::of(rate())), 1..5);
    let line = (name(), pairs).prop_map(|(name, pairs)| {
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(values, statsd_type, rate)| {
                let rate = rate.map(|rate| format!("|@{rate}")).unwrap_or_default();
                format!("{}|{statsd_type}{rate}", values.join(":"))
            })
            .collect();
        format!("{name}:{}", pairs.join(":"))
    });
    // The other parser refuses packed lines, but it accepts each of their parts.
    compare(line, 0);
}

#[test]
fn prop_mutated_lines_are_read_alike() {
    compare(mutated(good_line()), 3);
}

/// Compares thousands of lines. The other parser must accept at least `taken` of every ten, or the test shows nothing.
fn compare(lines: impl Strategy<Value = String>, taken: u32) {
    const CASES: u32 = 5_000;
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let (accepted, simple) = (Cell::new(0), Cell::new(0));
    let result = runner.run(&lines, |line| {
        let Some(expected) = expected(&line, |_| true) else { return Ok(()) };
        // Its reader of service checks panics on some lines, so it gets no line that looks like one.
        let is_accepted = !line.starts_with("_sc") && theirs(&line).is_ok();
        accepted.set(accepted.get() + u32::from(is_accepted));
        // A line that it refuses is compared if it accepts all lines of the rewritten form.
        if is_accepted || expected.iter().all(Option::is_some) {
            if let Some(reading) = ours_if_simple(&line) {
                simple.set(simple.get() + 1);
                prop_assert_eq!(&[Some(reading)][..], &expected, "{:?}", line);
            }
            prop_assert_eq!(ours(&line), expected, "{:?}", line);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(simple.get() > CASES / 50, "only {} of {CASES} lines were simple", simple.get());
    assert!(accepted.get() >= CASES / 10 * taken, "only {} of {CASES} lines were accepted", accepted.get());
}
