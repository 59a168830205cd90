//! The memory of an arena's pieces: a file that is mapped, or memory of this process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::mapping::{self, PIECE, PIECE_WORDS};
use crate::sync::{AtomicU64, Mutex, Ordering};

/// Where the pieces are. Their numbers begin at 0.
#[derive(Debug)]
pub(super) enum PieceMemory {
    /// In a file, behind its header.
    File(File),
    /// In memory of this process.
    Own(OwnPieces),
}

impl PieceMemory {
    /// How many pieces there are.
    pub(super) fn count(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len().saturating_sub(PIECE as u64).div_ceil(PIECE as u64)),
            Self::Own(own) => Ok(own.0.lock().len() as u64),
        }
    }

    /// The first number of a piece; `None`: the file ends before it.
    pub(super) fn first(&self, number: u32) -> Option<u64> {
        match self {
            Self::File(file) => {
                let mut first = [0; 8];
                // A read, because to look at a mapped piece that was given back would take memory.
                file.read_exact_at(&mut first, in_file(number) * PIECE as u64).ok()?;
                Some(u64::from_le_bytes(first))
            }
            Self::Own(own) => Some(own.piece(number).first()?.load(Ordering::Acquire)),
        }
    }

    /// The numbers of a piece, which is made if there is none.
    pub(super) fn map(&self, number: u32) -> io::Result<&'static [AtomicU64]> {
        match self {
            Self::File(file) => mapping::map(file, in_file(number)),
            Self::Own(own) => Ok(own.piece(number)),
        }
    }

    /// Gives the memory of a piece back. Its numbers must not be used until it is mapped again.
    pub(super) fn give_back(&self, number: u32) {
        if let Self::File(file) = self {
            // Where it cannot be given back, it is used again.
            let _ = mapping::give_back(file, in_file(number));
        }
    }
}

/// The number of a piece in the file, whose first one has the header.
fn in_file(number: u32) -> u64 {
    u64::from(number) + 1
}

/// Pieces in memory of this process, which is never freed: for the model checker, Miri and the fuzz targets, which cannot map
/// a file, or not a million times.
#[derive(Clone, Debug, Default)]
pub struct OwnPieces(Arc<Mutex<Vec<&'static [AtomicU64]>>>);

impl OwnPieces {
    /// The numbers of a piece. It and those before it are made if there are none.
    pub fn piece(&self, number: u32) -> &'static [AtomicU64] {
        let mut pieces = self.0.lock();
        while pieces.len() <= number as usize {
            pieces.push(Box::leak((0..PIECE_WORDS).map(|_| AtomicU64::new(0)).collect()));
        }
        pieces.get(number as usize).copied().unwrap_or_default()
    }

    /// Sets all numbers to 0, as in a new file. No slot of an earlier arena may be used any more.
    pub fn clear(&self) {
        self.0.lock().iter().flat_map(|piece| piece.iter()).for_each(|word| word.store(0, Ordering::Relaxed));
    }
}
