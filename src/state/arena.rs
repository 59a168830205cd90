//! The arena: a file in memory that keeps the values of series when the process is killed.
//!
//! Each slot is the place of one series. Only one process has the file at a time.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::header::{ArenaHeader, HeaderError};
use super::identity::Identity;
use super::piece_memory::{OwnPieces, PieceMemory};
use super::slot::{self, Slot};
use super::space::{ArenaSize, ArenaSpace, rounded};

/// Slots in a file that several processes use, one after the other.
#[derive(Debug)]
pub struct Arena(Arc<ArenaSpace>);

/// A slot that an earlier process has left, with what identifies its series.
pub type LeftSlot = (Slot, Identity);

impl Arena {
    /// An arena in a new file.
    pub(super) fn create(file: File, header: &ArenaHeader) -> io::Result<Self> {
        file.set_len(0)?;
        header.write(&file)?;
        Ok(Self(ArenaSpace::new(PieceMemory::File(file)).into()))
    }

    /// The arena of an earlier process, and what it has left.
    pub(super) fn recover(file: File) -> Result<(Self, Vec<LeftSlot>), HeaderError> {
        Self::recover_all(PieceMemory::File(file))
    }

    /// An arena that no other process can have, and what an earlier one has left in these pieces.
    pub fn in_own_memory(pieces: OwnPieces) -> (Self, Vec<LeftSlot>) {
        match Self::recover_all(PieceMemory::Own(pieces)) {
            Ok(recovered) => recovered,
            Err(_) => unreachable!("memory of this process is always there"),
        }
    }

    fn recover_all(memory: PieceMemory) -> Result<(Self, Vec<LeftSlot>), HeaderError> {
        let space = Arc::new(ArenaSpace::new(memory));
        let mut found = Vec::new();
        for number in 0..u32::try_from(space.pieces_in_memory()?).map_err(|_| HeaderError::Damaged)? {
            space.recover(number, |place, words| {
                let slot = Slot::recover(&space, place, words);
                let is_taken = slot.is_some();
                found.extend(slot);
                is_taken
            })?;
        }
        Ok((Self(space), found))
    }

    /// A place for a new series with so many values, which are 0. `None`: there is no memory for it.
    pub fn allocate(&self, identity: &Identity, values: usize) -> Option<Slot> {
        self.allocate_with(identity, identity.created, std::iter::repeat_n(0, values))
    }

    /// A place for a series with these values, whose last sample came at `seen`. A kill leaves it with all of them or not at
    /// all.
    pub(crate) fn allocate_with(
        &self,
        identity: &Identity,
        seen: u32,
        values: impl ExactSizeIterator<Item = u64>,
    ) -> Option<Slot> {
        let len = rounded(slot::len(identity, values.len()))?;
        let (place, words) = self.0.place(len)?;
        Slot::publish(&self.0, place, words, identity, seen, values)
    }

    /// Leaves all series that are in it now to the next process, also those that are dropped from here on.
    pub fn leave(&self) {
        self.0.leave();
    }

    /// How much it has.
    pub fn size(&self) -> ArenaSize {
        self.0.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::mapping::PIECE;
    use crate::state::space::{PIECE_HEAD, PIECE_MAGIC};
    use crate::sync::Ordering;
    use proptest::prelude::*;

    /// How many slots a test makes. Miri is a thousand times slower than the processor.
    const MANY: usize = if cfg!(miri) { 60 } else { 5000 };

    fn file() -> File {
        rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).expect("a file in memory").into()
    }

    fn arena(file: &File) -> Arena {
        Arena::create(file.try_clone().expect("a descriptor"), &ArenaHeader::for_test()).expect("an arena")
    }

    fn recovered(file: &File) -> (Arena, Vec<LeftSlot>) {
        Arena::recover(file.try_clone().expect("a descriptor")).expect("an arena")
    }

    /// Gives the arena that is in a memory now.
    type Next = Box<dyn Fn() -> (Arena, Vec<LeftSlot>)>;

    /// Both kinds of memory. Miri cannot map a file.
    fn memories() -> Vec<Next> {
        let own = OwnPieces::default();
        let mut memories: Vec<Next> = vec![Box::new(move || Arena::in_own_memory(own.clone()))];
        if !cfg!(miri) {
            let file = file();
            drop(arena(&file));
            memories.push(Box::new(move || recovered(&file)));
        }
        memories
    }

    fn identity(name: &str) -> Identity {
        Identity { parts: [name.to_owned(), "a:b".to_owned(), String::new()], created: 7, ..Identity::default() }
    }

    fn set(slot: &Slot, value: u64) {
        slot.values().iter().for_each(|number| number.store(value, Ordering::Relaxed));
    }

    #[test]
    fn the_next_process_finds_the_values_and_reuses_the_places() {
        for next in memories() {
            let (arena, _) = next();
            let slots: Vec<_> =
                (0..MANY).map(|n| arena.allocate(&identity(&format!("name{n}")), 4).expect("room")).collect();
            slots.iter().zip(0..).for_each(|(slot, n)| set(slot, n));
            slots[3].touch(12);
            slots[3].touch(11);
            arena.leave();
            drop(slots);
            let size = arena.size();
            let (arena, mut found) = next();
            assert_eq!((arena.size(), found.len(), size.series), (size, MANY, MANY));
            found.sort_by_key(|(slot, _)| slot.values()[0].load(Ordering::Relaxed));
            for (n, (slot, saved)) in found.iter().enumerate() {
                assert_eq!(*saved, identity(&format!("name{n}")));
                assert_eq!(slot.values().len(), 4);
                assert_eq!(
                    (slot.values()[3].load(Ordering::Relaxed), slot.seen()),
                    (n as u64, if n == 3 { 12 } else { 7 })
                );
            }
            found.truncate(10);
            let more: Vec<_> =
                (0..MANY - 20).map(|n| arena.allocate(&identity(&format!("other{n}")), 4).expect("room")).collect();
            assert!(arena.size().bytes <= size.bytes, "the places of the others are used again");
            assert_eq!(more[0].values()[0].load(Ordering::Relaxed), 0, "and begin at 0");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "it has a file that is mapped")]
    fn pieces_without_series_take_no_memory_and_serve_any_length() {
        let file = file();
        let arena = self::arena(&file);
        let empty = arena.size();
        let blocks = |file: &File| std::os::unix::fs::MetadataExt::blocks(&file.metadata().expect("a size"));
        for values in [1, 4, 15, 300] {
            let slots: Vec<_> = (0..2000).map(|_| arena.allocate(&identity("a"), values).expect("room")).collect();
            assert!(arena.size().bytes >= 2000 * 8 * values);
            drop(slots);
            assert_eq!(arena.size(), empty);
            assert!(blocks(&file) * 512 <= PIECE as u64, "{} blocks", blocks(&file));
        }
        let (again, found) = recovered(&file);
        assert_eq!((again.size(), found.len()), (empty, 0));
    }

    #[test]
    fn a_slot_that_was_not_finished_or_is_damaged_is_free() {
        let pieces = OwnPieces::default();
        let (arena, _) = Arena::in_own_memory(pieces.clone());
        let slots: Vec<_> = (0..10).map(|n| arena.allocate(&identity(&n.to_string()), 1).expect("room")).collect();
        // One byte of each slot but the last changes: of the mark, the time it was made, the number of values, the parts.
        let len = rounded(slot::len(&identity("0"), 1)).expect("a length");
        for (slot, word, byte) in
            [(0, 0, 7), (1, 0, 0), (2, 0, 1), (3, 1, 7), (4, 3, 0), (5, 3, 7), (6, 4, 0), (7, 6, 0)]
        {
            let word = &pieces.piece(0)[PIECE_HEAD + slot * usize::from(len) + word];
            word.fetch_xor(0x11 << (8 * byte), Ordering::Relaxed);
        }
        arena.leave();
        drop(slots);
        let (arena, found) = Arena::in_own_memory(pieces);
        assert_eq!(found.len(), 2);
        assert_eq!(arena.size().series, 2);
    }

    #[test]
    fn a_removed_series_is_gone_before_its_last_reader_is() {
        let pieces = OwnPieces::default();
        let (arena, _) = Arena::in_own_memory(pieces.clone());
        let [old, new] = [1, 2].map(|value| {
            let slot = arena.allocate_with(&identity("a"), 9, [value].into_iter()).expect("room");
            if value == 1 {
                slot.withdraw();
            }
            slot
        });
        let (_, found) = Arena::in_own_memory(pieces);
        let found: Vec<_> =
            found.iter().map(|(slot, _)| (slot.values()[0].load(Ordering::Relaxed), slot.seen())).collect();
        assert_eq!(found, [(2, 9)]);
        drop((old, new));
    }

    proptest! {
        /// Whatever is in the memory: it is read without a panic, and what is found can be used and saved again.
        #[test]
        fn prop_any_piece_may_be_recovered(
            len in 0_u64..70, words in prop::collection::vec(prop_oneof![0..5_u64, 0..1_u64 << 34, any::<u64>()], 0..200),
        ) {
            let pieces = OwnPieces::default();
            let numbers = [PIECE_MAGIC | len].into_iter().chain(words);
            pieces.piece(0).iter().zip(numbers).for_each(|(word, number)| word.store(number, Ordering::Relaxed));
            let (arena, found) = Arena::in_own_memory(pieces);
            prop_assert_eq!(arena.size().series, found.len());
            found.iter().for_each(|(slot, _)| set(slot, 1));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "it has a file that is mapped")]
    fn a_file_of_any_length_is_recovered() {
        for len in [0, 1, 7, 8, PIECE as u64 - 1, PIECE as u64, 3 * PIECE as u64 + 5] {
            let file = file();
            let arena = self::arena(&file);
            let slot = arena.allocate(&identity("a"), 1).expect("room");
            arena.leave();
            file.set_len(PIECE as u64 + len).expect("another length");
            let (again, found) = recovered(&file);
            // The end of the piece is missing, and not the slot at its begin.
            assert_eq!(found.len(), usize::from(len > 8 * PIECE_HEAD as u64), "{len}");
            drop((slot, found));
            assert_eq!(again.size().series, 0);
        }
    }
}
