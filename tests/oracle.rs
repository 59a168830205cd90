//! The parser against another one: both must read a line alike.
//!
//! The other parser is the crate `statsd-parser`. [`DIFFERENCES`] lists where the two differ on purpose. Each
//! difference rewrites a line so that the other parser should read it alike, or corrects its result. So lines with a
//! difference are compared too.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use statsd_parser::{Message, Metric, ParseError};
use statsidecar::parse::{self, Group, SimpleLine, StatsdType, tags, value};
use statsidecar::reject::Reject;

// ---- Differences on purpose ----

/// One feature that the two parsers read differently on purpose.
struct Difference {
    name: &'static str,
    why: &'static str,
    /// A line that only this difference explains.
    example: &'static str,
    mend: Mend,
}

/// How the result of the other parser becomes that of this one.
enum Mend {
    /// The other parser gets these lines instead; `None` if the difference does not apply.
    Lines(fn(&str) -> Option<Vec<String>>),
    /// Its result is corrected.
    Reading(fn(&mut Reading)),
    /// It is not asked about such a line.
    NotAsked(fn(&str) -> bool),
}

/// In the order in which they are applied.
const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "a service check",
        why: "the other parser panics on some, and tells no status of the others",
        example: "_sc|db|0|h:web1|#a:b",
        mend: Mend::NotAsked(|line| line.starts_with("_sc|")),
    },
    Difference {
        name: "a distribution",
        why: "SEMANTICS: `d`, `a` and `kv` are types, which the other parser does not know",
        example: "a:1|c|x|@0.5:2|d",
        mend: Mend::NotAsked(|line| {
            let newer = [StatsdType::Distribution, StatsdType::Average, StatsdType::KeyValue];
            ours(line).iter().flatten().any(|reading| newer.contains(&reading.statsd_type))
        }),
    },
    Difference {
        name: "a pipe in a tag",
        why: "SEMANTICS: behind tags, a piece that does not look like a section belongs to the tag before it",
        example: "a:1|c|#k:v|9||x.y",
        mend: Mend::NotAsked(|line| {
            let looks_like_one = |piece: &str| {
                let letters = piece.trim_start_matches(|c: char| c.is_ascii_alphabetic());
                let is_time =
                    piece.strip_prefix('T').is_some_and(|time| time.parse::<u64>().is_ok() && !time.starts_with('+'));
                piece.starts_with(['@', '#']) || is_time || letters != piece && letters.starts_with(':')
            };
            let behind = line.split_once("|#").map(|(_, tags)| tags.split('|').skip(1).collect::<Vec<_>>());
            behind.is_some_and(|pieces| !pieces.into_iter().all(looks_like_one))
        }),
    },
    Difference {
        name: "a set",
        why: "SEMANTICS: `s` is a type, which the other parser does not know",
        example: "a:1|c|x|@0.5:2|s",
        mend: Mend::NotAsked(|line| {
            parse::groups(line.as_bytes()).flatten().any(|group| group.statsd_type == StatsdType::Set)
        }),
    },
    Difference {
        name: "an event",
        why: "SEMANTICS: `_e{` begins an event, even where a metric might look like it",
        example: "_e{1,1}:1|c",
        mend: Mend::NotAsked(|line| parse::event(line.as_bytes()).is_some()),
    },
    Difference {
        name: "the older packing",
        why: "SEMANTICS: `name:1|c:2|ms` is read where the line has no `|#`, behind a rate too",
        example: "a:1|c|x|@0.5:2:3|ms:4|g",
        mend: Mend::Lines(unpacked),
    },
    Difference {
        name: "sections in any order",
        why: "SEMANTICS: the other parser stops at the first section that it does not expect",
        example: "a:1|c|x|#k:v|@0.1|#l:w|@0.5",
        mend: Mend::Lines(in_order),
    },
    Difference {
        name: "blanks around a tag",
        why: "SEMANTICS: they are cut",
        example: "a:1|c|#k:v, l : w",
        mend: Mend::Lines(|line| {
            mend_tags(line, |tag| {
                let (key, value) = tag.split_once(':').map_or((tag, None), |(key, value)| (key, Some(value)));
                Some(key.trim().to_owned() + &value.map(|value| format!(":{}", value.trim())).unwrap_or_default())
            })
        }),
    },
    Difference {
        name: "a # before a later tag",
        why: "some clients write `#a:1,#b:2`, and mean the keys a and b",
        example: "a:1|c|#k:v,#l:w",
        mend: Mend::Lines(|line| {
            mend_tags(line, |tag| Some(tag.strip_prefix('#').map_or(tag, str::trim_start).to_owned()))
        }),
    },
    Difference {
        name: "an empty tag",
        why: "SEMANTICS: it is left out, where the other parser leaves out all behind it too",
        example: "a:1|c|#k:v,,l:w",
        mend: Mend::Lines(|line| mend_tags(line, |tag| (!matches!(tag, "" | ":")).then(|| tag.to_owned()))),
    },
    Difference {
        name: "an empty key",
        why: "SEMANTICS: there is no label without a name, so it is left out",
        example: "a:1|c|#:v",
        mend: Mend::Lines(|line| mend_tags(line, |tag| (!tag.starts_with(':')).then(|| tag.to_owned()))),
    },
    Difference {
        name: "an empty value",
        why: "to Prometheus an empty label is none, so it is left out",
        example: "a:1|c|#k:",
        mend: Mend::Lines(|line| {
            mend_tags(line, |tag| (tag.find(':') != Some(tag.len().wrapping_sub(1))).then(|| tag.to_owned()))
        }),
    },
    Difference {
        name: "a tag without a value",
        why: "SEMANTICS: `#prod` means prod=\"true\"",
        example: "a:1|c|#prod",
        mend: Mend::Lines(|line| {
            mend_tags(line, |tag| Some(if tag.contains(':') { tag.to_owned() } else { format!("{tag}:true") }))
        }),
    },
    Difference {
        name: "a name that begins with _sc",
        why: "only `_sc|` makes a service check; the other parser takes `_score` for one",
        example: "_score:1|c",
        mend: Mend::Lines(|line| {
            (line.starts_with("_sc") && !line.starts_with("_sc|")).then(|| vec![format!("{MARK}{line}")])
        }),
    },
    Difference {
        name: "a value that is not finite",
        why: "SEMANTICS: `NaN`, `Inf` and what overflows are no numbers",
        example: "a:1e400|c",
        mend: Mend::Reading(|reading| {
            reading.value = reading.value.and_then(|x| if x.is_finite() { Ok(x) } else { Err(Reject::BadValue) });
        }),
    },
    Difference {
        name: "a rate out of (0, 1]",
        why: "SEMANTICS: a sample that stands for less than itself, or for a billion and more, is a mistake",
        example: "a:1|c|@1e-10",
        mend: Mend::Reading(|reading| {
            let in_range = |rate: &f64| (1e-9..=1.0).contains(rate);
            reading.rate = reading.rate.and_then(|x| Some(x).filter(in_range).ok_or(Reject::BadSampleRate));
        }),
    },
];

/// A character that hides the beginning of a name from the other parser. No generator makes it.
const MARK: char = '\u{1}';

/// Parts a line without tags into one line for each value.
fn unpacked(line: &str) -> Option<Vec<String>> {
    let (name, mut rest) = line.split_once(':')?;
    if line.contains("|#") {
        return None;
    }
    let mut lines = Vec::new();
    loop {
        let (values, after) = rest.split_once('|').unwrap_or((rest, ""));
        // Up to the first `:` that ends a type or a rate; in any other section a `:` means nothing.
        let mut end = after.len();
        let mut start = 0;
        for (at, section) in after.split('|').enumerate() {
            if let (true, Some(colon)) = (at == 0 || section.starts_with('@'), section.find(':')) {
                end = start + colon;
                break;
            }
            start += section.len() + 1;
        }
        let statsd_type = after[..end].split('|').next().unwrap_or_default();
        if StatsdType::ALL.iter().any(|known| known.as_str() == statsd_type) {
            lines.extend(values.split(':').map(|value| format!("{name}:{value}|{}", &after[..end])));
        } else {
            // A part of an unknown type is rejected as a whole.
            lines.push(format!("{name}:{values}|{}", &after[..end]));
        }
        match after.get(end + 1..) {
            Some(next) => rest = next,
            None => break,
        }
    }
    (lines.len() > 1).then_some(lines)
}

/// Puts the last rate, or an invalid one, first and all tags behind it, and leaves out everything else.
fn in_order(line: &str) -> Option<Vec<String>> {
    let (head, sections) = parted(line)?;
    let rates = || sections.iter().rev().filter(|section| section.starts_with('@'));
    let is_valid = |rate: &str| rate[1..].parse::<f64>().is_ok_and(|rate| (1e-9..=1.0).contains(&rate));
    let rate = rates().find(|rate| !is_valid(rate)).or(rates().next());
    let tags: Vec<&str> =
        sections.iter().filter_map(|section| section.strip_prefix('#')).filter(|tags| !tags.is_empty()).collect();
    let mut ordered = head.to_owned();
    for section in rate.map(|rate| (*rate).to_owned()).into_iter().chain([format!("#{}", tags.join(","))]) {
        ordered.extend(["|", &section]);
    }
    (ordered.trim_end_matches("|#") != line).then(|| vec![ordered])
}

/// Replaces or removes each tag of a line that is [in order](in_order).
fn mend_tags(line: &str, mend: impl Fn(&str) -> Option<String>) -> Option<Vec<String>> {
    let (head, sections) = parted(line)?;
    let at = sections.iter().position(|section| section.starts_with('#')).filter(|&at| at <= 1)?;
    let tags = &sections[at][1..];
    let mended: Vec<String> = tags.split(',').filter_map(mend).collect();
    let before: String = sections[..at].iter().map(|section| format!("|{section}")).collect();
    let mended = format!("{head}{before}|#{}", mended.join(","));
    (!tags.is_empty() && mended != line).then(|| vec![mended])
}

/// A line as `name:value|type` and what follows it.
fn parted(line: &str) -> Option<(&str, Vec<&str>)> {
    let value = line.find(':')? + 1;
    let statsd_type = value + line[value..].find('|')? + 1;
    let end = statsd_type + line[statsd_type..].find('|')?;
    Some((&line[..end], line[end + 1..].split('|').collect()))
}

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
    let (SimpleLine { name, tags, number, rate, statsd_type }, len) = parse::simple_line(line.as_bytes())?;
    assert_eq!(len, line.len(), "{line:?} ends where it ends");
    Some(Reading { name: text(name), value: Ok(number.to_f64()), statsd_type, rate: Ok(rate), tags: tags_of(tags) })
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

// ---- Lines ----

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z][a-z0-9_]{0,8}(\\.[a-z0-9_-]{1,8}){0,3}",
        2 => "[ -9;-~]{1,12}",
        1 => characters(1..8).prop_map(|text| format!("n{}", text.replace(':', "_"))),
        1 => "(_sc|_e)[a-z|{]{0,4}",
    ]
}

/// Any characters of a line.
fn characters(len: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), len)
        .prop_map(|chars| chars.into_iter().filter(|c| !matches!(*c, '\n' | MARK)).collect())
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[+-]?[0-9]{1,6}",
        4 => "[+-]?[0-9]{0,17}\\.[0-9]{1,18}",
        2 => "[+-]?[0-9]{15,40}\\.?",
        2 => "[+-]?[0-9]{1,3}(\\.[0-9]{0,3})?[eE][+-]?[0-9]{1,3}",
        1 => any::<f64>().prop_map(|x| x.to_string()),
        1 => any::<f64>().prop_map(|x| format!("{x:e}")),
        1 => any::<u64>().prop_map(|n| n.to_string()),
        1 => Just("NaN".to_owned()),
        1 => "[+-]?(inf|Inf|INFINITY|nan)",
    ]
}

fn statsd_type() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["c", "g", "ms", "h", "m"]).prop_map(str::to_owned)
}

fn rate() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "0?\\.[0-9]{1,12}",
        2 => "1(\\.0{0,3})?",
        1 => "[1-9]e-[0-9]{1,2}",
        1 => number(),
    ]
}

fn tag() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z_]{1,6}:[a-z0-9._-]{1,6}",
        2 => "[a-z_]{1,6}",
        1 => "[a-z]{1,3}:[a-z:/@#]{0,8}",
        1 => "#?[a-z]{0,2}:?[a-z]{0,2}",
        1 => characters(0..6).prop_map(|text| text.replace(['|', ','], "/")),
    ]
}

fn section() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => rate().prop_map(|rate| format!("@{rate}")),
        4 => prop::collection::vec(tag(), 0..5).prop_map(|tags| format!("#{}", tags.join(","))),
        1 => "c:[a-z0-9-]{0,8}",
        1 => "T[0-9]{0,10}",
        1 => "(e:|card:|x|)[a-z0-9:,]{0,8}",
    ]
}

fn good_line() -> impl Strategy<Value = String> {
    (name(), number(), statsd_type(), prop::collection::vec(section(), 0..4)).prop_map(
        |(name, value, statsd_type, sections)| {
            let sections: String = sections.iter().map(|section| format!("|{section}")).collect();
            format!("{name}:{value}|{statsd_type}{sections}")
        },
    )
}

/// Lines with a few characters removed, doubled, moved or inserted, mostly characters with a meaning.
fn mutated(lines: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let inserted = prop_oneof![
        8 => prop::sample::select("::||@##,,.+-eE01 cgmsh_\r\t".chars().collect::<Vec<_>>()),
        1 => any::<char>().prop_map(|c| if matches!(c, '\n' | MARK) { '\0' } else { c }),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..4, inserted), 1..4);
    (lines, edits).prop_map(|(line, edits)| {
        let mut chars: Vec<char> = line.chars().collect();
        for (at, what, c) in edits {
            if chars.is_empty() {
                break;
            }
            let at = at.index(chars.len());
            match what {
                0 => drop(chars.remove(at)),
                1 => chars.insert(at, chars[at]),
                2 => chars.swap(at, 0),
                _ => chars.insert(at, c),
            }
        }
        chars.into_iter().collect()
    })
}
