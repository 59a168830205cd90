//! Where the two parsers differ on purpose, and how a line or a result of the other parser is mended there.

use statsidecar::parse::{self, StatsdType};
use statsidecar::reject::Reject;

use crate::{Reading, ours};

/// One feature that the two parsers read differently on purpose.
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    /// A line that only this difference explains.
    pub(crate) example: &'static str,
    pub(crate) mend: Mend,
}

/// How the result of the other parser becomes that of this one.
pub(crate) enum Mend {
    /// The other parser gets these lines instead; `None` if the difference does not apply.
    Lines(fn(&str) -> Option<Vec<String>>),
    /// Its result is corrected.
    Reading(fn(&mut Reading)),
    /// It is not asked about such a line.
    NotAsked(fn(&str) -> bool),
}

/// In the order in which they are applied.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "a service check",
        why: "the other parser panics on some, and tells no status of the others",
        example: "_sc|db|0|h:web1|#a:b",
        mend: Mend::NotAsked(|line| line.starts_with("_sc|")),
    },
    Difference {
        name: "a distribution",
        why: "`d`, `a` and `kv` are types, which the other parser does not know",
        example: "a:1|c|x|@0.5:2|d",
        mend: Mend::NotAsked(|line| {
            let newer = [StatsdType::Distribution, StatsdType::Average, StatsdType::KeyValue];
            ours(line).iter().flatten().any(|reading| newer.contains(&reading.statsd_type))
        }),
    },
    Difference {
        name: "a pipe in a tag",
        why: "behind tags, a piece that does not look like a section belongs to the tag before it",
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
        why: "`s` is a type, which the other parser does not know",
        example: "a:1|c|x|@0.5:2|s",
        mend: Mend::NotAsked(|line| {
            parse::groups(line.as_bytes()).flatten().any(|group| group.statsd_type == StatsdType::Set)
        }),
    },
    Difference {
        name: "an event",
        why: "`_e{` begins an event, even where a metric might look like it",
        example: "_e{1,1}:1|c",
        mend: Mend::NotAsked(|line| parse::event(line.as_bytes()).is_some()),
    },
    Difference {
        name: "the older packing",
        why: "`name:1|c:2|ms` is read where the line has no `|#`, behind a rate too",
        example: "a:1|c|x|@0.5:2:3|ms:4|g",
        mend: Mend::Lines(unpacked),
    },
    Difference {
        name: "sections in any order",
        why: "the other parser stops at the first section that it does not expect",
        example: "a:1|c|x|#k:v|@0.1|#l:w|@0.5",
        mend: Mend::Lines(in_order),
    },
    Difference {
        name: "blanks around a tag",
        why: "they are cut",
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
        why: "it is left out, where the other parser leaves out all behind it too",
        example: "a:1|c|#k:v,,l:w",
        mend: Mend::Lines(|line| mend_tags(line, |tag| (!matches!(tag, "" | ":")).then(|| tag.to_owned()))),
    },
    Difference {
        name: "an empty key",
        why: "there is no label without a name, so it is left out",
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
        why: "`#prod` means prod=\"true\"",
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
        why: "`NaN`, `Inf` and what overflows are no numbers",
        example: "a:1e400|c",
        mend: Mend::Reading(|reading| {
            reading.value = reading.value.and_then(|x| if x.is_finite() { Ok(x) } else { Err(Reject::BadValue) });
        }),
    },
    Difference {
        name: "a rate out of (0, 1]",
        why: "a sample that stands for less than itself, or for a billion and more, is a mistake",
        example: "a:1|c|@1e-10",
        mend: Mend::Reading(|reading| {
            let in_range = |rate: &f64| (1e-9..=1.0).contains(rate);
            reading.rate = reading.rate.and_then(|x| Some(x).filter(in_range).ok_or(Reject::BadSampleRate));
        }),
    },
];

/// A character that hides the beginning of a name from the other parser. No generator makes it.
pub(crate) const MARK: char = '\u{1}';

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
