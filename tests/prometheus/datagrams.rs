//! Datagrams made of pieces that mean something to some step, or look like it.

use proptest::prelude::*;

/// Pieces of names, tags and sections with a meaning to some step, or that look like it.
const PIECES: [&str; 62] = [
    "a",
    "b",
    "c",
    "x",
    "a.",
    "b.",
    "c1.",
    "d.",
    ".",
    "..",
    "_",
    "__",
    "-",
    "--",
    "0",
    "9",
    "é",
    "😱",
    "\u{0}",
    "\r",
    "\t",
    " ",
    "\u{b}",
    "\u{1c}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\"",
    "\\",
    "\\n",
    "\\\"",
    "'",
    "{",
    "}",
    "{}",
    "=",
    "#",
    "# HELP",
    "\u{a0}",
    ";",
    "[",
    "]",
    "$1",
    "$0",
    "_total",
    "_bucket",
    "_sum",
    "_count",
    "_created",
    "_info",
    "_seconds",
    "le",
    "quantile",
    "__name__",
    "job",
    "NaN",
    "statsidecar",
    "statsidecar_x",
    "process_open_fds",
    "_sc",
];

fn pieces(len: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES.to_vec()), len).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[+-]?[0-9]{1,3}",
        2 => prop::sample::select(vec![
            "1e308", "-1e308", "1.7976931348623157e308", "5e-324", "1e-320", "1e309", "18446744073709551615",
            "18446744073709551616", "9007199254740993.5", "-0", "+0", "0.1", "1e18", "1e-7", "NaN", "-Inf", "0x1", "",
            "1:2:x:-3", "1|c:2|ms:3|g",
        ]).prop_map(str::to_owned),
        1 => any::<f64>().prop_map(|x| x.to_string()),
    ]
}

fn section() -> impl Strategy<Value = String> {
    let tag = prop_oneof![
        4 => (pieces(1..3), pieces(0..4)).prop_map(|(key, value)| format!("{key}:{value}")),
        1 => pieces(0..3),
    ];
    prop_oneof![
        4 => prop::collection::vec(tag, 0..6).prop_map(|tags| format!("#{}", tags.join(","))),
        2 => prop::sample::select(vec!["@0.1", "@0.3", "@1e-9", "@2", "@"]).prop_map(str::to_owned),
        1 => pieces(0..3).prop_map(|id| format!("c:{id}")),
        1 => pieces(0..3),
    ]
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec!["c", "g", "ms", "h", "d", "m", "s", "x"]);
    (pieces(0..6), value(), kind, prop::collection::vec(section(), 0..3)).prop_map(|(name, value, kind, sections)| {
        let sections: String = sections.iter().map(|section| format!("|{section}")).collect();
        format!("{name}:{value}|{kind}{sections}").into_bytes()
    })
}

/// Lines that begin like a service check or an event.
fn no_metric() -> impl Strategy<Value = Vec<u8>> {
    let begin = prop::sample::select(vec!["_sc|", "_e{1,1}:", "_e{"]);
    (begin, pieces(0..3), "[0-4]?", prop::collection::vec(section(), 0..3)).prop_map(
        |(begin, text, status, sections)| {
            let sections: String = sections.iter().map(|section| format!("|{section}")).collect();
            format!("{begin}{text}|{status}{sections}").into_bytes()
        },
    )
}

/// A datagram: lines, lines with a few bytes changed, or bytes.
pub fn packet() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let changed = (line(), edits).prop_map(|(mut line, edits)| {
        for (at, byte) in edits {
            let at = at.index(line.len());
            line[at] = byte;
        }
        line
    });
    let lines = prop::collection::vec(prop_oneof![6 => line(), 2 => changed, 1 => no_metric()], 1..12)
        .prop_map(|lines| lines.join(&b'\n'));
    prop_oneof![
        12 => lines,
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (1_usize..60_000).prop_map(|len| [&vec![b'n'; len][..], b":1|c"].concat()),
    ]
}
