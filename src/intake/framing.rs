//! Framing: it splits the bytes of a stream into whole lines or messages.
//!
//! Pure: it reads no socket. The result does not depend on how the network cuts the bytes into reads. Only an unfinished
//! line or message is copied and kept; everything else is passed on in place.

use std::mem;

use memchr::{memchr, memrchr};

use crate::config::Framing;

/// The longest datagram there can be on UDP, and so the longest message of a stream.
pub(super) const MAX_MESSAGE: usize = 65_536;

/// The size of the length before each message.
const LENGTH: usize = 4;

/// A part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Whole lines, with `\n` between them, and perhaps after the last one.
    Lines(&'a [u8]),
    /// The content of a message: lines, as in a datagram.
    Message(&'a [u8]),
    /// One line above the limit. Its bytes are discarded.
    TooLong,
    /// A line or message that the end of the stream has cut.
    Cut,
}

/// Why a stream cannot be read: the client uses another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadStream {
    /// The length of a message is above the limit (65,536 bytes).
    Length(u32),
    /// The first line is a request of HTTP. A web page can make the browser of its reader send one, with lines in it.
    Http,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed it, or was silent for too long: a last line without `\n` is whole.
    Whole,
    /// It broke, so that its last line may be incomplete.
    Torn,
}

/// The state of one stream between two reads.
#[derive(Debug)]
pub struct Frames {
    framing: Framing,
    max_line: usize,
    /// The beginning of an unfinished line, or of an unfinished message with its length.
    rest: Vec<u8>,
    /// Whether the current line is too long and its bytes are discarded.
    is_skipping: bool,
    /// Whether the first line has not been passed on yet.
    is_at_start: bool,
}

impl Frames {
    /// A new stream whose lines have at most `max_line` bytes, not counting `\r` and `\n`.
    pub fn new(framing: Framing, max_line: usize) -> Self {
        Self { framing, max_line, rest: Vec::new(), is_skipping: false, is_at_start: true }
    }

    /// Passes everything that is whole to `take`, in order. After an error the stream is of no use.
    pub fn push(&mut self, bytes: &[u8], take: impl FnMut(Piece<'_>)) -> Result<(), BadStream> {
        match self.framing {
            Framing::Lines => self.push_lines(bytes, take),
            Framing::Messages => self.push_messages(bytes, take),
        }
        // The rest of the stream is unreadable, so nothing of it is kept.
        .inspect_err(|_| self.rest = Vec::new())
    }

    /// Passes the unfinished rest to `take`. Gives whether nothing was cut.
    pub fn end(&mut self, end: End, mut take: impl FnMut(Piece<'_>)) -> bool {
        let rest = mem::take(&mut self.rest);
        let is_whole = rest.is_empty() || (self.framing == Framing::Lines && end == End::Whole);
        if !rest.is_empty() {
            take(if is_whole { Piece::Lines(&rest) } else { Piece::Cut });
        }
        is_whole
    }

    fn push_lines(&mut self, mut bytes: &[u8], mut take: impl FnMut(Piece<'_>)) -> Result<(), BadStream> {
        if self.is_skipping || !self.rest.is_empty() {
            let end = memchr(b'\n', bytes);
            let (first, others) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            bytes = others;
            if !self.is_skipping {
                self.rest.extend_from_slice(first);
            }
            match end {
                None => return self.bound(take),
                Some(_) if mem::take(&mut self.is_skipping) => {}
                Some(_) => {
                    let line = mem::take(&mut self.rest);
                    self.check_start(&line)?;
                    take(Piece::Lines(&line));
                }
            }
        }
        let (whole, rest) = bytes.split_at(memrchr(b'\n', bytes).map_or(0, |end| end + 1));
        if !whole.is_empty() {
            self.check_start(whole)?;
            take(Piece::Lines(whole));
        }
        self.rest.extend_from_slice(rest);
        self.bound(take)
    }

    /// Discards the line in `rest` once it is too long. One more byte is allowed, because it may be the `\r` of the line's
    /// end.
    fn bound(&mut self, mut take: impl FnMut(Piece<'_>)) -> Result<(), BadStream> {
        if self.rest.len() > self.max_line + 1 {
            let line = mem::take(&mut self.rest);
            self.check_start(&line)?;
            self.is_skipping = true;
            take(Piece::TooLong);
        }
        Ok(())
    }

    /// Looks at the first line of the stream, with which these bytes begin.
    fn check_start(&mut self, bytes: &[u8]) -> Result<(), BadStream> {
        if !mem::take(&mut self.is_at_start) {
            return Ok(());
        }
        let line = bytes.get(..memchr(b'\n', bytes).unwrap_or(bytes.len())).unwrap_or_default();
        if is_request(line.strip_suffix(b"\r").unwrap_or(line), self.max_line) { Err(BadStream::Http) } else { Ok(()) }
    }

    fn push_messages(&mut self, mut bytes: &[u8], mut take: impl FnMut(Piece<'_>)) -> Result<(), BadStream> {
        while !bytes.is_empty() {
            // A whole message is not copied.
            if self.rest.is_empty()
                && let Some(end) = message_end(bytes)?
                && let Some((message, others)) = bytes.split_at_checked(end)
            {
                take(Piece::Message(message.get(LENGTH..).unwrap_or_default()));
                bytes = others;
                continue;
            }
            let end = message_end(&self.rest)?.unwrap_or(LENGTH);
            let missing = end.saturating_sub(self.rest.len()).min(bytes.len());
            let (more, others) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.rest.extend_from_slice(more);
            bytes = others;
            if message_end(&self.rest)? == Some(self.rest.len()) {
                take(Piece::Message(mem::take(&mut self.rest).get(LENGTH..).unwrap_or_default()));
            }
        }
        Ok(())
    }
}

/// Whether a line is the first one of an HTTP request. A name of StatsD may begin like a request, but no line ends like one. A
/// line that is too long may be cut, and its beginning must do.
///
/// Source: RFC 9112, section 3.
fn is_request(line: &[u8], max_line: usize) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];
    let mut words = line.split(|byte| *byte == b' ');
    let (first, last) = (words.next().unwrap_or_default(), words.next_back());
    METHODS.contains(&first) && last.is_some_and(|last| last.starts_with(b"HTTP/") || line.len() > max_line)
}

/// The end of the message at the beginning of `bytes`; `None` while its length is incomplete.
fn message_end(bytes: &[u8]) -> Result<Option<usize>, BadStream> {
    let Some(length) = bytes.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length);
    match usize::try_from(length) {
        Ok(len) if len <= MAX_MESSAGE => Ok(Some(LENGTH + len)),
        _ => Err(BadStream::Length(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX_LINE: usize = 8;

    /// One result of a stream.
    #[derive(Debug, PartialEq)]
    enum Framed {
        Line(Vec<u8>),
        Message(Vec<u8>),
        TooLong,
        Cut,
    }

    /// All results of a stream that arrives in these pieces.
    fn read(framing: Framing, pieces: &[&[u8]], end: End) -> (Vec<Framed>, Result<bool, BadStream>) {
        let mut framed = Vec::new();
        let mut frames = Frames::new(framing, MAX_LINE);
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Lines(lines) => {
                assert!(!lines.is_empty());
                for line in lines.strip_suffix(b"\n").unwrap_or(lines).split(|&b| b == b'\n') {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    framed.push(if line.len() > MAX_LINE { Framed::TooLong } else { Framed::Line(line.to_vec()) });
                }
            }
            Piece::Message(message) => framed.push(Framed::Message(message.to_vec())),
            Piece::TooLong => framed.push(Framed::TooLong),
            Piece::Cut => framed.push(Framed::Cut),
        };
        let pushed = pieces.iter().try_for_each(|piece| {
            let pushed = frames.push(piece, &mut take);
            assert!(frames.rest.len() <= MAX_LINE + 1 || framing == Framing::Messages, "the kept rest is bounded");
            pushed
        });
        let is_whole = frames.end(end, &mut take);
        (framed, pushed.map(|()| is_whole))
    }

    fn lines(pieces: &[&[u8]], end: End) -> Vec<Framed> {
        read(Framing::Lines, pieces, end).0
    }

    fn line(line: &[u8]) -> Framed {
        Framed::Line(line.to_vec())
    }

    #[test]
    fn lines_are_whole_in_any_pieces() {
        assert_eq!(lines(&[b"a\nb\nc"], End::Whole), [line(b"a"), line(b"b"), line(b"c")]);
        assert_eq!(lines(&[b"a\nb\nc"], End::Torn), [line(b"a"), line(b"b"), Framed::Cut]);
        assert_eq!(lines(&[b"a\n"], End::Torn), [line(b"a")], "a line with its `\\n` is not torn");
        assert_eq!(lines(&[b"a", b"b\r", b"\nc", b"\n"], End::Torn), [line(b"ab"), line(b"c")]);
        assert_eq!(lines(&[b"", b""], End::Whole), []);
    }

    #[test]
    fn a_line_too_long_counts_once_and_the_next_is_read() {
        let good = || line(b"12345678");
        assert_eq!(lines(&[b"12345678\n12345678\r\n"], End::Torn), [good(), good()]);
        assert_eq!(lines(&[b"12345678", b"\r", b"\n12345678"], End::Whole), [good(), good()]);
        assert_eq!(lines(&[b"123456789\na\n"], End::Torn), [Framed::TooLong, line(b"a")]);
        assert_eq!(lines(&[b"123456789", b"\na\n"], End::Torn), [Framed::TooLong, line(b"a")]);
        assert_eq!(
            lines(&[b"1234567890", b"12345678901234567890", b"1\na\n"], End::Torn),
            [Framed::TooLong, line(b"a")]
        );
        assert_eq!(
            lines(&[b"1234567890", b"1"], End::Torn),
            [Framed::TooLong],
            "the rest of a discarded line counts for nothing"
        );
        assert_eq!(lines(&[b"1234567890", b"\n", b"1234567890"], End::Whole), [Framed::TooLong, Framed::TooLong]);
    }

    fn message(content: &[u8]) -> Vec<u8> {
        [&u32::try_from(content.len()).unwrap().to_le_bytes(), content].concat()
    }

    #[test]
    fn messages_are_whole_in_any_pieces() {
        let largest = vec![b'x'; MAX_MESSAGE];
        let contents: [&[u8]; 5] = [b"a:1|c", b"", b"b:1|c\nc:1|c\n", &largest, b"d"];
        let stream: Vec<u8> = contents.iter().flat_map(|content| message(content)).collect();
        let expected: Vec<_> = contents.iter().map(|content| Framed::Message(content.to_vec())).collect();
        assert_eq!(read(Framing::Messages, &[&stream], End::Whole), (expected, Ok(true)));
        let half = &message(b"ab")[..5];
        assert_eq!(read(Framing::Messages, &[half], End::Whole), (vec![Framed::Cut], Ok(false)));
        assert_eq!(read(Framing::Messages, &[&half[..2]], End::Whole), (vec![Framed::Cut], Ok(false)));
    }

    #[test]
    fn an_impossible_length_ends_the_stream() {
        let stream = [message(b"a"), u32::try_from(MAX_MESSAGE + 1).unwrap().to_le_bytes().to_vec()].concat();
        let expected = (vec![Framed::Message(b"a".to_vec())], Err(BadStream::Length(65_537)));
        assert_eq!(read(Framing::Messages, &[&stream], End::Whole), expected);
        // The result is the same for every cut.
        let (message, length) = stream.split_at(5);
        for cut in 0..=length.len() {
            let (one, other) = length.split_at(cut);
            assert_eq!(read(Framing::Messages, &[message, one, other], End::Whole), expected, "{cut}");
        }
        assert_eq!(
            read(Framing::Messages, &[b"a:1|", b"c\n"], End::Whole),
            (Vec::new(), Err(BadStream::Length(0x7c31_3a61)))
        );
    }

    /// `stream` in pieces that end at `cuts`.
    fn cut<'a>(stream: &'a [u8], cuts: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.extend([0, stream.len()]);
        ends.sort_unstable();
        ends.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect()
    }

    fn cuts() -> impl Strategy<Value = Vec<proptest::sample::Index>> {
        proptest::collection::vec(any::<proptest::sample::Index>(), 0..30)
    }

    #[test]
    fn requests_of_http_are_found_by_their_first_line() {
        for (line, expected) in [
            (&b"GET / HTTP/1.1"[..], true),
            (b"POST /a:1|c HTTP/1.0", true),
            (b"OPTIONS * HTTP/1.1", true),
            (b"CONNECT a:1 HTTP/2.0", true),
            (b"GET HTTP/1.1:1|c", true),
            (b"GET /index.html:1|c", false),
            (b"GET:1|c", false),
            (b"GET", false),
            (b"get / HTTP/1.1", false),
            (b"GETS / HTTP/1.1", false),
            (b" GET / HTTP/1.1", false),
            (b"", false),
        ] {
            assert_eq!(is_request(line, 100), expected, "{}", line.escape_ascii());
        }
        let long = [b"GET /", &[b'a'; 100][..]].concat();
        assert!(is_request(&long, 100) && !is_request(&long, 105));
        assert!(!is_request(&[b'G'; 200], 100));
        let (framed, ended) = read(Framing::Lines, &[b"a\nGET / HTTP/1.1\nb\n"], End::Whole);
        assert_eq!((framed.len(), ended), (3, Ok(true)), "only the first line counts");
        assert_eq!(read(Framing::Lines, &[b"GET a\n"], End::Whole).1, Ok(true));
    }

    proptest! {
        #[test]
        fn prop_any_cut_gives_the_same_start(
            first in prop_oneof![
                Just("GET / HTTP/1"), Just("GET HTTP"), Just("GET HTTP/"), Just("PUT 12345"), Just("PUT 123"), Just("PUT")
            ],
            end in prop_oneof![Just("\n"), Just("\r\n"), Just("")],
            cuts in cuts(),
        ) {
            let stream = format!("{first}{end}b\n");
            let whole = read(Framing::Lines, &[stream.as_bytes()], End::Whole);
            prop_assert_eq!(read(Framing::Lines, &cut(stream.as_bytes(), &cuts), End::Whole), whole);
        }

        #[test]
        fn prop_any_cut_gives_the_same_lines(
            stream in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), Just(b'b')], 0..200),
            cuts in cuts(),
            is_torn in any::<bool>(),
        ) {
            let end = if is_torn { End::Torn } else { End::Whole };
            prop_assert_eq!(lines(&cut(&stream, &cuts), end), lines(&[&stream], end));
        }

        #[test]
        fn prop_any_cut_gives_the_same_messages(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..10),
            more in proptest::collection::vec(any::<u8>(), 0..8),
            cuts in cuts(),
        ) {
            let stream = [contents.iter().flat_map(|content| message(content)).collect(), more].concat();
            let whole = read(Framing::Messages, &[&stream], End::Whole);
            prop_assert_eq!(&read(Framing::Messages, &cut(&stream, &cuts), End::Whole), &whole);
            prop_assert!(whole.0.len() >= contents.len());
        }
    }
}
