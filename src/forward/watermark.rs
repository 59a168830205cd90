//! Watermarks: how the relay finds that a target leads back to this sidecar. Pure.
//!
//! Now and then the relay adds a sample rate to a line for a target: 1, written with so many digits that no other relay
//! writes the same. To every StatsD server it means what the line meant before. If the line arrives here again, the target
//! has sent it back, through however many other relays.

use memchr::{memchr, memmem};

/// A rate that rounds to 1, for any digits behind it: the next number above 1 that an f64 can hold differs from 1 by 2e-16.
const RATE: &[u8] = b"|@1.00000000000000000000";

/// How many digits follow.
const DIGITS: usize = 20;

/// The rate that the relay adds to some lines for one target.
#[derive(Debug)]
pub(super) struct Watermark([u8; RATE.len() + DIGITS]);

impl Watermark {
    /// The watermark of a relay that was given this random number.
    pub(super) fn new(random: u64) -> Self {
        let mut mark = [0; RATE.len() + DIGITS];
        let digits = format!("{random:0DIGITS$}");
        mark.iter_mut().zip(RATE.iter().chain(digits.as_bytes())).for_each(|(to, byte)| *to = *byte);
        Self(mark)
    }

    /// The line with the watermark, if it is one that may have a rate: a counter or a timer with a value and no section but
    /// tags.
    pub(super) fn mark(&self, line: &[u8]) -> Option<Vec<u8>> {
        let (before, rest) = line.split_at(memchr(b'|', line)?);
        let type_len = [&b"|c"[..], b"|ms"].iter().find_map(|kind| {
            let behind = rest.strip_prefix(*kind)?;
            let is_tags = behind.starts_with(b"|#") && memchr(b'|', behind.get(2..)?).is_none();
            (behind.is_empty() || behind == b"\r" || is_tags).then_some(kind.len())
        })?;
        let is_sample = memchr(b':', before).is_some_and(|end| end > 0) && !before.starts_with(b"_");
        let (statsd_type, tags) = rest.split_at(type_len);
        is_sample.then(|| [before, statsd_type, &self.0, tags].concat())
    }

    /// Whether one of the lines has it.
    pub(super) fn is_in(&self, lines: &[u8]) -> bool {
        memmem::find(lines, &self.0).is_some()
    }
}

/// Whether one of the lines has a watermark, of this relay or of another.
pub(super) fn any(lines: &[u8]) -> bool {
    memmem::find(lines, RATE).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn a_mark_changes_nothing_but_the_rate() {
        let mark = Watermark::new(123);
        let rate = "|@1.0000000000000000000000000000000000000123";
        for (line, expected) in [
            ("a:1|c", format!("a:1|c{rate}")),
            ("a:1|c\r", format!("a:1|c{rate}\r")),
            ("a:0.5:2|ms", format!("a:0.5:2|ms{rate}")),
            ("a.b:1|c|#k:v,l", format!("a.b:1|c{rate}|#k:v,l")),
            ("a,k=v:1|c", format!("a,k=v:1|c{rate}")),
        ] {
            let marked = mark.mark(line.as_bytes()).expect("it may have a rate");
            assert_eq!(String::from_utf8_lossy(&marked), expected);
            assert!(mark.is_in(&marked) && any(&marked) && !Watermark::new(124).is_in(&marked));
            let rates =
                |line: &[u8]| parse::groups(line).map(|group| group.map(|group| group.rate)).collect::<Vec<_>>();
            assert_eq!(rates(marked.trim_ascii_end()), [Ok(Ok(1.0))], "{line}");
        }
        for line in
            ["a:1|g", "a:1|c|@0.5", "a:1|c|#k|c:x", "a:1|c:2|ms", "a:1|m", "_e{1,1}:a|c", ":1|c", "a|c", "", "a:1|cc"]
        {
            assert_eq!(mark.mark(line.as_bytes()), None, "{line}");
        }
        assert!(!any(b"a:1|c|@1.0"));
    }
}
