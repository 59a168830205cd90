//! The queue of one target: it packs lines into packets and keeps them until they are sent. Pure.
//!
//! Its memory is bounded: a full queue sheds its oldest packet first.

use std::collections::VecDeque;
use std::iter;
use std::mem;

use memchr::memchr;

/// How many bytes of packets one queue keeps at most: enough for a usual load while a target restarts.
pub(super) const LIMIT: usize = 8 * 1024 * 1024;

/// The largest payload of a datagram over IPv4.
const MAX_DATAGRAM: usize = 65_507;

/// The lines of `bytes` that are relayed: not empty, and not longer than `max_line`. They keep their `\r`, which the limit
/// does not count, and lose their `\n`.
pub(super) fn lines(bytes: &[u8], max_line: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let lines = iter::from_fn(move || {
        let whole = rest;
        if whole.is_empty() {
            return None;
        }
        let end = memchr(b'\n', whole).unwrap_or(whole.len());
        rest = whole.get(end + 1..).unwrap_or_default();
        whole.get(..end)
    });
    lines.filter(move |line| (1..=max_line).contains(&content(line).len()))
}

/// A line without the `\r` at its end.
pub(super) fn content(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Lines that are sent at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct QueuedPacket {
    pub(super) bytes: Vec<u8>,
    /// How many lines `bytes` has.
    pub(super) lines: u64,
}

/// How much was shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shed {
    pub(super) packets: u64,
    pub(super) lines: u64,
}

impl Shed {
    fn add(&mut self, packet: &QueuedPacket) {
        self.packets += 1;
        self.lines += packet.lines;
    }
}

/// How a target receives its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Datagrams that fit into one Ethernet frame, with `\n` between lines.
    Datagrams,
    /// A stream, with `\n` after each line.
    Stream,
}

impl Packing {
    /// The size to which packets are filled. Only a single long line makes a larger packet.
    fn size(self) -> usize {
        match self {
            Self::Datagrams => 1432,
            Self::Stream => 16 * 1024,
        }
    }
}

/// The packets of one target that are not sent yet.
#[derive(Debug)]
pub(super) struct Queue {
    packing: Packing,
    limit: usize,
    full: VecDeque<QueuedPacket>,
    /// The memory of the packets in `full`.
    held: usize,
    open: QueuedPacket,
}

impl Queue {
    /// An empty queue of `limit` bytes.
    pub(super) fn new(packing: Packing, limit: usize) -> Self {
        Self { packing, limit, full: VecDeque::new(), held: 0, open: QueuedPacket::default() }
    }

    /// Adds a line; gives what was shed for it.
    pub(super) fn push(&mut self, line: &[u8]) -> Shed {
        let mut shed = Shed::default();
        if self.packing == Packing::Datagrams && line.len() > MAX_DATAGRAM {
            return Shed { packets: 1, lines: 1 };
        }
        if self.open.lines > 0 && self.open.bytes.len() + 1 + line.len() > self.packing.size() {
            let packet = mem::take(&mut self.open);
            self.held += memory(&packet);
            self.full.push_back(packet);
            while self.held > self.limit
                && let Some(oldest) = self.full.pop_front()
            {
                self.held -= memory(&oldest);
                shed.add(&oldest);
            }
        }
        let QueuedPacket { bytes, lines } = &mut self.open;
        if *lines == 0 {
            bytes.reserve_exact(self.packing.size().max(line.len() + 1));
        } else if self.packing == Packing::Datagrams {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line);
        if self.packing == Packing::Stream {
            bytes.push(b'\n');
        }
        *lines += 1;
        shed
    }

    /// Whether no line waits to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.open.lines == 0
    }

    /// The oldest packet, even if it has room for more lines.
    pub(super) fn take(&mut self) -> Option<QueuedPacket> {
        match self.full.pop_front() {
            Some(packet) => {
                self.held -= memory(&packet);
                Some(packet)
            }
            None => (self.open.lines > 0).then(|| mem::take(&mut self.open)),
        }
    }

    /// Sheds everything.
    pub(super) fn shed_all(&mut self) -> Shed {
        let mut shed = Shed::default();
        while let Some(packet) = self.take() {
            shed.add(&packet);
        }
        shed
    }
}

/// The memory of a packet, including its place in the queue.
fn memory(packet: &QueuedPacket) -> usize {
    packet.bytes.capacity() + mem::size_of::<QueuedPacket>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(packing: Packing, lines: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut queue = Queue::new(packing, LIMIT);
        for line in lines {
            assert_eq!(queue.push(line), Shed::default());
        }
        iter::from_fn(|| queue.take()).map(|packet| packet.bytes).collect()
    }

    #[test]
    fn empty_and_long_lines_are_not_relayed() {
        let bytes = b"a:1|c\n\n\r\nb:1|c\r\n\xff\x00\ncccccccc\ncccccccc\r\nccccccccc\nend";
        let found: Vec<_> = lines(bytes, 8).collect();
        assert_eq!(found, [&b"a:1|c"[..], b"b:1|c\r", b"\xff\x00", b"cccccccc", b"cccccccc\r", b"end"]);
        assert_eq!(lines(b"", 8).count(), 0);
    }

    #[test]
    fn datagrams_have_line_ends_only_between_lines() {
        assert_eq!(packed(Packing::Datagrams, &[b"a", b"b\r"]), [b"a\nb\r"]);
        assert_eq!(packed(Packing::Stream, &[b"a", b"b\r"]), [b"a\nb\r\n"]);
        assert_eq!(packed(Packing::Datagrams, &[]), [b""; 0]);
    }

    #[test]
    fn datagrams_are_filled_to_the_last_byte() {
        let (half, other, long) = ([b'a'; 715], [b'b'; 716], [b'c'; 1433]);
        assert_eq!(packed(Packing::Datagrams, &[&half, &other]).len(), 1, "715 + 1 + 716 = 1432");
        assert_eq!(packed(Packing::Datagrams, &[&other, &other]).len(), 2);
        assert_eq!(
            packed(Packing::Datagrams, &[b"x", &long, b"y", b"z"]),
            [&b"x"[..], &long, b"y\nz"],
            "a long line is alone"
        );
    }

    #[test]
    fn a_line_too_long_for_a_datagram_is_shed_at_once() {
        let mut queue = Queue::new(Packing::Datagrams, LIMIT);
        assert_eq!(queue.push(&vec![b'a'; MAX_DATAGRAM + 1]), Shed { packets: 1, lines: 1 });
        assert!(queue.is_empty());
        assert_eq!(queue.push(&vec![b'a'; MAX_DATAGRAM]), Shed::default());
        let mut stream = Queue::new(Packing::Stream, LIMIT);
        assert_eq!(stream.push(&vec![b'a'; MAX_DATAGRAM + 1]), Shed::default());
    }

    #[test]
    fn the_oldest_packets_are_shed_to_bound_the_memory() {
        let mut queue = Queue::new(Packing::Datagrams, 10_000);
        let mut shed = Shed::default();
        for n in 0..1000 {
            let more = queue.push(format!("{n:0100}").as_bytes());
            shed = Shed { packets: shed.packets + more.packets, lines: shed.lines + more.lines };
            assert!(queue.held <= 10_000);
        }
        assert!(shed.lines > 0 && shed.lines == shed.packets * 14, "14 lines of 100 bytes are 1413");
        let first = queue.take().unwrap();
        assert!(
            first.bytes.starts_with(format!("{:0100}", shed.lines).as_bytes()),
            "the oldest line that was not shed"
        );
        let left = queue.shed_all();
        assert_eq!(left.lines + first.lines + shed.lines, 1000);
        assert_eq!((queue.held, queue.is_empty()), (0, true));
    }

    proptest! {
        #[test]
        fn prop_lines_stay_as_they_were(
            text in prop::collection::vec(prop_oneof![6 => any::<u8>(), 1 => Just(b'\n')], 0..3000),
            is_stream: bool,
        ) {
            let packing = if is_stream { Packing::Stream } else { Packing::Datagrams };
            let expected: Vec<_> = lines(&text, usize::MAX).collect();
            let packets = packed(packing, &expected);
            for packet in &packets {
                prop_assert!(packet.len() <= packing.size() || lines(packet, usize::MAX).count() == 1);
            }
            let found: Vec<_> = packets.iter().flat_map(|packet| lines(packet, usize::MAX)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
