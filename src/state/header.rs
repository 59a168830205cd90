//! The header of the arena's file: whose it is, and since when its clock runs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::identity::checksum;

/// The first bytes of the file.
const MAGIC: u64 = u64::from_le_bytes(*b"statside");

/// The version of the format.
const VERSION: u64 = 1;

/// What the file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ArenaHeader {
    /// A number for the shape of all values. A program whose values have another shape cannot read the file.
    pub layout: u64,
    /// The start of the machine, by a number that the kernel gives it.
    pub boot: u128,
    /// The state that the arena and a snapshot belong to.
    pub id: u64,
    /// When the clock was at 0, in seconds after the start of the machine; below 0 if it was before.
    pub origin: i64,
    /// The number of the arena among those of the state, one after the other.
    pub serial: u32,
    /// How many processes have used the arena; 0: the first of them has still to make the series of the snapshot in it.
    pub generation: u32,
}

/// Why a file cannot be used as an arena.
#[derive(Debug)]
pub(super) enum HeaderError {
    /// It is empty, or the process that made it was killed before it had made the series of the snapshot in it. So the
    /// snapshot has more.
    Empty,
    /// It has another first word, or its CRC is wrong.
    Damaged,
    /// Another version of the program has written it.
    OtherVersion,
    /// It was written before the machine was started.
    OtherBoot,
    /// A later arena of the same state was in use since.
    Outdated,
    /// It could not be read.
    Unreadable(io::Error),
}

impl From<io::Error> for HeaderError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// The numbers of the header.
const WORDS: usize = 9;

impl ArenaHeader {
    /// Reads the header of a file, which must be of this layout and this start of the machine.
    pub(super) fn read(file: &File, layout: u64, boot: u128) -> Result<Self, HeaderError> {
        if file.metadata()?.len() == 0 {
            return Err(HeaderError::Empty);
        }
        let mut bytes = [0; WORDS * 8];
        file.read_exact_at(&mut bytes, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => HeaderError::Damaged,
            _ => HeaderError::Unreadable(error),
        })?;
        let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let &[magic, version, saved_layout, boot_low, boot_high, id, origin, generation, crc] = words.as_slice() else {
            return Err(HeaderError::Damaged);
        };
        let header = Self {
            layout: saved_layout,
            boot: u128::from(boot_high) << 64 | u128::from(boot_low),
            id,
            origin: origin as i64,
            serial: (generation >> 32) as u32,
            generation: generation as u32,
        };
        if magic != MAGIC {
            Err(HeaderError::Damaged)
        } else if version != VERSION {
            Err(HeaderError::OtherVersion)
        } else if crc != header.crc() {
            Err(HeaderError::Damaged)
        } else if header.layout != layout {
            Err(HeaderError::OtherVersion)
        } else if header.boot != boot {
            Err(HeaderError::OtherBoot)
        } else if header.generation == 0 {
            Err(HeaderError::Empty)
        } else {
            Ok(header)
        }
    }

    /// Writes the header.
    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        let words = self.words().into_iter().chain([self.crc()]);
        file.write_all_at(&words.flat_map(u64::to_le_bytes).collect::<Vec<u8>>(), 0)
    }

    fn words(&self) -> [u64; WORDS - 1] {
        let Self { layout, boot, id, origin, serial, generation } = *self;
        let generation = u64::from(serial) << 32 | u64::from(generation);
        [MAGIC, VERSION, layout, boot as u64, (boot >> 64) as u64, id, origin as u64, generation]
    }

    fn crc(&self) -> u64 {
        checksum(self.words()).into()
    }

    #[cfg(test)]
    pub(super) fn for_test() -> Self {
        Self { layout: 1, boot: 2 << 64 | 3, id: 4, origin: -5, serial: 7, generation: 6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).expect("a file in memory").into()
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let (file, header) = (file(), ArenaHeader::for_test());
        assert!(matches!(ArenaHeader::read(&file, 1, header.boot), Err(HeaderError::Empty)));
        header.write(&file).expect("a write");
        assert_eq!(ArenaHeader::read(&file, 1, header.boot).expect("a header"), header);
        assert!(matches!(ArenaHeader::read(&file, 2, header.boot), Err(HeaderError::OtherVersion)));
        assert!(matches!(ArenaHeader::read(&file, 1, 0), Err(HeaderError::OtherBoot)));
        ArenaHeader { generation: 0, ..header }.write(&file).expect("a write");
        assert!(matches!(ArenaHeader::read(&file, 1, header.boot), Err(HeaderError::Empty)), "it was never ready");
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (file, header) = (file(), ArenaHeader::for_test());
        for at in 0..WORDS as u64 * 8 {
            header.write(&file).expect("a write");
            let mut old = [0];
            file.read_exact_at(&mut old, at).expect("a byte");
            file.write_all_at(&[old[0] ^ 1], at).expect("a write");
            let expected = if (8..16).contains(&at) { HeaderError::OtherVersion } else { HeaderError::Damaged };
            let read = ArenaHeader::read(&file, 1, header.boot);
            assert_eq!(format!("{read:?}"), format!("{:?}", Err::<ArenaHeader, _>(expected)), "{at}");
        }
        file.set_len(20).expect("a shorter file");
        assert!(matches!(ArenaHeader::read(&file, 1, header.boot), Err(HeaderError::Damaged)));
    }
}
