//! The space of the arena: pieces of a file, and which of their slots are free.
//!
//! The file has a header and pieces. All slots of a piece have the same length.

use std::collections::BTreeMap;
use std::io;

use super::mapping::{PIECE, PIECE_WORDS};
use super::piece_memory::PieceMemory;
use crate::memory;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering};

/// The space for slots in memory that several processes use, one after the other.
#[derive(Debug)]
pub(super) struct ArenaSpace {
    memory: PieceMemory,
    pieces: Mutex<ArenaPieces>,
    /// 1 at the end of the process: its series are dropped, and must stay for the next one. `Relaxed`: the thread that ends
    /// the process sets it before it drops them.
    is_left: AtomicU32,
}

/// A place: the number of a piece, and that of a slot in it.
pub(super) type SlotPlace = (u32, u16);

#[derive(Debug, Default)]
struct ArenaPieces {
    /// The pieces by their numbers.
    all: Vec<ArenaPiece>,
    /// The pieces with free slots, by the length of their slots.
    open: BTreeMap<u16, Vec<u32>>,
    /// The pieces without slots.
    empty: Vec<u32>,
    /// How many slots are in use.
    slots: usize,
    /// How often there was no place for a series since there was one.
    refused: u32,
}

#[derive(Debug, Default)]
struct ArenaPiece {
    words: &'static [AtomicU64],
    /// How many numbers a slot has; 0: there are none.
    slot_len: u16,
    free: Vec<u16>,
}

/// The numbers before the slots of a piece.
pub(super) const PIECE_HEAD: usize = 8;

/// What the first number of a piece has beside the length of its slots.
pub(super) const PIECE_MAGIC: u64 = 0x5354_4154_0000_0000;

/// How many series a full arena refuses before it asks the system again.
const REFUSED_AT_ONCE: u32 = 256;

/// How much an arena has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArenaSize {
    /// The bytes that it takes.
    pub bytes: usize,
    /// How many series have a place in it.
    pub series: usize,
}

impl ArenaSpace {
    /// Space in this memory, without pieces.
    pub(super) fn new(memory: PieceMemory) -> Self {
        Self { memory, pieces: Mutex::default(), is_left: AtomicU32::new(0) }
    }

    /// How many pieces the memory has.
    pub(super) fn pieces_in_memory(&self) -> io::Result<u64> {
        self.memory.count()
    }

    /// Leaves all series that are in it now to the next process, also those that are dropped from here on.
    pub(super) fn leave(&self) {
        self.is_left.store(1, Ordering::Relaxed);
    }

    /// Whether the series in it are left to the next process.
    pub(super) fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed) != 0
    }

    /// How much it has.
    pub(super) fn size(&self) -> ArenaSize {
        let pieces = self.pieces.lock();
        ArenaSize { bytes: (pieces.all.len() - pieces.empty.len() + 1) * PIECE, series: pieces.slots }
    }

    /// Takes a free slot of this length.
    pub(super) fn place(&self, len: u16) -> Option<(SlotPlace, &'static [AtomicU64])> {
        let mut pieces = self.pieces.lock();
        let number = match pieces.open.get(&len).and_then(|open| open.last()) {
            Some(number) => *number,
            None => self.open_piece(&mut pieces, len)?,
        };
        let piece = pieces.all.get_mut(number as usize)?;
        let index = piece.free.pop()?;
        let words = slot_words(piece.words, len, index)?;
        if piece.free.is_empty() {
            pieces.close(len, number);
        }
        pieces.slots += 1;
        pieces.refused = 0;
        Some(((number, index), words))
    }

    /// Makes a piece for slots of this length.
    fn open_piece(&self, pieces: &mut ArenaPieces, len: u16) -> Option<u32> {
        if !pieces.refused.is_multiple_of(REFUSED_AT_ONCE) {
            pieces.refused = pieces.refused.wrapping_add(1).max(1);
            return None;
        }
        let number = pieces.empty.last().copied().unwrap_or(pieces.all.len() as u32);
        let Ok(words) = self.memory.map(number) else {
            pieces.refused += 1;
            return None;
        };
        memory::lent(PIECE);
        words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        words.first()?.store(PIECE_MAGIC | u64::from(len), Ordering::Release);
        pieces.empty.pop();
        pieces.insert(number, ArenaPiece { words, slot_len: len, free: (0..slots_of(len)).rev().collect() });
        Some(number)
    }

    /// Takes back the place of a series that is gone.
    pub(super) fn take_back(&self, number: u32, index: u16) {
        let mut pieces = self.pieces.lock();
        pieces.slots -= 1;
        let Some(piece) = pieces.all.get_mut(number as usize) else { return };
        piece.free.push(index);
        let (len, free) = (piece.slot_len, piece.free.len());
        if free == usize::from(slots_of(len)) {
            if let Some(mark) = piece.words.first() {
                mark.store(0, Ordering::Release);
            }
            *piece = ArenaPiece::default();
            pieces.close(len, number);
            pieces.empty.push(number);
            self.memory.give_back(number);
            memory::returned(PIECE);
        } else if free == 1 {
            pieces.open.entry(len).or_default().push(number);
        }
    }

    /// Reads a piece that an earlier process has left. `is_taken` is asked for each slot, and tells whether it is in use.
    pub(super) fn recover(
        &self,
        number: u32,
        mut is_taken: impl FnMut(SlotPlace, &'static [AtomicU64]) -> bool,
    ) -> io::Result<()> {
        let len = self.memory.first(number).and_then(|first| u16::try_from(first ^ PIECE_MAGIC).ok());
        let Some(len) = len.filter(|len| rounded((*len).into()) == Some(*len)) else {
            self.memory.give_back(number);
            let mut pieces = self.pieces.lock();
            pieces.insert(number, ArenaPiece::default());
            pieces.empty.push(number);
            return Ok(());
        };
        let words = self.memory.map(number)?;
        memory::lent(PIECE);
        let mut free = Vec::new();
        for index in (0..slots_of(len)).rev() {
            let words = slot_words(words, len, index).unwrap_or_default();
            if !is_taken((number, index), words) {
                words.first().inspect(|mark| mark.store(0, Ordering::Relaxed));
                free.push(index);
            }
        }
        let mut pieces = self.pieces.lock();
        pieces.slots += usize::from(slots_of(len)) - free.len();
        let is_open = !free.is_empty();
        pieces.insert(number, ArenaPiece { words, slot_len: len, free });
        if !is_open {
            pieces.close(len, number);
        }
        Ok(())
    }
}

impl ArenaPieces {
    fn insert(&mut self, number: u32, piece: ArenaPiece) {
        if piece.slot_len > 0 {
            self.open.entry(piece.slot_len).or_default().push(number);
        }
        match self.all.get_mut(number as usize) {
            Some(old) => *old = piece,
            None => self.all.push(piece),
        }
    }

    /// Notes that a piece has no free slot.
    fn close(&mut self, len: u16, number: u32) {
        if let Some(open) = self.open.get_mut(&len)
            && let Some(at) = open.iter().rposition(|other| *other == number)
        {
            open.swap_remove(at);
        }
    }
}

/// How many slots of this length a piece has.
fn slots_of(len: u16) -> u16 {
    ((PIECE_WORDS - PIECE_HEAD) / usize::from(len)) as u16
}

fn slot_words(piece: &'static [AtomicU64], len: u16, index: u16) -> Option<&'static [AtomicU64]> {
    let start = PIECE_HEAD + usize::from(len) * usize::from(index);
    piece.get(start..start + usize::from(len))
}

/// The length of the slots for so many numbers: at most an eighth longer, so that there are few lengths. `None`: it does not
/// fit into a piece.
pub(super) fn rounded(len: usize) -> Option<u16> {
    let step = (len.next_power_of_two() / 16).max(4);
    let len = len.next_multiple_of(step);
    (1..=PIECE_WORDS - PIECE_HEAD).contains(&len).then_some(len as u16)
}
