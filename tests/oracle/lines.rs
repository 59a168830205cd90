//! Lines to compare: good ones, and such with mistakes.

use proptest::prelude::*;

use crate::differences::MARK;

pub(crate) fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z][a-z0-9_]{0,8}(\\.[a-z0-9_-]{1,8}){0,3}",
        2 => "[ -9;-~]{1,12}",
        1 => characters(1..8).prop_map(|text| format!("n{}", text.replace(':', "_"))),
        1 => "(_sc|_e)[a-z|{]{0,4}",
    ]
}

/// Any characters of a line.
pub(crate) fn characters(len: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), len)
        .prop_map(|chars| chars.into_iter().filter(|c| !matches!(*c, '\n' | MARK)).collect())
}

pub(crate) fn number() -> impl Strategy<Value = String> {
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

pub(crate) fn statsd_type() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["c", "g", "ms", "h", "m"]).prop_map(str::to_owned)
}

pub(crate) fn rate() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "0?\\.[0-9]{1,12}",
        2 => "1(\\.0{0,3})?",
        1 => "[1-9]e-[0-9]{1,2}",
        1 => number(),
    ]
}

pub(crate) fn tag() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z_]{1,6}:[a-z0-9._-]{1,6}",
        2 => "[a-z_]{1,6}",
        1 => "[a-z]{1,3}:[a-z:/@#]{0,8}",
        1 => "#?[a-z]{0,2}:?[a-z]{0,2}",
        1 => characters(0..6).prop_map(|text| text.replace(['|', ','], "/")),
    ]
}

pub(crate) fn section() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => rate().prop_map(|rate| format!("@{rate}")),
        4 => prop::collection::vec(tag(), 0..5).prop_map(|tags| format!("#{}", tags.join(","))),
        1 => "c:[a-z0-9-]{0,8}",
        1 => "T[0-9]{0,10}",
        1 => "(e:|card:|x|)[a-z0-9:,]{0,8}",
    ]
}

pub(crate) fn good_line() -> impl Strategy<Value = String> {
    (name(), number(), statsd_type(), prop::collection::vec(section(), 0..4)).prop_map(
        |(name, value, statsd_type, sections)| {
            let sections: String = sections.iter().map(|section| format!("|{section}")).collect();
            format!("{name}:{value}|{statsd_type}{sections}")
        },
    )
}

/// Lines with a few characters removed, doubled, moved or inserted, mostly characters with a meaning.
pub(crate) fn mutated(lines: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
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
