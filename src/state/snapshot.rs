//! The snapshot: a file with all values, for the time after a start of the machine.
//!
//! It is a row of numbers of 64 bits, little-endian: the head, the records, each with its length before it, a 0 in the place
//! of a length, how many records there are, and the CRC of all before it.

use std::io::{self, BufReader, Read, Seek, Write};

use crc32fast::Hasher;

use super::identity::{HEAD, Identity};

/// The first bytes of the file.
const MAGIC: u64 = u64::from_le_bytes(*b"statsnap");

/// The version of the format.
const VERSION: u64 = 1;

/// The numbers of the head.
const HEAD_WORDS: usize = 6;

/// The longest record, in numbers: a set or a summary has at most a seventh of this, and a name a fifth.
const MOST_WORDS: u64 = 1 << 17;

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// A number for the shape of all values. A program whose values have another shape cannot read the snapshot.
    pub layout: u64,
    /// The state that the snapshot belongs to.
    pub id: u64,
    /// The number of the arena beside it.
    pub serial: u32,
    /// What the clock told when it was made.
    pub clock: u32,
    /// When it was made, in seconds since 1970.
    pub made: u64,
}

/// A series in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What identifies it.
    pub identity: Identity,
    /// When the last sample came, in seconds of the clock.
    pub seen: u32,
    /// Whether the arena has its values too.
    pub is_in_arena: bool,
    /// Its values, as [`Cells::save`](crate::metric::Cells::save) gives them.
    pub values: Vec<u64>,
}

/// The bit of the number of values that says that the arena has them too.
const IN_ARENA: u64 = 1 << 63;

/// Writes a snapshot.
#[derive(Debug)]
pub struct SnapshotWriter<W> {
    out: W,
    hasher: Hasher,
    records: u64,
    bytes: Vec<u8>,
    words: Vec<u64>,
}

impl<W: Write> SnapshotWriter<W> {
    /// Begins a snapshot.
    pub fn begin(out: W, head: &SnapshotHead) -> io::Result<Self> {
        let mut writer = Self { out, hasher: Hasher::new(), records: 0, bytes: Vec::new(), words: Vec::new() };
        let SnapshotHead { layout, id, serial, clock, made } = *head;
        writer.write([MAGIC, VERSION, layout, id, u64::from(serial) << 32 | u64::from(clock), made])?;
        Ok(writer)
    }

    /// Adds a series.
    pub fn add(&mut self, identity: &Identity, seen: u32, is_in_arena: bool, values: &[u64]) -> io::Result<()> {
        let flag = if is_in_arena { IN_ARENA } else { 0 };
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        words.extend([0, u64::from(identity.created) << 32 | u64::from(seen), values.len() as u64 | flag]);
        words.extend_from_slice(values);
        if identity.encode(&mut words).is_some() {
            let len = words.len() as u64 - 1;
            words.first_mut().into_iter().for_each(|first| *first = len);
            self.records += 1;
            self.write(words.iter().copied())?;
        }
        self.words = words;
        Ok(())
    }

    /// Ends the snapshot, and gives what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.write([0, self.records])?;
        let crc = self.hasher.clone().finalize();
        self.write([u64::from(crc)])?;
        Ok(self.out)
    }

    fn write(&mut self, words: impl IntoIterator<Item = u64>) -> io::Result<()> {
        self.bytes.clear();
        self.bytes.extend(words.into_iter().flat_map(u64::to_le_bytes));
        self.hasher.update(&self.bytes);
        self.out.write_all(&self.bytes)
    }
}

/// Why a file is no snapshot that can be used.
#[derive(Debug)]
pub enum SnapshotError {
    /// It is cut off, or was changed.
    Damaged,
    /// Another version of the program has written it.
    OtherVersion,
    /// It could not be read.
    Unreadable(io::Error),
}

impl From<io::Error> for SnapshotError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged,
            _ => Self::Unreadable(error),
        }
    }
}

/// A snapshot whose CRC is right.
#[derive(Debug)]
pub struct SnapshotReader<R> {
    head: SnapshotHead,
    from: BufReader<R>,
}

impl<R: Read + Seek> SnapshotReader<R> {
    /// Reads a snapshot of this layout to its end, to see that it is whole; then its records can be read.
    pub fn open(mut from: R, layout: u64) -> Result<Self, SnapshotError> {
        check(BufReader::with_capacity(BUFFER, &mut from))?;
        Self::open_unchecked(from, layout)
    }

    /// The same for a file whose CRC was not compared. It gives some records, or none, whatever the file has.
    pub fn open_unchecked(mut from: R, layout: u64) -> Result<Self, SnapshotError> {
        from.rewind()?;
        let mut from = BufReader::with_capacity(BUFFER, from);
        let [magic, version, saved_layout, id, clock, made] = words::<HEAD_WORDS>(&mut from)?;
        if magic != MAGIC {
            return Err(SnapshotError::Damaged);
        }
        if version != VERSION || saved_layout != layout {
            return Err(SnapshotError::OtherVersion);
        }
        let (serial, clock) = ((clock >> 32) as u32, clock as u32);
        Ok(Self { head: SnapshotHead { layout, id, serial, clock, made }, from })
    }

    /// What it says of itself.
    pub fn head(&self) -> SnapshotHead {
        self.head
    }

    fn record(&mut self) -> Option<Record> {
        let [len] = words(&mut self.from).ok()?;
        if len == 0 || len > MOST_WORDS {
            return None;
        }
        let mut bytes = vec![0; len as usize * 8];
        self.from.read_exact(&mut bytes).ok()?;
        let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let (&[times, values], rest) = words.split_first_chunk()?;
        let is_in_arena = values & IN_ARENA != 0;
        let (values, identity) = rest.split_at_checked(usize::try_from(values & !IN_ARENA).ok()?)?;
        let identity = Identity::decode(identity, (times >> 32) as u32)?;
        Some(Record { identity, seen: times as u32, is_in_arena, values: values.to_vec() })
    }
}

impl<R: Read + Seek> Iterator for SnapshotReader<R> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.record()
    }
}

const BUFFER: usize = 256 << 10;

/// Whether the CRC at the end of a snapshot is that of all before it.
fn check(mut from: impl Read) -> Result<(), SnapshotError> {
    let mut hasher = Hasher::new();
    let mut last: Vec<u8> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer)?;
        last.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if read == 0 {
            break;
        }
        // The last eight bytes may be the CRC.
        let before = last.len().saturating_sub(8);
        hasher.update(last.get(..before).unwrap_or_default());
        last.drain(..before);
    }
    let crc = last.first_chunk().map(|crc| u64::from_le_bytes(*crc));
    if crc == Some(hasher.finalize().into()) { Ok(()) } else { Err(SnapshotError::Damaged) }
}

fn words<const N: usize>(from: &mut impl Read) -> io::Result<[u64; N]> {
    let mut words = [0; N];
    for word in &mut words {
        let mut bytes = [0; 8];
        from.read_exact(&mut bytes)?;
        *word = u64::from_le_bytes(bytes);
    }
    Ok(words)
}

const _: () = assert!(HEAD < MOST_WORDS as usize, "an identity fits into a record");

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use proptest::prelude::*;

    const SAMPLE_HEAD: SnapshotHead = SnapshotHead { layout: 1, id: 2, serial: 5, clock: 3, made: 4 };

    fn record() -> impl Strategy<Value = Record> {
        (any::<[String; 3]>(), any::<[u32; 2]>(), any::<[bool; 3]>(), prop::collection::vec(any::<u64>(), 0..20))
            .prop_map(|(parts, [created, seen], [is_overflow, is_declared, is_in_arena], values)| {
                let identity = Identity { parts, created, is_overflow, is_declared, ..Identity::default() };
                Record { identity, seen, is_in_arena, values }
            })
    }

    fn written(records: &[Record]) -> Vec<u8> {
        let mut writer = SnapshotWriter::begin(Vec::new(), &SAMPLE_HEAD).expect("memory can be written to");
        for Record { identity, seen, is_in_arena, values } in records {
            writer.add(identity, *seen, *is_in_arena, values).expect("memory can be written to");
        }
        writer.finish().expect("memory can be written to")
    }

    proptest! {
        #[test]
        fn prop_a_snapshot_is_read_as_it_was_written(records in prop::collection::vec(record(), 0..20)) {
            let snapshot = SnapshotReader::open(Cursor::new(written(&records)), 1).expect("a snapshot");
            prop_assert_eq!(snapshot.head(), SAMPLE_HEAD);
            prop_assert_eq!(snapshot.collect::<Vec<_>>(), records);
        }

        #[test]
        fn prop_a_changed_or_shorter_snapshot_is_refused(
            records in prop::collection::vec(record(), 0..5), at: prop::sample::Index, change in 1_u8..,
        ) {
            let mut bytes = written(&records);
            let at = at.index(bytes.len());
            let cut = Cursor::new(bytes[..at].to_vec());
            prop_assert!(SnapshotReader::open(cut, 1).is_err());
            bytes[at] ^= change;
            prop_assert!(SnapshotReader::open(Cursor::new(bytes.clone()), 1).is_err());
            // Without its CRC it may give wrong records, and never a panic.
            let _ = SnapshotReader::open_unchecked(Cursor::new(bytes), 1).map(Iterator::count);
        }
    }

    #[test]
    fn a_snapshot_of_another_layout_is_refused_as_such() {
        let bytes = written(&[]);
        assert!(matches!(SnapshotReader::open(Cursor::new(bytes), 2), Err(SnapshotError::OtherVersion)));
        assert!(matches!(SnapshotReader::open(Cursor::new(Vec::new()), 1), Err(SnapshotError::Damaged)));
    }
}
