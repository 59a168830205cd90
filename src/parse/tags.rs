//! Tags out of the text that holds them: one function a dialect.
//!
//! All of it happens once a series: what identifies a series on the way there is the text as it came.

use std::borrow::Cow;

use memchr::{memchr, memrchr};

use super::value;
use crate::config::{Dialect, Dialects};

/// A tag that is left out or mended, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TagError {
    /// A key that was there before: the later tag wins.
    DuplicateKey,
    /// `:v`: left out.
    EmptyKey,
    /// Nothing between two commas: left out.
    EmptyTag,
    /// `k:`: left out, since to Prometheus an empty label is none.
    EmptyValue,
    /// A key that Prometheus keeps for itself, as `le` is: renamed `exported_le`.
    ReservedKey,
    /// A bracket in the name without the other of its pair: the name is left as it is.
    UnpairedBracket,
}

impl TagError {
    /// Every error, in the order of its discriminant.
    pub const ALL: [Self; 6] = [
        Self::DuplicateKey,
        Self::EmptyKey,
        Self::EmptyTag,
        Self::EmptyValue,
        Self::ReservedKey,
        Self::UnpairedBracket,
    ];

    /// The error's one word, as it stands in a label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::DuplicateKey => "duplicate_key",
            Self::EmptyKey => "empty_key",
            Self::EmptyTag => "empty_tag",
            Self::EmptyValue => "empty_value",
            Self::ReservedKey => "reserved_key",
            Self::UnpairedBracket => "unpaired_bracket",
        }
    }
}

/// A tag as the line has it: its key and its value, or why it has none.
pub type Pair<'a> = Result<(&'a str, &'a str), TagError>;

/// A tag with the dialect that it is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// How it is written.
    pub dialect: Dialect,
    /// Its key and its value.
    pub pair: Pair<'a>,
}

/// The name and the tags of a line, told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged<'a> {
    /// The name without tags: what rules match.
    pub name: Cow<'a, str>,
    /// The tags in the order of the line. Of two with one key the later one holds.
    pub tags: Vec<Tag<'a>>,
}

impl<'a> Tagged<'a> {
    /// Reads what stands before the value, and the text of the `#` sections ([`Group::tags`](super::Group::tags)).
    ///
    /// The name ends at the first `,`, `;` or `#` outside of brackets, and all behind it is tags of that one dialect: a
    /// value may hold the characters of the others. What a dialect that is not among `dialects` writes is part of the
    /// name, and `#` sections are passed by.
    pub fn new(name: &'a str, sections: &'a str, dialects: Dialects) -> Self {
        let mut tags = Vec::new();
        let name = bare(name, dialects, &mut tags);
        if dialects.has(Dialect::DogStatsD) {
            add(&mut tags, Dialect::DogStatsD, dogstatsd(sections));
        }
        Self { name, tags }
    }
}

/// Takes the tags out of a name.
fn bare<'a>(text: &'a str, dialects: Dialects, tags: &mut Vec<Tag<'a>>) -> Cow<'a, str> {
    let mut name = Cow::Borrowed("");
    let mut rest = text;
    while let Some((before, mark, after)) = cut_at_mark(rest, dialects) {
        let brackets = if mark == Mark::Open { after.split_once(']') } else { None };
        match (mark, brackets) {
            (Mark::Rest(dialect), _) => {
                match dialect {
                    Dialect::Graphite => add(tags, dialect, graphite(after)),
                    Dialect::Librato => add(tags, dialect, librato(after)),
                    _ => add(tags, dialect, influxdb(after)),
                }
                return name + before;
            }
            (_, Some((inside, after))) => {
                add(tags, Dialect::SignalFx, signalfx(inside));
                name += before;
                rest = after;
            }
            (_, None) => {
                *tags = vec![Tag { dialect: Dialect::SignalFx, pair: Err(TagError::UnpairedBracket) }];
                return Cow::Borrowed(text);
            }
        }
    }
    name + rest
}

fn add<'a>(tags: &mut Vec<Tag<'a>>, dialect: Dialect, pairs: impl Iterator<Item = Pair<'a>>) {
    tags.extend(pairs.map(|pair| Tag { dialect, pair }));
}

/// Cuts `text` at its first mark: what stands before it, the mark, and what stands behind it.
fn cut_at_mark(text: &str, dialects: Dialects) -> Option<(&str, Mark, &str)> {
    let (at, mark) = next_mark(text.as_bytes(), dialects)?;
    Some((text.get(..at)?, mark, text.get(at + 1..)?))
}

/// What ends a name, or interrupts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// All that follows is tags of this dialect.
    Rest(Dialect),
    /// `[`.
    Open,
    /// `]`.
    Close,
}

/// The first character of `text` that means something to one of the dialects, and its place.
fn next_mark(text: &[u8], dialects: Dialects) -> Option<(usize, Mark)> {
    let mark = |byte: &u8| {
        let (dialect, mark) = match byte {
            b',' => (Dialect::InfluxDb, Mark::Rest(Dialect::InfluxDb)),
            b';' => (Dialect::Graphite, Mark::Rest(Dialect::Graphite)),
            b'#' => (Dialect::Librato, Mark::Rest(Dialect::Librato)),
            b'[' => (Dialect::SignalFx, Mark::Open),
            b']' => (Dialect::SignalFx, Mark::Close),
            _ => return None,
        };
        dialects.has(dialect).then_some(mark)
    };
    text.iter().enumerate().find_map(|(at, byte)| Some((at, mark(byte)?)))
}

/// What stands before the tags in `name`, as far as they do not stand in the middle of it.
pub fn before_tags(name: &[u8], dialects: Dialects) -> &[u8] {
    next_mark(name, dialects).and_then(|(at, _)| name.get(..at)).unwrap_or(name)
}

/// The place of the `:` that ends the name in `head`, which is a line up to its first `|`; `None` is the first there is.
///
/// The value of a tag may hold `:`. One in brackets is the tag's. With the other dialects nothing says where the last
/// value ends: it ends at the first `:` if a number follows, up to the next `:` or to the end of `head`, since several
/// values may follow a name; else at the last, so that a URL keeps its port. The member of a set may be any text, which
/// says nothing: there it ends at the first `:`.
pub(super) fn end_of_name(head: &[u8], dialects: Dialects, is_set: bool) -> Option<usize> {
    let from = |at: usize| Some(at + memchr(b':', head.get(at..)?)?);
    let (mut start, mut colon) = (0, from(0)?);
    while let Some((at, mark)) = next_mark(head.get(start..colon)?, dialects) {
        let mark_at = start + at;
        match mark {
            Mark::Open => {
                start = mark_at + memchr(b']', head.get(mark_at..)?)? + 1;
                if colon < start {
                    colon = from(start)?;
                }
            }
            Mark::Close => return None,
            Mark::Rest(_) if is_set => return Some(colon),
            Mark::Rest(_) => {
                let values = head.get(colon + 1..)?;
                let value = values.split(|&b| b == b':').next()?;
                let is_in_value = memchr(b'=', head.get(mark_at..colon)?).is_some() && value::number(value).is_err();
                return if is_in_value { memrchr(b':', head) } else { Some(colon) };
            }
        }
    }
    Some(colon)
}

/// The tags of DogStatsD `#` sections: `k:v,k2:v2,flag`.
///
/// `sections` is the text after the first `#`; several sections may stand in it, with others between them
/// ([`Group::tags`](super::Group::tags)). A value is everything after its first `:`. A tag without one means
/// `"true"`. A `#` before a single tag is what some clients write, and no part of its key.
///
/// Source: <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>, protocol 1.0.
pub fn dogstatsd(sections: &str) -> impl Iterator<Item = Pair<'_>> {
    sections
        .split('|')
        .enumerate()
        .filter_map(|(at, part)| if at == 0 { Some(part) } else { part.strip_prefix('#') })
        .filter(|part| !part.is_empty())
        .flat_map(|part| part.split(','))
        .map(|tag| pair(tag.strip_prefix('#').unwrap_or(tag), ':'))
}

/// Tags of InfluxDB, behind the first `,` of a name: `k=v,k2=v2`.
///
/// Source: <https://www.influxdata.com/blog/getting-started-with-sending-statsd-metrics-to-telegraf-influxdb/>.
pub fn influxdb(text: &str) -> impl Iterator<Item = Pair<'_>> {
    pairs(text, ',', '=')
}

/// Tags of Graphite, behind the first `;` of a name: `k=v;k2=v2`.
///
/// Source: <https://graphite.readthedocs.io/en/latest/tags.html>.
pub fn graphite(text: &str) -> impl Iterator<Item = Pair<'_>> {
    pairs(text, ';', '=')
}

/// Tags of Librato, behind the first `#` of a name: `k=v,k2=v2`.
///
/// Source: <https://github.com/librato/statsd-librato-backend#tags>.
pub fn librato(text: &str) -> impl Iterator<Item = Pair<'_>> {
    pairs(text, ',', '=')
}

/// Tags of SignalFX, between brackets in a name: `k=v,k2=v2`.
///
/// Source: <https://github.com/signalfx/signalfx-agent/blob/main/docs/monitors/collectd-statsd.md>.
pub fn signalfx(text: &str) -> impl Iterator<Item = Pair<'_>> {
    pairs(text, ',', '=')
}

/// Tags with `between` between them; no text is no tag.
fn pairs(text: &str, between: char, separator: char) -> impl Iterator<Item = Pair<'_>> {
    let tags = (!text.is_empty()).then(|| text.split(between));
    tags.into_iter().flatten().map(move |tag| pair(tag, separator))
}

fn pair(tag: &str, separator: char) -> Pair<'_> {
    match tag.split_once(separator) {
        Some(("", "")) => Err(TagError::EmptyTag),
        Some(("", _)) => Err(TagError::EmptyKey),
        Some((_, "")) => Err(TagError::EmptyValue),
        Some((key, value)) => Ok((key, value)),
        None if tag.is_empty() => Err(TagError::EmptyTag),
        None => Ok((tag, "true")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dogstatsd_tags() {
        let read = |section| dogstatsd(section).collect::<Vec<_>>();
        assert_eq!(read("k:v,k2:v2"), [Ok(("k", "v")), Ok(("k2", "v2"))]);
        assert_eq!(read("url:http://x:80"), [Ok(("url", "http://x:80"))]);
        assert_eq!(read("prod"), [Ok(("prod", "true"))]);
        assert_eq!(read("t1:x,#t2:y,#z"), [Ok(("t1", "x")), Ok(("t2", "y")), Ok(("z", "true"))]);
        assert_eq!(read("a:1|@0.5|#b:2"), [Ok(("a", "1")), Ok(("b", "2"))]);
        assert_eq!(
            read(":v,,k:,:"),
            [Err(TagError::EmptyKey), Err(TagError::EmptyTag), Err(TagError::EmptyValue), Err(TagError::EmptyTag)]
        );
        assert_eq!(read(""), []);
    }

    use crate::parse::{groups, simple_line};
    use proptest::prelude::*;

    /// The name and the tags of what stands before a value, as `name{k=v,k2=v2}`, with the errors behind it.
    fn tagged(name: &str, dialects: Dialects) -> String {
        let Tagged { name, tags } = Tagged::new(name, "", dialects);
        let pairs: Vec<String> = tags.iter().flat_map(|tag| tag.pair).map(|(k, v)| format!("{k}={v}")).collect();
        let errors: String = tags.iter().flat_map(|tag| tag.pair.err()).map(|e| format!(" {}", e.reason())).collect();
        format!("{name}{{{}}}{errors}", pairs.join(","))
    }

    #[test]
    fn tags_in_names() {
        for (name, expected) in [
            ("a", "a{}"),
            ("", "{}"),
            ("a,k=v,k2=v2", "a{k=v,k2=v2}"),
            ("a;k=v;k2=v2", "a{k=v,k2=v2}"),
            ("a#k=v,k2=v2", "a{k=v,k2=v2}"),
            ("na[k=v,k2=v2]me", "name{k=v,k2=v2}"),
            ("[k=v]a", "a{k=v}"),
            ("a[k=v]b[k2=v2]c", "abc{k=v,k2=v2}"),
            // A value is everything behind its first separator.
            ("a,k=b=c", "a{k=b=c}"),
            ("a#k=b#l=w", "a{k=b#l=w}"),
            ("a,k=v;l#m[0]", "a{k=v;l#m[0]}"),
            ("a;k=v,l=w", "a{k=v,l=w}"),
            ("a[k=b[0]", "a{k=b[0}"),
            ("a[k=v;l#m]", "a{k=v;l#m}"),
            ("a,url=http://x:80", "a{url=http://x:80}"),
            // Brackets and one of the others.
            ("a[k=v],l=w", "a{k=v,l=w}"),
            ("a[k=v]b;l=w", "ab{k=v,l=w}"),
            // What is left out.
            ("a,prod,k=v", "a{prod=true,k=v}"),
            ("a,", "a{}"),
            ("a[]", "a{}"),
            ("a,k=v,", "a{k=v} empty_tag"),
            ("a;;k=v", "a{k=v} empty_tag"),
            ("a#=v,k=,=", "a{} empty_key empty_value empty_tag"),
            (",k=v", "{k=v}"),
            // Brackets that are no pair.
            ("a]b[", "a]b[{} unpaired_bracket"),
            ("[k=v,l=wb", "[k=v,l=wb{} unpaired_bracket"),
            ("k=v]b", "k=v]b{} unpaired_bracket"),
            ("a[k=v]b]", "a[k=v]b]{} unpaired_bracket"),
            ("é[ü=ö]ß", "éß{ü=ö}"),
        ] {
            assert_eq!(tagged(name, Dialects::ALL), expected, "{name}");
            assert_eq!(tagged(name, Dialects::NONE), format!("{name}{{}}"));
        }
    }

    #[test]
    fn a_dialect_that_is_off_is_part_of_the_name() {
        use Dialect::*;
        for (off, name, expected) in [
            (InfluxDb, "a,k=v", "a,k=v{}"),
            (InfluxDb, "a,k=v;l=w", "a,k=v{l=w}"),
            (Graphite, "a;k=v", "a;k=v{}"),
            (Graphite, "a;k=v,l=w", "a;k=v{l=w}"),
            (Librato, "a#k=v", "a#k=v{}"),
            (Librato, "a#k[l=w]", "a#k{l=w}"),
            (SignalFx, "a[k=v]", "a[k=v]{}"),
            (SignalFx, "a]b[", "a]b[{}"),
            (SignalFx, "a[k=v,l=w]", "a[k=v{l=w]}"),
            (DogStatsD, "a,k=v", "a{k=v}"),
        ] {
            let dialects = Dialect::ALL.into_iter().filter(|&dialect| dialect != off).collect();
            assert_eq!(tagged(name, dialects), expected, "{name} without {off:?}");
        }
        let sections = |dialects| Tagged::new("a,k=v", "l:w", dialects).tags.len();
        assert_eq!(sections(Dialects::ALL), 2);
        assert_eq!(sections(Dialects::from_iter([InfluxDb])), 1);
        assert_eq!(sections(Dialects::from_iter([DogStatsD])), 1);
    }

    #[test]
    fn tags_stand_in_the_order_of_the_line() {
        let tags = Tagged::new("a[k=1]b,k=2", "k:3|#k:4", Dialects::ALL).tags;
        let expected =
            [(Dialect::SignalFx, "1"), (Dialect::InfluxDb, "2"), (Dialect::DogStatsD, "3"), (Dialect::DogStatsD, "4")];
        assert_eq!(tags, expected.map(|(dialect, value)| Tag { dialect, pair: Ok(("k", value)) }));
    }

    /// Where a line is cut into name and values.
    fn cut(line: &str, dialects: Dialects) -> (String, String) {
        let group = groups(line.as_bytes()).tagged(dialects).next().unwrap().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(group.name), text(group.values))
    }

    #[test]
    fn a_colon_in_a_value_does_not_end_the_name() {
        for (line, name, values) in [
            ("a,url=http://x:80:1|c", "a,url=http://x:80", "1"),
            ("a,url=http://x:1|c", "a,url=http://x", "1"),
            ("a;t=x:y:1|c|#u:w", "a;t=x:y", "1"),
            ("a#t=x:y:z:-1.5|g", "a#t=x:y:z", "-1.5"),
            ("a[t=12:30:15]b:1:2|ms", "a[t=12:30:15]b", "1:2"),
            ("a[t=x:y]:z:1|c", "a[t=x:y]", "z:1"),
            ("a[t=x:y],url=http://z:8:1|c", "a[t=x:y],url=http://z:8", "1"),
            ("a[t=x:y],u=w:1:2|c", "a[t=x:y],u=w", "1:2"),
            // A number ends a name, since others may follow.
            ("a,k=v:1:2|ms", "a,k=v", "1:2"),
            ("a,k=v:1:x:2|ms", "a,k=v", "1:x:2"),
            ("a,t=12:30:1|c", "a,t=12", "30:1"),
            ("a,k=v:1|c:2|c", "a,k=v", "1"),
            // Not without a tag that has a value.
            ("a:x:1|c", "a", "x:1"),
            ("a,b:x:1|c", "a,b", "x:1"),
            ("a=b:x:1|c", "a=b", "x:1"),
            ("a[t=x]:y:1|c", "a[t=x]", "y:1"),
            ("a[t=x:1|c", "a[t=x", "1"),
            ("a[t=x:y:1|c", "a[t=x", "y:1"),
            ("a]b,t=x:y:1|c", "a]b,t=x", "y:1"),
            // Nothing fits: the last is as good as any.
            ("a,url=http://x:80:y|c", "a,url=http://x:80", "y"),
            ("a,url=x:|c", "a,url=x", ""),
            ("a,url=x::|c", "a,url=x:", ""),
        ] {
            assert_eq!(cut(line, Dialects::ALL), (name.to_owned(), values.to_owned()), "{line}");
            let (name, values) = line.split_once('|').unwrap().0.split_once(':').unwrap();
            assert_eq!(cut(line, Dialects::NONE), (name.to_owned(), values.to_owned()), "{line}");
        }
    }

    #[test]
    fn members_of_sets_are_text_so_the_first_colon_holds() {
        let second = |line: &'static str| groups(line.as_bytes()).tagged(Dialects::ALL).nth(1).unwrap().unwrap();
        assert_eq!(second("a,k=v:x:y|s:1|c").name, b"a,k=v");
        assert_eq!(second("a,k=v:x:y|c:1|c").name, b"a,k=v:x");
    }

    fn dialects() -> impl Strategy<Value = Dialects> {
        prop::collection::vec(prop::sample::select(&Dialect::ALL[..]), 0..5).prop_map(Dialects::from_iter)
    }

    proptest! {
        #[test]
        fn prop_any_line_is_read(line in prop::collection::vec(prop_oneof![
            prop::sample::select(&b":|#@1.a,;=[]"[..]), any::<u8>()], 0..60), dialects in dialects()) {
            for group in groups(&line).tagged(dialects).flatten() {
                if let (Ok(name), Ok(sections)) = (std::str::from_utf8(group.name), std::str::from_utf8(group.tags)) {
                    let tagged = Tagged::new(name, sections, dialects);
                    prop_assert!(tagged.name.len() <= name.len());
                    for (key, value) in tagged.tags.iter().flat_map(|tag| tag.pair) {
                        prop_assert!(!key.is_empty() && !value.is_empty());
                    }
                    prop_assert!(tagged.tags.iter().all(|tag| dialects.has(tag.dialect)));
                }
            }
        }

        #[test]
        fn prop_without_dialects_nothing_of_it_happens(line in "[a,;=#\\[\\]:|1c@s]{0,40}") {
            let all: Vec<_> = groups(line.as_bytes()).collect();
            prop_assert_eq!(&groups(line.as_bytes()).tagged(Dialects::NONE).collect::<Vec<_>>(), &all);
            for group in all.into_iter().flatten() {
                let (name, sections) = (std::str::from_utf8(group.name)?, std::str::from_utf8(group.tags)?);
                let tagged = Tagged::new(name, sections, Dialects::NONE);
                prop_assert_eq!(tagged, Tagged { name: name.into(), tags: Vec::new() });
            }
        }

        #[test]
        fn prop_a_plain_line_ends_its_name_at_the_first_colon(
            line in "[a,;=#\\[\\]]{0,20}:-?[0-9]{1,7}\\|(c|g|ms)(\\|#[a-z:,\\]]{0,9})?",
            dialects in dialects(),
        ) {
            let (plain, _) = simple_line(line.as_bytes()).expect("it is plain");
            let group = groups(line.as_bytes()).tagged(dialects).next().expect("one").expect("a group");
            prop_assert_eq!((plain.name, plain.tags), (group.name, group.tags));
        }

        #[test]
        fn prop_tags_come_back_as_they_were_written(
            pairs in prop::collection::vec(("[a-z.]{1,5}", "[a-z0-9:=/. é]{1,8}"), 1..5),
            split in 0_usize..4,
        ) {
            let written: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let (commas, semicolons) = (written.join(","), written.join(";"));
            let (start, end) = "name".split_at(split);
            for name in [
                format!("name,{commas}"), format!("name#{commas}"), format!("name;{semicolons}"),
                format!("{start}[{commas}]{end}"),
            ] {
                let tagged = Tagged::new(&name, "", Dialects::ALL);
                prop_assert_eq!(&tagged.name, "name");
                let read: Vec<_> = tagged.tags.iter().map(|tag| tag.pair.expect("a pair")).collect();
                prop_assert_eq!(read, pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>());
            }
        }
    }
}
