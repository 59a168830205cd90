//! Reads tags in all dialects.
//!
//! This is done once a series and worker, because the received bytes identify a known series.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3, memrchr};
use strum::{EnumCount, IntoStaticStr, VariantArray};

use super::section::LineSection;
use super::value;
use crate::config::{Dialect, Dialects};

/// Why a tag is left out or changed. Each such tag is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum TagError {
    /// An earlier tag has the same key: the later tag wins.
    DuplicateKey,
    /// `:v`: left out.
    EmptyKey,
    /// Nothing between two commas: left out.
    EmptyTag,
    /// `k:`: left out, because Prometheus does not tell an empty label from a missing one.
    EmptyValue,
    /// A label of the rule has the same key: the tag is left out.
    Overridden,
    /// Prometheus reserves the key, `le` for example: renamed to `exported_le`.
    ReservedKey,
    /// One bracket of a pair is missing in the name: the name stays as it is.
    UnpairedBracket,
}

impl TagError {
    /// Every error, in the order of the discriminants.
    pub const ALL: [Self; Self::COUNT] = *Self::VARIANTS.first_chunk().expect("there are COUNT variants");

    /// What became of the tag.
    pub(crate) fn effect(self) -> &'static str {
        match self {
            Self::DuplicateKey => "the last tag with the key counts",
            Self::EmptyKey | Self::EmptyTag | Self::EmptyValue => "left out",
            Self::Overridden => "left out, because a label of the rule has the key",
            Self::ReservedKey => "renamed to exported_...",
            Self::UnpairedBracket => "the brackets are part of the name",
        }
    }

    /// The word for the error in the label `reason`.
    pub(crate) fn reason(self) -> &'static str {
        self.into()
    }
}

/// The key and the value of a tag, or why the tag is left out.
pub type Pair<'a> = Result<(&'a str, &'a str), TagError>;

/// A tag with its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The dialect in which the tag is written.
    pub dialect: Dialect,
    /// The key and the value.
    pub pair: Pair<'a>,
}

/// The name of a line and its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged<'a> {
    /// The name without tags, which the rules match.
    pub name: Cow<'a, str>,
    /// The tags in the order of the line. Of two tags with the same key, the later one counts.
    pub tags: Vec<Tag<'a>>,
}

impl<'a> Tagged<'a> {
    /// Reads the name of a group and its `#` sections ([`Group::tags`](super::Group::tags)).
    ///
    /// The name ends at the first `,`, `;` or `#` outside of brackets that a tag follows. The rest is tags of that one
    /// dialect, because their values may contain the characters of the others. Before the first tag, pieces and brackets
    /// without a `=` are part of the name. So are tags of dialects that are not in `dialects`; without DogStatsD, `#` sections are ignored.
    pub fn new(name: &'a str, sections: &'a str, dialects: Dialects) -> Self {
        let mut tags = Vec::new();
        let name = take_tags(name, dialects, &mut tags);
        if dialects.has(Dialect::DogStatsD) {
            add(&mut tags, Dialect::DogStatsD, dogstatsd(sections));
        }
        Self { name, tags }
    }
}

/// Moves the tags in a name to `tags`, and returns the name without them.
fn take_tags<'a>(text: &'a str, dialects: Dialects, tags: &mut Vec<Tag<'a>>) -> Cow<'a, str> {
    let mut name = Cow::Borrowed("");
    let mut rest = text;
    while let Some(mark) = next_mark(rest.as_bytes(), dialects) {
        let (before, marked) = rest.split_at(mark.at());
        name += before;
        match mark {
            Mark::Tags(_, dialect) => {
                let after = marked.get(1..).unwrap_or_default();
                if !after.trim().is_empty() {
                    add(tags, dialect, after.split(separator(dialect)).map(|tag| pair(tag, b'=')));
                }
                return name;
            }
            Mark::Brackets(_, len) => {
                let (inside, after) = marked.split_at(len);
                let inside = inside.get(1..inside.len() - 1).unwrap_or_default();
                add(tags, Dialect::SignalFx, inside.split(',').map(|tag| pair(tag, b'=')));
                rest = after;
            }
            Mark::Unpaired(_) => {
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

/// What interrupts a name, with its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Tags of a dialect that extend to the end of the name. Its first character is the mark of the dialect.
    Tags(usize, Dialect),
    /// Brackets around tags, and their length with the tags.
    Brackets(usize, usize),
    /// A bracket without its other.
    Unpaired(usize),
}

impl Mark {
    fn at(self) -> usize {
        let (Self::Tags(at, _) | Self::Brackets(at, _) | Self::Unpaired(at)) = self;
        at
    }
}

/// The first mark in `text`. Characters of dialects that are not in `dialects` are no marks. Nor are pieces or brackets
/// without a `=` in them: names of classes, arrays and generic types contain such.
fn next_mark(text: &[u8], dialects: Dialects) -> Option<Mark> {
    // Nearly all names have none, and this reads many bytes at once.
    if memchr3(b',', b';', b'#', text).is_none() && memchr2(b'[', b']', text).is_none() {
        return None;
    }
    // Brackets without a `=`, which are part of the name: where the outermost begins, and how many are open.
    let (mut outermost, mut open) = (0, 0_usize);
    let mut at = 0;
    while let Some(found) = text.get(at..)?.iter().position(|&byte| dialect_of(byte, dialects).is_some()) {
        at += found;
        let rest = text.get(at + 1..).unwrap_or_default();
        match (text.get(at)?, dialect_of(*text.get(at)?, dialects)?) {
            (b'[', _) if begins_tags_in_brackets(rest) => {
                return Some(memchr(b']', rest).map_or(Mark::Unpaired(at), |len| Mark::Brackets(at, len + 2)));
            }
            (b'[', _) => {
                outermost = if open == 0 { at } else { outermost };
                open += 1;
            }
            (b']', _) if open > 0 => open -= 1,
            (b']', _) => return Some(Mark::Unpaired(at)),
            (_, dialect) => {
                let key = start_of_key(rest, dialect);
                if open == 0 && begins_with_tag(rest.get(key..).unwrap_or_default(), dialect, dialects) {
                    return Some(Mark::Tags(at, dialect));
                }
                // The marks before the key begin no tags either.
                at += key;
            }
        }
        at += 1;
    }
    (open > 0).then_some(Mark::Unpaired(outermost))
}

/// The dialect that writes tags in a name behind `byte`, or between two of such bytes, if it is in `dialects`.
fn dialect_of(byte: u8, dialects: Dialects) -> Option<Dialect> {
    let dialect = match byte {
        b',' => Dialect::InfluxDb,
        b';' => Dialect::Graphite,
        b'#' => Dialect::Librato,
        b'[' | b']' => Dialect::SignalFx,
        _ => return None,
    };
    dialects.has(dialect).then_some(dialect)
}

/// Whether a `=` follows before the next bracket.
fn begins_tags_in_brackets(text: &[u8]) -> bool {
    memchr3(b'=', b'[', b']', text).and_then(|at| text.get(at)) == Some(&b'=')
}

/// The character between two tags in a name.
///
/// Sources, by dialect:
/// - InfluxDB: <https://www.influxdata.com/blog/getting-started-with-sending-statsd-metrics-to-telegraf-influxdb/>
/// - Graphite: <https://graphite.readthedocs.io/en/latest/tags.html>
/// - Librato: <https://github.com/librato/statsd-librato-backend#tags>
/// - SignalFX: <https://github.com/signalfx/signalfx-agent/blob/main/docs/monitors/collectd-statsd.md>
fn separator(dialect: Dialect) -> char {
    if dialect == Dialect::Graphite { ';' } else { ',' }
}

/// The start of the first key of a list of tags, which may begin with empty tags.
fn start_of_key(text: &[u8], dialect: Dialect) -> usize {
    let is_empty = |byte: u8| byte == separator(dialect) as u8 || byte.is_ascii_whitespace();
    text.iter().position(|&byte| !is_empty(byte)).unwrap_or(text.len())
}

/// Whether a tag of `dialect` begins here: a key, and then `=`. No text at all is an empty list.
fn begins_with_tag(text: &[u8], dialect: Dialect, dialects: Dialects) -> bool {
    let separator = separator(dialect) as u8;
    let mut at = 0;
    while !text.is_empty() {
        let rest = text.get(at..).unwrap_or_default();
        let is_end = |&byte: &u8| byte == b'=' || byte == separator || dialect_of(byte, dialects).is_some();
        match rest.iter().position(is_end).map(|len| (len, rest.get(len..).unwrap_or_default())) {
            Some((_, [b'=', ..])) => return true,
            // Brackets without a `=` are part of the key.
            Some((len, [b'[', inside @ ..])) if !begins_tags_in_brackets(inside) => at += len + 1,
            Some((len, [b']', ..])) => at += len + 1,
            _ => return false,
        }
    }
    true
}

/// The start of `name` up to its first tag.
pub(crate) fn before_tags(name: &[u8], dialects: Dialects) -> &[u8] {
    next_mark(name, dialects).and_then(|mark| name.get(..mark.at())).unwrap_or(name)
}

/// The index of the `:` that ends the name in `head`, the line up to its first `|`; `None`: the first `:` ends it.
///
/// - The name of a set ends at the first `:` outside of brackets, because a member may be any text.
/// - A name with tags at its end ends at the last `:`, because values of tags hold times and ports.
/// - Any other name ends at the first `:` outside of brackets if a number follows it, because several values may follow a
///   name. Otherwise it ends at the last `:`, because addresses and ports are part of some names.
pub(super) fn end_of_name(head: &[u8], dialects: Dialects, is_set: bool) -> Option<usize> {
    let last = memrchr(b':', head)?;
    let first = first_outside_brackets(head, dialects)?;
    if is_set {
        return Some(first);
    }
    let value = head.get(first + 1..)?.split(|&b| b == b':').next()?;
    let mut start = 0;
    while let Some(mark) = next_mark(head.get(start..last)?, dialects) {
        match mark {
            // A lone mark before the last `:` begins no tags.
            Mark::Tags(at, _) if memchr(b'=', head.get(start + at..last)?).is_none() => break,
            Mark::Tags(..) => return Some(last),
            Mark::Brackets(at, len) => start += at + len,
            Mark::Unpaired(_) => break,
        }
    }
    Some(if value::is_meant_as_number(value) { first } else { last })
}

fn first_outside_brackets(head: &[u8], dialects: Dialects) -> Option<usize> {
    let mut at = 0;
    while dialects.has(Dialect::SignalFx) {
        let rest = head.get(at..)?;
        let found = memchr2(b':', b'[', rest)?;
        match rest.get(found..)? {
            [b':', ..] => return Some(at + found),
            inside => match memchr(b']', inside) {
                Some(len) => at += found + len,
                None => break,
            },
        }
    }
    memchr(b':', head.get(at..)?).map(|found| at + found)
}

/// The tags of DogStatsD `#` sections: `k:v,k2:v2,flag`.
///
/// `sections` is the text after the first `#`, and may include several `#` sections with other sections between them
/// ([`Group::tags`](super::Group::tags)). The key ends at the first `:`. A tag without `:` has the value `"true"`. Some
/// clients write a `#` before each tag; it is not part of the key.
///
/// Source: <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>, protocol 1.0.
pub fn dogstatsd(sections: &str) -> impl Iterator<Item = Pair<'_>> {
    LineSection::each_after_tags(sections.as_bytes())
        .filter_map(|(start, part)| sections.get(start..start + part.len()))
        .enumerate()
        .filter_map(|(at, part)| if at == 0 { Some(part) } else { part.strip_prefix('#') })
        .filter(|part| !part.is_empty())
        .flat_map(|part| part.split(','))
        .map(|tag| pair(tag.trim_start().strip_prefix('#').unwrap_or(tag), b':'))
}

/// A tag, without the blanks around its key and its value.
fn pair(tag: &str, separator: u8) -> Pair<'_> {
    // Keys are so short that a search by `split_once` costs more than this loop.
    let end = tag.bytes().position(|byte| byte == separator).map(|end| (tag.get(..end), tag.get(end + 1..)));
    let parts = end.map(|(key, value)| (key.unwrap_or_default().trim(), value.unwrap_or_default().trim()));
    match parts {
        Some(("", "")) => Err(TagError::EmptyTag),
        Some(("", _)) => Err(TagError::EmptyKey),
        Some((_, "")) => Err(TagError::EmptyValue),
        Some((key, value)) => Ok((key, value)),
        None if tag.trim().is_empty() => Err(TagError::EmptyTag),
        None => Ok((tag.trim(), "true")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_dogstatsd_sections() {
        let read = |section| dogstatsd(section).collect::<Vec<_>>();
        assert_eq!(read("k:v,k2:v2"), [Ok(("k", "v")), Ok(("k2", "v2"))]);
        assert_eq!(read("url:http://x:80"), [Ok(("url", "http://x:80"))]);
        assert_eq!(read("prod"), [Ok(("prod", "true"))]);
        assert_eq!(read("t1:x,#t2:y,#z"), [Ok(("t1", "x")), Ok(("t2", "y")), Ok(("z", "true"))]);
        assert_eq!(read("a:1|@0.5|#b:2"), [Ok(("a", "1")), Ok(("b", "2"))]);
        assert_eq!(read("a:1|2||x,b:2|@1|#c:3|4"), [Ok(("a", "1|2||x")), Ok(("b", "2")), Ok(("c", "3|4"))]);
        assert_eq!(read("env:prod, region : eu , x"), [Ok(("env", "prod")), Ok(("region", "eu")), Ok(("x", "true"))]);
        assert_eq!(read(" , :v,k: "), [Err(TagError::EmptyTag), Err(TagError::EmptyKey), Err(TagError::EmptyValue)]);
        assert_eq!(
            read(":v,,k:,:"),
            [Err(TagError::EmptyKey), Err(TagError::EmptyTag), Err(TagError::EmptyValue), Err(TagError::EmptyTag)]
        );
        assert_eq!(read(""), []);
    }

    use crate::parse::{groups, simple_line};
    use proptest::prelude::*;

    /// The name and the tags that a name gives, as `name{k=v,k2=v2}`, and then the errors.
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
            // The key ends at the first separator.
            ("a,k=b=c", "a{k=b=c}"),
            ("a#k=b#l=w", "a{k=b#l=w}"),
            ("a,k=v;l#m[0]", "a{k=v;l#m[0]}"),
            ("a;k=v,l=w", "a{k=v,l=w}"),
            ("a[k=b[0]", "a{k=b[0}"),
            ("a[k=v;l#m]", "a{k=v;l#m}"),
            ("a,url=http://x:80", "a{url=http://x:80}"),
            // Brackets and another dialect.
            ("a[k=v],l=w", "a{k=v,l=w}"),
            ("a[k=v]b;l=w", "ab{k=v,l=w}"),
            // Before the first tag, pieces and brackets without a value are part of the name.
            ("a,prod", "a,prod{}"),
            ("svc,b_c.x", "svc,b_c.x{}"),
            ("a,prod,k=v", "a,prod{k=v}"),
            ("a,k=v,prod,l=w", "a{k=v,prod=true,l=w}"),
            ("a;prod;k=v;x", "a;prod{k=v,x=true}"),
            ("Class#method", "Class#method{}"),
            ("Class#method,k=v", "Class#method{k=v}"),
            ("a,b;k=v", "a,b{k=v}"),
            ("a[]", "a[]{}"),
            ("src[1] -> Calc[2].0.n", "src[1] -> Calc[2].0.n{}"),
            ("a[0,1].x,k=v", "a[0,1].x{k=v}"),
            ("a[0][k=v]b[1]", "a[0]b[1]{k=v}"),
            ("a[prod,k=v]", "a{prod=true,k=v}"),
            ("a,b[k=v]", "a,b{k=v}"),
            ("a,b[0]=v", "a{b[0]=v}"),
            ("a,b,,c", "a,b,,c{}"),
            ("Map[String,List[Int]].size,k=v", "Map[String,List[Int]].size{k=v}"),
            ("a[b[c=d]]", "a[b[c=d]]{} unpaired_bracket"),
            // Blanks around keys and values.
            ("a,k=v, l = w ,m=x y", "a{k=v,l=w,m=x y}"),
            ("a[ k = v ]", "a{k=v}"),
            ("a, =v,k= , ", "a{} empty_key empty_value empty_tag"),
            ("a, ", "a{}"),
            ("a; ;k=v", "a{k=v} empty_tag"),
            // Tags that are left out.
            ("a,", "a{}"),
            ("a,k=v,", "a{k=v} empty_tag"),
            ("a;;k=v", "a{k=v} empty_tag"),
            ("a#=v,k=,=", "a{} empty_key empty_value empty_tag"),
            (",k=v", "{k=v}"),
            // Unpaired brackets.
            ("a]b[", "a]b[{} unpaired_bracket"),
            ("[k=v,l=wb", "[k=v,l=wb{} unpaired_bracket"),
            ("k=v]b", "k=v]b{} unpaired_bracket"),
            ("a[k=v]b]", "a[k=v]b]{} unpaired_bracket"),
            ("a[0]]", "a[0]]{} unpaired_bracket"),
            ("a[0", "a[0{} unpaired_bracket"),
            ("a[b[0]", "a[b[0]{} unpaired_bracket"),
            ("a[0,k=v", "a[0,k=v{} unpaired_bracket"),
            ("é[ü=ö]ß", "éß{ü=ö}"),
        ] {
            assert_eq!(tagged(name, Dialects::ALL), expected, "{name}");
            assert_eq!(tagged(name, Dialects::NONE), format!("{name}{{}}"));
        }
    }

    #[test]
    fn tags_of_a_dialect_that_is_off_are_part_of_the_name() {
        use Dialect::*;
        for (off, name, expected) in [
            (InfluxDb, "a,k=v", "a,k=v{}"),
            (InfluxDb, "a,k=v;l=w", "a,k=v{l=w}"),
            (Graphite, "a;k=v", "a;k=v{}"),
            (Graphite, "a;k=v,l=w", "a;k=v{l=w}"),
            (Graphite, "a,k;l=v", "a{k;l=v}"),
            (SignalFx, "a,k[l=v", "a{k[l=v}"),
            (Librato, "a#k=v", "a#k=v{}"),
            (Librato, "a#k[l=w]", "a#k{l=w}"),
            (SignalFx, "a[k=v]", "a[k=v]{}"),
            (SignalFx, "a]b[", "a]b[{}"),
            (SignalFx, "a[k=v,l=w]", "a[k=v{l=w]}"),
            (DogStatsD, "a,k=v", "a{k=v}"),
        ] {
            let dialects = Dialect::ALL.iter().copied().filter(|dialect| *dialect != off).collect();
            assert_eq!(tagged(name, dialects), expected, "{name} without {off:?}");
        }
        let sections = |dialects| Tagged::new("a,k=v", "l:w", dialects).tags.len();
        assert_eq!(sections(Dialects::ALL), 2);
        assert_eq!(sections(Dialects::from_iter([InfluxDb])), 1);
        assert_eq!(sections(Dialects::from_iter([DogStatsD])), 1);
    }

    #[test]
    fn tags_keep_the_order_of_the_line() {
        let tags = Tagged::new("a[k=1]b,k=2", "k:3|#k:4", Dialects::ALL).tags;
        let expected =
            [(Dialect::SignalFx, "1"), (Dialect::InfluxDb, "2"), (Dialect::DogStatsD, "3"), (Dialect::DogStatsD, "4")];
        assert_eq!(tags, expected.map(|(dialect, value)| Tag { dialect, pair: Ok(("k", value)) }));
    }

    /// The name and the values of the first group of a line.
    fn name_and_values(line: &str, dialects: Dialects) -> (String, String) {
        let group = groups(line.as_bytes()).tagged(dialects).next().unwrap().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(group.name), text(group.values))
    }

    #[test]
    fn a_colon_in_a_value_does_not_end_the_name() {
        for (line, name, values) in [
            ("a,run=2024-01-01T10:30:00+00:00:1|c", "a,run=2024-01-01T10:30:00+00:00", "1"),
            ("r,host=db:5432:1|c", "r,host=db:5432", "1"),
            ("r;host=10.0.0.1:8080:12|ms", "r;host=10.0.0.1:8080", "12"),
            ("q,c=b 2026-11-25 12:30:45,m=GET:1|c", "q,c=b 2026-11-25 12:30:45,m=GET", "1"),
            ("a,url=http://x:80:1|c", "a,url=http://x:80", "1"),
            ("a,url=http://x:1|c", "a,url=http://x", "1"),
            ("a;t=x:y:1|c|#u:w", "a;t=x:y", "1"),
            ("a#t=x:y:z:-1.5|g", "a#t=x:y:z", "-1.5"),
            ("a[t=12:30:15]b:1:2|ms", "a[t=12:30:15]b", "1:2"),
            ("a[t=x:y]:z:1|c", "a[t=x:y]:z", "1"),
            ("a[t=x:y],url=http://z:8:1|c", "a[t=x:y],url=http://z:8", "1"),
            ("a,k=v:1:2|ms", "a,k=v:1", "2"),
            ("a,t=12:30:1|c", "a,t=12:30", "1"),
            ("a,k=v:1|c:2|c", "a,k=v", "1"),
            ("a[t=x:y],u=w:1:2|c", "a[t=x:y],u=w:1", "2"),
            ("a[0:1],u=w:1:2|c", "a[0:1],u=w:1", "2"),
            // Without tags at its end, a name ends at the first colon if a number follows.
            ("a:1:2|ms", "a", "1:2"),
            ("a:1:x:2|ms", "a", "1:x:2"),
            ("a:NaN:2|ms", "a", "NaN:2"),
            ("a:-inf:2|ms", "a", "-inf:2"),
            ("a,b:1:2|c", "a,b", "1:2"),
            ("a[0:1]:1:2|c", "a[0:1]", "1:2"),
            ("a[t=x]:1:2|c", "a[t=x]", "1:2"),
            ("a,:1:2|c", "a,", "1:2"),
            ("a:1:2,:3|c", "a", "1:2,:3"),
            ("a:1e400:2|c", "a", "1e400:2"),
            ("a:1:x=y,k|c", "a", "1:x=y,k"),
            // Otherwise it ends at the last.
            ("proxy.10_0_0_1:9001.active:7|g", "proxy.10_0_0_1:9001.active", "7"),
            ("fetch.http://x.example:80/z:3|c", "fetch.http://x.example:80/z", "3"),
            ("a:x:1|c", "a:x", "1"),
            ("a,b:x:1|c", "a,b:x", "1"),
            ("a=b:x:1|c", "a=b:x", "1"),
            ("a[t=x]:y:1|c", "a[t=x]:y", "1"),
            ("a[t=x:y:1|c", "a[t=x:y", "1"),
            ("a]b,t=x:y:1|c", "a]b,t=x:y", "1"),
            ("a::1|c", "a:", "1"),
            ("a,url=http://x:80:y|c", "a,url=http://x:80", "y"),
            ("a,url=x:|c", "a,url=x", ""),
            ("a,url=x::|c", "a,url=x:", ""),
        ] {
            assert_eq!(name_and_values(line, Dialects::ALL), (name.to_owned(), values.to_owned()), "{line}");
        }
        for (line, name, values) in [
            ("a,host=db:5432:1|c", "a,host=db", "5432:1"),
            ("a,url=http://x:80:1|c", "a,url=http://x:80", "1"),
            ("a[t=12:30]:1|c", "a[t=12:30]", "1"),
        ] {
            assert_eq!(name_and_values(line, Dialects::NONE), (name.to_owned(), values.to_owned()), "{line}");
        }
    }

    #[test]
    fn in_a_set_the_first_colon_ends_the_name() {
        let second = |line: &'static str| groups(line.as_bytes()).tagged(Dialects::ALL).nth(1).unwrap().unwrap();
        assert_eq!(second("a,k=v:x:y|s:1|c").name, b"a,k=v");
        assert_eq!(second("a,k=v:x:y|c:1|c").name, b"a,k=v:x");
        assert_eq!(second("a[0:1]:x:y|s:1|c").name, b"a[0:1]");
    }

    fn dialects() -> impl Strategy<Value = Dialects> {
        prop::collection::vec(prop::sample::select(Dialect::ALL), 0..5).prop_map(Dialects::from_iter)
    }

    proptest! {
        #[test]
        fn prop_any_bytes_can_be_read(line in prop::collection::vec(prop_oneof![
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
        fn prop_without_dialects_a_name_has_no_tags(line in "[a,;=#\\[\\]:|1c@s]{0,40}") {
            let all: Vec<_> = groups(line.as_bytes()).tagged(Dialects::NONE).collect();
            for group in all.into_iter().flatten() {
                let (name, sections) = (std::str::from_utf8(group.name)?, std::str::from_utf8(group.tags)?);
                let tagged = Tagged::new(name, sections, Dialects::NONE);
                prop_assert_eq!(tagged, Tagged { name: name.into(), tags: Vec::new() });
            }
        }

        #[test]
        fn prop_the_first_colon_ends_the_name_of_a_simple_line(
            line in "[a,;=#\\[\\]]{0,20}:-?[0-9]{1,7}\\|(c|g|ms)(\\|#[a-z:,\\]]{0,9})?",
            dialects in dialects(),
        ) {
            let (simple, _) = simple_line(line.as_bytes()).expect("a simple line");
            let group = groups(line.as_bytes()).tagged(dialects).next().expect("one").expect("a group");
            prop_assert_eq!((simple.name, simple.tags), (group.name, group.tags));
        }

        #[test]
        fn prop_a_name_with_tags_ends_at_the_last_colon(
            mark in "[,;#]",
            name in "[a-z.|]{1,4}(:[a-z.0-9]{0,4}){0,2}",
            key in "[a-z]{1,3}",
            value in "[a-z0-9:./ -]{0,12}",
            number in "-?[0-9]{1,3}",
            end in "\\|(c|g|ms|kv)(\\|#[a-z:,|9]{0,9})?",
        ) {
            let name = format!("{name}{mark}{key}={value}");
            prop_assert_eq!(name_and_values(&format!("{name}:{number}{end}"), Dialects::ALL), (name, number));
        }

        #[test]
        fn prop_a_name_without_tags_ends_at_the_first_colon_or_the_last(
            parts in prop::collection::vec("[a-z1-9., ]{0,3}|[0-9]{1,3}|NaN|-?inf", 2..6),
            dialects in dialects(),
        ) {
            let first = 1..=if parts[1].parse::<f64>().is_ok() { 1 } else { parts.len() - 1 };
            let (name, values) = parts.split_at(*first.end());
            let line = format!("{}|c", parts.join(":"));
            prop_assert_eq!(name_and_values(&line, dialects), (name.join(":"), values.join(":")));
        }

        #[test]
        fn prop_tags_keep_their_pipes(
            lists in prop::collection::vec(prop::collection::vec(("[a-z.]{1,3}", "[a-z0-9.|]{1,9}"), 1..4), 1..4),
            sections in prop::collection::vec(prop::sample::select(&["@0.5", "T1656581400", "c:ci-1", "e:", "x:|"][..]), 4),
        ) {
            let pairs = lists.concat();
            let written = lists.iter().zip(&sections).map(|(list, section)| {
                let list: Vec<_> = list.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("|#{}|{section}", list.join(","))
            });
            let line = format!("a:1|c{}", written.collect::<String>());
            let group = groups(line.as_bytes()).tagged(Dialects::ALL).next().expect("one").expect("a group");
            let read: Vec<_> = dogstatsd(std::str::from_utf8(group.tags)?).map(|pair| pair.expect("a pair")).collect();
            prop_assert_eq!(read, pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>());
            let has = |section| sections.iter().take(lists.len()).any(|other| *other == section);
            prop_assert_eq!(group.rate, Ok(if has("@0.5") { 0.5 } else { 1.0 }));
            prop_assert_eq!(group.container, if has("c:ci-1") { &b"ci-1"[..] } else { b"" });
            prop_assert_eq!(group.unknown, has("x:|"));
        }

        #[test]
        fn prop_tags_are_read_as_written(
            pairs in prop::collection::vec(("[a-z.]{1,5}", "[a-z0-9:=/.é]([a-z0-9:=/. é]{0,6}[a-z0-9:=/.é])?"), 1..5),
            split in 0_usize..4,
        ) {
            let written: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let (commas, semicolons) = (written.join(","), written.join(";"));
            let (start, end) = "name".split_at(split);
            let line = format!("name,{commas}:1|c");
            prop_assert_eq!(name_and_values(&line, Dialects::ALL), (format!("name,{commas}"), "1".to_owned()));
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
